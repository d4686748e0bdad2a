//! Linear models, and what classifiers of any kind make of their scores.

use super::message::Told;
use super::tensor::whole;
use super::translation::Translation;
use super::value::{Form, Kind, Numbers, Value};
use crate::import::boosters::booster::{Names, WIDTH_MAX};
use crate::import::boosters::error::{BoosterError, Read};
use crate::import::graph::Node;
use serde_json::json;

/// What becomes of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    None,
    Logistic,
    Softmax,
}

impl<'a> Translation<'a> {
    pub(super) fn linear_regressor(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let targets = told.int("targets")?.unwrap_or(1);
        let targets = usize::try_from(targets).ok().filter(|targets| (1..WIDTH_MAX).contains(targets));
        let Some(targets) = targets else {
            return Err(told.wrong("targets", format!("a whole number from 1 to {WIDTH_MAX}"), "another"));
        };
        match told.text_or("post_transform", "NONE")? {
            "NONE" => {}
            other => return Err(told.wrong("post_transform", "NONE", other)),
        }
        let mut intercepts = told.floats("intercepts")?;
        if intercepts.is_empty() {
            intercepts = vec![0.0; targets];
        }
        if intercepts.len() != targets {
            return Err(told.wrong("intercepts", format!("{targets} numbers, or none"), intercepts.len()));
        }
        let scores = self.scores(told, &intercepts)?;
        Ok(self.matrix(scores))
    }

