//! What can be wrong, and what may follow from it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// A value must be there.
    Missing,
    /// A number must be neither NaN nor infinite.
    Finite,
    /// A number must be within the field's minimum and maximum.
    Range,
    /// A text must be one of the field's categories.
    Category,
    /// A text must not be too long.
    Length,
    /// Not too much of a batch may be missing.
    NullShare,
    /// Fields must agree with each other.
    Rule,
    /// A side of a version must be like its training data.
    Drift,
    /// What the pipeline makes of live rows must be like what training saw.
    Skew,
    /// A version's data must not be older than its `max_age`.
    Stale,
    /// A value must be of the field's type.
    Type,
    /// A value must have the field's shape.
    Shape,
    /// Only fields of the schema may come.
    UnknownField,
    /// Anything else that keeps data, a card or a setting from being read.
    Form,
}

impl CheckKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Missing,
        Self::Finite,
        Self::Range,
        Self::Category,
        Self::Length,
        Self::NullShare,
        Self::Rule,
        Self::Drift,
        Self::Skew,
        Self::Stale,
        Self::Type,
        Self::Shape,
        Self::UnknownField,
        Self::Form,
    ];

    /// The name, as it is written in a card.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Finite => "finite",
            Self::Range => "range",
            Self::Category => "category",
            Self::Length => "length",
            Self::NullShare => "null-share",
            Self::Rule => "rule",
            Self::Drift => "drift",
            Self::Skew => "skew",
            Self::Stale => "stale",
            Self::Type => "type",
            Self::Shape => "shape",
            Self::UnknownField => "unknown-field",
            Self::Form => "form",
        }
    }

    /// Whether data that fails the check cannot even be put into columns, so
    /// that nothing but rejecting it is possible.
    pub fn is_form(self) -> bool {
        matches!(self, Self::Type | Self::Shape | Self::UnknownField | Self::Form)
    }

    /// Whether it is of a version as a whole, whatever is asked: time and
    /// traffic make it fail, and no request does.
    pub fn is_of_version(self) -> bool {
        matches!(self, Self::Drift | Self::Skew | Self::Stale)
    }

    /// The policy where none is set.
    pub(super) fn usual_policy(self) -> Policy {
        if self.is_of_version() { Policy::Report } else { Policy::Reject }
    }

    /// Whether a policy of it can be set there, and that one; the error says
    /// what can.
    pub(crate) fn permits(self, place: Place, policy: Policy) -> Result<(), &'static str> {
        match (self, place) {
            (Self::Rule | Self::Drift, Place::Field) => return Err("a policy of a check of one field"),
            (Self::Skew | Self::Stale, Place::Field | Place::Outputs) => {
                return Err("a policy of a check of the version, which stands among those of all inputs");
            }
            _ => {}
        }
        match (self, policy) {
            (Self::Drift, Policy::Fallback | Policy::Reject) if place == Place::Outputs => {
                Err("report or warn, since a model that is not asked shows no answers by which it could come back")
            }
            (kind, _) if kind.is_of_version() => Ok(()),
            (_, Policy::Report) => Err("reject, warn or fallback"),
            (_, Policy::Reject) => Ok(()),
            (kind, _) if kind.is_form() => Err("reject, since such data cannot be put into columns"),
            // A guest is never handed a null that it did not declare.
            (Self::Missing, Policy::Warn) => {
                Err("reject or fallback, since no model is handed a null it did not declare")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a policy is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// For all inputs.
    Inputs,
    /// For all outputs.
    Outputs,
    /// For one field of either.
    Field,
}

/// What follows from a failed check, by gravity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// It is logged, measured and shown; answers are what they are. Only of
    /// what concerns a version as a whole.
    Report,
    /// It is answered, and the answer says so.
    Warn,
    /// The fallback model answers.
    Fallback,
    /// It is refused.
    #[default]
    Reject,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 4] = [Self::Report, Self::Warn, Self::Fallback, Self::Reject];

    /// The name, as it is written in a card.
    pub fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Warn => "warn",
            Self::Fallback => "fallback",
            Self::Reject => "reject",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is to be done with a batch or a row: the gravest policy of its
/// findings, so decisions are ordered by gravity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Nothing was found.
    #[default]
    Accept,
    /// Answer, and say what was found.
    Warn,
    /// Let the fallback model answer.
    Fallback,
    /// Refuse.
    Reject,
}

impl From<Policy> for Decision {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Report => Self::Accept,
            Policy::Warn => Self::Warn,
            Policy::Fallback => Self::Fallback,
            Policy::Reject => Self::Reject,
        }
    }
}
