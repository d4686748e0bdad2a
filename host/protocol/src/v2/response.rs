//! What V2 answers to a request to infer.

use crate::answer::Answer;
use crate::error::ProtocolError;
use crate::json;
use scry_card::{Field, Interrupt, Tensor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;

/// An answer as V2 JSON.
#[derive(Debug)]
pub struct InferResponse<'a> {
    /// The model's name, as it was asked for.
    pub model_name: &'a str,
    /// The request's id.
    pub id: Option<&'a str>,
    /// The answer.
    pub answer: &'a Answer,
    /// Which outputs to write; all when empty.
    pub outputs: &'a BTreeSet<String>,
}

impl InferResponse<'_> {
    /// The JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, ProtocolError> {
        self.to_json_until(&mut Interrupt::never())
    }

    /// Does the same, and stops when it is interrupted.
    pub fn to_json_until(&self, interrupt: &mut Interrupt<'_>) -> Result<Vec<u8>, ProtocolError> {
        json::write(self, interrupt)
    }
}

impl Serialize for InferResponse<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model_name", self.model_name)?;
        map.serialize_entry("model_version", &self.answer.version)?;
        if let Some(id) = self.id {
            map.serialize_entry("id", id)?;
        }
        map.serialize_entry("parameters", &Parameters(self.answer))?;
        map.serialize_entry("outputs", &Outputs(self))?;
        map.end()
    }
}

struct Parameters<'a>(&'a Answer);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("scry-model", &self.0.model)?;
        map.serialize_entry("scry-version", &self.0.version)?;
        if let Some(digest) = &self.0.digest {
            map.serialize_entry("scry-digest", &**digest)?;
        }
        if let Some(degraded) = self.0.degraded {
            map.serialize_entry("scry-degraded", degraded)?;
        }
        for (name, findings) in [("scry-errors", &self.0.remarks.refusals), ("scry-warnings", &self.0.remarks.warnings)]
        {
            if !findings.is_empty() {
                map.serialize_entry(name, &findings.iter().map(|f| f.invalid.to_string()).collect::<Vec<_>>())?;
            }
        }
        map.end()
    }
}

struct Outputs<'a>(&'a InferResponse<'a>);

impl Serialize for Outputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Answer { card, outputs, .. } = self.0.answer;
        let mut list = serializer.serialize_seq(None)?;
        for (field, tensor) in card.schema.outputs.iter().zip(&outputs.columns) {
            if self.0.outputs.is_empty() || self.0.outputs.contains(&field.name) {
                list.serialize_element(&Output { field, tensor })?;
            }
        }
        list.end()
    }
}

struct Output<'a> {
    field: &'a Field,
    tensor: &'a Tensor,
}

impl Serialize for Output<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("name", &self.field.name)?;
        map.serialize_entry("datatype", &self.field.datatype)?;
        map.serialize_entry("shape", &self.tensor.shape)?;
        map.serialize_entry("data", &FlatElements(self.tensor))?;
        map.end()
    }
}

/// The elements of a tensor, flat; a missing one is `null`.
struct FlatElements<'a>(&'a Tensor);

impl Serialize for FlatElements<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Tensor { values, validity, .. } = self.0;
        let Some(flags) = validity else {
            return scry_card::for_each_values!(values, list => list.serialize(serializer), text => serializer.collect_seq(text.iter()));
        };
        fn nullable<T: Serialize, S: Serializer>(
            items: impl Iterator<Item = T>,
            flags: &[bool],
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(items.zip(flags).map(|(item, &present)| present.then_some(item)))
        }
        scry_card::for_each_values!(
            values,
            list => nullable(list.iter(), flags, serializer),
            text => nullable(text.iter(), flags, serializer)
        )
    }
}
