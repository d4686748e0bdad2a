//! Answers as JSON records, the form of TensorFlow Serving and KServe V1: `{"predictions":[{…}]}`; and findings with their
//! places in a request.
//!
//! Never knows what a record means.

use crate::answer::{Answer, Remarks};
use crate::error::ProtocolError;
use crate::json;
use crate::sent_rows::RowsAt;
use crate::v2::SentTensor;
use scry_card::{CheckKind, Finding, Interrupt, Invalid, Records};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

/// An answer as records, to a request whose rows were there.
#[derive(Debug)]
pub struct RecordsResponse<'a>(pub &'a Answer, pub &'a RowsAt);

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
            map.serialize_entry("errors", &Details(refusals, self.1))?;
        }
        if !warnings.is_empty() {
            map.serialize_entry("warnings", &Details(warnings, self.1))?;
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
struct Details<'a>(&'a [Finding], &'a RowsAt);

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|finding| detail(finding, Surface::Rows(self.1))))
    }
}

/// Where a finding's JSON pointer points.
#[derive(Debug, Clone, Copy)]
pub enum Surface<'a> {
    /// Into rows that are there.
    Rows(&'a RowsAt),
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
        Surface::Rows(at) => at.place(invalid),
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

impl RowsAt {
    /// A finding's pointer into the request, and its `loc`.
    fn place(&self, invalid: &Invalid) -> (String, Vec<Value>) {
        let member = match self {
            Self::Lines => {
                let row = invalid.row.map(Value::from);
                return (String::new(), row.into_iter().chain([invalid.field.as_str().into()]).collect());
            }
            Self::Objects(member) | Self::Values(member) => *member,
            Self::Split(_) => "dataframe_split",
            Self::Columns => "inputs",
        };
        let mut loc = vec![Value::from(member)];
        loc.extend(invalid.row.map(Value::from));
        loc.push(invalid.field.as_str().into());
        let mut pointer = format!("/{member}");
        if let Some(row) = invalid.row {
            // A rule is no member.
            let is_rule = invalid.check == CheckKind::Rule;
            match self {
                Self::Objects(_) if !is_rule => pointer.push_str(&format!("/{row}/{}", escaped(&invalid.field))),
                Self::Objects(_) | Self::Values(_) => pointer.push_str(&format!("/{row}")),
                Self::Split(columns) => {
                    pointer.push_str(&format!("/data/{row}"));
                    if let Some(at) = columns.iter().position(|name| *name == invalid.field).filter(|_| !is_rule) {
                        pointer.push_str(&format!("/{at}"));
                    }
                }
                Self::Columns if is_rule => {}
                Self::Lines => {}
                Self::Columns => pointer.push_str(&format!("/{}/{row}", escaped(&invalid.field))),
            }
        }
        (pointer, loc)
    }
}

/// A name within a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
