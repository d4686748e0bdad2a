//! JSON, read strictly: the one reader of everything that others write.
//!
//! An object is an object: a list never takes the place of one. A member comes
//! once. Text is UTF-8. In an object whose members are known, `null` is the same
//! as absence. Every error names the place, what was expected, and what was found.
//!
//! Never says what a document means, and never shows a name of Rust's.

mod error;
mod nested;
mod node;
mod scalar;
mod walker;

pub use error::{Error, cut, found};
pub use nested::Within;
pub use scalar::number;
pub use walker::{Walker, space};

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a document into a type.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    from_value(value(json)?)
}

/// Reads a type from a value that is already there.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(node::Node(value))
}

/// Whether it is a document at all, with no member twice; nothing is made of it.
pub fn check(json: &[u8]) -> Result<(), Error> {
    let mut walker = Walker::new(json)?;
    walker.skip()?;
    walker.end()
}

/// Reads a document as it is.
pub fn value(json: &[u8]) -> Result<Value, Error> {
    let mut walker = Walker::new(json)?;
    let value = walker.value()?;
    walker.end()?;
    Ok(value)
}
