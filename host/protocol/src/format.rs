//! The forms in which requests come and answers go.

use crate::answer::Answer;
use crate::error::ProtocolError;
use crate::options::{InvalidRows, Options};
use crate::records::RecordsResponse;
use crate::rows::Rows;
use crate::sent_rows::{Members, RowsAt, RowsRequest};
use crate::v2::{InferRequest, InferResponse, SentTensor};
use scry_card::Interrupt;
use std::collections::BTreeSet;
use std::time::Duration;

/// A form of requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The Open Inference Protocol in JSON.
    V2,
    /// Rows in JSON, answered as records.
    Rows(Members),
}

/// A request that was read, whatever its form.
#[derive(Debug)]
pub struct Decoded {
    /// The rows.
    pub rows: Rows,
    /// A shorter deadline.
    pub timeout: Option<Duration>,
    /// Requests of one key get one version while a canary runs.
    pub key: Option<String>,
    /// Whether rows that are refused leave the others their answers.
    pub by_row: bool,
    /// What the answer is to look like.
    pub reply: ReplyForm,
    /// Where things are in it; of tensors, where the request is a long one.
    pub sent: Option<Sent>,
}

/// Where things are in a request, for pointers into it.
#[derive(Debug)]
pub enum Sent {
    /// The tensors in their order.
    Tensors(Vec<SentTensor>),
    /// The rows.
    Rows(RowsAt),
}

/// What a request says of its answer.
#[derive(Debug, Default)]
pub struct ReplyForm {
    /// Echoed when given.
    pub id: Option<String>,
    /// Which outputs are wanted; all when empty.
    pub outputs: BTreeSet<String>,
    /// Where the rows were.
    pub rows: RowsAt,
}

impl Format {
    /// Reads a request.
    pub fn decode(self, body: &[u8], interrupt: &Interrupt<'_>) -> Result<Decoded, ProtocolError> {
        match self {
            Self::V2 => {
                let mut request = InferRequest::from_json_until(body, interrupt)?;
                let sent = request.take_sent().map(Sent::Tensors);
                Ok(Decoded {
                    timeout: request.timeout_us.map(Duration::from_micros),
                    key: request.key,
                    by_row: request.invalid_rows == InvalidRows::RefuseRow,
                    rows: Rows::Columns(request.inputs, request.misread),
                    reply: ReplyForm { id: request.id, outputs: request.outputs, ..ReplyForm::default() },
                    sent,
                })
            }
            Self::Rows(members) => {
                let RowsRequest { rows, at, parameters } = RowsRequest::from_json_until(body, members, interrupt)?;
                let Options { timeout, key, invalid_rows } = parameters;
                Ok(Decoded {
                    timeout: timeout.map(Duration::from_micros),
                    key,
                    by_row: invalid_rows == InvalidRows::RefuseRow,
                    rows,
                    reply: ReplyForm { rows: at.clone(), ..ReplyForm::default() },
                    sent: Some(Sent::Rows(at)),
                })
            }
        }
    }

    /// Writes an answer of the model that was asked for by this name.
    pub fn encode(
        self,
        model: &str,
        reply: &ReplyForm,
        answer: &Answer,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Vec<u8>, ProtocolError> {
        match self {
            Self::V2 => {
                let (id, outputs) = (reply.id.as_deref(), &reply.outputs);
                InferResponse { model_name: model, id, answer, outputs }.to_json_until(interrupt)
            }
            Self::Rows(_) => RecordsResponse(answer, &reply.rows).to_json_until(interrupt),
        }
    }
}
