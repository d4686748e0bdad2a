//! Wire formats to batches and back. Never decides anything.

mod v2;

pub use v2::{InferRequest, InferResponse, ProtocolError, metadata};
