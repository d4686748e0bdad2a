//! Parquet, by way of the `parquet` crate's plain column readers and writers.
//!
//! Arrow is not needed for flat columns and lists, and half of what there
//! would be to compile. Never trusts that crate with a damaged file: what it
//! panics about is an error here.

mod decode;
mod leaf;
mod levels;
mod pages;
mod read;
mod temporal;
mod write;

use crate::{Place, TableError};
use ::parquet::errors::ParquetError;
use pages::TooLarge;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

pub(crate) use read::{File, Rows};
pub(crate) use write::Sink;

/// Runs what reads a file with the crate. After an error, the caller must
/// not go on with what `read` has touched.
fn guard<T>(
    path: &Path,
    place: Option<Place>,
    read: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, TableError> {
    match quietly(read) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(ParquetError::External(error))) if error.is::<std::io::Error>() => Err(io_error(path, place, error)),
        Ok(Err(error)) => Err(TableError::malformed(path, place, format!("{error}; write the file anew"))),
        Err(_) => Err(TableError::malformed(path, place, "the Parquet data is damaged; write the file anew")),
    }
}

fn io_error(path: &Path, place: Option<Place>, error: Box<dyn std::error::Error + Send + Sync>) -> TableError {
    use std::io::{Error, ErrorKind};
    let error = error.downcast::<Error>().map_or_else(Error::other, |error| *error);
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TooLarge>()) {
        Some(TooLarge { what, limit }) => TableError::limit(path, place, what, *limit),
        None if error.kind() == ErrorKind::InvalidData => TableError::malformed(path, place, error.to_string()),
        None => TableError::io(path, error),
    }
}

/// Catches a panic without the message that it prints: the error tells
/// enough.
fn quietly<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    thread_local! { static IS_QUIET: Cell<bool> = const { Cell::new(false) }; }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                before(panic);
            }
        }));
    });
    let was = IS_QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_QUIET.set(was);
    result
}
