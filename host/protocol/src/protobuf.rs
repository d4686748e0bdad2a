//! The fields of a protobuf message, one level at a time. Never believes a length, never nests.

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// A field ends behind its message.
    #[error("expected a field of at most {left} bytes, found one of {length}")]
    Cut {
        /// What the message still has.
        left: usize,
        /// What the field says.
        length: u64,
    },
    /// A number that does not end, or has more than 64 bits.
    #[error("expected a whole number of at most 64 bits, found none")]
    Number,
    /// A kind of field that is not in use.
    #[error("expected a field of the kinds 0, 1, 2, or 5, found {0}")]
    Kind(u64),
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number, a truth value, or an element of an enumeration.
    Number(u64),
    /// A text, bytes, a message, or a list of numbers.
    Bytes(&'a [u8]),
    /// Four or eight bytes.
    Fixed(&'a [u8]),
}

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Its number in the message's description.
    pub number: u64,
    /// What it holds.
    pub value: Value<'a>,
    /// All of it, as it stands in the message.
    pub raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// What it holds, if it has that number.
    pub fn value_of(&self, number: u64) -> Option<Value<'a>> {
        (self.number == number).then_some(self.value)
    }
}

/// The fields of a message, in order; after damage comes none.
#[derive(Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Of a message's bytes.
    pub fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn read(&mut self) -> Result<Field<'a>, Damaged> {
        let whole = self.0;
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => Value::Fixed(self.take(8)?),
            2 => {
                let length = self.number()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed(self.take(4)?),
            other => return Err(Damaged::Kind(other)),
        };
        let raw = whole.get(..whole.len() - self.0.len()).unwrap_or_default();
        Ok(Field { number: key >> 3, value, raw })
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Damaged> {
        let parts = usize::try_from(length).ok().and_then(|length| self.0.split_at_checked(length));
        let (taken, rest) = parts.ok_or(Damaged::Cut { left: self.0.len(), length })?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Damaged::Number)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // Of the tenth byte one bit is left.
                return if shift == 63 && byte > 1 { Err(Damaged::Number) } else { Ok(number) };
            }
        }
        Err(Damaged::Number)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Numbers without keys, one behind the other; after damage comes none.
pub fn numbers(packed: &[u8]) -> impl Iterator<Item = Result<u64, Damaged>> {
    let mut rest = Fields(packed);
    std::iter::from_fn(move || {
        if rest.0.is_empty() {
            return None;
        }
        let number = rest.number();
        if number.is_err() {
            rest.0 = &[];
        }
        Some(number)
    })
}

/// Adds a field of bytes to a message.
pub fn put_bytes(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_key(message, field, bytes.len());
    message.extend_from_slice(bytes);
}

/// Adds the key of a field of so many bytes, which are to follow.
pub fn put_key(message: &mut Vec<u8>, field: u64, length: usize) {
    put(message, field << 3 | 2);
    put(message, length as u64);
}

/// Adds a field that is a number.
pub fn put_number(message: &mut Vec<u8>, field: u64, number: u64) {
    put(message, field << 3);
    put(message, number);
}

fn put(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_protobuf_writes_them() {
        // The examples of the description of the encoding: 150 in field 1, "testing" in field 2, a message in field 3.
        let message = [&[0x08, 0x96, 0x01][..], b"\x12\x07testing", &[0x1a, 0x03, 0x08, 0x96, 0x01]].concat();
        let read: Vec<Field<'_>> = Fields::of(&message).collect::<Result<_, _>>().unwrap();
        let values: Vec<_> = read.iter().map(|field| (field.number, field.value)).collect();
        let of = [(1, Value::Number(150)), (2, Value::Bytes(b"testing")), (3, Value::Bytes(&[0x08, 0x96, 0x01]))];
        assert_eq!(values, of);
        assert_eq!(read.iter().flat_map(|field| field.raw).copied().collect::<Vec<u8>>(), message);
        let mut written = Vec::new();
        put_number(&mut written, 1, 150);
        put_bytes(&mut written, 2, b"testing");
        put_bytes(&mut written, 3, &[0x08, 0x96, 0x01]);
        assert_eq!(written, message);
    }

    #[test]
    fn damage_ends_the_message() {
        let read = |message: &[u8]| Fields::of(message).collect::<Result<Vec<_>, _>>().map(drop);
        assert_eq!(read(&[0x12, 0x07, b't']), Err(Damaged::Cut { left: 1, length: 7 }));
        assert_eq!(read(&[0x0d, 0, 0, 0]), Err(Damaged::Cut { left: 3, length: 4 }));
        assert_eq!(read(&[0x08]), Err(Damaged::Number));
        assert_eq!(read(&[&[0x08][..], &[0xff; 9], &[2]].concat()), Err(Damaged::Number));
        assert_eq!(read(&[&[0x08][..], &[0xff; 9], &[1]].concat()), Ok(()));
        assert_eq!(read(&[&[0x12][..], &[0xff; 9], &[1]].concat()), Err(Damaged::Cut { left: 0, length: u64::MAX }));
        assert_eq!(read(&[0x0b]), Err(Damaged::Kind(3)));
    }
}
