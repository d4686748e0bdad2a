//! Reading files that need not be there, and may be longer than they should.

use super::StoreError;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The content of a file, unless there is no such file.
pub(super) fn if_there<T>(path: &Path, content: std::io::Result<T>) -> Result<Option<T>, StoreError> {
    match content {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::at(path)(error)),
    }
}

/// A file's bytes; of one that is too long, one byte more than `max_bytes`.
pub(super) fn read_at_most(path: &Path, max_bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
