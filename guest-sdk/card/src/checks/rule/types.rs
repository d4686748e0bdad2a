//! The types of a rule's parts, and what follows from them.
//!
//! Never looks at a value: rules are typed before there is a row.

use crate::Datatype;
use std::fmt;

/// What a part of a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Truth,
    Text,
    Whole,
    Real,
    /// Whole in one row and real in another.
    Number,
}

impl Type {
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Whole | Self::Real | Self::Number)
    }

    /// The type of a calculation with two numbers.
    pub(super) fn calculated(self, other: Self) -> Self {
        match (self, other) {
            (Self::Real, _) | (_, Self::Real) => Self::Real,
            (Self::Whole, Self::Whole) => Self::Whole,
            _ => Self::Number,
        }
    }

    /// The type of an expression that is one of two parts.
    pub(super) fn either(self, other: Self) -> Option<Self> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (a, b) if a.is_number() && b.is_number() => Some(Self::Number),
            _ => None,
        }
    }

    pub(super) fn of(datatype: Datatype) -> Self {
        match datatype {
            Datatype::Bool => Self::Truth,
            Datatype::Bytes => Self::Text,
            Datatype::Fp32 | Datatype::Fp64 => Self::Real,
            Datatype::Uint64 => Self::Number,
            _ => Self::Whole,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truth => "a truth value",
            Self::Text => "a text",
            Self::Whole => "a whole number",
            Self::Real => "a real number",
            Self::Number => "a number",
        })
    }
}
