//! What the graph's outputs are: a label and its probabilities, or a prediction.

use super::translation::Translation;
use super::value::{Form, Value};
use crate::import::boosters::booster::Answer;
use crate::import::boosters::error::{BoosterError, Read};
use crate::import::graph::Node;
use scry_card::strict;

impl Translation<'_> {
    /// What is answered, and the features that it is made of.
    pub(super) fn answer(&mut self, outputs: &[&str]) -> Read<(Answer, Node)> {
        let (mut label, mut matrix) = (None, None);
        for name in outputs {
            let place = || format!("output `{}`", strict::cut(name));
            let expected = "a label and a matrix with a number for each class, or one matrix";
            let wrong = |found: &str| Err(BoosterError::wrong(expected, found).at(place()));
            match self.values.get(name) {
                Some(Value::Classes { index, names, .. }) if label.is_none() => {
                    label = Some((*index, (**names).clone()))
                }
                Some(Value::Numbers(numbers)) if matrix.is_none() && numbers.form != Form::Deep => {
                    matrix = Some(numbers.node);
                }
                Some(Value::Classes { .. }) => return wrong("a second label"),
                Some(Value::Numbers(_)) => return wrong("a second matrix"),
                Some(other) => return wrong(other.shown()),
                None => return wrong("what no node makes"),
            }
        }
        let answer = match (label, matrix) {
            (Some((_, names)), Some(node)) if node.width != names.len() => {
                let expected = format!("{} columns, one for each class", names.len());
                return Err(BoosterError::wrong(expected, node.width).at("the outputs"));
            }
            (Some((_, names)), Some(_)) if self.zipped.as_ref().is_some_and(|zipped| *zipped != names) => {
                let found = "others, or another order";
                return Err(BoosterError::wrong("a ZipMap with the label's classes", found).at("the outputs"));
            }
            (Some((index, names)), probabilities) => Answer::Classes { index, probabilities, names },
            (None, Some(node)) => Answer::Prediction(node),
            (None, None) => return Err(BoosterError::wrong("outputs", "none")),
        };
        let made = match answer {
            Answer::Classes { index, probabilities, .. } => probabilities.unwrap_or(index),
            Answer::Prediction(node) | Answer::Score(node) => node,
        };
        Ok((answer, self.features.unwrap_or(made)))
    }
}
