//! The records of CSV, RFC 4180, in a file or in memory.
//!
//! Taken as well: LF as CR LF, no newline at the end, blank lines (skipped
//! where a record has more than one field), and quotes inside a field that
//! does not start with one. Never lets an open quote swallow the rest of a
//! file without a word: it is an error that names the line where it opened.
//! Keeps whether a field was quoted: nothing is a missing value, `""` is not.

use super::input::Input;
use crate::TableError;
use crate::limits::COLUMNS_MAX;
use memchr::{memchr, memchr_iter, memchr2};
use std::borrow::Cow;
use std::ops::Range;

/// A file of records, standing at one of them.
pub(crate) struct Records {
    pub(crate) input: Input,
    spans: Vec<Span>,
    /// Length of the record that `spans` are of, its end included.
    current_len: usize,
    /// Lines that it covers.
    current_lines: u64,
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// Where its fields are in `bytes`.
    pub(super) spans: &'a [Span],
    pub(super) bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Number of fields.
    pub(super) fn len(self) -> usize {
        self.spans.len()
    }

    /// Whether it is an empty line.
    pub(super) fn is_blank(self) -> bool {
        matches!(self.spans, [only] if only.range.is_empty() && !only.quoted)
    }

    /// The `at`-th field.
    pub(super) fn field(self, at: usize) -> Option<Raw<'a>> {
        let Span { range, quoted, doubled } = self.spans.get(at)?;
        let bytes = self.bytes.get(range.clone()).unwrap_or_default();
        Some(Raw { bytes, quoted: *quoted, doubled: *doubled })
    }
}

/// What breaks the format; whatever has the record knows where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// What is wrong, and what to do.
    #[error("{0}")]
    Form(Cow<'static, str>),
    /// There is more of something than may be.
    #[error("{what} beyond the limit of {limit}")]
    Limit { what: &'static str, limit: usize },
}

impl Broken {
    pub(super) fn form(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Form(why.into())
    }

    /// The error where it is the record at which a file stands.
    pub(super) fn in_file(self, input: &Input) -> TableError {
        let (path, place) = (input.path(), Some(input.place()));
        match self {
            Self::Form(why) => TableError::malformed(path, place, why),
            Self::Limit { what, limit } => TableError::limit(path, place, what, limit),
        }
    }
}

/// Where one field lies in the bytes that its record begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    range: Range<usize>,
    quoted: bool,
    /// Whether it has quotes in it, each doubled.
    doubled: bool,
}

/// One field as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    bytes: &'a [u8],
    /// Whether it has quotes around it.
    pub(super) quoted: bool,
    doubled: bool,
}

impl<'a> Raw<'a> {
    /// Whether nothing is there, with quotes or without.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The field's text; the error says what is there instead.
    pub(super) fn text(&self) -> Result<Cow<'a, str>, String> {
        let text = std::str::from_utf8(self.bytes).map_err(|_| "bytes that are not UTF-8".to_owned())?;
        Ok(if self.doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) })
    }
}

impl Records {
    pub(crate) fn new(input: Input) -> Self {
        Self { input, spans: Vec::new(), current_len: 0, current_lines: 0 }
    }

    /// Goes to the next record; `false` at the end of the file.
    pub(crate) fn advance(&mut self) -> Result<bool, TableError> {
        self.input.consume(self.current_len);
        self.input.line += self.current_lines;
        (self.current_len, self.current_lines) = (0, 0);
        let mut ended = false;
        loop {
            if ended && self.input.rest().is_empty() {
                return Ok(false);
            }
            let found = split(self.input.rest(), ended, &mut self.spans);
            match found.map_err(|broken| broken.in_file(&self.input))? {
                Some(len) => {
                    let record = self.input.rest().get(..len).unwrap_or_default();
                    self.current_lines = memchr_iter(b'\n', record).count() as u64;
                    self.current_len = len;
                    return Ok(true);
                }
                None => ended = !self.input.more()?,
            }
        }
    }

    /// The record that it stands at.
    pub(super) fn record(&self) -> Record<'_> {
        Record { spans: &self.spans, bytes: self.input.rest() }
    }

    /// Bytes of the record.
    pub(crate) fn bytes(&self) -> usize {
        self.current_len
    }
}

