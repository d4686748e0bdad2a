//! Predictions on the wire: bytes to requests, answers to bytes.
//!
//! Never decides anything: it knows no model, no route, no HTTP.

#![forbid(unsafe_code)]

mod answer;
mod csv;
mod describe;
mod error;
mod format;
pub mod grpc;
mod json;
mod options;
pub mod protobuf;
mod records;
mod rows;
mod sent_rows;
mod v2;

pub use answer::{Answer, Remarks};
pub use csv::Table;
pub use describe::{config, metadata};
pub use error::ProtocolError;
pub use format::{Decoded, Format, NoFormat, ReplyForm, Sent};
pub use options::{InvalidRows, KEY_MAX_BYTES, Options, may_have_timeout};
pub use records::{RecordsResponse, Surface, detail};
pub use rows::Rows;
pub use sent_rows::{Members, RowsAt, RowsRequest};
pub use v2::{
    CLASSES_MAX, InferRequest, InferResponse, OutputError, OutputForm, Outputs, SentTensor, Written, binary,
    sent_tensors,
};
