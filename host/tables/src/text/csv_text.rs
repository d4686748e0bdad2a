//! The records of CSV text that is in memory, by the same rules as those of files.
//!
//! Never says what a field's text means.

use super::csv::{parse_bool, parse_f64, trim};
use super::csv_records::{Span, Split, split};
use crate::limits::COLUMNS_MAX;
use memchr::memchr_iter;
use serde_json::Value;
use std::borrow::Cow;

/// CSV text, standing at one of its records.
#[derive(Debug)]
pub struct CsvText<'a> {
    rest: &'a [u8],
    record: &'a [u8],
    spans: Vec<Span>,
    line: u64,
    next_line: u64,
}

/// Text that does not keep to the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct CsvError {
    /// The line, from 1, in which its record begins.
    pub line: u64,
    /// What is wrong, and what to do.
    pub why: String,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvField<'a> {
    /// Its text, without the quotes around it.
    pub text: Cow<'a, str>,
    /// Whether it has quotes around it: nothing is a missing value, `""` is not.
    pub is_quoted: bool,
}

impl CsvField<'_> {
    /// Whether nothing but spaces is there.
    pub fn is_blank(&self) -> bool {
        trim(&self.text).is_empty()
    }

    /// The truth value that it is.
    pub fn truth(&self) -> Option<bool> {
        parse_bool(trim(&self.text))
    }

    /// The whole number that it is, as JSON.
    pub fn whole(&self) -> Option<Value> {
        let text = trim(&self.text);
        let large = || text.parse::<u64>().ok().map(Value::from);
        text.parse::<i64>().ok().map(Value::from).or_else(large)
    }

    /// The number that it is; none where that is too large.
    pub fn float(&self) -> Option<f64> {
        parse_f64(trim(&self.text))
    }
}

impl<'a> CsvText<'a> {
    /// Text before its first record. A mark before UTF-8 is skipped.
    pub fn new(text: &'a [u8]) -> Self {
        let rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Self { rest, record: &[], spans: Vec::new(), line: 1, next_line: 1 }
    }

    /// Goes to the next record; `false` at the end.
    pub fn advance(&mut self) -> Result<bool, CsvError> {
        self.line = self.next_line;
        if self.rest.is_empty() {
            return Ok(false);
        }
        let length = match split(self.rest, true, &mut self.spans) {
            Split::Record(length) => length,
            Split::Broken(why) => return Err(self.wrong(why)),
            Split::TooMany => return Err(self.wrong(format!("columns beyond the limit of {COLUMNS_MAX}"))),
            // No text follows that it could go on in.
            Split::More => self.rest.len(),
        };
        (self.record, self.rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.next_line += memchr_iter(b'\n', self.record).count() as u64;
        Ok(true)
    }

    /// The record's fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = Result<CsvField<'a>, CsvError>> {
        let (record, line) = (self.record, self.line);
        self.spans.iter().map(move |span| {
            let text = span.of(record).text();
            let text =
                text.map_err(|found| CsvError { line, why: format!("found {found}; write the text in UTF-8") })?;
            Ok(CsvField { text, is_quoted: span.quoted })
        })
    }

    /// Number of fields of the record.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether the record is a line with nothing in it.
    pub fn is_empty(&self) -> bool {
        matches!(self.spans.as_slice(), [only] if only.is_empty())
    }

    /// Bytes of the record, its end included.
    pub fn bytes(&self) -> usize {
        self.record.len()
    }

    /// An error in the record.
    pub fn wrong(&self, why: impl Into<String>) -> CsvError {
        CsvError { line: self.line, why: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::csv_records::Records;
    use super::super::input::Input;
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    type Fields = Vec<Vec<(String, bool)>>;

    fn in_memory(text: &[u8]) -> Option<Fields> {
        let (mut records, mut all) = (CsvText::new(text), Vec::new());
        while records.advance().ok()? {
            let fields: Result<Vec<_>, _> = records.fields().collect();
            all.push(fields.ok()?.into_iter().map(|field| (field.text.into_owned(), field.is_quoted)).collect());
        }
        Some(all)
    }

    fn in_file(text: &[u8]) -> Option<Fields> {
        let mut file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
        file.write_all(text).unwrap();
        let (mut records, mut all) = (Records::new(Input::open(file.path()).ok()?), Vec::new());
        while records.advance().ok()? {
            let fields = (0..records.len()).map(|at| {
                let raw = records.field(at)?;
                Some((raw.text().ok()?.into_owned(), raw.quoted))
            });
            all.push(fields.collect::<Option<Vec<_>>>()?);
        }
        Some(all)
    }

    proptest! {
        #[test]
        fn text_in_memory_has_the_records_of_the_file(text in "([ab,\"\r\n]|\u{feff}){0,40}") {
            prop_assert_eq!(in_memory(text.as_bytes()), in_file(text.as_bytes()));
        }
    }

    #[test]
    fn an_error_names_the_line_of_its_record() {
        let mut text = CsvText::new(b"a\n\"b\nb\"\n\"c");
        assert_eq!((text.advance(), text.advance()), (Ok(true), Ok(true)));
        let error = text.advance().unwrap_err();
        assert_eq!((error.line, error.why.contains("never closed")), (4, true));
    }
}
