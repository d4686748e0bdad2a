//! The format of the data folder, so that no host works on a folder of a later
//! version's layout.
//!
//! `format` is one sealed line, and stays one in every format to come. Never
//! changes a folder of a later format. A folder without the file is older than
//! the file, and laid out as format 1 is.

use super::StoreError;
use super::lines::{seal, unseal};
use super::read::{if_there, read_at_most};
use scry_files::{FileKind, write_atomically};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const FORMAT: &str = "format";
/// The longest format line, in bytes: more than it needs.
const FORMAT_MAX_BYTES: u64 = 4096;

/// The format that this version reads and writes.
pub const FORMAT_NUMBER: u32 = 1;

/// What the line says; a later version may say more.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    format: u32,
}

/// What a folder says of its format.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Nothing: a new folder, or one of a version before the file.
    Missing,
    /// A format that this version knows.
    Known,
    /// A line that does not verify.
    Damaged,
}

/// Refuses a folder of a later format, and touches nothing.
pub(super) fn refuse_later(root: &Path) -> Result<(), StoreError> {
    read(root).map(drop)
}

fn read(root: &Path) -> Result<Found, StoreError> {
    let path = root.join(FORMAT);
    let Some(bytes) = if_there(&path, read_at_most(&path, FORMAT_MAX_BYTES))? else { return Ok(Found::Missing) };
    let (json, is_sound) = match unseal(&bytes) {
        Some(json) => (json, true),
        None => (bytes.iter().position(|byte| *byte == b'{').and_then(|at| bytes.get(at..)).unwrap_or_default(), false),
    };
    let found = match serde_json::from_slice(json) {
        // Damaged or not: one flipped bit must not open a later format's folder.
        Ok(Line { format }) if format > FORMAT_NUMBER => format.to_string(),
        Ok(Line { .. }) if is_sound => return Ok(Found::Known),
        // It verifies, and this version cannot read it.
        Err(_) if is_sound => String::from_utf8_lossy(json).chars().take(80).collect(),
        Ok(Line { .. }) | Err(_) => return Ok(Found::Damaged),
    };
    Err(StoreError::LaterFormat { root: root.to_owned(), found, known: FORMAT_NUMBER })
}

/// Writes the format where it is missing. One that is damaged, and does not
/// look like a later one, is set aside by `quarantine`: what the folder holds is checked
/// line by line nevertheless.
pub(super) fn settle_format(
    root: &Path,
    quarantine: impl FnOnce(&Path) -> Result<PathBuf, StoreError>,
) -> Result<(), StoreError> {
    let path = root.join(FORMAT);
    match read(root)? {
        Found::Known => return Ok(()),
        Found::Missing => {}
        Found::Damaged => {
            let kept = quarantine(&path);
            tracing::error!(?kept, "damaged: {FORMAT} does not verify; it is set aside and written anew");
            if kept.is_err() {
                return Ok(());
            }
        }
    }
    let written = serde_json::to_vec(&Line { format: FORMAT_NUMBER })
        .map_err(|e| e.to_string())
        .and_then(|json| seal(&json))
        .map_err(|message| StoreError::Record { path: path.clone(), message })
        .and_then(|line| Ok(write_atomically(FileKind::Format, &path, &line)?));
    if let Err(error) = written {
        // Without it the folder is one of this format nevertheless, until the next start.
        tracing::warn!(%error, "the data folder's format was not written");
    }
    Ok(())
}
