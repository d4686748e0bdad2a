//! One line of NDJSON, straight into the columns.
//!
//! Never builds the object in between. A member that no field names is noted
//! and skipped; a list must have exactly its field's shape.

use super::json_scan::too_long;
use crate::collect::{Collector, push_float};
use crate::error::shown;
use crate::limits::{COLUMNS_MAX, NAME_MAX_BYTES};
use scry_card::{ColumnBuilder, Datatype};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// Reads a line's object into the row that the collector has begun.
pub(crate) struct Row<'a> {
    pub(crate) collector: &'a mut Collector,
    pub(crate) index: &'a HashMap<String, usize>,
    pub(crate) ignored: &'a mut BTreeSet<String>,
    /// Which fields any line has had so far.
    pub(crate) met: &'a mut [bool],
    /// Where a value is not its field's: the field, and what was found.
    pub(crate) refused: &'a mut Option<(usize, String)>,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object, one a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut expected = 0;
        while let Some(found) = map.next_key_seed(Key { row: &self, expected })? {
            let Some(at) = found.map_err(|name| self.ignored.insert(name)).ok() else {
                if self.ignored.len() > COLUMNS_MAX {
                    return Err(A::Error::custom(format!("more than {COLUMNS_MAX} columns")));
                }
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            expected = at + 1;
            if let Some(met) = self.met.get_mut(at) {
                *met = true;
            }
            let before = self.collector.rows.saturating_sub(1) * self.collector.per_row(at);
            let per_row = self.collector.per_row(at);
            let refuse = |found: String, refused: &mut Option<(usize, String)>| {
                *refused = Some((at, found));
                A::Error::custom("refused")
            };
            let (Some(field), Some(builder)) = (self.collector.fields.get(at), self.collector.builders.get_mut(at))
            else {
                continue;
            };
            if builder.len() != before {
                return Err(refuse("a second value".into(), self.refused));
            }
            let mut found = None;
            let seed = Value { builder, shape: &field.shape, is_whole: true, per_row, found: &mut found };
            let result = map.next_value_seed(seed);
            if let Some(found) = found {
                return Err(refuse(found, self.refused));
            }
            result.map_err(|error| match error.to_string().starts_with("number out of range") {
                true => refuse("a number out of range".into(), self.refused),
                false => error,
            })?;
        }
        Ok(())
    }
}

/// The field that a member's key names; most objects have the fields' order.
struct Key<'a, 'b> {
    row: &'a Row<'b>,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Result<usize, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let fields = &self.row.collector.fields;
        if fields.get(self.expected).is_some_and(|field| field.name == name) {
            return Ok(Ok(self.expected));
        }
        if let Some(&at) = self.row.index.get(name) {
            return Ok(Ok(at));
        }
        if name.len() > NAME_MAX_BYTES {
            return Err(E::custom(too_long()));
        }
        Ok(Err(name.to_owned()))
    }
}

/// One value of a field, or an element of it.
struct Value<'a> {
    builder: &'a mut ColumnBuilder,
    shape: &'a [u64],
    /// Whether this is the row's whole value.
    is_whole: bool,
    per_row: usize,
    found: &'a mut Option<String>,
}

impl Value<'_> {
    fn push<E: Error>(
        self,
        push: impl FnOnce(&mut ColumnBuilder) -> Result<(), String>,
        shown: String,
    ) -> Result<(), E> {
        let result = if self.shape.is_empty() { push(self.builder) } else { Err(shown) };
        result.map_err(|found| {
            *self.found = Some(found);
            E::custom("refused")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // A narrow float is parsed as one, so that it is rounded once.
        match self.builder.datatype() {
            Datatype::Fp32 if self.shape.is_empty() => deserializer.deserialize_option(self),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.builder.datatype().value())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_f32(self)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.is_whole && !self.shape.is_empty() {
            return (0..self.per_row).try_for_each(|_| self.builder.push_null()).map_err(E::custom);
        }
        self.push(ColumnBuilder::push_null, "null".into())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.push(|builder| builder.push_bool(value), value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.push(|builder| builder.push_i64(value), "a number".into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.push(|builder| builder.push_u64(value), "a number".into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.push(|builder| push_float(builder, value), "a number".into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        let text = if self.shape.is_empty() { String::new() } else { shown(value) };
        self.push(|builder| builder.push_str(value), text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((&dim, inner)) = self.shape.split_first() else {
            *self.found = Some("a list".into());
            return Err(A::Error::custom("refused"));
        };
        let mut count = 0;
        loop {
            let seed = Value {
                builder: &mut *self.builder,
                shape: inner,
                is_whole: false,
                per_row: self.per_row,
                found: &mut *self.found,
            };
            if count == dim {
                if list.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(());
                }
                *self.found = Some(format!("a list of more than {dim}"));
            } else if list.next_element_seed(seed)?.is_some() {
                count += 1;
                continue;
            } else {
                *self.found = Some(format!("a list of {count}"));
            }
            return Err(A::Error::custom("refused"));
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        *self.found = Some("an object".into());
        Err(A::Error::custom("refused"))
    }
}
