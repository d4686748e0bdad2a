//! Why a booster's file is not translated.

use scry_card::strict;
use scry_protocol::protobuf::Damaged;

/// What is read of a file.
pub(super) type Read<T> = Result<T, BoosterError>;

/// Why a file is not translated.
#[derive(Debug, thiserror::Error)]
pub enum BoosterError {
    /// A part is not what it should be.
    #[error("{place}{}expected {expected}, found {found}", if .place.is_empty() { "" } else { ": " })]
    Wrong {
        /// Where; empty if that is not known.
        place: String,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// Not JSON, or not UBJ.
    #[error(transparent)]
    Document(#[from] strict::Error),
    /// Not protobuf.
    #[error("the file is damaged: {0}")]
    Damaged(#[from] Damaged),
    /// What cannot be exact.
    #[error("{what}: {advice}")]
    Refused {
        /// What it is.
        what: String,
        /// What to do.
        advice: &'static str,
    },
}

impl BoosterError {
    pub(super) fn wrong(expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Wrong { place: String::new(), expected: expected.into(), found: found.to_string() }
    }

    pub(super) fn refused(what: impl Into<String>, advice: &'static str) -> Self {
        Self::Refused { what: what.into(), advice }
    }

    /// The error at a place, unless it names one.
    pub(super) fn at(self, place: impl Into<String>) -> Self {
        match self {
            Self::Wrong { place: none, expected, found } if none.is_empty() => {
                Self::Wrong { place: place.into(), expected, found }
            }
            other => other,
        }
    }
}
