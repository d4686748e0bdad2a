//! A DSSE envelope: a payload, and who has signed it. The signature covers the payload's type and its bytes as they are,
//! so nothing is parsed that was not verified.

use super::statement::{self, is_type};
use super::{KeyId, PublicKey, SecretKey, SignatureError};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD as PADDED};
use scry_card::strict;
use scry_names::Digest;
use serde::{Deserialize, Serialize};

/// The longest envelope, in bytes.
pub const ENVELOPE_MAX_BYTES: usize = 8 << 10;
/// Signatures that an envelope may have: each is tried with each trusted key.
pub const SIGNATURES_MAX: usize = 8;
/// What the name of a component's envelope has beside the component's own: `churn.wasm.dsse.json`.
pub const ENVELOPE_SUFFIX: &str = ".dsse.json";
/// Media type of an envelope in a registry.
pub const MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Both alphabets are allowed, and padding may be left out.
const ENGINES: [GeneralPurpose; 2] = {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [GeneralPurpose::new(&STANDARD, config), GeneralPurpose::new(&URL_SAFE, config)]
};

/// The envelope as it is written. Members that are not known are tolerated, as DSSE has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    payload: String,
    payload_type: String,
    signatures: Vec<WrittenSignature>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenSignature {
    /// A hint that counts for nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

/// An envelope that reads. Whether it is true, [`super::TrustedKeys`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    signatures: Vec<Vec<u8>>,
    keyids: Vec<String>,
}

impl Envelope {
    /// Reads an envelope around a statement; verifies nothing.
    pub fn read(json: &[u8]) -> Result<Self, SignatureError> {
        if json.len() > ENVELOPE_MAX_BYTES {
            return Err(SignatureError::TooLarge(json.len()));
        }
        let written: Written = strict::from_slice(json).map_err(SignatureError::Envelope)?;
        is_type("payloadType", PAYLOAD_TYPE, &written.payload_type)?;
        if !(1..=SIGNATURES_MAX).contains(&written.signatures.len()) {
            return Err(SignatureError::Count(written.signatures.len()));
        }
        let payload = decoded("payload", &written.payload)?;
        let signatures = written.signatures.iter().map(|signature| decoded("sig", &signature.sig));
        Ok(Self {
            payload,
            signatures: signatures.collect::<Result<_, _>>()?,
            keyids: written.signatures.iter().filter_map(|signature| signature.keyid.clone()).collect(),
        })
    }

    /// Signs a component by its digest, which `name` is for people beside it; an envelope in JSON, on one line.
    pub fn sign(key: &SecretKey, name: &str, component: &Digest) -> Result<Vec<u8>, serde_json::Error> {
        let payload = statement::write(name, component)?;
        let signature = key.sign(&signed_bytes(&payload));
        let mut json = serde_json::to_vec(&Written {
            payload: PADDED.encode(&payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: vec![WrittenSignature {
                keyid: Some(key.public().id().to_string()),
                sig: PADDED.encode(signature),
            }],
        })?;
        json.push(b'\n');
        Ok(json)
    }

    /// An envelope as the value of a header: base64 of its JSON.
    pub fn to_header(json: &[u8]) -> String {
        PADDED.encode(json)
    }

    /// The JSON of an envelope that came as the value of a header.
    pub fn from_header(text: &str) -> Result<Vec<u8>, SignatureError> {
        if text.len() > ENVELOPE_MAX_BYTES * 2 {
            return Err(SignatureError::TooLarge(text.len()));
        }
        decoded("scry-signature", text)
    }

    /// Who claims to have signed it.
    pub fn claimed(&self) -> &[String] {
        &self.keyids
    }

    /// How many signatures it has.
    pub fn signatures(&self) -> usize {
        self.signatures.len()
    }

    /// Whether its statement is about this component; who says so is not looked at.
    pub fn is_about(&self, component: &Digest) -> Result<(), SignatureError> {
        statement::check(&self.payload, component)
    }

    /// The first of these keys that has signed it.
    pub(super) fn signer<'a>(&self, mut keys: impl Iterator<Item = &'a PublicKey>) -> Option<KeyId> {
        let bytes = signed_bytes(&self.payload);
        let has_signed = |key: &&PublicKey| self.signatures.iter().any(|signature| key.has_signed(&bytes, signature));
        keys.find(has_signed).map(PublicKey::id)
    }
}

/// What a signature is of.
fn signed_bytes(payload: &[u8]) -> Vec<u8> {
    pre_authentication_encoding(PAYLOAD_TYPE, payload)
}

/// DSSE's encoding: a signature of one payload is none of another, of whatever type.
fn pre_authentication_encoding(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn decoded(member: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    let read = ENGINES.iter().find_map(|engine| engine.decode(text).ok());
    read.ok_or_else(|| SignatureError::Envelope(strict::Error::wrong("base64", "another text").within(member)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of DSSE's protocol.
    #[test]
    fn the_encoding_is_the_one_of_the_protocol() {
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
