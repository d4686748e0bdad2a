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
    pub const ALL: [Self; 11] = [
        Self::Missing,
        Self::Finite,
        Self::Range,
        Self::Category,
        Self::Length,
        Self::NullShare,
        Self::Rule,
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

    /// What may follow from a failure; the error says what may.
    pub(super) fn permits(self, policy: Policy) -> Result<(), &'static str> {
        match (self, policy) {
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

/// What follows from a failed check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// It is answered, and the answer says so.
    Warn,
    /// The spare model answers.
    Fallback,
    /// It is refused.
    #[default]
    Reject,
}

impl Policy {
    /// The name, as it is written in a card.
    pub fn name(self) -> &'static str {
        match self {
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
    /// Let the spare model answer.
    Fallback,
    /// Refuse.
    Reject,
}

impl From<Policy> for Decision {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Warn => Self::Warn,
            Policy::Fallback => Self::Fallback,
            Policy::Reject => Self::Reject,
        }
    }
}
