//! Trees of any library, joined to the one node that computes them.
//!
//! Never keeps the order of a file's nodes: a tree is walked from its root, so that each child is
//! behind its parent, and what the root does not reach is left out.

use super::error::BoosterError;
use crate::import::graph::{Graph, Node};
use serde_json::{Value, json};

/// Flags of a node, as in docs/reference/model-file.md.
const LEAF: u8 = 1;
pub(super) const STRICT: u8 = 2;
pub(super) const MISSING_LEFT: u8 = 4;
pub(super) const CATEGORICAL: u8 = 8;
pub(super) const MEMBERS_RIGHT: u8 = 16;
pub(super) const ZERO_MISSING: u8 = 32;
pub(super) const MISSING_ZERO: u8 = 64;

/// Nodes of all trees: more than a component has room for.
const NODES_MAX: usize = 1 << 23;
/// Words of all sets of categories: 64 MiB.
const SET_WORDS_MAX: usize = 1 << 24;

/// What stands at a place of a tree.
pub(super) enum Part<'a, K> {
    /// What it adds.
    Leaf(&'a [f64]),
    Split(Split<K>),
}

pub(super) struct Split<K> {
    pub(super) flags: u8,
    pub(super) feature: usize,
    /// 0 of a categorical split.
    pub(super) threshold: f64,
    /// The set of categories of a categorical split.
    pub(super) set: u32,
    pub(super) left: K,
    pub(super) right: K,
}

/// How rows go through the trees, and how their numbers are added.
pub(super) struct Sums<'a> {
    /// Whether numbers are compared and added in 32 bits.
    pub(super) compare_f32: bool,
    pub(super) add_f32: bool,
    /// What the sums begin with.
    pub(super) initial: &'a [f64],
    pub(super) divide: Option<f64>,
}

/// All trees: one list an attribute, with an element for each node.
#[derive(Default)]
pub(super) struct Forest {
    roots: Vec<u32>,
    target: Vec<u32>,
    flags: Vec<u8>,
    feature: Vec<u32>,
    threshold: Vec<f64>,
    left: Vec<u32>,
    right: Vec<u32>,
    set: Vec<u32>,
    set_starts: Vec<u32>,
    set_words: Vec<u32>,
    leaves: Vec<f64>,
}

impl Forest {
    /// Adds a set of categories, as bits; its number.
    pub(super) fn add_set(&mut self, words: &[u32]) -> Result<u32, BoosterError> {
        if self.set_words.len() + words.len() > SET_WORDS_MAX || self.set_starts.len() > NODES_MAX {
            return Err(BoosterError::wrong(
                format!("sets of categories of at most {SET_WORDS_MAX} words in all"),
                "more",
            ));
        }
        let place = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        self.set_starts.push(place(self.set_words.len()));
        self.set_words.extend(words);
        Ok(place(self.set_starts.len() - 1))
    }

    /// Adds a tree of at most `nodes` nodes, which adds to the sum `target`. What stands at a place
    /// is asked once.
    pub(super) fn add<'a, K>(
        &mut self,
        nodes: usize,
        target: u32,
        root: K,
        mut part: impl FnMut(K) -> Result<Part<'a, K>, BoosterError>,
    ) -> Result<(), BoosterError> {
        let first = self.flags.len();
        self.roots.push(index(first));
        self.target.push(target);
        // A place, and the link that leads to it: whose it is, and whether it is the left one.
        let mut waiting = vec![(root, None)];
        while let Some((place, link)) = waiting.pop() {
            let here = self.flags.len();
            if here - first == nodes {
                return Err(BoosterError::wrong("a tree, whose nodes have one parent each", "a node with several"));
            }
            if here == NODES_MAX {
                return Err(BoosterError::wrong(format!("at most {NODES_MAX} nodes in all trees"), "more"));
            }
            let links = match link {
                Some((parent, true)) => self.left.get_mut(parent),
                Some((parent, false)) => self.right.get_mut(parent),
                None => None,
            };
            if let Some(link) = links {
                *link = index(here);
            }
            match part(place)? {
                Part::Leaf(values) => {
                    let row = self.leaves.len() / values.len().max(1);
                    self.push(LEAF, 0, 0.0, index(row), 0);
                    self.leaves.extend(values);
                }
                Part::Split(split) if split.threshold.is_nan() => {
                    return Err(BoosterError::wrong("thresholds that are numbers", "NaN"));
                }
                Part::Split(split) => {
                    self.push(split.flags, index(split.feature), split.threshold, 0, split.set);
                    waiting.push((split.right, Some((here, false))));
                    waiting.push((split.left, Some((here, true))));
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, flags: u8, feature: u32, threshold: f64, left: u32, set: u32) {
        self.flags.push(flags);
        self.feature.push(feature);
        self.threshold.push(threshold);
        self.left.push(left);
        self.right.push(0);
        self.set.push(set);
    }

    /// The node that computes them. With `each`, a leaf holds one number, for the sum of its tree;
    /// else one for each sum.
    pub(super) fn node(&self, graph: &mut Graph, x: Node, sums: &Sums<'_>, each: bool) -> Node {
        let width = sums.initial.len();
        let cast = |single: bool| if single { "f32" } else { "f64" };
        let mut told = json!({
            "roots": graph.u32s(&self.roots),
            "flags": graph.u8s(&self.flags),
            "feature": graph.u32s(&self.feature),
            "threshold": graph.f64s(&self.threshold),
            "left": graph.u32s(&self.left),
            "right": graph.u32s(&self.right),
            "leaves": graph.table(if each { 1 } else { width }, &self.leaves),
            "cast": cast(sums.compare_f32), "sum": cast(sums.add_f32),
            "initial": graph.f64s(sums.initial),
            "divide": sums.divide,
        });
        let mut more = |name: &str, array: Value| {
            if let Some(told) = told.as_object_mut() {
                told.insert(name.into(), array);
            }
        };
        if each {
            more("target", graph.u32s(&self.target));
        }
        if !self.set_starts.is_empty() {
            let starts: Vec<u32> = self.set_starts.iter().copied().chain([index(self.set_words.len())]).collect();
            more("set", graph.u32s(&self.set));
            more("set_starts", graph.u32s(&starts));
            more("set_words", graph.u32s(&self.set_words));
        }
        graph.node("trees", &[x], width, told)
    }
}

/// A place in a list, which is shorter than 2^32.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
