//! A place in a text, and what is wrong there.
//!
//! Never reads a value: words, strings and numbers are `scalar`'s, objects and lists `nested`'s.

use super::error::{Error, quoted_plain};
use crate::Interrupt;

/// Reads one JSON text from its beginning to its end.
#[derive(Debug)]
pub struct Walker<'a> {
    pub(super) text: &'a str,
    pub(super) rest: &'a [u8],
    /// Objects and lists around it.
    pub(super) depth: usize,
    pub(super) interrupt: Interrupt<'a>,
}

impl<'a> Walker<'a> {
    /// At the beginning of a text.
    pub fn new(json: &'a [u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(json).map_err(|error| {
            let at = error.valid_up_to();
            let found = json.get(at).map_or_else(|| "the end".into(), |byte| format!("the byte 0x{byte:02x}"));
            Error::wrong("UTF-8", found).in_text(json, at)
        })?;
        Ok(Self::of(text))
    }

    /// At the beginning of a text that is known to be UTF-8.
    pub fn of(text: &'a str) -> Self {
        Self { text, rest: text.as_bytes(), depth: 0, interrupt: Interrupt::never() }
    }

    /// Stops when interrupted.
    pub fn until(self, interrupt: &Interrupt<'a>) -> Self {
        Self { interrupt: interrupt.fork(), ..self }
    }

    /// For a part of the text that is read elsewhere.
    pub fn interrupt(&self) -> Interrupt<'a> {
        self.interrupt.fork()
    }

    /// Fails unless only white space follows.
    pub fn end(&mut self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.syntax("the end")),
        }
    }

    /// The first byte of what comes next, which says what it is.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        self.space();
        self.rest.first().copied()
    }

    /// Lets `read` try what comes next: it returns what it read and the remaining bytes,
    /// or nothing, and then the position is unchanged.
    pub fn by<T>(&mut self, read: impl FnOnce(&'a [u8]) -> Option<(T, &'a [u8])>) -> Option<T> {
        self.space();
        let (read, rest) = read(self.rest)?;
        self.rest = rest;
        Some(read)
    }

    /// Whether this comes next; it is taken then.
    #[inline]
    pub(super) fn comes(&mut self, byte: u8) -> bool {
        let comes = self.peek() == Some(byte);
        if comes {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        comes
    }

    pub(super) fn take(&mut self, count: usize) -> &'a str {
        let from = self.offset();
        self.rest = self.rest.get(count..).unwrap_or_default();
        self.text.get(from..from + count).unwrap_or_default()
    }

    #[inline]
    pub(super) fn space(&mut self) {
        self.rest = space(self.rest);
    }

    pub(super) fn offset(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    /// Something that is not JSON, here.
    pub(super) fn syntax(&mut self, expected: &'static str) -> Error {
        self.space();
        self.after(0, expected)
    }

    /// An error so many bytes further on.
    pub(super) fn after(&self, bytes: usize, expected: &'static str) -> Error {
        let text = self.text.get(self.offset() + bytes..).unwrap_or_default();
        let word = text.char_indices().find(|(_, c)| !c.is_alphanumeric()).map_or(text.len(), |(at, _)| at);
        let found = match (text.get(..word).unwrap_or_default(), text.chars().next()) {
            (_, None) => "the end".to_owned(),
            ("", Some(c)) if c.is_control() => format!("the control character U+{:04X}", u32::from(c)),
            ("", Some(c)) => format!("`{c}`"),
            (word, Some(_)) => quoted_plain(word),
        };
        self.at_offset(Error::wrong(expected, found), bytes)
    }

    pub(super) fn at_offset(&self, error: Error, bytes: usize) -> Error {
        error.in_text(self.text.as_bytes(), self.offset() + bytes)
    }
}

/// What comes after the spaces.
#[inline(always)]
pub fn space(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\n' | b'\r' | b'\t', after @ ..] = bytes {
        bytes = after;
    }
    bytes
}
