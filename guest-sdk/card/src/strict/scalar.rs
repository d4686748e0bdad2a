//! Words, strings that are not plain, and numbers as values.
//!
//! Never decides what an escape stands for: that is serde_json's.

use super::error::{Error, cut, quoted_plain};
use super::walker::Walker;
use serde_json::Number;
use std::borrow::Cow;

impl<'a> Walker<'a> {
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

    /// A string that is not plain.
    pub(super) fn escaped(&mut self) -> Result<Cow<'a, str>, Error> {
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
