//! Files of boosters, without Python: LightGBM's text, XGBoost's JSON and UBJ, CatBoost's JSON, and models of
//! scikit-learn or of boosters in ONNX.
//!
//! From bytes to a model file, by the rules of the Python exporter: what cannot be exact is
//! refused by name. Pure. Never runs a model, and never trusts a number of a file.

mod catboost;
mod document;
mod forest;
mod lightgbm;
mod onnxml;
mod ubj;
mod xgboost;

use super::graph::{Graph, Node};
use super::onnx;
use super::protobuf::Damaged;
use document::At;
use scry_card::{Datatype, strict};
use scry_graph::Parts;
use serde_json::{Map, Value, json};
use std::fmt;

/// Inputs: beside them, a model file has room for nodes.
const FEATURES_MAX: usize = 4_000;
/// Trees: more than any component has room for.
const TREES_MAX: usize = 1 << 20;
/// Sums: classes, or targets.
const WIDTH_MAX: usize = 4_000;
/// Categories that a field of a card can list.
const LISTED_MAX: usize = 10_000;
/// Bytes of a description that lists classes.
const LISTED_MAX_BYTES: usize = 4_096;

/// The form of a booster's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// LightGBM's text.
    LightGbm,
    /// XGBoost's or CatBoost's JSON: its members say which.
    Json,
    /// XGBoost's UBJ.
    Ubj,
    /// ONNX with operators of `ai.onnx.ml`.
    Onnx,
}

impl Form {
    /// The form that bytes begin like.
    pub(super) fn of(file: &[u8]) -> Option<Self> {
        match file {
            [b't', b'r', b'e', b'e', b'\n' | b'\r', ..] => Some(Self::LightGbm),
            [b'{', b'L' | b'i' | b'U' | b'I' | b'l', ..] => Some(Self::Ubj),
            file if onnx::is_classic(file) => Some(Self::Onnx),
            file if file.trim_ascii_start().first() == Some(&b'{') => Some(Self::Json),
            _ => None,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LightGbm => "LightGBM text",
            Self::Json => "JSON of a booster",
            Self::Ubj => "UBJ of XGBoost",
            Self::Onnx => "ONNX of ai.onnx.ml",
        })
    }
}

