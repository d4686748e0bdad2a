//! What a request may ask for beside its rows, the same in every protocol.

use scry_card::strict::{self, Error, Walker};
use serde_json::Value;

/// Longest key of a request.
pub const KEY_MAX_BYTES: usize = 256;

/// Whether a body may say a deadline of its own; most say none. One that spells
/// the word with escapes counts as one without.
pub fn may_have_timeout(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"\"timeout\"").is_some()
}

/// What a client asks of an answer, the same in every protocol.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A shorter deadline, in microseconds.
    pub timeout: Option<u64>,
    /// Requests of one key get one version while a canary runs.
    pub key: Option<String>,
    /// What becomes of a request some of whose rows are refused.
    pub invalid_rows: InvalidRows,
    /// Whether outputs are bytes that do not say it themselves; of V2 alone.
    pub is_binary: bool,
}

/// Parameters of requests that belong together.
const SEQUENCE: [&str; 3] = ["sequence_id", "sequence_start", "sequence_end"];

/// What becomes of a request some of whose rows are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InvalidRows {
    /// All of it is refused.
    #[default]
    RefuseRequest,
    /// The other rows are answered; in the place of a refused one is `null`.
    RefuseRow,
}

impl Options {
    /// Reads `parameters`. Those that Scry does not know are skipped; those of a sequence are
    /// refused, since each request is answered on its own.
    pub(crate) fn read(walker: &mut Walker<'_>) -> Result<Self, Error> {
        let mut options = Self::default();
        let [id, start, end] = SEQUENCE;
        let known = ["timeout", "key", "invalid_rows", "binary_data_output", id, start, end];
        walker.object(&known, |walker, member| options.set(member, walker.value()?))?;
        Ok(options)
    }

    /// Sets what a parameter says. One that Scry does not know is skipped.
    pub(crate) fn set(&mut self, name: &str, value: Value) -> Result<(), Error> {
        match (name, value) {
            ("timeout", Value::Number(number)) if number.is_u64() => {
                self.timeout = number.as_u64();
                Ok(())
            }
            ("timeout", other) => Err(Error::wrong("microseconds as a whole number", strict::found(&other))),
            ("key", Value::String(key)) if key.len() <= KEY_MAX_BYTES => {
                self.key = Some(key);
                Ok(())
            }
            ("key", other) => {
                let found = match &other {
                    Value::String(key) => format!("one of {} bytes", key.len()),
                    other => strict::found(other),
                };
                Err(Error::wrong(format!("a string of at most {KEY_MAX_BYTES} bytes"), found))
            }
            ("binary_data_output", value) => {
                self.is_binary = truth(&value)?;
                Ok(())
            }
            (name, value) if SEQUENCE.contains(&name) => match &value {
                Value::Bool(false) => Ok(()),
                // What stands for none.
                Value::Number(number) if number.as_u64() == Some(0) => Ok(()),
                Value::String(text) if text.is_empty() => Ok(()),
                _ => Err(Error::wrong("no sequence, since each request is answered on its own", strict::found(&value))),
            },
            ("invalid_rows", value) => {
                self.invalid_rows = match value.as_str() {
                    Some("refuse-request") => InvalidRows::RefuseRequest,
                    Some("refuse-row") => InvalidRows::RefuseRow,
                    _ => return Err(Error::wrong("refuse-request or refuse-row", strict::found(&value))),
                };
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A truth value.
pub(crate) fn truth(value: &Value) -> Result<bool, Error> {
    value.as_bool().ok_or_else(|| Error::wrong("true or false", strict::found(value)))
}
