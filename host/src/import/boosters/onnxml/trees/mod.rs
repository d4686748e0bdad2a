//! Trees. Their numbers are added in 32 bits, in the order of the file, as ONNX Runtime does in one thread.
//!
//! Never guesses what an answer is where ONNX Runtime's depends on which leaves a row reaches.

mod equal;
mod lists;

use super::message::Told;
use super::translation::Translation;
use super::value::Value;
use crate::import::boosters::booster::{TREES_MAX, WIDTH_MAX};
use crate::import::boosters::error::{BoosterError, Read};
use crate::import::boosters::forest::{Forest, MISSING_LEFT, Part, STRICT, Split, Sums};
use crate::import::graph::Node;
use equal::Equal;
use lists::{Lists, Weights};

/// Numbers of the leaves of all trees: one each, or one for every sum.
const LEAF_NUMBERS_MAX: usize = 1 << 24;

/// Numbers that the trees add, and what is known of them.
struct Raw {
    sums: Node,
    weights: Weights,
}

impl<'a> Translation<'a> {
    pub(super) fn tree_regressor(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let targets = told.int("n_targets")?.unwrap_or(1);
        let targets = usize::try_from(targets).ok().filter(|targets| (1..WIDTH_MAX).contains(targets));
        let Some(targets) = targets else {
            return Err(told.wrong("n_targets", format!("a whole number from 1 to {WIDTH_MAX}"), "another"));
        };
        match told.text_or("post_transform", "NONE")? {
            "NONE" => {}
            other => return Err(told.wrong("post_transform", "NONE", other)),
        }
        let is_average = match told.text_or("aggregate_function", "SUM")? {
            "SUM" => false,
            "AVERAGE" => true,
            other => return Err(told.wrong("aggregate_function", "SUM or AVERAGE", other)),
        };
        let base = told.floats("base_values")?;
        if !base.is_empty() && base.len() != targets {
            return Err(told.wrong("base_values", format!("{targets} numbers, or none"), base.len()));
        }
        let raw = self.trees(told, "target", targets, is_average)?;
        if targets == 1 && !raw.weights.is_one_a_leaf {
            return Err(told.wrong("target_weights", "one for each leaf", "another number"));
        }
        let sums = self.plus(raw.sums, &base);
        Ok(self.matrix(sums))
    }

