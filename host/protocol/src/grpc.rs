//! The Open Inference Protocol over gRPC: messages straight to columns, and answers to messages. Fields have the numbers
//! of `host/grpc/proto/inference.proto`.
//!
//! Never knows how a message came. Never takes more memory than the columns of what it reads.

mod contents;
mod request;
mod response;

pub(crate) use request::decode;
pub use request::{Head, head, model_of};
pub(crate) use response::encode;
pub use response::{failed_in_stream, in_stream};

use crate::error::ProtocolError;
use crate::protobuf::{Damaged, Fields, Value};
use scry_card::Interrupted;
use scry_card::strict::Error;
use serde_json::Value as Json;

/// Why a message is not read.
#[derive(Debug)]
enum Fault {
    Wrong(Error),
    Damaged(Damaged),
    Interrupted(Interrupted),
}

impl Fault {
    /// The same, within an element of a list.
    fn within_list(self, list: &str, at: usize) -> Self {
        match self {
            Self::Wrong(error) => Self::Wrong(error.at(at).within(list)),
            other => other,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Wrong(error)
    }
}

impl From<Damaged> for Fault {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

impl From<Interrupted> for Fault {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted)
    }
}

impl From<Fault> for ProtocolError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Wrong(error) => Self::Message(error),
            Fault::Damaged(damaged) => Self::Damaged(damaged),
            Fault::Interrupted(interrupted) => Self::Interrupted(interrupted),
        }
    }
}

/// A text's bytes as text.
fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::wrong("text in UTF-8", "other bytes"))
}

/// An entry of a map of parameters: its name, and its value as JSON has it.
fn parameter(entry: &[u8]) -> Result<(&str, Json), Fault> {
    let (mut name, mut value) = ("", Json::Null);
    for field in Fields::of(entry) {
        let field = field?;
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => name = text(bytes)?,
            (2, Value::Bytes(choice)) => value = chosen(choice)?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// The value of an `InferParameter`.
fn chosen(parameter: &[u8]) -> Result<Json, Fault> {
    let mut value = Json::Null;
    for field in Fields::of(parameter) {
        let field = field?;
        value = match (field.number, field.value) {
            (1, Value::Number(truth)) => Json::Bool(truth != 0),
            (2, Value::Number(number)) => Json::from(number.cast_signed()),
            (3, Value::Bytes(bytes)) => Json::from(text(bytes)?),
            (4, Value::Fixed(bytes)) => {
                bytes.try_into().map_or(Json::Null, |bytes| Json::from(f64::from_le_bytes(bytes)))
            }
            (5, Value::Number(number)) => Json::from(number),
            _ => value,
        };
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
