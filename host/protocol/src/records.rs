//! Rows as JSON records, the form of TensorFlow Serving and KServe V1:
//! `{"instances":[{…}]}` → `{"predictions":[{…}]}`.
//!
//! Never interprets a record: the schema says what its members mean.

use crate::answer::{Answer, Remarks};
use crate::error::ProtocolError;
use crate::json;
use crate::options::Options;
use crate::v2::SentTensor;
use scry_card::strict::{Error, Walker};
use scry_card::{CheckKind, Finding, Interrupt, Records};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value};

/// A request with rows.
#[derive(Debug)]
pub struct RecordsRequest {
    /// One object a row.
    pub instances: Vec<Map<String, Value>>,
    /// What else the client wants.
    pub parameters: Options,
}

impl RecordsRequest {
    /// Reads a request. Members that Scry does not know are skipped.
    pub fn from_json(body: &[u8]) -> Result<Self, ProtocolError> {
        Self::from_json_until(body, &Interrupt::never())
    }

    /// Does the same, and stops when it is interrupted.
    pub fn from_json_until(body: &[u8], interrupt: &Interrupt<'_>) -> Result<Self, ProtocolError> {
        let read = || {
            let mut walker = Walker::new(body)?.until(interrupt);
            let (mut instances, mut parameters) = (None, Options::default());
            walker.object(&["instances", "parameters"], |walker, member| match member {
                "instances" => rows(walker).map(|rows| instances = Some(rows)),
                _ => Options::read(walker).map(|wishes| parameters = wishes),
            })?;
            walker.end()?;
            let instances = instances.ok_or_else(|| Error::missing("instances", "a list of objects"))?;
            Ok(Self { instances, parameters })
        };
        read().map_err(|error| ProtocolError::reading(error, ProtocolError::Records))
    }
}

fn rows(walker: &mut Walker<'_>) -> Result<Vec<Map<String, Value>>, Error> {
    let mut rows = Vec::new();
    walker.list(|walker, _| {
        if walker.peek() == Some(b'[') {
            let found = "a list, which has no names: send V2 tensors instead";
            return Err(Error::wrong("an object with a member for each field", found));
        }
        rows.push(walker.map()?);
        Ok(())
    })?;
    Ok(rows)
}

/// An answer as records.
#[derive(Debug)]
pub struct RecordsResponse<'a>(pub &'a Answer);

impl RecordsResponse<'_> {
    /// The JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, ProtocolError> {
        self.to_json_until(&mut Interrupt::never())
    }

    /// Does the same, and stops when it is interrupted.
    pub fn to_json_until(&self, interrupt: &mut Interrupt<'_>) -> Result<Vec<u8>, ProtocolError> {
        json::write(self, interrupt)
    }
}

impl Serialize for RecordsResponse<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Answer { card, outputs, remarks, .. } = self.0;
        let Remarks { refused_rows, refusals, warnings, .. } = remarks;
        let mut map = serializer.serialize_map(None)?;
        let records = Records { fields: &card.schema.outputs, batch: outputs };
        match refused_rows.as_slice() {
            [] => map.serialize_entry("predictions", &records)?,
            refused => map.serialize_entry("predictions", &Gapped { records, refused })?,
        }
        if !refusals.is_empty() {
            map.serialize_entry("errors", &Details(refusals))?;
        }
        if !warnings.is_empty() {
            map.serialize_entry("warnings", &Details(warnings))?;
        }
        map.end()
    }
}

/// Records with `null` in the place of rows that were refused.
struct Gapped<'a> {
    records: Records<'a>,
    refused: &'a [usize],
}

impl Serialize for Gapped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.records.batch.rows))?;
        for row in 0..self.records.batch.rows {
            match self.refused.binary_search(&row) {
                Ok(_) => list.serialize_element(&())?,
                Err(_) => list.serialize_element(&self.records.row(row))?,
            }
        }
        list.end()
    }
}

/// Findings in a request with records.
struct Details<'a>(&'a [Finding]);

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|finding| detail(finding, Surface::Records)))
    }
}

/// Where a finding's JSON pointer points.
#[derive(Debug, Clone, Copy)]
pub enum Surface<'a> {
    /// Into `instances`.
    Records,
    /// Into the data of the tensor with that position among `inputs`.
    V2(&'a [SentTensor]),
}

/// One finding as people know them from other frameworks: `type`, `loc`, `msg`
/// and `input`, with a JSON pointer into the request.
pub fn detail(finding: &Finding, surface: Surface<'_>) -> Value {
    let invalid = &finding.invalid;
    let (pointer, loc) = match surface {
        // Nothing in the request is at fault.
        _ if invalid.check.is_of_version() => (String::new(), Vec::new()),
        Surface::Records => {
            let mut loc = vec![Value::from("instances")];
            let mut pointer = String::from("/instances");
            if let Some(row) = invalid.row {
                loc.push(row.into());
                pointer.push_str(&format!("/{row}"));
                // A rule is no member.
                if invalid.check != CheckKind::Rule {
                    pointer.push_str(&format!("/{}", escaped(&invalid.field)));
                }
            }
            loc.push(invalid.field.as_str().into());
            (pointer, loc)
        }
        Surface::V2(sent) => {
            let tensor = sent.iter().enumerate().find(|(_, tensor)| tensor.name == invalid.field);
            let mut loc = vec![Value::from("inputs"), Value::from(invalid.field.as_str())];
            loc.extend(invalid.row.map(Value::from));
            let mut pointer = String::from("/inputs");
            if let Some((at, tensor)) = tensor {
                pointer.push_str(&format!("/{at}"));
                if let Some(row) = invalid.row {
                    pointer.push_str(&tensor.pointer(row, invalid.element));
                }
            }
            (pointer, loc)
        }
    };
    let mut told = serde_json::json!({
        "type": invalid.check,
        "loc": loc,
        "pointer": pointer,
        "msg": format!("expected {}, found {}", invalid.expected, invalid.found),
        "field": invalid.field,
        "expected": invalid.expected,
        "input": invalid.found,
        "policy": finding.policy,
    });
    if let Some(map) = told.as_object_mut() {
        map.extend(invalid.row.map(|row| ("row".into(), Value::from(row))));
        map.extend(invalid.element.map(|element| ("element".into(), Value::from(element))));
    }
    told
}

/// A name within a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
