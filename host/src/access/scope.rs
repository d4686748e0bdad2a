//! What a token may do, and how that is written.

use super::Need;
use scry_card::is_model_name;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One thing that a token may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// Ask these models, and see what is said of them: `predict`, `predict:fraud`, `predict:fraud-*`.
    Predict(Models),
    /// See what is served, and what was.
    Read,
    /// Scrape the metrics.
    Metrics,
    /// Give the host components.
    Publish,
    /// Change which versions are served, and how.
    Deploy,
    /// Everything.
    Admin,
}

/// Models by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Models {
    /// Each there is and will be.
    All,
    /// Those whose name begins like this.
    Prefix(String),
    /// One.
    One(String),
}

impl Models {
    /// Whether a model of this name is one of them.
    pub fn contain(&self, model: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => model.starts_with(prefix.as_str()),
            Self::One(name) => model == name,
        }
    }
}

impl Scope {
    /// Whether this is enough for that.
    pub fn meets(&self, need: &Need) -> bool {
        match (self, need) {
            (Self::Admin, _) | (_, Need::Nothing | Need::Token) => true,
            (Self::Predict(models), Need::Predict(model) | Need::Describe(model)) => models.contain(model),
            (Self::Predict(models), Need::PredictAll) => *models == Models::All,
            (Self::Read, Need::Read | Need::Describe(_)) => true,
            (Self::Metrics, Need::Metrics) | (Self::Publish, Need::Publish) | (Self::Deploy, Need::Deploy) => true,
            _ => false,
        }
    }
}

/// A text that is no scope.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "scope: expected `predict`, `predict:MODEL`, `predict:PREFIX*`, `read`, `metrics`, `publish`, `deploy` or `admin`, \
     found `{0}`"
)]
pub struct ScopeError(String);

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let wrong = || ScopeError(text.chars().take(80).collect());
        let models = |models: &str| match models.strip_suffix('*') {
            Some(prefix) if is_model_name(prefix) => Ok(Models::Prefix(prefix.into())),
            None if is_model_name(models) => Ok(Models::One(models.into())),
            _ => Err(wrong()),
        };
        Ok(match text {
            "predict" => Self::Predict(Models::All),
            "read" => Self::Read,
            "metrics" => Self::Metrics,
            "publish" => Self::Publish,
            "deploy" => Self::Deploy,
            "admin" => Self::Admin,
            _ => Self::Predict(text.strip_prefix("predict:").ok_or_else(wrong).and_then(models)?),
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Predict(Models::All) => f.write_str("predict"),
            Self::Predict(Models::Prefix(prefix)) => write!(f, "predict:{prefix}*"),
            Self::Predict(Models::One(name)) => write!(f, "predict:{name}"),
            Self::Read => f.write_str("read"),
            Self::Metrics => f.write_str("metrics"),
            Self::Publish => f.write_str("publish"),
            Self::Deploy => f.write_str("deploy"),
            Self::Admin => f.write_str("admin"),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}
