//! The two formats that are lines of text.
//!
//! Types are found by reading the file once through, in bounded memory, so
//! that no later row can contradict them; by given fields, it is read once.

pub(crate) mod csv;
mod csv_cells;
mod csv_records;
pub(crate) mod csv_text;
mod input;
pub(crate) mod json_row;
pub(crate) mod json_scan;
pub(crate) mod ndjson;
mod seen;
pub(crate) mod write;
