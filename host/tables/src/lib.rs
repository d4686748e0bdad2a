//! Tables of columns in files: CSV, NDJSON and Parquet, read and written in
//! bounded memory; and CSV in memory, read by the same rules.
//!
//! A [`Reader`] says what a file holds and gives its rows as [`Batches`], in
//! the order and types of given fields; a [`Writer`] puts batches into a file
//! that appears whole or not at all. [`CsvText`] gives the rows of a request.
//!
//! Types are strict: a value that is not exactly of its field's type is an
//! error that names the place. The one thing taken for another is a whole
//! number written as a float (`3.0`), as pandas writes whole numbers of which
//! some are missing. NaN in a column of numbers is a missing value, as pandas
//! has it and as callers of a model, who speak JSON, must say it. Whether values may be missing, their range and their
//! categories are never judged here: that is `scry_card::check`'s.
//!
//! What each format keeps of a batch:
//!
//! | | CSV | NDJSON | Parquet |
//! |---|---|---|---|
//! | numbers | exact | exact | exact |
//! | NaN | written as `NaN`, read as missing | written as `null` | exact, bits and all; read as missing |
//! | infinite | `inf`, `-inf` | refused | exact |
//! | missing | nothing | `null`, or no member | null |
//! | empty text | `""`, with its quotes | `""` | exact |
//! | fields with a shape | refused | nested lists | nested lists |

#![forbid(unsafe_code)]

mod collect;
mod column;
mod error;
mod format;
mod parquet;
mod reader;
mod text;
mod writer;

pub use collect::push_float;
pub use column::{ColumnInfo, Kind};
pub use error::{Place, TableError};
pub use format::Format;
pub use reader::{Batches, Position, Reader};
pub use text::csv_text::{CsvError, CsvText};
pub use writer::Writer;

/// What to do about a column that cannot be read.
const UNREADABLE_ADVICE: &str = "leave the column out, or write it otherwise";
/// Why a column of a name that others have cannot be read.
const TWICE: &str = "is there twice; name each column once";

/// The limits of what is read at once. A file beyond one is an error that
/// names it.
pub mod limits {
    /// Columns of a file.
    pub const COLUMNS_MAX: usize = 4_096;
    /// One record of CSV, one line of NDJSON.
    pub const LINE_MAX_BYTES: usize = 64 << 20;
    /// The name of a column.
    pub const NAME_MAX_BYTES: usize = 1 << 10;
    /// The end of a Parquet file that says what is in it.
    pub const FOOTER_MAX_BYTES: usize = 64 << 20;
    /// Rows of a batch, unless the reader is told otherwise.
    pub const BATCH_ROWS: usize = 8_192;
    /// Rows of a batch, whatever the reader is told.
    pub const BATCH_MAX_ROWS: usize = 1 << 20;
    /// Elements of a batch, all columns together; at least one row is read.
    pub const BATCH_MAX_ELEMENTS: usize = 1 << 22;
    /// What a batch takes of a text file before it ends early.
    pub const BATCH_MAX_BYTES: usize = 64 << 20;
    /// Text in one column of a batch.
    pub const COLUMN_TEXT_MAX_BYTES: usize = 256 << 20;
    /// Elements of one row, all fields together.
    pub const ROW_MAX_ELEMENTS: usize = 1 << 24;
    /// One page of Parquet, packed or unpacked.
    pub const PAGE_MAX_BYTES: usize = 128 << 20;
    /// Values that one page of Parquet says it has.
    pub const PAGE_MAX_VALUES: usize = 1 << 26;
    /// Different values of a column, where Parquet keeps them in a page of their own.
    pub const DICTIONARY_MAX_VALUES: usize = 1 << 24;
    /// Rows of a Parquet row group that is written.
    pub const ROW_GROUP_MAX_ROWS: usize = 1 << 17;
    /// What waits in memory for a row group to be full.
    pub const ROW_GROUP_MAX_BYTES: usize = 64 << 20;
}
