//! The Open Inference Protocol (V2) in JSON.
//!
//! Elements go straight into typed columns; the usual request is read in one pass.
//! `data` may be flat or nested; a tensor's members may come in any order, each once.

mod plain;
mod response;
mod straight;

pub use response::{InferResponse, metadata};

use super::records::InvalidRows;
use scry_card::{CheckKind, Column, ColumnBuilder, Datatype, Invalid, NamedTensor, ShownShape, Tensor, element_count};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::fmt;

/// Elements that room is made for before any is seen, at most.
const CAPACITY_MAX: usize = 1 << 16;

/// The same for a list that should have so many.
fn capacity(expected: Option<usize>) -> usize {
    expected.unwrap_or(0).min(CAPACITY_MAX)
}

/// A request whose bytes are worth looking at only once: of a smaller one
/// most is names, which the JSON reader reads best.
const LARGE_MIN_BYTES: usize = 2 << 10;

/// Longest key of a request.
pub const KEY_MAX_BYTES: usize = 256;

/// Why a request could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// Not JSON, or not of the protocol's form.
    #[error("the request is not V2 JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The same for records.
    #[error("the request is not JSON with `instances`: {0}")]
    Records(serde_json::Error),
    /// A tensor that is not what it says.
    #[error("{0}")]
    Invalid(Invalid),
}

/// A request to infer.
#[derive(Debug)]
pub struct InferRequest {
    /// Echoed when given.
    pub id: Option<String>,
    /// A shorter deadline, in microseconds.
    pub timeout_us: Option<u64>,
    /// Requests of one key get one version while a canary runs.
    pub key: Option<String>,
    /// What becomes of a request some of whose rows are refused.
    pub invalid_rows: InvalidRows,
    /// The columns.
    pub inputs: Vec<NamedTensor>,
    /// Which outputs are wanted; all when empty.
    pub outputs: Vec<String>,
}

#[derive(Deserialize)]
struct RawRequest<'a> {
    id: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(borrow)]
    inputs: Vec<RawTensor<'a>>,
    #[serde(default)]
    outputs: Vec<RawOutput>,
}

#[derive(Deserialize)]
struct RawOutput {
    name: String,
}

impl InferRequest {
    /// Reads a request.
    pub fn from_json(body: &[u8]) -> Result<Self, ProtocolError> {
        let straight = if body.len() < LARGE_MIN_BYTES { None } else { straight::request(body) };
        let raw: RawRequest<'_> = straight.map_or_else(|| serde_json::from_slice(body), Ok)?;
        let timeout_us = match raw.parameters.get("timeout") {
            None => None,
            Some(value) => Some(value.as_u64().ok_or_else(|| {
                let found = value.to_string();
                wrong("timeout", None, "microseconds as a whole number", found)
            })?),
        };
        let key = match raw.parameters.get("key") {
            None => None,
            Some(Value::String(key)) if key.len() <= KEY_MAX_BYTES => Some(key.clone()),
            Some(value) => {
                let found = value.to_string().chars().take(80).collect::<String>();
                return Err(wrong("key", None, format!("a text of at most {KEY_MAX_BYTES} bytes"), found));
            }
        };
        let invalid_rows = match raw.parameters.get("invalid_rows") {
            None => InvalidRows::default(),
            Some(value) => InvalidRows::deserialize(value).map_err(|_| {
                let found = value.to_string().chars().take(80).collect::<String>();
                wrong("invalid_rows", None, "refuse-request or refuse-row", found)
            })?,
        };
        let inputs = raw.inputs.into_iter().map(RawTensor::read).collect::<Result<_, _>>()?;
        let outputs = raw.outputs.into_iter().map(|output| output.name).collect();
        Ok(Self { id: raw.id, timeout_us, key, invalid_rows, inputs, outputs })
    }
}

pub(super) fn wrong(
    field: &str,
    row: Option<usize>,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> ProtocolError {
    ProtocolError::Invalid(Invalid { row, ..Invalid::new(CheckKind::Type, field, expected, found) })
}

/// A tensor as it is written.
#[derive(Deserialize)]
struct RawTensor<'a> {
    name: Option<String>,
    shape: Option<Vec<u64>>,
    datatype: Option<String>,
    /// Read when its type is known, which may come later.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// What was read of it already.
    #[serde(skip)]
    column: Option<Column>,
}

/// A column, or the first element that does not fit it.
type Elements = Result<Column, (usize, String)>;

