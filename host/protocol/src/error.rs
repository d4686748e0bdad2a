//! Why bytes were not read or written. HTTP makes statuses of it.

use crate::protobuf::Damaged;
use scry_card::Interrupted;
use scry_card::strict;
use scry_tables::CsvError;

/// Why a request could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// Not JSON, or not of the protocol's form.
    #[error("the request is not V2 JSON: {0}")]
    Json(#[from] strict::Error),
    /// Not JSON, or not of a form of rows.
    #[error("the request is not JSON with rows: {0}")]
    Records(strict::Error),
    /// Not CSV, or without names of columns.
    #[error("the request is not CSV with names of columns: {0}")]
    Csv(#[from] CsvError),
    /// The JSON is said to be longer than the body.
    #[error(
        "header `inference-header-content-length`: expected at most the {body_bytes} bytes of the body, found {json_bytes}"
    )]
    JsonLength {
        /// As the header says.
        json_bytes: usize,
        /// As the body is.
        body_bytes: usize,
    },
    /// Bytes behind the last tensor.
    #[error("the body: expected no bytes behind those of its tensors, found {0}")]
    Unclaimed(usize),
    /// A gRPC message that is not of the protocol's form.
    #[error("the request is no ModelInferRequest: {0}")]
    Message(strict::Error),
    /// Not a message of gRPC at all.
    #[error("the request is no ModelInferRequest: {0}")]
    Damaged(#[from] Damaged),
    /// Reading or writing was given up.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// An answer that cannot be written.
    #[error("the answer is no JSON: {0}")]
    Unwritten(serde_json::Error),
}

impl ProtocolError {
    /// Reading was interrupted; nothing is known to be wrong.
    pub(crate) fn reading(error: strict::Error, wrong: fn(strict::Error) -> Self) -> Self {
        if error.is_interrupted() { Self::Interrupted(Interrupted) } else { wrong(error) }
    }
}
