//! From one value of a text to the next.
//!
//! Never keeps a document: it gives the parts to its caller, or skips them.

use super::error::{Error, cut, quoted, quoted_plain};
use super::scalar::number;
use crate::Interrupt;
use serde_json::{Map, Value, map::Entry};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Objects and lists within each other, at most.
const DEPTH_MAX: usize = 128;
/// Members of an object that is skipped: their names are kept meanwhile.
const SKIPPED_MEMBERS_MAX: usize = 1 << 16;

/// Steps that reading a value takes.
const VALUE_STEPS: usize = 4;

/// Reads one JSON text from its beginning to its end.
#[derive(Debug)]
pub struct Walker<'a> {
    text: &'a str,
    pub(super) rest: &'a [u8],
    depth: usize,
    interrupt: Interrupt<'a>,
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

    /// The members of an object by their names, each once. One that is null is as good as
    /// absent; one that is not `known` is skipped.
    pub fn object<E: From<Error> + Within>(
        &mut self,
        known: &[&'static str],
        mut member: impl FnMut(&mut Self, &'static str) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut seen, mut unknown) = (0_u64, BTreeSet::new());
        self.members(|walker, name| {
            let Some(at) = known.iter().position(|known| *known == name) else {
                if unknown.contains(&name) {
                    return Err(twice(&name).into());
                }
                if unknown.len() == SKIPPED_MEMBERS_MAX {
                    let most = format!("at most {SKIPPED_MEMBERS_MAX} members that are not known");
                    return Err(Error::wrong(most, "more").into());
                }
                walker.skip().map_err(|error| error.within(&name))?;
                unknown.insert(name);
                return Ok(());
            };
            if seen & (1 << at) != 0 {
                return Err(twice(&name).into());
            }
            seen |= 1 << at;
            match known.get(at) {
                Some(known) if walker.peek() != Some(b'n') => {
                    member(walker, known).map_err(|error| error.within(known))
                }
                _ => walker.word("null").map_err(|error| error.within(&name).into()),
            }
        })
    }

    /// The elements of a list, each with its number.
    pub fn list<E: From<Error> + Within>(
        &mut self,
        mut element: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.peek() != Some(b'[') {
            return Err(self.other("a list").into());
        }
        self.enter()?;
        let mut count = 0;
        if !self.comes(b']') {
            loop {
                self.interrupt.spend(VALUE_STEPS).map_err(Error::from)?;
                element(self, count).map_err(|error| error.at(count))?;
                count += 1;
                if self.comes(b']') {
                    break;
                }
                if !self.comes(b',') {
                    return Err(self.syntax("`,` or `]`").into());
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

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

    /// Any value, its objects without a member that comes twice.
    pub fn value(&mut self) -> Result<Value, Error> {
        Ok(match self.peek() {
            Some(b'{') => Value::Object(self.map()?),
            Some(b'[') => {
                let mut list = Vec::new();
                self.list(|walker, _| {
                    list.push(walker.value()?);
                    Ok::<_, Error>(())
                })?;
                Value::Array(list)
            }
            Some(b'"') => Value::String(self.string()?.into_owned()),
            Some(b'-' | b'0'..=b'9') => Value::Number(number(self.number()?)?),
            _ => self.literal()?.map_or(Value::Null, Value::Bool),
        })
    }

    /// An object, whatever its members, without one that comes twice.
    pub fn map(&mut self) -> Result<Map<String, Value>, Error> {
        let mut map = Map::new();
        self.members(|walker, name| match map.entry(name.into_owned()) {
            Entry::Occupied(there) => Err(twice(there.key())),
            Entry::Vacant(place) => {
                let value = walker.value().map_err(|error| error.within(place.key()))?;
                place.insert(value);
                Ok(())
            }
        })?;
        Ok(map)
    }

    /// Goes past a value, and gives its text.
    pub fn skip(&mut self) -> Result<&'a str, Error> {
        self.space();
        let from = self.offset();
        match self.peek() {
            Some(b'{') => {
                let mut names = BTreeSet::new();
                self.members(|walker, name| {
                    if names.contains(&name) {
                        return Err(twice(&name));
                    }
                    if names.len() == SKIPPED_MEMBERS_MAX {
                        return Err(Error::wrong(format!("at most {SKIPPED_MEMBERS_MAX} members"), "more"));
                    }
                    walker.skip().map_err(|error| error.within(&name))?;
                    names.insert(name);
                    Ok(())
                })?;
            }
            Some(b'[') => self.list(|walker, _| walker.skip().map(drop))?,
            Some(b'"') => drop(self.string()?),
            Some(b'-' | b'0'..=b'9') => drop(self.number()?),
            _ => drop(self.literal()?),
        }
        Ok(self.text.get(from..self.offset()).unwrap_or_default())
    }

    /// The members of an object, whatever their names, in their order.
    fn members<E: From<Error>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.peek() != Some(b'{') {
            return Err(self.other("an object").into());
        }
        self.enter()?;
        if !self.comes(b'}') {
            loop {
                self.interrupt.spend(VALUE_STEPS).map_err(Error::from)?;
                if self.peek() != Some(b'"') {
                    return Err(self.syntax("a member's name").into());
                }
                let name = self.string()?;
                if !self.comes(b':') {
                    return Err(self.syntax("`:`").into());
                }
                member(self, name)?;
                if self.comes(b'}') {
                    break;
                }
                if !self.comes(b',') {
                    return Err(self.syntax("`,` or `}`").into());
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Error> {
        if self.depth == DEPTH_MAX {
            return Err(self.place(Error::wrong(format!("at most {DEPTH_MAX} levels"), "a deeper one")));
        }
        self.depth += 1;
        self.rest = self.rest.get(1..).unwrap_or_default();
        Ok(())
    }

    /// A string whose quotation mark comes next.
    fn string(&mut self) -> Result<Cow<'a, str>, Error> {
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

    /// Whether this comes next; it is taken then.
    #[inline]
    fn comes(&mut self, byte: u8) -> bool {
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

    fn offset(&self) -> usize {
        self.text.len() - self.rest.len()
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

    fn place(&self, error: Error) -> Error {
        self.at_offset(error, 0)
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

/// An error that can say where it is.
pub trait Within: Sized {
    /// Adds the member's name to an error.
    fn within(self, member: &str) -> Self;
    /// Adds the element's number to an error.
    fn at(self, element: usize) -> Self;
}

impl Within for Error {
    fn within(self, member: &str) -> Self {
        Self::within(self, member)
    }

    fn at(self, element: usize) -> Self {
        Self::at(self, element)
    }
}

fn twice(name: &str) -> Error {
    Error::wrong("the member once", "it twice").within(name)
}
