//! Answers as JSON; writing stops when the client has left.
//!
//! Never knows what an answer says.

use crate::error::ProtocolError;
use scry_card::{Interrupt, Interrupted};
use serde::Serialize;
use std::io::{self, Write};

/// Room for a small answer.
const CAPACITY_BYTES: usize = 512;

/// The JSON of an answer.
pub(crate) fn write(answer: &impl Serialize, interrupt: &mut Interrupt<'_>) -> Result<Vec<u8>, ProtocolError> {
    let mut json = Json { bytes: Vec::with_capacity(CAPACITY_BYTES), interrupt };
    let outcome = serde_json::to_writer(&mut json, answer);
    json.interrupt.check()?;
    outcome.map_err(ProtocolError::Unwritten)?;
    Ok(json.bytes)
}

struct Json<'a, 'i> {
    bytes: Vec<u8>,
    interrupt: &'a mut Interrupt<'i>,
}

impl Write for Json<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    /// A number or a sign at a time.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let steps = 1 + bytes.len() / Interrupt::STEP_BYTES;
        self.interrupt.spend(steps).map_err(|Interrupted| io::Error::other(Interrupted))?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_nothing_waits_for_is_not_written_to_its_end() {
        let long = vec![0.5_f64; 1_000_000];
        let error = write(&long, &mut Interrupt::when(&|| true)).unwrap_err();
        assert!(matches!(error, ProtocolError::Interrupted(Interrupted)), "{error}");
        let json = write(&long, &mut Interrupt::never()).unwrap();
        assert_eq!(json, serde_json::to_vec(&long).unwrap());
    }
}
