//! The forms in which requests come and answers go.

use crate::answer::Answer;
use crate::csv::Table;
use crate::error::ProtocolError;
use crate::grpc;
use crate::options::{InvalidRows, Options};
use crate::records::RecordsResponse;
use crate::rows::Rows;
use crate::sent_rows::{Members, RowsAt, RowsRequest};
use crate::v2::{InferRequest, InferResponse, Outputs, SentTensor, Written};
use scry_card::Interrupt;
use scry_names::text::whole_number;
use std::fmt::{Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

/// A form of requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The Open Inference Protocol in JSON.
    V2,
    /// The same; the JSON has so many bytes, and tensors as bytes come behind it.
    V2Binary(usize),
    /// The bytes of a model's only input.
    V2Raw,
    /// The same protocol as a message of gRPC.
    Grpc,
    /// Rows in JSON, answered as records.
    Rows(Members),
    /// Rows as CSV, answered as records.
    Csv,
}

/// A request that was read, whatever its form.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The rows.
    pub rows: Rows<'a>,
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
    /// Which outputs are wanted, and how.
    pub outputs: Outputs,
    /// Where the rows were.
    pub rows: RowsAt,
}

impl Format {
    /// Reads a request.
    pub fn decode<'a>(self, body: &'a [u8], interrupt: &Interrupt<'_>) -> Result<Decoded<'a>, ProtocolError> {
        match self {
            Self::V2 => Ok(Decoded::of_v2(InferRequest::from_json_until(body, interrupt)?)),
            Self::V2Binary(json_bytes) => {
                Ok(Decoded::of_v2(InferRequest::from_binary_until(body, json_bytes, interrupt)?))
            }
            Self::V2Raw => Ok(Decoded {
                rows: Rows::Raw(body),
                timeout: None,
                key: None,
                by_row: false,
                reply: ReplyForm { outputs: Outputs::all_binary(), ..ReplyForm::default() },
                sent: None,
            }),
            Self::Grpc => grpc::decode(body, interrupt),
            Self::Csv => Ok(Decoded {
                rows: Rows::Csv(Table::read(body, interrupt)?),
                timeout: None,
                key: None,
                by_row: false,
                reply: ReplyForm { rows: RowsAt::Lines, ..ReplyForm::default() },
                sent: Some(Sent::Rows(RowsAt::Lines)),
            }),
            Self::Rows(members) => {
                let RowsRequest { rows, at, parameters } = RowsRequest::from_json_until(body, members, interrupt)?;
                let Options { timeout, key, invalid_rows, .. } = parameters;
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
    ) -> Result<Written, ProtocolError> {
        match self {
            Self::V2 | Self::V2Binary(_) | Self::V2Raw => {
                let (id, outputs) = (reply.id.as_deref(), &reply.outputs);
                InferResponse { model_name: model, id, answer, outputs }.write(interrupt)
            }
            Self::Grpc => Ok(Written { bytes: grpc::encode(model, reply, answer, interrupt)?, json_bytes: None }),
            Self::Rows(_) | Self::Csv => {
                let bytes = RecordsResponse(answer, &reply.rows).to_json_until(interrupt)?;
                Ok(Written { bytes, json_bytes: None })
            }
        }
    }

    /// The part of a request's body that is JSON.
    pub fn json(self, body: &[u8]) -> &[u8] {
        match self {
            Self::V2 | Self::Rows(_) => body,
            Self::V2Binary(json_bytes) => body.get(..json_bytes).unwrap_or(body),
            Self::V2Raw | Self::Grpc | Self::Csv => &[],
        }
    }
}

/// A text that names no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of v2, v2-binary:BYTES, v2-raw, grpc, rows, instances and csv")]
pub struct NoFormat;

/// As records name it.
impl Display for Format {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V2 => f.write_str("v2"),
            Self::V2Binary(json_bytes) => write!(f, "v2-binary:{json_bytes}"),
            Self::V2Raw => f.write_str("v2-raw"),
            Self::Grpc => f.write_str("grpc"),
            Self::Rows(Members::Any) => f.write_str("rows"),
            Self::Rows(Members::Instances) => f.write_str("instances"),
            Self::Csv => f.write_str("csv"),
        }
    }
}

impl FromStr for Format {
    type Err = NoFormat;

    fn from_str(text: &str) -> Result<Self, NoFormat> {
        Ok(match text {
            "v2" => Self::V2,
            "v2-raw" => Self::V2Raw,
            "grpc" => Self::Grpc,
            "rows" => Self::Rows(Members::Any),
            "instances" => Self::Rows(Members::Instances),
            "csv" => Self::Csv,
            other => {
                let json_bytes = other.strip_prefix("v2-binary:").and_then(whole_number);
                Self::V2Binary(json_bytes.ok_or(NoFormat)?)
            }
        })
    }
}

impl Decoded<'_> {
    fn of_v2(mut request: InferRequest) -> Self {
        let sent = request.take_sent().map(Sent::Tensors);
        Self {
            timeout: request.timeout_us.map(Duration::from_micros),
            key: request.key,
            by_row: request.invalid_rows == InvalidRows::RefuseRow,
            rows: Rows::Columns(request.inputs, request.misread),
            reply: ReplyForm { id: request.id, outputs: request.outputs, ..ReplyForm::default() },
            sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_reads_as_it_is_written() {
        let rows = [Format::Rows(Members::Any), Format::Rows(Members::Instances)];
        for format in
            [Format::V2, Format::V2Binary(17), Format::V2Raw, Format::Grpc, Format::Csv].into_iter().chain(rows)
        {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        for wrong in ["", "V2", "v2-binary", "v2-binary:", "v2-binary:+1", "v2-binary:01", "json"] {
            assert_eq!(wrong.parse::<Format>(), Err(NoFormat), "{wrong}");
        }
    }
}
