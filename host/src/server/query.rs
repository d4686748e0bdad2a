//! Values in the query of a path. Never looks at what is asked for.

use scry_names::text::whole_number;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A whole number, with an error that says what was expected.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<usize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    whole_number(&text).map(Some).ok_or_else(|| D::Error::custom("limit: expected a whole number"))
}