    pub(super) fn linear_classifier(&mut self, told: &mut Told<'a>) -> Read<Vec<Value<'a>>> {
        let names = self.class_names(told, "classlabels_ints")?;
        let transform = self.transform(told)?;
        told.int("multi_class")?;
        let intercepts = told.floats("intercepts")?;
        let is_alone = intercepts.len() == 1 && names.len() == 2;
        if intercepts.len() != names.len() && !is_alone {
            let expected = format!("{} numbers, as classes, or 1 for 2", names.len());
            return Err(told.wrong("intercepts", expected, intercepts.len()));
        }
        let scores = self.scores(told, &intercepts)?;
        let scores = self.graph.map(scores, "float32");
        if is_alone {
            if transform == Transform::Softmax {
                return Err(told.wrong("post_transform", "NONE or LOGISTIC for one score", "SOFTMAX"));
            }
            let index = self.graph.map_with(scores, "greater", 0.0);
            let scores = self.two_of_one(scores, transform, true);
            return self.labelled(index, names, scores);
        }
        let index = self.argmax(scores);
        let scores = match transform {
            Transform::Logistic => {
                let made = self.graph.map(scores, "sigmoid");
                self.graph.map(made, "float32")
            }
            _ => self.transformed(scores, transform),
        };
        self.labelled(index, names, scores)
    }

    /// Sums of products, one for each intercept, which are added at the end.
    fn scores(&mut self, told: &mut Told<'a>, intercepts: &[f64]) -> Read<Node> {
        let x = self.singles(told, 0)?;
        self.features.get_or_insert(x);
        let coefficients = told.floats("coefficients")?;
        let expected = intercepts.len().saturating_mul(x.width);
        if coefficients.len() != expected {
            let expected = format!("{expected} numbers, {} for each of {}", x.width, intercepts.len());
            return Err(told.wrong("coefficients", expected, coefficients.len()));
        }
        // A row for each input.
        let column = |input: usize| coefficients.iter().skip(input).step_by(x.width.max(1)).copied();
        let weights: Vec<f64> = (0..x.width).flat_map(column).collect();
        Ok(self.linear(x, intercepts.len(), &weights, intercepts))
    }

    /// `x W + b`.
    pub(super) fn linear(&mut self, x: Node, outputs: usize, weights: &[f64], bias: &[f64]) -> Node {
        let told = json!({"weights": self.graph.table(outputs, weights), "bias": self.graph.f64s(bias)});
        self.graph.node("linear", &[x], outputs, told)
    }

    pub(super) fn class_names(&mut self, told: &mut Told<'a>, whole_names: &str) -> Read<Names> {
        let (numbers, texts) = (told.ints(whole_names)?, told.texts("classlabels_strings")?);
        let names = match (numbers.is_empty(), texts.is_empty()) {
            (false, true) => {
                whole(&numbers).map_err(|error| error.at(told.place()))?;
                Names::Whole(numbers)
            }
            (true, false) => Names::Text(texts.into_iter().map(str::to_owned).collect()),
            _ => return Err(told.wrong(whole_names, "labels, either these or `classlabels_strings`", "both or none")),
        };
        match names.len() {
            2..WIDTH_MAX => Ok(names),
            found => Err(told.wrong(whole_names, format!("2 to {WIDTH_MAX} labels"), found)),
        }
    }

    pub(super) fn transform(&mut self, told: &mut Told<'a>) -> Read<Transform> {
        match told.text_or("post_transform", "NONE")? {
            "NONE" => Ok(Transform::None),
            "LOGISTIC" => Ok(Transform::Logistic),
            "SOFTMAX" => Ok(Transform::Softmax),
            other => Err(told.wrong("post_transform", "NONE, LOGISTIC or SOFTMAX", other)),
        }
    }

    /// Scores of classes, transformed.
    pub(super) fn transformed(&mut self, scores: Node, transform: Transform) -> Node {
        match transform {
            Transform::None => scores,
            Transform::Logistic => self.logistic(scores),
            Transform::Softmax => self.graph.node("softmax", &[scores], scores.width, json!({"precision": "f32"})),
        }
    }

    /// What ONNX Runtime makes of the one score of two classes. Of those that are never below 0, it takes the score
    /// for a probability.
    pub(super) fn two_of_one(&mut self, score: Node, transform: Transform, is_probability: bool) -> Node {
        let other = match (transform, is_probability) {
            (Transform::Logistic, _) | (_, false) => self.graph.map(score, "negative"),
            (_, true) => {
                let other = self.graph.scale(score, -1.0, &[1.0]);
                self.graph.map(other, "float32")
            }
        };
        let both = self.graph.concat(&[other, score]);
        if transform == Transform::Logistic { self.logistic(both) } else { both }
    }

    /// The logistic function as ONNX Runtime's trees have it: in 32 bits, of the distance from 0, which is
    /// taken from 1 below 0.
    fn logistic(&mut self, scores: Node) -> Node {
        let distance = self.graph.map(scores, "abs");
        let below = self.graph.map(distance, "negative");
        let exponential = self.graph.map(below, "exp");
        let exponential = self.graph.map(exponential, "float32");
        let sum = self.graph.map_with(exponential, "add", 1.0);
        let sum = self.graph.map(sum, "float32");
        let share = self.graph.map(sum, "reciprocal");
        let share = self.graph.map(share, "float32");
        let negative = self.graph.map(scores, "negative");
        let is_below = self.graph.map_with(negative, "greater", 0.0);
        // 1 less the share, or 0 less it.
        let told = json!({"function": "subtract"});
        let rest = self.graph.node("combine", &[is_below, share], share.width, told);
        self.graph.map(rest, "abs")
    }

    /// The first of the largest. NaN is the largest in the first column alone, as in ONNX Runtime.
    pub(super) fn argmax(&mut self, scores: Node) -> Node {
        let mut fill = vec![f64::NEG_INFINITY; scores.width];
        fill.iter_mut().take(1).for_each(|first| *first = f64::INFINITY);
        let fill = self.graph.f64s(&fill);
        let filled = self.graph.node("impute", &[scores], scores.width, json!({"fill": fill}));
        self.graph.argmax(filled)
    }

    /// A label, and the scores of all classes.
    pub(super) fn labelled(&mut self, index: Node, names: Names, scores: Node) -> Read<Vec<Value<'a>>> {
        let scores = Numbers { node: scores, kind: Kind::F32, form: Form::Matrix };
        Ok(vec![self.classes(index, names, Form::Row)?, Value::Numbers(scores)])
    }

    /// A map of names to probabilities is the matrix of them.
    pub(super) fn zip_map(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let names = self.class_names(told, "classlabels_int64s")?;
        let value = self.operand(told, 0)?;
        let numbers = self.numbers(value)?;
        if numbers.node.width != names.len() {
            let expected = format!("{} labels, as columns", numbers.node.width);
            return Err(told.wrong("classlabels_int64s", expected, names.len()));
        }
        if self.zipped.replace(names).is_some() {
            return Err(BoosterError::wrong("one ZipMap", "a second"));
        }
        Ok(Value::Numbers(numbers))
    }
}
