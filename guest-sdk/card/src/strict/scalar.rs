//! Words, strings and numbers.
//!
//! Never decides what an escape stands for: that is serde_json's.

use super::error::{Error, cut, quoted, quoted_plain};
use super::walker::Walker;
use crate::Interrupt;
use serde_json::Number;
use std::borrow::Cow;

impl<'a> Walker<'a> {
    /// A string.
    #[inline]
    pub fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        if self.peek() != Some(b'"') {
            return Err(self.other("a string"));
        }
        self.string()
    }

    /// A number as it is written.
    pub fn number(&mut self) -> Result<&'a str, Error> {
        let digits = |bytes: &[u8], from: usize| {
            let rest = bytes.get(from..).unwrap_or_default();
            from + rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
        };
        self.space();
        let bytes = self.rest;
        let first = usize::from(bytes.first() == Some(&b'-'));
        let mut end = match bytes.get(first) {
            Some(b'0') => first + 1,
            Some(b'1'..=b'9') => digits(bytes, first),
            _ => return Err(self.after(first, "a digit")),
        };
        if bytes.get(end) == Some(&b'.') {
            let from = end + 1;
            end = digits(bytes, from);
            if end == from {
                return Err(self.after(from, "a digit"));
            }
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            let from = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            end = digits(bytes, from);
            if end == from {
                return Err(self.after(from, "a digit"));
            }
        }
        Ok(self.take(end))
    }

    /// A truth value; nothing for null.
    pub fn literal(&mut self) -> Result<Option<bool>, Error> {
        let (word, value) = match self.peek() {
            Some(b't') => ("true", Some(true)),
            Some(b'f') => ("false", Some(false)),
            Some(b'n') => ("null", None),
            _ => return Err(self.syntax("a value")),
        };
        self.word(word).map(|()| value)
    }

    pub(super) fn word(&mut self, word: &'static str) -> Result<(), Error> {
        self.space();
        let rest = self.rest.strip_prefix(word.as_bytes());
        self.rest = rest
            .filter(|rest| !rest.first().is_some_and(u8::is_ascii_alphanumeric))
            .ok_or_else(|| self.syntax("a value"))?;
        Ok(())
    }

    /// A string whose quotation mark comes next.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let inside = self.rest.get(1..).unwrap_or_default();
        let len = inside.iter().position(|byte| !is_plain(byte)).unwrap_or(inside.len());
        self.interrupt.spend(len / Interrupt::STEP_BYTES)?;
        match inside.get(len) {
            Some(b'"') => {
                let from = self.offset() + 1;
                self.rest = inside.get(len + 1..).unwrap_or_default();
                Ok(Cow::Borrowed(self.text.get(from..from + len).unwrap_or_default()))
            }
            _ => self.escaped(),
        }
    }

    /// A string that is not plain.
    fn escaped(&mut self) -> Result<Cow<'a, str>, Error> {
        let mut at = 1;
        loop {
            match self.rest.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at = self.escape(at)?,
                Some(0..=0x1f) | None => return Err(self.after(at, "`\"`")),
                Some(_) => at += 1,
            }
        }
        let written = self.take(at + 1);
        // serde_json decides what an escape stands for.
        serde_json::from_str(written).map(Cow::Owned).map_err(|_| self.syntax("a string"))
    }

    /// Where the escape ends that begins there.
    fn escape(&self, at: usize) -> Result<usize, Error> {
        let wrong = |from: usize, to: usize| {
            let shown = String::from_utf8_lossy(self.rest.get(from..to.min(self.rest.len())).unwrap_or_default());
            Err(self.at_offset(Error::wrong("an escape of JSON's", quoted_plain(&shown)), from))
        };
        let unit = |at: usize| {
            let digits = self.rest.get(at..at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        match self.rest.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => match unit(at + 2) {
                Some(0xd800..=0xdbff) => {
                    let second = self.rest.get(at + 6..at + 8).filter(|begins| *begins == br"\u");
                    match second.and_then(|_| unit(at + 8)) {
                        Some(0xdc00..=0xdfff) => Ok(at + 12),
                        _ => Err(self.half(at)),
                    }
                }
                Some(0xdc00..=0xdfff) => Err(self.half(at)),
                Some(_) => Ok(at + 6),
                None => wrong(at, at + 6),
            },
            _ => wrong(at, at + 2),
        }
    }

    /// Half of a pair of surrogates is no character.
    fn half(&self, at: usize) -> Error {
        let shown = String::from_utf8_lossy(self.rest.get(at..at + 6).unwrap_or_default()).into_owned();
        self.at_offset(Error::wrong("a pair of surrogates", format!("`{shown}` alone")), at)
    }

    /// A value of another kind than this one; its text may be wrong as well.
    pub fn other(&mut self, expected: &'static str) -> Error {
        let found = match self.peek() {
            Some(b'{') => "an object".into(),
            Some(b'[') => "a list".into(),
            Some(b'"') => match self.string() {
                Ok(text) => quoted(&text),
                Err(error) => return error,
            },
            Some(b'-' | b'0'..=b'9') => match self.number() {
                Ok(number) => cut(number),
                Err(error) => return error,
            },
            _ => match self.literal() {
                Ok(value) => value.map_or("null".into(), |value| value.to_string()),
                Err(error) => return error,
            },
        };
        Error::wrong(expected, found)
    }
}

/// A number as a value: whole where it has neither a fraction nor an exponent, so that `-0`
/// is 0.
pub fn number(written: &str) -> Result<Number, Error> {
    let is_whole = !written.contains(['.', 'e', 'E']);
    if written == "-0" {
        return Ok(0.into());
    }
    if let (true, Ok(whole)) = (is_whole, written.parse::<u64>()) {
        return Ok(whole.into());
    }
    if let (true, Ok(whole)) = (is_whole, written.parse::<i64>()) {
        return Ok(whole.into());
    }
    let number = written.parse().ok().and_then(Number::from_f64);
    number.ok_or_else(|| Error::wrong("a number within the range of FP64", cut(written)))
}
