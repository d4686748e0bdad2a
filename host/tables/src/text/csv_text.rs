//! The rows of CSV text that is in memory, by the same rules as those of files.
//!
//! Never keeps more than where the fields of one record are.

use super::csv_cells;
use super::csv_records::{Broken, Record, Span, split};
use memchr::memchr_iter;
use scry_card::{ColumnBuilder, Field, Interrupt, Interrupted};

/// CSV text, standing at its header or at one of its rows.
#[derive(Debug, Clone)]
pub struct CsvText<'a> {
    rest: &'a [u8],
    record: &'a [u8],
    spans: Vec<Span>,
    columns: usize,
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

impl<'a> CsvText<'a> {
    /// Reads the header: the text, standing at it, and the columns' names; a column without one has an empty name. A mark
    /// before UTF-8 is skipped.
    pub fn open(text: &'a [u8]) -> Result<(Self, Vec<String>), CsvError> {
        let mut text = Self::new(text);
        if !text.advance()? {
            return Err(text.wrong(&Broken::form("nothing is there; the first line must name the columns")));
        }
        let names = csv_cells::names(text.record()).map_err(|broken| text.wrong(&broken))?;
        text.columns = names.len();
        Ok((text, names))
    }

    /// Goes to the next row, past blank lines, until it is interrupted; `false` at the end.
    pub fn next_row(&mut self, interrupt: &mut Interrupt<'_>) -> Result<Result<bool, CsvError>, Interrupted> {
        loop {
            let found = self.advance().and_then(|is_there| match is_there {
                true => csv_cells::is_row(self.record(), self.columns).map_err(|broken| self.wrong(&broken)).map(Some),
                false => Ok(None),
            });
            interrupt.spend(self.spans.len() + self.bytes() / Interrupt::STEP_BYTES)?;
            match found {
                Ok(Some(false)) => {}
                found => return Ok(found.map(|row| row.is_some())),
            }
        }
    }

    /// Bytes of the row, its end included.
    pub fn bytes(&self) -> usize {
        self.record.len()
    }

    /// Pushes the row's `at`-th value; the error says what was found.
    pub fn push(&self, at: usize, field: &Field, builder: &mut ColumnBuilder) -> Result<(), String> {
        match self.record().field(at) {
            // Python writes a row whose only value is missing with quotes, since a blank line could be no row.
            Some(raw) if self.columns == 1 && field.nullable && raw.is_empty() => builder.push_null(),
            Some(raw) => csv_cells::push(builder, raw),
            None => builder.push_null(),
        }
    }

    fn new(text: &'a [u8]) -> Self {
        let rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Self { rest, record: &[], spans: Vec::new(), columns: 0, line: 1, next_line: 1 }
    }

    /// Goes to the next record; `false` at the end.
    fn advance(&mut self) -> Result<bool, CsvError> {
        self.line = self.next_line;
        if self.rest.is_empty() {
            return Ok(false);
        }
        // No text follows that a record could go on in.
        let length = split(self.rest, true, &mut self.spans).map_err(|broken| self.wrong(&broken))?;
        let length = length.unwrap_or(self.rest.len());
        (self.record, self.rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.next_line += memchr_iter(b'\n', self.record).count() as u64;
        Ok(true)
    }

    fn record(&self) -> Record<'_> {
        Record { spans: &self.spans, bytes: self.record }
    }

    fn wrong(&self, broken: &Broken) -> CsvError {
        CsvError { line: self.line, why: broken.to_string() }
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

    fn fields(record: Record<'_>) -> Vec<(String, bool)> {
        let field = |at| record.field(at).map(|raw| (raw.text().unwrap().into_owned(), raw.quoted)).unwrap();
        (0..record.len()).map(field).collect()
    }

    fn in_memory(text: &[u8]) -> Option<Fields> {
        let (mut text, mut all) = (CsvText::new(text), Vec::new());
        while text.advance().ok()? {
            all.push(fields(text.record()));
        }
        Some(all)
    }

    fn in_file(text: &[u8]) -> Option<Fields> {
        let mut file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
        file.write_all(text).unwrap();
        let (mut records, mut all) = (Records::new(Input::open(file.path()).ok()?), Vec::new());
        while records.advance().ok()? {
            all.push(fields(records.record()));
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
        let (mut text, names) = CsvText::open(b"a\n\"b\nb\"\n\"c").unwrap();
        let mut next = || text.next_row(&mut Interrupt::never()).unwrap();
        assert_eq!((names, next()), (vec!["a".to_owned()], Ok(true)));
        let error = next().unwrap_err();
        assert_eq!((error.line, error.why.contains("never closed")), (4, true));
    }

    #[test]
    fn blank_lines_can_be_interrupted() {
        let blank = "a,b\n".to_owned() + &"\n".repeat(Interrupt::STEPS + 1);
        let (mut text, _) = CsvText::open(blank.as_bytes()).unwrap();
        assert_eq!(text.next_row(&mut Interrupt::when(&|| true)), Err(Interrupted));
    }
}