/// Why a file is not translated.
#[derive(Debug, thiserror::Error)]
pub enum BoosterError {
    /// A part is not what it should be.
    #[error("{place}{}expected {expected}, found {found}", if .place.is_empty() { "" } else { ": " })]
    Wrong {
        /// Where; empty if that is not known.
        place: String,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// Not JSON, or not UBJ.
    #[error(transparent)]
    Document(#[from] strict::Error),
    /// Not protobuf.
    #[error("the file is damaged: {0}")]
    Damaged(#[from] Damaged),
    /// What cannot be exact.
    #[error("{what}: {advice}")]
    Refused {
        /// What it is.
        what: String,
        /// What to do.
        advice: &'static str,
    },
}

impl BoosterError {
    fn wrong(expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Wrong { place: String::new(), expected: expected.into(), found: found.to_string() }
    }

    fn refused(what: impl Into<String>, advice: &'static str) -> Self {
        Self::Refused { what: what.into(), advice }
    }

    /// The error at a place, unless it names one.
    fn at(self, place: impl Into<String>) -> Self {
        match self {
            Self::Wrong { place: none, expected, found } if none.is_empty() => {
                Self::Wrong { place: place.into(), expected, found }
            }
            other => other,
        }
    }
}

/// Reads a file: the model, and the words of a card without a name.
pub(super) fn parts(form: Form, file: &[u8]) -> Result<Parts, BoosterError> {
    let booster = match form {
        Form::LightGbm => lightgbm::read(file)?,
        Form::Onnx => onnxml::read(file)?,
        Form::Ubj => xgboost::read(&At::root(&ubj::from_ubj(file)?))?,
        Form::Json => {
            let document = document::from_json(file)?;
            let root = At::root(&document);
            match (root.get("learner")?, root.get("features_info")?) {
                (Some(_), _) => xgboost::read(&root)?,
                (None, Some(_)) => catboost::read(&root)?,
                (None, None) => {
                    let expected = "`learner` (XGBoost, saved by `save_model`) or `features_info` (CatBoost)";
                    return Err(BoosterError::wrong(expected, "neither"));
                }
            }
        }
    };
    booster.parts()
}

/// A translated booster.
struct Booster {
    graph: Graph,
    columns: Columns,
    answer: Answer,
    /// What it is, for people.
    description: String,
    labels: Vec<(&'static str, String)>,
}

/// What a model answers.
enum Answer {
    /// One number, or several of the same kind.
    Prediction(Node),
    Score(Node),
    /// An index, and the probability of each class.
    Classes {
        index: Node,
        probabilities: Option<Node>,
        names: Names,
    },
}

/// What classes are called.
#[derive(Debug, Clone, PartialEq)]
enum Names {
    Whole(Vec<i64>),
    Real(Vec<f64>),
    /// 1 is true.
    Truth(Vec<u8>),
    Text(Vec<String>),
}

impl Names {
    fn len(&self) -> usize {
        match self {
            Self::Whole(names) => names.len(),
            Self::Real(names) => names.len(),
            Self::Truth(names) => names.len(),
            Self::Text(names) => names.len(),
        }
    }

    /// A file that knows no names: 0, 1, 2.
    fn count(classes: usize) -> Self {
        Self::Whole((0i64..).take(classes).collect())
    }
}

impl Booster {
    fn parts(mut self) -> Result<Parts, BoosterError> {
        match self.answer {
            Answer::Prediction(node) if node.width == 1 => self.graph.output("prediction", node, Value::Null),
            Answer::Prediction(node) => {
                for (at, column) in (0..node.width).zip(0..) {
                    let one = self.graph.select(node, column);
                    self.graph.output(&format!("prediction_{at}"), one, Value::Null);
                }
            }
            Answer::Score(node) => self.graph.output("score", node, Value::Null),
            Answer::Classes { index, probabilities, names } => {
                let (classes, datatype, shown) = match &names {
                    Names::Whole(classes) => (self.graph.i64s(classes), "INT64", json!(classes)),
                    Names::Real(classes) => (self.graph.f64s(classes), "FP64", json!(classes)),
                    Names::Truth(classes) => (self.graph.u8s(classes), "BOOL", json!(classes)),
                    Names::Text(classes) => (self.graph.texts(classes), "BYTES", json!(classes)),
                };
                self.graph.output("label", index, json!({"datatype": datatype, "classes": classes}));
                if let Some(node) = probabilities {
                    let shown = shown.to_string();
                    let order = if shown.len() <= LISTED_MAX_BYTES { shown } else { format!("{} classes", node.width) };
                    let told = json!({"shape": [node.width], "description": format!("One a class: {order}")});
                    self.graph.output("probabilities", node, told);
                }
            }
        }
        let mut card = json!({"description": self.description});
        if let Value::Object(card) = &mut card {
            let labels: Map<_, _> = self.labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            card.insert("labels".into(), labels.into());
            let policies = |name: String| (name, json!({"policies": {"category": "warn"}}));
            let fields: Map<_, _> = self.columns.limited.into_iter().map(policies).collect();
            if !fields.is_empty() {
                card.insert("checks".into(), json!({"fields": fields}));
            }
        }
        let model = self.graph.file(self.columns.features, &self.columns.names);
        Ok(Parts { model, card: Some(card), golden: None, reference: None })
    }
}

/// The categories of one column, in the order of their codes.
enum Levels {
    Text(Vec<String>),
    Numbers(Vec<f64>),
}

/// The columns that the trees read, one a feature: numbers, or the codes of categories.
struct Columns {
    names: Vec<String>,
    features: Node,
    /// Inputs that list their categories. One that is none is missing, and worth a warning.
    limited: Vec<String>,
}

impl Columns {
    fn new(
        graph: &mut Graph,
        columns: impl ExactSizeIterator<Item = (String, Option<Levels>)>,
    ) -> Result<Self, BoosterError> {
        if !(1..=FEATURES_MAX).contains(&columns.len()) {
            return Err(BoosterError::wrong(format!("1 to {FEATURES_MAX} features"), columns.len()));
        }
        let (mut names, mut nodes, mut limited) = (Vec::new(), Vec::new(), Vec::new());
        for (name, levels) in columns {
            nodes.push(match levels {
                None => graph.input(&name, Datatype::Fp64, &[]),
                Some(Levels::Numbers(levels)) => {
                    let input = graph.input(&name, Datatype::Fp64, &[]);
                    let categories = graph.f64s(&levels);
                    graph.node("number_index", &[input], 1, json!({"categories": categories}))
                }
                Some(Levels::Text(levels)) => {
                    let is_listed = levels.len() <= LISTED_MAX;
                    let input = graph.input(&name, Datatype::Bytes, if is_listed { &levels } else { &[] });
                    if is_listed && !levels.is_empty() {
                        limited.push(name.clone());
                    }
                    let categories = graph.texts(&levels);
                    graph.node("text_index", &[input], 1, json!({"categories": categories}))
                }
            });
            names.push(name);
        }
        let features = graph.concat(&nodes);
        Ok(Self { names, features, limited })
    }
}

#[cfg(test)]
mod tests;
