//! The model card: who made the model, from what, and its schema.

use crate::{Invalid, Schema};
use serde::{Deserialize, Serialize};

/// The card that travels inside a component, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of this format: 1.
    pub card_version: u32,
    /// The model's name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// What the model predicts, for people.
    pub description: String,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// SPDX expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Start of the training data, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_from: Option<String>,
    /// End of the training data, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_until: Option<String>,
    /// When it was trained, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_at: Option<String>,
    /// How old the data may get, from `data_until` on: an ISO 8601 duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// What it reads and answers.
    pub schema: Schema,
}

/// Why a card is not one.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// Not JSON, or not of the card's form.
    #[error("the model card is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Written by a newer Scry.
    #[error("the model card has version {0}; this Scry reads version 1")]
    Version(u32),
    /// A name that could not stand in a URL.
    #[error("`{0}` is not a model name: use 1 to 64 of a-z, 0-9, `-`, `_`, starting with a letter or digit")]
    Name(String),
    /// A schema that contradicts itself.
    #[error("the schema is wrong: {0}")]
    Schema(Invalid),
}

impl Card {
    /// The format that this crate reads and writes.
    pub const VERSION: u32 = 1;

    /// Reads and checks a card.
    pub fn from_json(json: &[u8]) -> Result<Self, CardError> {
        let card: Self = serde_json::from_slice(json)?;
        card.validate()?;
        Ok(card)
    }

    /// Checks version, name and schema.
    pub fn validate(&self) -> Result<(), CardError> {
        if self.card_version != Self::VERSION {
            return Err(CardError::Version(self.card_version));
        }
        if !is_model_name(&self.name) {
            return Err(CardError::Name(self.name.clone()));
        }
        self.schema.validate().map_err(CardError::Schema)
    }
}

/// Whether a text can be a model's name.
pub fn is_model_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 64 && name.starts_with(plain) && name.chars().all(|c| plain(c) || c == '-' || c == '_')
}
