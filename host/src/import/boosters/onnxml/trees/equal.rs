//! Splits that ask whether a number equals another: a column for each such question, 1 or 0.

use crate::import::boosters::error::{BoosterError, Read};
use crate::import::graph::{Graph, Node};
use serde_json::json;
use std::collections::BTreeMap;

/// Questions of all trees.
const MAX: usize = 65_536;

/// The questions so far, each once.
pub(super) struct Equal {
    /// How many columns there are before those of the questions.
    first: usize,
    /// By the feature, the bits of the number, and whether what is missing counts as equal.
    known: BTreeMap<(usize, u64, bool), usize>,
}

impl Equal {
    pub(super) fn new(first: usize) -> Self {
        Self { first, known: BTreeMap::new() }
    }

    /// The column of a question.
    pub(super) fn column(&mut self, feature: usize, number: f64, missing: bool) -> Read<usize> {
        if !number.is_finite() {
            return Err(BoosterError::wrong("finite `nodes_values` to equal", number));
        }
        let next = self.first + self.known.len();
        // Zero is one number, whatever its sign.
        let column = *self.known.entry((feature, (number + 0.0).to_bits(), missing)).or_insert(next);
        if self.known.len() > MAX {
            return Err(BoosterError::wrong(format!("at most {MAX} numbers to equal"), "more"));
        }
        Ok(column)
    }

    /// The features with the columns behind them.
    pub(super) fn columns(&self, graph: &mut Graph, x: Node) -> Read<Node> {
        let mut asked: Vec<_> = self.known.iter().map(|(question, column)| (*column, *question)).collect();
        if asked.is_empty() {
            return Ok(x);
        }
        asked.sort_unstable();
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let features: Vec<u32> = asked.iter().map(|(_, (feature, ..))| place(*feature)).collect();
        let numbers: Vec<f64> = asked.iter().map(|(_, (_, bits, _))| f64::from_bits(*bits)).collect();
        // What is missing becomes the number itself, or stays.
        let fill: Vec<f64> = asked
            .iter()
            .map(|(_, (_, bits, missing))| if *missing { f64::from_bits(*bits) } else { f64::NAN })
            .collect();
        let width = asked.len();
        // Whole numbers are rounded before they are compared, as features of trees are.
        let columns = graph.u32s(&features);
        let chosen = graph.node("select", &[x], width, json!({"columns": columns}));
        let fill = graph.f64s(&fill);
        let filled = graph.node("impute", &[chosen], width, json!({"fill": fill}));
        let subtract = graph.f64s(&numbers);
        let apart = graph.node("scale", &[filled], width, json!({"subtract": subtract}));
        let distance = graph.map(apart, "abs");
        let below = graph.map(distance, "negative");
        let equal = graph.map_with(below, "at_least", 0.0);
        Ok(graph.concat(&[x, equal]))
    }
}
