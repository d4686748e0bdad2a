//! The messages of the Open Inference Protocol over gRPC, as `proto/inference.proto` has them, and what reflection says
//! of them. Never reads or answers a call.

#![forbid(unsafe_code)]

#[allow(missing_docs, clippy::all)]
mod messages {
    include!(concat!(env!("OUT_DIR"), "/inference.rs"));
}

pub use messages::*;

use serde::de::{Deserialize, Deserializer, Error};

/// A type of elements by its name.
fn data_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    named(deserializer, DataType::from_str_name)
}

/// A format of images by its name.
fn format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    named(deserializer, model_input::Format::from_str_name)
}

fn named<'de, D: Deserializer<'de>, T: Into<i32>>(
    deserializer: D,
    of: impl Fn(&str) -> Option<T>,
) -> Result<i32, D::Error> {
    let name = String::deserialize(deserializer)?;
    of(&name).map(Into::into).ok_or_else(|| D::Error::custom(format!("`{name}` is not a name of the protocol's")))
}

/// The descriptors, as a `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inference.bin"));

/// The service's full name.
pub const SERVICE: &str = "inference.GRPCInferenceService";