impl RawTensor<'_> {
    fn read(self) -> Result<NamedTensor, ProtocolError> {
        let name = self.name.ok_or_else(|| serde_json::Error::custom("a tensor has no `name`"))?;
        let missing = |what| serde_json::Error::custom(format!("tensor `{name}` has no `{what}`"));
        let shape = self.shape.ok_or_else(|| missing("shape"))?;
        let kind = self.datatype.ok_or_else(|| missing("datatype"))?;
        let datatype = datatype(&kind)
            .ok_or_else(|| wrong(&name, None, "a datatype of BOOL, INT8-64, UINT8-64, FP32, FP64, BYTES", kind))?;
        let expected = element_count(&shape);
        let elements = match (self.column, self.data) {
            (Some(column), _) => Ok(column),
            (None, Some(data)) => elements(&name, datatype, expected, data.get())?,
            (None, None) => return Err(missing("data").into()),
        };
        let Column { values, validity } = elements.map_err(|(at, found)| {
            let rows = shape.first().copied().unwrap_or(1).max(1);
            let count = expected.unwrap_or(0) as u64;
            let row = at as u64 / (count / rows).max(1);
            wrong(&name, usize::try_from(row).ok(), format!("a {datatype} value"), found)
        })?;
        if expected != Some(values.len()) {
            let expected = expected.map_or("a shape that can be counted".into(), |count| format!("{count} elements"));
            return Err(wrong(
                &name,
                None,
                format!("{expected} for shape {}", ShownShape(&shape)),
                values.len().to_string(),
            ));
        }
        Ok(NamedTensor { name, tensor: Tensor { shape, values, validity } })
    }
}

fn elements(name: &str, datatype: Datatype, expected: Option<usize>, list: &str) -> Result<Elements, ProtocolError> {
    let found = match list.as_bytes().first() {
        Some(b'[') => None,
        Some(b'{') => Some("an object"),
        Some(b'"') => Some("a text"),
        Some(b't' | b'f') => Some("a truth value"),
        _ => Some("a number"),
    };
    if let Some(found) = found {
        return Err(wrong(name, None, "a list of elements as `data`", found));
    }
    let capacity = capacity(expected);
    if let Some((column, [])) = plain::column(datatype, list.as_bytes(), capacity) {
        return Ok(Ok(column));
    }
    Ok(ElementsSeed { datatype, capacity }.deserialize(&mut serde_json::Deserializer::from_str(list))?)
}

fn datatype(name: &str) -> Option<Datatype> {
    use Datatype::{Bool, Bytes, Fp32, Fp64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    let all = [Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Fp32, Fp64, Bytes];
    all.into_iter().find(|datatype| datatype.name() == name)
}

/// Reads `data` into a column of a known type.
struct ElementsSeed {
    datatype: Datatype,
    capacity: usize,
}

impl<'de> DeserializeSeed<'de> for ElementsSeed {
    type Value = Elements;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Elements, D::Error> {
        let mut builder = ColumnBuilder::new(self.datatype, self.capacity);
        let mut first_wrong = None;
        deserializer.deserialize_seq(ListVisitor { builder: &mut builder, wrong: &mut first_wrong })?;
        Ok(match first_wrong {
            None => Ok(builder.finish()),
            Some(wrong) => Err(wrong),
        })
    }
}

/// One level of a list; the first element that does not fit is kept, the rest
/// is read past.
struct ListVisitor<'a> {
    builder: &'a mut ColumnBuilder,
    wrong: &'a mut Option<(usize, String)>,
}

impl<'de> Visitor<'de> for ListVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(ElementSeed { builder: self.builder, wrong: self.wrong })?.is_some() {}
        Ok(())
    }
}

struct ElementSeed<'a> {
    builder: &'a mut ColumnBuilder,
    wrong: &'a mut Option<(usize, String)>,
}

impl ElementSeed<'_> {
    fn keep<E>(self, push: impl FnOnce(&mut ColumnBuilder) -> Result<(), String>) -> Result<(), E> {
        if self.wrong.is_none()
            && let Err(found) = push(self.builder)
        {
            *self.wrong = Some((self.builder.len(), found));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ElementSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an element or a list of elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        ListVisitor { builder: self.builder, wrong: self.wrong }.visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.keep(|_| Err("an object".into()))
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.keep(ColumnBuilder::push_null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.keep(|builder| builder.push_bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.keep(|builder| builder.push_i64(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.keep(|builder| builder.push_u64(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.keep(|builder| builder.push_f64(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.keep(|builder| builder.push_str(value))
    }
}

#[cfg(test)]
mod tests;
