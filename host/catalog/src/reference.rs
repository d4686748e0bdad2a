//! Names for versions: `fraud`, `fraud@champion`, `fraud@3`, `fraud@sha256:…`.

use scry_names::Digest;
use scry_names::text::whole_number;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A model, and which of its versions; without one, the live version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The model's name.
    pub model: String,
    /// Which version.
    pub version: Option<VersionRef>,
}

/// One version of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionRef {
    /// By number.
    Number(u32),
    /// By a name that operators move.
    Alias(String),
    /// By content.
    Digest(Digest),
}

/// A text that is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a reference: write a number, an alias or `sha256:…`, after `model@` where another model is meant"
)]
pub struct ReferenceError(String);

pub(super) fn is_alias(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(plain)
}

impl FromStr for VersionRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if let Ok(digest) = text.parse() {
            return Ok(Self::Digest(digest));
        }
        match whole_number(text) {
            Some(number) if number > 0 => Ok(Self::Number(number)),
            None if is_alias(text) => Ok(Self::Alias(text.to_owned())),
            _ => Err(ReferenceError(text.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Alias(alias) => f.write_str(alias),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (model, version) = match text.split_once('@') {
            Some((model, version)) => (model, Some(version.parse()?)),
            None => (text, None),
        };
        if model.is_empty() || model.len() > 64 {
            return Err(ReferenceError(text.chars().take(80).collect()));
        }
        Ok(Self { model: model.to_owned(), version })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model)?;
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

macro_rules! serde_as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(Reference);

impl Serialize for VersionRef {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            other => serializer.collect_str(other),
        }
    }
}

impl<'de> Deserialize<'de> for VersionRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a version: a number from 1, an alias or `sha256:…`")]
        enum Written {
            Number(u32),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) if number > 0 => Ok(Self::Number(number)),
            Written::Number(_) => Err(serde::de::Error::custom("expected a version from 1, found 0")),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}
