//! Predictions on the wire: bytes to requests, answers to bytes.
//!
//! Never decides anything: it knows no model, no route, no HTTP.

#![forbid(unsafe_code)]

mod answer;
mod error;
mod json;
mod options;
mod records;
mod v2;

pub use answer::{Answer, Remarks};
pub use error::ProtocolError;
pub use options::{InvalidRows, KEY_MAX_BYTES, Options, may_have_timeout};
pub use records::{RecordsRequest, RecordsResponse, Surface, detail};
pub use v2::{InferRequest, InferResponse, SentTensor, metadata, sent_tensors};
