//! A translated booster: its columns, its answer, and the model file that these make.
//!
//! Never knows the form of the file that it comes from.

use super::error::{BoosterError, Read};
use crate::import::graph::{Graph, Node};
use scry_card::Datatype;
use scry_graph::Parts;
use serde_json::{Map, Value, json};

/// Inputs: beside them, a model file has room for nodes.
pub(super) const FEATURES_MAX: usize = 4_000;
/// Trees: more than any component has room for.
pub(super) const TREES_MAX: usize = 1 << 20;
/// Sums: classes, or targets.
pub(super) const WIDTH_MAX: usize = 4_000;
/// Categories that a field of a card can list.
const LISTED_MAX: usize = 10_000;
/// Bytes of a description that lists classes.
const LISTED_MAX_BYTES: usize = 4_096;

/// A translated booster.
pub(super) struct Booster {
    pub(super) graph: Graph,
    pub(super) columns: Columns,
    pub(super) answer: Answer,
    /// What it is, for people.
    pub(super) description: String,
    pub(super) labels: Vec<(&'static str, String)>,
}

/// What a model answers.
pub(super) enum Answer {
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
pub(super) enum Names {
    Whole(Vec<i64>),
    Real(Vec<f64>),
    /// 1 is true.
    Truth(Vec<u8>),
    Text(Vec<String>),
}

impl Names {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(names) => names.len(),
            Self::Real(names) => names.len(),
            Self::Truth(names) => names.len(),
            Self::Text(names) => names.len(),
        }
    }

    /// A file that knows no names: 0, 1, 2.
    pub(super) fn count(classes: usize) -> Self {
        Self::Whole((0i64..).take(classes).collect())
    }
}

impl Booster {
    /// The model file, and the words of a card.
    pub(super) fn parts(mut self) -> Parts {
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
        Parts { model, card: Some(card), golden: None, reference: None }
    }
}

/// The categories of one column, in the order of their codes.
pub(super) enum Levels {
    Text(Vec<String>),
    Numbers(Vec<f64>),
}

/// The columns that the trees read, one a feature: numbers, or the codes of categories.
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    pub(super) features: Node,
    /// Inputs that list their categories. One that is none is missing, and worth a warning.
    pub(super) limited: Vec<String>,
}

impl Columns {
    pub(super) fn new(
        graph: &mut Graph,
        columns: impl ExactSizeIterator<Item = (String, Option<Levels>)>,
    ) -> Read<Self> {
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
