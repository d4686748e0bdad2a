//! Ed25519 keys in PEM, as OpenSSL writes them: PKCS#8 for the private key, SubjectPublicKeyInfo for the public one.

use super::KeyError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use scry_names::Digest;
use serde::Serialize;
use std::fmt;

/// The longest file of a key, comments included.
pub const KEY_MAX_BYTES: usize = 16 << 10;

/// What stands before the 32 bytes of a private key (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What stands before the 32 bytes of a public key (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
const BEGIN_PUBLIC: &[u8] = b"-----BEGIN PUBLIC KEY-----";

/// A key by its SHA-256: of the public key in DER, as `openssl pkey -pubin -outform DER | sha256sum` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Digest);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whose signatures can be checked with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads the one public key of a text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        bounded(pem)?;
        let count = pem.windows(BEGIN_PUBLIC.len()).filter(|text| *text == BEGIN_PUBLIC).count();
        if count > 1 {
            return Err(KeyError::Several(count));
        }
        let hint = if holds(pem, PRIVATE) { "; this is a private key, which stays with the signer" } else { "" };
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::Pem { expected: PUBLIC, hint })?;
        after(&SPKI_PREFIX, &der).map(Self).ok_or(KeyError::Algorithm)
    }

    /// The key as a file has it.
    pub fn to_pem(&self) -> String {
        pem(PUBLIC, &self.to_der())
    }

    /// The name under which it is known everywhere.
    pub fn id(&self) -> KeyId {
        KeyId(Digest::of(&self.to_der()))
    }

    /// Whether it has signed these bytes.
    pub(super) fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(bytes, signature).is_ok()
    }

    fn to_der(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.0].concat()
    }
}

/// What signs. Never shown but by [`Self::to_pem`].
pub struct SecretKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("id", &self.public.id()).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// Makes a key of the system's random bits.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::Entropy)?;
        Self::of(seed)
    }

    /// Reads the first private key of a text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        bounded(pem)?;
        let hint = match () {
            () if holds(pem, "ENCRYPTED PRIVATE KEY") => "; this one is encrypted: decrypt it with `openssl pkey`",
            () if holds(pem, PUBLIC) => "; this is a public key, which cannot sign",
            () => "",
        };
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError::Pem { expected: PRIVATE, hint })?;
        Self::of(after(&PKCS8_PREFIX, der.secret_pkcs8_der()).ok_or(KeyError::Algorithm)?)
    }

    fn of(seed: [u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Algorithm)?;
        let public = pair.public_key().as_ref().try_into().map(PublicKey).map_err(|_| KeyError::Algorithm)?;
        Ok(Self { seed, pair, public })
    }

    /// The key as a file has it: a secret.
    pub fn to_pem(&self) -> String {
        pem(PRIVATE, &[PKCS8_PREFIX.as_slice(), &self.seed].concat())
    }

    /// What others check its signatures with.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

fn bounded(pem: &[u8]) -> Result<(), KeyError> {
    if pem.len() > KEY_MAX_BYTES { Err(KeyError::TooLarge) } else { Ok(()) }
}

/// The 32 bytes of a key, if nothing else stands around them.
fn after(prefix: &[u8], der: &[u8]) -> Option<[u8; 32]> {
    der.strip_prefix(prefix)?.try_into().ok()
}

fn holds(pem: &[u8], label: &str) -> bool {
    String::from_utf8_lossy(pem).contains(&format!("-----BEGIN {label}-----"))
}

/// Either key is one line of base64.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}
