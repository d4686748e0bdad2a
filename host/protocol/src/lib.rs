//! Predictions on the wire: bytes to requests, answers to bytes.
//!
//! Never decides anything: it knows no model, no route, no HTTP.

#![forbid(unsafe_code)]

mod answer;
mod error;
mod format;
mod json;
mod options;
mod records;
mod rows;
mod v2;

pub use answer::{Answer, Remarks};
pub use error::ProtocolError;
pub use format::{Decoded, Format, ReplyForm};
pub use options::{InvalidRows, KEY_MAX_BYTES, Options, may_have_timeout};
pub use records::{RecordsRequest, RecordsResponse, Surface, detail};
pub use rows::Rows;
pub use v2::{
    CLASSES_MAX, InferRequest, InferResponse, OutputError, OutputForm, Outputs, SentTensor, Written, binary, metadata,
    sent_tensors,
};
