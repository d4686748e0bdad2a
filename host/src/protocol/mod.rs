//! Wire formats to batches and back. Never decides anything.

mod records;
mod v2;

pub use records::{InvalidRows, RecordsRequest, RecordsResponse, Surface, detail};
pub use v2::{InferRequest, InferResponse, KEY_MAX_BYTES, ProtocolError, metadata};
