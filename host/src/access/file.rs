//! The token file: what `scry token` writes and a host follows. Holds hashes, never a token.

use super::{Rate, Scope, TokenDigest};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;

/// Tokens that a file may have: each request is compared with all of them.
pub const TOKENS_MAX: usize = 1000;
/// Scopes that a token may have.
const SCOPES_MAX: usize = 100;
/// A clock of a nanosecond counts no more requests than this in a second.
const RATE_MAX: u32 = 1_000_000;

/// Characters of an error of the file's form.
const ERROR_MAX_CHARS: usize = 1000;

/// The beginning of a file that `scry token` writes.
pub const FILE_HEADER: &str = "\
# The tokens of a Scry host, by name. Written by `scry token`, which leaves out other comments.
# It holds the tokens' SHA-256: a token itself is shown once, when it is made.

";

/// A file's tokens, by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenFile {
    /// The names are those that the history shows.
    pub tokens: BTreeMap<String, Entry>,
}

/// A token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// 64 hexadecimal digits.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub sha256: TokenDigest,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// How often it may ask, in the long run; without it, as often as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<NonZeroU32>,
    /// How many requests may come at once. As many as in a second, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// Not TOML, an unknown key, a wrong type.
    #[error("{0}")]
    Unreadable(String),
    /// Something of one token, or of all.
    #[error("`{key}`: expected {expected}, found {found}")]
    Value {
        /// The key, with its tables.
        key: String,
        /// What may be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

fn read_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TokenDigest, D::Error> {
    let text = String::deserialize(deserializer)?;
    TokenDigest::from_hex(&text).ok_or_else(|| D::Error::custom("sha256: expected 64 hexadecimal digits"))
}

fn write_digest<S: Serializer>(digest: &TokenDigest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

/// Whether a token may have this name.
pub fn is_token_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
}

impl Entry {
    /// How often it may ask.
    pub fn rate(&self) -> Option<Rate> {
        let requests_per_second = self.requests_per_second?;
        Some(Rate { requests_per_second, burst: self.burst.unwrap_or(requests_per_second) })
    }

    fn check(&self, name: &str) -> Result<(), TokenFileError> {
        let key = |key: &str| format!("tokens.{name}.{key}");
        let many = format!("{} scopes", self.scopes.len());
        check((1..=SCOPES_MAX).contains(&self.scopes.len()), || key("scopes"), "1 to 100 scopes", many)?;
        for (part, value) in [("requests_per_second", self.requests_per_second), ("burst", self.burst)] {
            let value = value.map_or(1, NonZeroU32::get);
            check(value <= RATE_MAX, || key(part), "1 to 1000000", value.to_string())?;
        }
        let is_limited = self.burst.is_none() || self.requests_per_second.is_some();
        check(is_limited, || key("requests_per_second"), "a number beside `burst`", "none".into())
    }
}

impl TokenFile {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, TokenFileError> {
        // The error shows its line, however long that is.
        let unreadable = |error: toml::de::Error| error.to_string().chars().take(ERROR_MAX_CHARS).collect();
        let file: Self = toml::from_str(text).map_err(|error| TokenFileError::Unreadable(unreadable(error)))?;
        file.check()?;
        Ok(file)
    }

    /// Checks what types do not.
    pub fn check(&self) -> Result<(), TokenFileError> {
        let tokens = || "tokens".to_owned();
        check(self.tokens.len() <= TOKENS_MAX, tokens, "at most 1000 tokens", self.tokens.len().to_string())?;
        for (name, entry) in &self.tokens {
            let shown: String = name.chars().take(80).collect();
            check(is_token_name(name), tokens, "names of 1 to 64 of `A-Za-z0-9-_.`", format!("`{shown}`"))?;
            entry.check(name)?;
            let is_same = |other: &Entry| bool::from(other.sha256.ct_eq(&entry.sha256));
            let twin = self.tokens.iter().find(|(other, entry)| *other != name && is_same(entry));
            let found = twin.map(|(twin, _)| format!("that of `{twin}`")).unwrap_or_default();
            check(twin.is_none(), || format!("tokens.{name}.sha256"), "a token of its own", found)?;
        }
        Ok(())
    }

    /// The file's text.
    pub fn to_toml(&self) -> Result<String, TokenFileError> {
        self.check()?;
        let text = toml::to_string(self).map_err(|error| TokenFileError::Unreadable(error.to_string()))?;
        Ok(format!("{FILE_HEADER}{text}"))
    }
}

fn check(
    holds: bool,
    key: impl FnOnce() -> String,
    expected: &'static str,
    found: String,
) -> Result<(), TokenFileError> {
    if holds { Ok(()) } else { Err(TokenFileError::Value { key: key(), expected, found }) }
}
