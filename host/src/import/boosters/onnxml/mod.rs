//! Models of scikit-learn and of boosters in ONNX: the operators of `ai.onnx.ml`, and those of ONNX's own that
//! exporters put around them.
//!
//! Computes as ONNX Runtime does in one thread: in 32 bits, trees in the order of the file. What cannot be said so
//! is refused by the operator's name. Never trusts a size, an index or a name of the file.

mod answer;
mod encode;
mod linear;
mod message;
mod plain;
mod prepare;
mod shape;
mod tensor;
mod translation;
mod trees;
mod value;
mod walk;

use super::booster::{Booster, Columns};
use super::error::Read;
use message::File;
use scry_card::strict;
use translation::Translation;

/// Operators that a description names.
const NAMED_MAX: usize = 8;

pub(super) fn read(bytes: &[u8]) -> Read<Booster> {
    let mut file = File::read(bytes)?;
    let mut translation = Translation::of(&mut file)?;
    let (answer, features) = translation.answer(&file.outputs)?;
    let mut operators: Vec<_> =
        file.nodes.iter().filter(|told| told.domain == "ai.onnx.ml").map(|told| strict::cut(told.operator)).collect();
    operators.dedup();
    operators.truncate(NAMED_MAX);
    let names = if translation.all_inputs == Some(features) { translation.inputs } else { Vec::new() };
    let producer = if file.producer.is_empty() { None } else { Some(("producer", file.producer)) };
    Ok(Booster {
        graph: translation.graph,
        columns: Columns { names, features, limited: Vec::new() },
        answer,
        description: format!("ONNX ({}), computed in float32", operators.join(", ")),
        labels: producer.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests;
