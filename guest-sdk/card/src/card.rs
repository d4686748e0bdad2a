//! The model card: who made the model, from what, and its schema.

use crate::{CheckKind, Checks, Invalid, Schema, shortened};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The card that travels inside a component, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "Model card of Scry"))]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of this format: 1.
    #[cfg_attr(feature = "schema", schemars(extend("const" = 1)))]
    pub card_version: u32,
    /// The model's name: lower-case letters, digits, `-` and `_`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")))]
    pub name: String,
    /// Version of the crate that it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crate_version: Option<String>,
    /// What the model predicts, for people.
    pub description: String,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// SPDX expression.
    #[serde(alias = "licence", skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Start of the training data, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_from: Option<String>,
    /// End of the training data, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_until: Option<String>,
    /// When it was trained, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_at: Option<String>,
    /// How long after `data_until` the model is still to be trusted: an ISO 8601
    /// duration such as `P90D` or `PT12H`.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^P(?=.)([0-9]+W)?([0-9]+D)?(T(?=.)([0-9]+H)?([0-9]+M)?([0-9]+S)?)?$"))
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// What else is to be known of it: where it was trained, from which commit, how good it was.
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = LABELS_MAX)))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Digest of the runtime that an imported model runs in, of Scry's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// What it reads and answers.
    pub schema: Schema,
    /// What is checked beyond the schema, and what follows.
    #[serde(default, skip_serializing_if = "Checks::is_empty")]
    pub checks: Checks,
}

/// The largest card, in bytes of JSON.
const CARD_MAX_BYTES: usize = 4 << 20;
/// Labels of one model.
const LABELS_MAX: usize = 64;
const LABEL_NAME_MAX_BYTES: usize = 64;
const LABEL_MAX_BYTES: usize = 1 << 10;

/// Why a card is not one.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// Larger than any card needs to be.
    #[error("the model card: expected at most {CARD_MAX_BYTES} bytes, found {0}")]
    TooLarge(usize),
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
    /// Checks that contradict the schema or themselves.
    #[error("the checks are wrong: {0}")]
    Checks(Invalid),
    /// More labels than anyone reads, or longer ones.
    #[error(
        "labels: expected at most {LABELS_MAX}, with names of 1 to {LABEL_NAME_MAX_BYTES} bytes and values of at most \
         {LABEL_MAX_BYTES}, found {0}"
    )]
    Labels(String),
    /// An age that is not a number of seconds.
    #[error("max_age: expected an ISO 8601 duration of weeks, days and times, such as P90D or PT12H, found `{0}`")]
    MaxAge(String),
}

impl Card {
    /// The format that this crate reads and writes.
    pub const VERSION: u32 = 1;

    /// Reads and checks the card of a new component, which keeps to the limits of today.
    pub fn from_new_json(json: &[u8]) -> Result<Self, CardError> {
        if json.len() > CARD_MAX_BYTES {
            return Err(CardError::TooLarge(json.len()));
        }
        let card = Self::from_json(json)?;
        card.schema.check_size().map_err(CardError::Schema)?;
        Ok(card)
    }

    /// Reads and checks a card, however large.
    pub fn from_json(json: &[u8]) -> Result<Self, CardError> {
        let card: Self = serde_json::from_slice(json)?;
        card.validate()?;
        Ok(card)
    }

    /// Checks version, name, age, schema and checks.
    pub fn validate(&self) -> Result<(), CardError> {
        if self.card_version != Self::VERSION {
            return Err(CardError::Version(self.card_version));
        }
        if !is_model_name(&self.name) {
            return Err(CardError::Name(self.name.clone()));
        }
        if let Some(text) = self.max_age.as_ref().filter(|text| duration_seconds(text).is_none()) {
            return Err(CardError::MaxAge(text.clone()));
        }
        self.check_labels()?;
        self.schema.validate().map_err(CardError::Schema)?;
        if self.max_age.is_none() && self.checks.policies.contains_key(&CheckKind::Stale) {
            let wrong = Invalid::new(CheckKind::Form, "policies", "max_age beside a policy for `stale`", "none");
            return Err(CardError::Checks(wrong));
        }
        self.checks.validate(&self.schema).map_err(CardError::Checks)
    }

    fn check_labels(&self) -> Result<(), CardError> {
        if self.labels.len() > LABELS_MAX {
            return Err(CardError::Labels(format!("{} labels", self.labels.len())));
        }
        let fits = |(name, value): &(&String, &String)| {
            (1..=LABEL_NAME_MAX_BYTES).contains(&name.len()) && value.len() <= LABEL_MAX_BYTES
        };
        match self.labels.iter().find(|label| !fits(label)) {
            None => Ok(()),
            Some((name, value)) => {
                let name = shortened(name.clone(), LABEL_NAME_MAX_BYTES);
                Err(CardError::Labels(format!("{} bytes in `{name}`", value.len())))
            }
        }
    }
}

/// An ISO 8601 duration in seconds. Years and months are none here, since they
/// have no length of their own; nor are fractions.
pub fn duration_seconds(text: &str) -> Option<u64> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (text.strip_prefix('P')?, None),
    };
    let days_seconds = components_seconds(days, &[('W', 604_800), ('D', 86_400)])?;
    let time_seconds = match time {
        Some("") => return None,
        Some(time) => components_seconds(time, &[('H', 3_600), ('M', 60), ('S', 1)])?,
        None if days.is_empty() => return None,
        None => 0,
    };
    days_seconds.checked_add(time_seconds)
}

/// Numbers with their units, each unit once at most and in this order.
fn components_seconds(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut total = 0_u64;
    for &(unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(unit) {
            if !number.chars().all(|c| c.is_ascii_digit()) {
                return None;
            }
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(total)
}

/// Whether a text can be a model's name.
pub fn is_model_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 64 && name.starts_with(plain) && name.chars().all(|c| plain(c) || c == '-' || c == '_')
}
