//! Records of the history and of checkpoints, as lines of their files.
//!
//! Never reads or writes a file.

use super::error::ChangeError;
use scry_catalog::Record;

/// A record of a line.
pub(super) fn read(line: &[u8]) -> Result<Record, ChangeError> {
    serde_json::from_slice(line).map_err(|e| {
        ChangeError::Recovery(format!("the history was written by another version of scry, or by something else: {e}"))
    })
}

/// A record as it is kept.
pub(super) fn line(record: &Record) -> Result<Vec<u8>, ChangeError> {
    serde_json::to_vec(record).map_err(|e| ChangeError::Recovery(format!("a change cannot be written down: {e}")))
}