/// Finds the fields of the first record of `bytes`, and its length; none where it goes on beyond them. `ended`: no more
/// follow.
pub(super) fn split(bytes: &[u8], ended: bool, spans: &mut Vec<Span>) -> Result<Option<usize>, Broken> {
    spans.clear();
    let mut at = 0;
    loop {
        if spans.len() == COLUMNS_MAX {
            return Err(Broken::Limit { what: "columns", limit: COLUMNS_MAX });
        }
        let after = if bytes.get(at) == Some(&b'"') {
            let Some((span, after)) = quoted(bytes, at + 1, ended)? else { return Ok(None) };
            spans.push(span);
            after
        } else {
            let rest = bytes.get(at..).unwrap_or_default();
            let end = match memchr2(b',', b'\n', rest) {
                Some(len) => at + len,
                None if ended => bytes.len(),
                None => return Ok(None),
            };
            let has_return = bytes.get(end) != Some(&b',') && end > at && bytes.get(end - 1) == Some(&b'\r');
            spans.push(Span { range: at..end - usize::from(has_return), quoted: false, doubled: false });
            end
        };
        match bytes.get(after) {
            Some(b',') => at = after + 1,
            Some(_) => return Ok(Some(after + 1)),
            None => return Ok(Some(after)),
        }
    }
}

/// The field whose text starts at `start`, behind its quote, and where what
/// follows it is: a comma, a newline or the end; none where more must be read.
fn quoted(bytes: &[u8], start: usize, ended: bool) -> Result<Option<(Span, usize)>, Broken> {
    let mut doubled = false;
    let mut at = start;
    let close = loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let close = match memchr(b'"', rest) {
            Some(len) => at + len,
            None if ended => return Err(Broken::form("a quote is opened and never closed; close it")),
            None => return Ok(None),
        };
        match bytes.get(close + 1) {
            Some(b'"') => {
                doubled = true;
                at = close + 2;
            }
            None if !ended => return Ok(None),
            _ => break close,
        }
    };
    let span = Span { range: start..close, quoted: true, doubled };
    match (bytes.get(close + 1), bytes.get(close + 2)) {
        (Some(b',' | b'\n') | None, _) => Ok(Some((span, close + 1))),
        (Some(b'\r'), Some(b'\n')) => Ok(Some((span, close + 2))),
        (Some(b'\r'), None) if ended => Ok(Some((span, close + 2))),
        (Some(b'\r'), None) => Ok(None),
        _ => Err(Broken::form("a quoted field goes on behind its quote; write a quote inside a field twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn records(text: &str) -> Result<Vec<Vec<(String, bool)>>, TableError> {
        let mut file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut records = Records::new(Input::open(file.path())?);
        let mut all = Vec::new();
        while records.advance()? {
            let record = records.record();
            let field = |at| record.field(at).map(|raw| (raw.text().unwrap().into_owned(), raw.quoted)).unwrap();
            all.push((0..record.len()).map(field).collect());
        }
        Ok(all)
    }

    fn plain(fields: &[&str]) -> Vec<(String, bool)> {
        fields.iter().map(|field| (field.trim_matches('\'').to_owned(), field.starts_with('\''))).collect()
    }

    #[test]
    fn fields_are_found_as_the_format_says() {
        let cases: [(&str, &[&[&str]]); 9] = [
            ("", &[]),
            ("a,b\n1,2\n", &[&["a", "b"], &["1", "2"]]),
            ("a,b\r\n1,2", &[&["a", "b"], &["1", "2"]]),
            ("\u{feff}a\n", &[&["a"]]),
            ("a,\n,\n", &[&["a", ""], &["", ""]]),
            ("\"a\",\"\"\n", &[&["'a'", "''"]]),
            ("\"x\ny\",\"p\"\"q,\"\r\n1,2\n", &[&["'x\ny'", "'p\"q,'"], &["1", "2"]]),
            ("5\" pipe,\n", &[&["5\" pipe", ""]]),
            ("a\n\n\"b\"\r", &[&["a"], &[""], &["'b'"]]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|fields| plain(fields)).collect();
            assert_eq!(records(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn broken_quotes_are_named_by_the_line_where_they_open() {
        for (text, line) in [("a\n\"b\nc\nd", "line 2"), ("a\nb\n\"c\"d\n", "line 3")] {
            let error = records(text).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }

    #[test]
    fn a_record_longer_than_the_window_is_one_record() {
        let long = "x".repeat(3 << 20);
        let all = records(&format!("a,b\n\"{long}\n{long}\",{long}\n1,2\n")).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all[1][0].0.len(), (6 << 20) + 1);
    }
}
