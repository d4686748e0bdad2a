//! A `ModelInferResponse`: the answer's tensors as raw contents, which every client reads.

use super::request::head;
use crate::answer::Answer;
use crate::error::ProtocolError;
use crate::format::ReplyForm;
use crate::protobuf::{put_bytes, put_key, put_number};
use crate::v2::{InferResponse, binary};
use scry_card::{Interrupt, Tensor, Values};
use serde_json::Value as Json;
use std::borrow::Cow;

/// Writes an answer of the model that was asked for by this name.
pub(crate) fn encode(
    model: &str,
    reply: &ReplyForm,
    answer: &Answer,
    interrupt: &mut Interrupt<'_>,
) -> Result<Vec<u8>, ProtocolError> {
    let response = InferResponse { model_name: model, id: reply.id.as_deref(), answer, outputs: &reply.outputs };
    let parts = response.parts(interrupt)?;
    let mut message = Vec::new();
    put_bytes(&mut message, 1, model.as_bytes());
    put_bytes(&mut message, 2, answer.version.as_bytes());
    if let Some(id) = &reply.id {
        put_bytes(&mut message, 3, id.as_bytes());
    }
    for (name, value) in parameters(answer) {
        put_parameter(&mut message, 4, name, &value);
    }
    for part in &parts {
        let Tensor { shape, values, validity } = &*part.tensor;
        let mut output = Vec::new();
        put_bytes(&mut output, 1, part.name.as_bytes());
        put_bytes(&mut output, 2, values.datatype().name().as_bytes());
        shape.iter().for_each(|&dimension| put_number(&mut output, 3, dimension));
        if let Some(missing) = validity.as_deref().and_then(missing) {
            put_parameter(&mut output, 4, "scry-missing", &missing);
        }
        put_bytes(&mut message, 5, &output);
    }
    for part in &parts {
        let Tensor { values, validity, .. } = &*part.tensor;
        let values = with_nan(values, validity.as_deref());
        put_key(&mut message, 6, binary::size(&values));
        binary::write(&values, &mut message, interrupt)?;
    }
    Ok(message)
}

/// What an answer says of itself; findings as a list in JSON.
fn parameters(answer: &Answer) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
    let Answer { model, version, digest, degraded, remarks, .. } = answer;
    let findings = [("scry-errors", &remarks.refusals), ("scry-warnings", &remarks.warnings)];
    let findings = findings.into_iter().filter(|(_, findings)| !findings.is_empty()).map(|(name, findings)| {
        let list: Vec<_> = findings.iter().map(|finding| finding.invalid.to_string()).collect();
        (name, Json::from(list).to_string().into())
    });
    let says = [("scry-model", Some(&**model)), ("scry-version", Some(version)), ("scry-digest", digest.as_deref())];
    let says = says.into_iter().chain([("scry-degraded", *degraded)]);
    says.filter_map(|(name, value)| Some((name, value?.into()))).chain(findings)
}

/// The places of missing elements, as ranges; nothing where none is missing.
fn missing(flags: &[bool]) -> Option<String> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (at, _) in flags.iter().enumerate().filter(|&(_, &present)| !present) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == at => *last = at,
            _ => ranges.push((at, at)),
        }
    }
    let shown = ranges.iter().map(|&(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    (!ranges.is_empty()).then(|| shown.collect::<Vec<_>>().join(","))
}

/// The values, with NaN in the place of missing real numbers. Missing elements of other types are neutral.
fn with_nan<'a>(values: &'a Values, flags: Option<&[bool]>) -> Cow<'a, Values> {
    let Some(flags) = flags else { return Cow::Borrowed(values) };
    match values {
        Values::Fp32(list) => {
            let put = list.iter().zip(flags).map(|(&value, &present)| if present { value } else { f32::NAN });
            Cow::Owned(Values::Fp32(put.collect()))
        }
        Values::Fp64(list) => {
            let put = list.iter().zip(flags).map(|(&value, &present)| if present { value } else { f64::NAN });
            Cow::Owned(Values::Fp64(put.collect()))
        }
        other => Cow::Borrowed(other),
    }
}

/// Adds a parameter that is a text.
fn put_parameter(message: &mut Vec<u8>, field: u64, name: &str, value: &str) {
    let (mut choice, mut entry) = (Vec::new(), Vec::new());
    put_bytes(&mut choice, 3, value.as_bytes());
    put_bytes(&mut entry, 1, name.as_bytes());
    put_bytes(&mut entry, 2, &choice);
    put_bytes(message, field, &entry);
}

/// A `ModelStreamInferResponse` with an answer, which is the only one to its request.
pub fn in_stream(answer: &[u8]) -> Vec<u8> {
    /// The parameter `triton_final_response`, true: a field of the answer, behind its others.
    const FINAL: &[u8] = b"\x22\x1b\x0a\x15triton_final_response\x12\x02\x08\x01";
    let mut message = Vec::with_capacity(answer.len() + FINAL.len() + 16);
    put_key(&mut message, 2, answer.len() + FINAL.len());
    message.extend_from_slice(answer);
    message.extend_from_slice(FINAL);
    message
}

/// A `ModelStreamInferResponse` that says why a request has no answer; it names the request by its id.
pub fn failed_in_stream(request: &[u8], error: &str) -> Vec<u8> {
    let (mut message, mut answer) = (Vec::new(), Vec::new());
    put_bytes(&mut message, 1, error.as_bytes());
    put_bytes(&mut answer, 3, head(request).unwrap_or_default().id.as_bytes());
    put_bytes(&mut message, 2, &answer);
    message
}
