//! Wire formats to batches and back. Never decides anything.

mod v2;

pub use v2::{InferRequest, InferResponse, KEY_MAX_BYTES, ProtocolError, metadata};
