//! Universal Binary JSON, as XGBoost writes it.
//!
//! Never takes room that the bytes do not fill: a length is compared with what is left.

use super::document::{Budget, List, Value, member};
use scry_card::strict::Error;

/// Objects and lists within each other, at most: as in JSON.
const DEPTH_MAX: usize = 128;

/// Reads a document.
pub(super) fn from_ubj(bytes: &[u8]) -> Result<Value, Error> {
    let mut reader = Reader { bytes, rest: bytes, depth: 0, budget: Budget::default() };
    let marker = reader.byte()?;
    let value = reader.value(marker)?;
    match reader.rest {
        [] => value.ok_or_else(|| Error::wrong("an object", "null")),
        rest => Err(Error::wrong("the end", format!("{} more bytes", rest.len()))),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
    depth: usize,
    budget: Budget,
}

impl<'a> Reader<'a> {
    fn wrong(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        let at = self.bytes.len() - self.rest.len();
        Error::wrong(expected.into(), format!("{} before byte {at}", found.into()))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.wrong(format!("{count} bytes"), format!("{} bytes", self.rest.len()))),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| self.wrong(format!("{N} bytes"), "fewer"))
    }

    fn byte(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A length, with its marker.
    fn length(&mut self) -> Result<usize, Error> {
        let marker = self.byte()?;
        let length = match width(marker) {
            Some(_) if !matches!(marker, b'd' | b'D') => self.number(marker)?,
            _ => return Err(self.wrong("a length", shown(marker))),
        };
        // Longer than what is left, or a whole number.
        if length < 0.0 || length > self.rest.len() as f64 {
            return Err(self.wrong(format!("a length of at most {}", self.rest.len()), length.to_string()));
        }
        Ok(length as usize)
    }

    fn text(&mut self) -> Result<&'a str, Error> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.wrong("UTF-8", "other bytes"))
    }

    /// A number of the marker's type, big-endian.
    fn number(&mut self, marker: u8) -> Result<f64, Error> {
        Ok(match marker {
            b'i' => f64::from(i8::from_be_bytes(self.array()?)),
            b'U' => f64::from(self.byte()?),
            b'I' => f64::from(i16::from_be_bytes(self.array()?)),
            b'l' => f64::from(i32::from_be_bytes(self.array()?)),
            b'L' => i64::from_be_bytes(self.array()?) as f64,
            b'd' => f64::from(f32::from_be_bytes(self.array()?)),
            b'D' => f64::from_be_bytes(self.array()?),
            _ => return Err(self.wrong("a value", shown(marker))),
        })
    }

    /// What follows a marker; nothing for null.
    fn value(&mut self, marker: u8) -> Result<Option<Value>, Error> {
        self.budget.spend()?;
        Ok(Some(match marker {
            b'Z' => return Ok(None),
            b'T' => Value::Number(1.0),
            b'F' => Value::Number(0.0),
            b'S' => Value::Text(self.text()?.to_owned()),
            b'{' | b'[' if self.depth == DEPTH_MAX => {
                return Err(self.wrong(format!("at most {DEPTH_MAX} levels"), "a deeper one"));
            }
            b'{' => self.deeper(Self::object)?,
            b'[' => self.deeper(Self::list)?,
            marker => Value::Number(self.number(marker)?),
        }))
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        self.depth += 1;
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    fn object(&mut self) -> Result<Value, Error> {
        let mut members: Vec<(&'static str, Value)> = Vec::new();
        while self.rest.first() != Some(&b'}') {
            let name = self.text()?;
            let marker = self.byte()?;
            let value = self.value(marker).map_err(|error| error.within(name))?;
            let (Some(known), Some(value)) = (member(name), value) else { continue };
            if members.iter().any(|(there, _)| *there == known) {
                return Err(self.wrong("the member once", "it twice").within(name));
            }
            members.push((known, value));
        }
        self.take(1)?;
        Ok(Value::Object(members))
    }

    fn list(&mut self) -> Result<Value, Error> {
        let typed = match self.rest.first() {
            Some(b'$') => {
                self.take(1)?;
                Some(self.byte()?)
            }
            _ => None,
        };
        let counted = match self.rest.first() {
            Some(b'#') => {
                self.take(1)?;
                Some(self.length()?)
            }
            _ => None,
        };
        match (typed, counted) {
            (Some(marker), Some(count)) => self.numbers(marker, count),
            (Some(_), None) => Err(self.wrong("the length of a list with a type", "none")),
            (None, counted) => self.values(counted),
        }
    }

    /// `count` numbers of one type.
    fn numbers(&mut self, marker: u8, count: usize) -> Result<Value, Error> {
        let Some(width) = width(marker) else { return Err(self.wrong("a list of numbers", shown(marker))) };
        if count.saturating_mul(width) > self.rest.len() {
            return Err(self.wrong(format!("{count} numbers of {width} bytes"), format!("{} bytes", self.rest.len())));
        }
        (0..count).map(|_| self.number(marker)).collect::<Result<_, _>>().map(Value::Numbers)
    }

    fn values(&mut self, count: Option<usize>) -> Result<Value, Error> {
        let mut list = List::default();
        let mut read = 0;
        while count.map_or(self.rest.first() != Some(&b']'), |count| read < count) {
            let marker = self.byte()?;
            let value = self.value(marker).map_err(|error| error.at(read))?;
            list.push(value.ok_or_else(|| self.wrong("a value", "null").at(read))?);
            read += 1;
        }
        if count.is_none() {
            self.take(1)?;
        }
        Ok(list.end())
    }
}

/// Bytes of a number.
fn width(marker: u8) -> Option<usize> {
    match marker {
        b'i' | b'U' => Some(1),
        b'I' => Some(2),
        b'l' | b'd' => Some(4),
        b'L' | b'D' => Some(8),
        _ => None,
    }
}

fn shown(marker: u8) -> String {
    if marker.is_ascii_graphic() { format!("`{}`", char::from(marker)) } else { format!("the byte 0x{marker:02x}") }
}
