//! What V2 answers to a request to infer.

use super::outputs::Outputs;
use super::{binary, classes};
use crate::answer::Answer;
use crate::error::ProtocolError;
use crate::json;
use scry_card::{Interrupt, Interrupted, Tensor, Values};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt::Debug;

/// An answer as V2 sends it.
#[derive(Debug)]
pub struct InferResponse<'a> {
    /// The model's name, as it was asked for.
    pub model_name: &'a str,
    /// The request's id.
    pub id: Option<&'a str>,
    /// The answer.
    pub answer: &'a Answer,
    /// Which outputs to write, and how.
    pub outputs: &'a Outputs,
}

/// An answer's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// JSON, and behind it the tensors that are bytes.
    pub bytes: Vec<u8>,
    /// How long the JSON is, where there are such tensors.
    pub json_bytes: Option<usize>,
}

impl InferResponse<'_> {
    /// The answer's bytes. An output with missing elements is JSON, whatever is asked: bytes have
    /// no form for them.
    pub fn write(&self, interrupt: &mut Interrupt<'_>) -> Result<Written, ProtocolError> {
        let parts = self.parts(interrupt)?;
        let mut bytes = json::write(&Told { response: self, parts: &parts }, interrupt)?;
        let json_bytes = parts.iter().any(|part| part.is_binary).then_some(bytes.len());
        for part in parts.iter().filter(|part| part.is_binary) {
            binary::write(&part.tensor.values, &mut bytes, interrupt)?;
        }
        Ok(Written { bytes, json_bytes })
    }

    /// The outputs that are wanted.
    pub(crate) fn parts(&self, interrupt: &mut Interrupt<'_>) -> Result<Vec<Part<'_>>, Interrupted> {
        let Answer { card, outputs, .. } = self.answer;
        let mut parts = Vec::with_capacity(outputs.columns.len());
        for (field, tensor) in card.schema.outputs.iter().zip(&outputs.columns) {
            let Some(form) = self.outputs.form(&field.name) else { continue };
            let tensor = match form.class_count {
                0 => Cow::Borrowed(tensor),
                count => Cow::Owned(classes::largest(tensor, count, interrupt)?),
            };
            let is_whole = tensor.validity.as_ref().is_none_or(|flags| !flags.contains(&false));
            let is_binary = is_whole && form.is_binary.unwrap_or(self.outputs.is_binary);
            parts.push(Part { name: &field.name, tensor, is_binary });
        }
        Ok(parts)
    }
}

/// The JSON of an answer.
struct Told<'a> {
    response: &'a InferResponse<'a>,
    parts: &'a [Part<'a>],
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let InferResponse { model_name, id, answer, .. } = self.response;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model_name", model_name)?;
        map.serialize_entry("model_version", &answer.version)?;
        if let Some(id) = id {
            map.serialize_entry("id", id)?;
        }
        map.serialize_entry("parameters", &Parameters(answer))?;
        map.serialize_entry("outputs", self.parts)?;
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

/// One output of an answer.
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    pub(crate) tensor: Cow<'a, Tensor>,
    is_binary: bool,
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Tensor { shape, values, .. } = &*self.tensor;
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("name", self.name)?;
        map.serialize_entry("datatype", &values.datatype())?;
        map.serialize_entry("shape", shape)?;
        if self.is_binary {
            map.serialize_entry("parameters", &BinaryParameters { binary_data_size: binary::size(values) })?;
        } else {
            self.finite().map_err(S::Error::custom)?;
            map.serialize_entry("data", &FlatElements(&self.tensor))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct BinaryParameters {
    binary_data_size: usize,
}

impl Part<'_> {
    /// Checks that JSON has its numbers.
    fn finite(&self) -> Result<(), String> {
        let odd = match &self.tensor.values {
            Values::Fp32(list) => self.odd(list, |value| value.is_finite()),
            Values::Fp64(list) => self.odd(list, |value| value.is_finite()),
            _ => None,
        };
        let Some((at, found)) = odd else { return Ok(()) };
        let binary = "an output with `binary_data` has it";
        Err(format!("output `{}`, element {at}: expected a finite number, found {found}; {binary}", self.name))
    }

    /// The first element that is there and is not finite.
    fn odd<T: Copy + Debug>(&self, list: &[T], is_finite: impl Fn(T) -> bool) -> Option<(usize, String)> {
        if list.iter().all(|&value| is_finite(value)) {
            return None;
        }
        let mut elements = list.iter().enumerate();
        let odd = elements.find(|&(at, &value)| !is_finite(value) && self.tensor.is_valid(at));
        odd.map(|(at, value)| (at, format!("{value:?}")))
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
