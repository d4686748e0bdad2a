//! Parquet, by way of the `parquet` crate's plain column readers and writers.
//!
//! Arrow is not needed for flat columns and lists, and half of what there
//! would be to compile. Never trusts that crate with a damaged file: what it
//! panics about is an error here.

mod decode;
mod leaf;
mod levels;
mod read;
mod temporal;
mod write;

use crate::{Place, TableError};
use ::parquet::errors::ParquetError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub(crate) use read::{File, Rows};
pub(crate) use write::Sink;

/// Runs what reads a file with the crate. Whoever gets an error from it must
/// not go on with what `read` has touched.
fn guard<T>(
    path: &Path,
    place: Option<Place>,
    read: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, TableError> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(ParquetError::External(error))) if error.is::<std::io::Error>() => {
            Err(TableError::io(path, std::io::Error::other(error)))
        }
        Ok(Err(error)) => Err(TableError::malformed(path, place, format!("{error}; write the file anew"))),
        Err(_) => Err(TableError::malformed(path, place, "the Parquet data is damaged; write the file anew")),
    }
}
