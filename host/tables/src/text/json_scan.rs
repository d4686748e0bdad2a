//! One line of NDJSON, looked at to find the columns' types.
//!
//! Never keeps a value. Lists must have one shape in the whole file.

use super::seen::Seen;
use crate::ColumnInfo;
use crate::limits::{COLUMNS_MAX, NAME_MAX_BYTES};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::HashMap;
use std::fmt;

/// What was seen of each member's name, in the order of their first lines.
#[derive(Default)]
pub(crate) struct Scan {
    names: Vec<String>,
    seen: Vec<Seen>,
    /// The line of each member's last value.
    last_lines: Vec<u64>,
    index: HashMap<String, usize>,
    /// The line that is looked at.
    pub(crate) line: u64,
}

impl Scan {
    /// The type of each column.
    pub(crate) fn columns(self, assumed: &mut Vec<String>) -> Vec<ColumnInfo> {
        self.names.iter().zip(self.seen).map(|(name, seen)| seen.column(name, false, assumed)).collect()
    }
}

impl<'de> DeserializeSeed<'de> for &mut Scan {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Scan {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object, one a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut expected = 0;
        while let Some(at) = map.next_key_seed(Key { scan: &mut *self, expected })? {
            expected = at + 1;
            let line = self.line;
            let (Some(seen), Some(last_line)) = (self.seen.get_mut(at), self.last_lines.get_mut(at)) else { continue };
            if std::mem::replace(last_line, line) == line {
                seen.unreadable.get_or_insert(format!("two values of one row (line {line})"));
            }
            match map.next_value_seed(Look { seen, line })? {
                Shape::Missing => {}
                Shape::Of(shape) => match &seen.shape {
                    None => seen.shape = Some(shape),
                    Some(known) if *known == shape => {}
                    Some(known) => {
                        let why = format!("values of shape {known:?} and, in line {line}, of shape {shape:?}");
                        seen.unreadable.get_or_insert(why);
                    }
                },
                Shape::None(what) => {
                    seen.unreadable.get_or_insert(format!("{what} (line {line})"));
                }
            }
        }
        Ok(())
    }
}

/// The column that a member's key names, new or known; most objects have the
/// order of the first.
struct Key<'a> {
    scan: &'a mut Scan,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        let Scan { names, seen, last_lines, index, .. } = self.scan;
        if names.get(self.expected).is_some_and(|known| known == name) {
            return Ok(self.expected);
        }
        if let Some(&at) = index.get(name) {
            return Ok(at);
        }
        if name.len() > NAME_MAX_BYTES {
            return Err(E::custom(too_long()));
        }
        if names.len() >= COLUMNS_MAX {
            return Err(E::custom(format!("more than {COLUMNS_MAX} columns")));
        }
        index.insert(name.to_owned(), names.len());
        names.push(name.to_owned());
        seen.push(Seen::default());
        last_lines.push(0);
        Ok(names.len() - 1)
    }
}

/// What is wrong with a name beyond the limit.
pub(crate) fn too_long() -> String {
    format!("a column's name of more than {NAME_MAX_BYTES} bytes")
}

/// The shape of a value.
#[derive(PartialEq)]
enum Shape {
    Missing,
    Of(Vec<u64>),
    /// What has no shape.
    None(&'static str),
}

struct Look<'a> {
    seen: &'a mut Seen,
    line: u64,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = Shape;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Shape, E> {
        Ok(Shape::Missing)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Shape, E> {
        self.seen.bools.add(self.line);
        Ok(Shape::Of(Vec::new()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Shape, E> {
        self.seen.add_i64(value, self.line);
        Ok(Shape::Of(Vec::new()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Shape, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => {
                self.seen.large.add(self.line);
                Ok(Shape::Of(Vec::new()))
            }
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Shape, E> {
        self.seen.add_float(value, self.line);
        Ok(Shape::Of(Vec::new()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Shape, E> {
        self.seen.add_text(value, self.line);
        Ok(Shape::Of(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        let mut count = 0;
        let mut inner: Option<Vec<u64>> = None;
        let mut odd = None;
        while let Some(shape) = list.next_element_seed(Look { seen: &mut *self.seen, line: self.line })? {
            count += 1;
            match (shape, &inner) {
                (Shape::None(what), _) => odd = odd.or(Some(what)),
                // A missing element has the shape of a scalar.
                (Shape::Missing, None) => inner = Some(Vec::new()),
                (Shape::Missing, Some(known)) if known.is_empty() => {}
                (Shape::Of(shape), None) => inner = Some(shape),
                (Shape::Of(shape), Some(known)) if shape == *known => {}
                _ => odd = odd.or(Some("a list of unlike elements")),
            }
        }
        match (odd, inner) {
            (Some(what), _) => Ok(Shape::None(what)),
            (None, None) => Ok(Shape::None("an empty list")),
            (None, Some(inner)) => Ok(Shape::Of(std::iter::once(count).chain(inner).collect())),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Shape::None("an object"))
    }
}
