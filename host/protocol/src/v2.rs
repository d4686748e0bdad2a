//! The Open Inference Protocol (V2): JSON, and tensors as bytes behind it.
//!
//! Elements go straight into typed columns, in one pass where a tensor says what it is
//! before its `data`. `data` is flat, or nested exactly as `shape` says; members come in any
//! order, each once. Members that the protocol does not know are skipped.

pub mod binary;
mod classes;
mod outputs;
mod place;
mod plain;
mod response;
mod tensor;

pub use outputs::{CLASSES_MAX, OutputError, OutputForm, Outputs};
pub(crate) use place::placed;
pub use response::{InferResponse, Written};
pub use tensor::SentTensor;
pub(crate) use tensor::check_parameter;

use crate::error::ProtocolError;
use crate::options::{InvalidRows, Options};
use scry_card::strict::{self, Walker};
use scry_card::{FIELDS_MAX, Interrupt, Misread, NamedTensor};
use tensor::Tail;

/// A request that is longer says at once what tensors were sent: reading it again for them
/// would take too long.
const SHORT_MAX_BYTES: usize = 64 << 10;

/// A request to infer.
#[derive(Debug, Default)]
pub struct InferRequest {
    /// Echoed when given.
    pub id: Option<String>,
    /// A shorter deadline, in microseconds.
    pub timeout_us: Option<u64>,
    /// Requests of one key get one version while a canary runs.
    pub key: Option<String>,
    /// What becomes of a request some of whose rows are refused.
    pub invalid_rows: InvalidRows,
    /// The columns.
    pub inputs: Vec<NamedTensor>,
    /// The errors of the tensors that did not read.
    pub misread: Vec<Misread>,
    /// Which outputs are wanted, and how.
    pub outputs: Outputs,
    /// All tensors in their order, where the request is a long one.
    sent: Option<Vec<SentTensor>>,
}

impl InferRequest {
    /// Reads a request. A tensor whose data is not what it says does not keep the others from
    /// being read.
    pub fn from_json(body: &[u8]) -> Result<Self, ProtocolError> {
        Self::from_json_until(body, &Interrupt::never())
    }

    /// Does the same, and stops when it is interrupted.
    pub fn from_json_until(body: &[u8], interrupt: &Interrupt<'_>) -> Result<Self, ProtocolError> {
        Self::read(body, &mut Tail::none(), interrupt)
            .map_err(|error| ProtocolError::reading(error, ProtocolError::Json))
    }

    /// Reads a request whose first `json_bytes` bytes are JSON; the others are tensors that say so.
    pub fn from_binary_until(body: &[u8], json_bytes: usize, interrupt: &Interrupt<'_>) -> Result<Self, ProtocolError> {
        let Some((json, behind)) = body.split_at_checked(json_bytes) else {
            return Err(ProtocolError::JsonLength { json_bytes, body_bytes: body.len() });
        };
        let mut tail = Tail::new(behind);
        let request = Self::read(json, &mut tail, interrupt)
            .map_err(|error| ProtocolError::reading(error, ProtocolError::Json))?;
        match tail.left_bytes() {
            0 => Ok(request),
            left => Err(ProtocolError::Unclaimed(left)),
        }
    }

    fn read(json: &[u8], tail: &mut Tail<'_>, interrupt: &Interrupt<'_>) -> Result<Self, strict::Error> {
        let mut walker = Walker::new(json)?.until(interrupt);
        let mut request = Self { sent: (json.len() > SHORT_MAX_BYTES).then(Vec::new), ..Self::default() };
        let mut has_inputs = false;
        walker.object(&["id", "parameters", "inputs", "outputs"], |walker, member| match member {
            "id" => walker.text().map(|id| request.id = Some(id.into_owned())),
            "parameters" => {
                let Options { timeout, key, invalid_rows, is_binary } = Options::read(walker)?;
                (request.timeout_us, request.key, request.invalid_rows) = (timeout, key, invalid_rows);
                request.outputs.is_binary = is_binary;
                Ok(())
            }
            "inputs" => {
                has_inputs = true;
                walker.list(|walker, at| {
                    few(at, "tensors")?;
                    match tensor::read(walker, request.sent.as_mut(), tail)? {
                        Ok(tensor) => request.inputs.push(tensor),
                        Err(misread) => request.misread.push(misread),
                    }
                    Ok(())
                })
            }
            _ => walker.list(|walker, at| {
                few(at, "outputs")?;
                request.outputs.read_one(walker)
            }),
        })?;
        walker.end()?;
        if !has_inputs {
            return Err(strict::Error::missing("inputs", "a list of tensors"));
        }
        Ok(request)
    }

    /// Takes what tensors were sent, in their order, where the request is a long one.
    pub fn take_sent(&mut self) -> Option<Vec<SentTensor>> {
        self.sent.take()
    }
}

/// No model has more: looking for each would take long.
fn few(before: usize, what: &str) -> Result<(), strict::Error> {
    match before {
        FIELDS_MAX.. => Err(strict::Error::wrong(format!("at most {FIELDS_MAX} {what}"), "more")),
        _ => Ok(()),
    }
}

/// A request's tensors in the order of its JSON; none where that does not read.
pub fn sent_tensors(json: &[u8]) -> Vec<SentTensor> {
    let mut sent = Vec::new();
    let read = Walker::new(json).and_then(|mut walker| {
        walker.object(&["inputs"], |walker, _| {
            walker.list(|walker, _| {
                sent.push(SentTensor::read(walker)?);
                Ok(())
            })
        })
    });
    if read.is_ok() { sent } else { Vec::new() }
}

#[cfg(test)]
pub(crate) mod tests;