    pub(super) fn tree_classifier(&mut self, told: &mut Told<'a>) -> Read<Vec<Value<'a>>> {
        let names = self.class_names(told, "classlabels_int64s")?;
        let transform = self.transform(told)?;
        let base = told.floats("base_values")?;
        let raw = self.trees(told, "class", names.len(), false)?;
        let (weights, is_positive) = (&raw.weights, raw.weights.lowest >= 0.0);
        if names.len() == 2 {
            // ONNX Runtime takes the weights for one class alone for those of the second, whichever it is.
            let &[only] = weights.ids.as_slice() else {
                return Err(told.wrong("class_ids", "weights of one class, where there are two", "of both"));
            };
            if !weights.is_one_a_leaf {
                return Err(told.wrong("class_weights", "one for each leaf", "another number"));
            }
            let most = if only == 0 { 1 } else { 0 };
            if base.len() > most {
                return Err(told.wrong("base_values", format!("at most {most} numbers"), base.len()));
            }
            let sum = self.graph.select(raw.sums, only);
            let sum = self.plus(sum, &base);
            let index = self.graph.map_with(sum, "greater", if is_positive { 0.5 } else { 0.0 });
            let scores = match only {
                0 => self.two_of_one(sum, transform, is_positive),
                _ => {
                    let sums = self.plus(raw.sums, &[]);
                    self.transformed(sums, transform)
                }
            };
            return self.labelled(index, names, scores);
        }
        if !base.is_empty() && base.len() != names.len() {
            return Err(told.wrong("base_values", format!("{} numbers, or none", names.len()), base.len()));
        }
        // A class that no reached leaf has a weight of is no candidate.
        if base.is_empty() && !weights.all_are_scored && !(is_positive && weights.some_is_positive) {
            let expected = "weights of which each row reaches some of each class, or positive ones";
            return Err(told.wrong("class_weights", expected, "others"));
        }
        let sums = self.plus(raw.sums, &base);
        let index = self.graph.argmax(sums);
        let scores = self.transformed(sums, transform);
        self.labelled(index, names, scores)
    }

    /// Sums in 32 bits, and what is added at the end.
    fn plus(&mut self, sums: Node, base: &[f64]) -> Node {
        if base.is_empty() {
            return sums;
        }
        let sums = self.graph.scale(sums, 1.0, base);
        self.graph.map(sums, "float32")
    }

    /// The sums of all trees.
    fn trees(&mut self, told: &mut Told<'a>, what: &str, width: usize, is_average: bool) -> Read<Raw> {
        let x = self.singles(told, 0)?;
        self.features.get_or_insert(x);
        let lists = Lists::read(told)?;
        let mut weights = Weights::read(told, what, width)?;
        let trees = lists.trees(told)?;
        if !(1..=TREES_MAX).contains(&trees.len()) {
            return Err(told.wrong("nodes_treeids", format!("1 to {TREES_MAX} trees"), trees.len()));
        }
        weights.place(told, &lists, &trees)?;
        let each = weights.target_of_tree.is_some();
        let columns = if each { 1 } else { width };
        self.leaf_numbers = self.leaf_numbers.saturating_add(weights.leaves.saturating_mul(columns));
        if self.leaf_numbers > LEAF_NUMBERS_MAX {
            let expected = format!("at most {LEAF_NUMBERS_MAX} numbers in all leaves");
            return Err(told.wrong(&format!("{what}_weights"), expected, "more"));
        }
        let (mut forest, mut equal) = (Forest::default(), Equal::new(x.width));
        for (at, tree) in trees.iter().enumerate() {
            let leaves = weights.rows(tree, columns);
            let target = weights.target_of_tree.as_ref().and_then(|targets| targets.get(at)).copied().unwrap_or(0);
            let added = forest.add(tree.nodes.len(), target, tree.nodes.start, |node| match leaves.get(node) {
                Some(leaf) => Ok(Part::Leaf(leaf)),
                None => split(&lists, tree, node, x.width, &mut equal).map(Part::Split),
            });
            added.map_err(|error| error.at(format!("{}, tree {}", told.place(), tree.id)))?;
        }
        let x = equal.columns(&mut self.graph, x)?;
        let divide = is_average.then_some(trees.len() as f64);
        let sums = Sums { compare_f32: true, add_f32: true, initial: &vec![0.0; width], divide };
        let mut sums = forest.node(&mut self.graph, x, &sums, each);
        if is_average {
            sums = self.graph.map(sums, "float32");
        }
        Ok(Raw { sums, weights })
    }
}

/// The question of a node. Its true branch may be the right one of ours.
fn split(lists: &Lists<'_>, tree: &lists::Tree, at: usize, features: usize, equal: &mut Equal) -> Read<Split<usize>> {
    let wrong = |name: &str, expected: String, found: String| {
        BoosterError::wrong(format!("`nodes_{name}` of node {at} to be {expected}"), found)
    };
    let (Some(&mode), Some(&threshold), Some(&feature)) =
        (lists.modes.get(at), lists.values.get(at), lists.features.get(at))
    else {
        return Err(wrong("modes", "there".into(), "nothing".into()));
    };
    let Some(feature) = usize::try_from(feature).ok().filter(|&feature| feature < features) else {
        return Err(wrong("featureids", format!("below {features}"), feature.to_string()));
    };
    let child = |name: &str, list: &[i64]| {
        let node = list.get(at).and_then(|id| tree.find(*id));
        node.ok_or_else(|| wrong(name, "a node of its tree".into(), "another".into()))
    };
    let (yes, no) = (child("truenodeids", &lists.yes)?, child("falsenodeids", &lists.no)?);
    let missing_is_true = lists.missing.get(at).is_some_and(|&is| is != 0);
    let missing = |is_left: bool| if is_left { MISSING_LEFT } else { 0 };
    let of = |flags, feature, threshold, left, right| Split { flags, feature, threshold, set: 0, left, right };
    Ok(match mode {
        "BRANCH_LEQ" => of(missing(missing_is_true), feature, threshold, yes, no),
        "BRANCH_LT" => of(STRICT | missing(missing_is_true), feature, threshold, yes, no),
        "BRANCH_GT" => of(missing(!missing_is_true), feature, threshold, no, yes),
        "BRANCH_GTE" => of(STRICT | missing(!missing_is_true), feature, threshold, no, yes),
        "BRANCH_EQ" => of(0, equal.column(feature, threshold, missing_is_true)?, 0.5, no, yes),
        // What is missing equals nothing, so that it is true anyway.
        "BRANCH_NEQ" => of(0, equal.column(feature, threshold, false)?, 0.5, yes, no),
        other => {
            let known = "BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ, BRANCH_NEQ or LEAF";
            return Err(wrong("modes", known.into(), scry_card::strict::cut(other)));
        }
    })
}
