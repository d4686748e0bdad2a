//! A token as it is kept. Never shows or holds the token itself.

use sha2::{Digest, Sha256};
use std::fmt;
use subtle::{Choice, ConstantTimeEq};

/// A token's SHA-256. It has no `==`: the one way to compare two takes the same time whatever they are.
#[derive(Clone, Copy)]
pub struct TokenDigest([u64; 4]);

impl TokenDigest {
    /// Of a token as a client sends it.
    pub fn of(token: &str) -> Self {
        Self::from_bytes(Sha256::digest(token).into())
    }

    fn from_bytes(bytes: [u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut all = [0; 4];
        all.iter_mut().zip(words).for_each(|(all, word)| *all = u64::from_be_bytes(*word));
        Self(all)
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let (digits, rest) = text.as_bytes().as_chunks::<16>();
        let all: Vec<u64> = digits
            .iter()
            .map(|digits| {
                let digits = std::str::from_utf8(digits).ok()?;
                digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
                u64::from_str_radix(digits, 16).ok()
            })
            .collect::<Option<_>>()?;
        rest.is_empty().then_some(())?;
        all.try_into().ok().map(Self)
    }
}

impl ConstantTimeEq for TokenDigest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// What a token file holds.
impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}
