//! Trees as they are walked: nodes of sixteen bytes, children side by side.

use super::prepare::{Missing, Prepare, Way};
use crate::error::{Wrong, wrong};
use crate::spec::Spec;

/// Trees that are walked together.
pub(super) const GROUP: usize = 8;
/// Levels after which it is worth a look whether all trees have ended.
const LEVELS_UNSEEN: usize = 4;

const LEAF: u8 = 1;
const STRICT: u8 = 2;
const MISSING_LEFT: u8 = 4;
const CATEGORICAL: u8 = 8;
const MEMBERS_RIGHT: u8 = 16;
const ZERO_MISSING: u8 = 32;
const MISSING_ZERO: u8 = 64;

/// A step of a walk: right if the number is greater than the threshold, else left.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Node {
    /// Of a leaf: its number, or the bits of the index of its row. No comparison with what a leaf
    /// looks at, minus infinity, is true.
    threshold: f64,
    /// Which number of a prepared row; 0 at a leaf.
    number: u32,
    /// The child at the left, beside which the other is; at a leaf, itself.
    left: u32,
}

/// Trees that are walked together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    roots: [u32; GROUP],
    /// How many of them count.
    pub(super) trees: usize,
    levels: usize,
}

/// All trees.
#[derive(Debug)]
pub(super) struct Forest {
    nodes: Vec<Node>,
    groups: Vec<Group>,
    trees: usize,
    /// Numbers in a prepared row.
    width: usize,
}

/// A file's nodes.
struct Source {
    flags: Vec<u8>,
    feature: Vec<u32>,
    threshold: Vec<f64>,
    left: Vec<u32>,
    right: Vec<u32>,
    set: Vec<u32>,
}

impl Forest {
    /// Reads the trees. Leaves are so many; they hold their numbers if those are given.
    pub(super) fn read(
        spec: &mut Spec<'_>,
        prepare: &mut Prepare,
        leaves: usize,
        inline: Option<&[f64]>,
    ) -> Result<Self, Wrong> {
        let threshold = spec.any_numbers("threshold")?;
        let count = threshold.len();
        let flags = spec.bytes("flags", count)?;
        let lists = [spec.words("feature")?, spec.words("left")?, spec.words("right")?];
        let [feature, left, right] = lists;
        if let Some(list) = [&feature, &left, &right].into_iter().find(|list| list.len() != count) {
            return wrong(format!("`feature`, `left`, `right`: {count} each, as thresholds"), list.len());
        }
        let set = if spec.has("set_starts") {
            prepare.with_sets(&spec.words("set_starts")?, &spec.words("set_words")?)?;
            spec.words("set")?
        } else {
            vec![0; count]
        };
        if set.len() != count {
            return wrong(format!("`set`: {count}, as thresholds"), set.len());
        }
        let roots = spec.indexes("roots", count)?;
        if roots.is_empty() {
            return wrong("`roots`: at least one", "none");
        }
        let source = Source { flags, feature, threshold, left, right, set };
        source.check(&roots, leaves)?;
        let mut forest = Self { nodes: Vec::with_capacity(count), groups: Vec::new(), trees: roots.len(), width: 0 };
        let mut order = Vec::new();
        for roots in roots.chunks(GROUP) {
            let mut group = Group { roots: [0; GROUP], trees: roots.len(), levels: 0 };
            for (place, &root) in group.roots.iter_mut().zip(roots) {
                *place = forest.nodes.len() as u32;
                group.levels = group.levels.max(forest.append(&source, root, prepare, inline, &mut order)?);
            }
            // What there is too little of walks with the first, and does not count.
            let [first, ..] = group.roots;
            group.roots.iter_mut().skip(roots.len()).for_each(|place| *place = first);
            forest.groups.push(group);
        }
        prepare.end();
        forest.width = prepare.width();
        forest.check()?;
        Ok(forest)
    }

    pub(super) fn trees(&self) -> usize {
        self.trees
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// Adds a tree's nodes, level by level; returns how many levels of splits it has.
    fn append(
        &mut self,
        source: &Source,
        root: u32,
        prepare: &mut Prepare,
        inline: Option<&[f64]>,
        order: &mut Vec<u32>,
    ) -> Result<usize, Wrong> {
        let first = self.nodes.len();
        order.clear();
        order.push(root);
        let (mut levels, mut level_ends) = (0, 1);
        let mut at = 0;
        while let Some(&node) = order.get(at) {
            if at == level_ends {
                (levels, level_ends) = (levels + 1, order.len());
            }
            let node = node as usize;
            let here = (first + at) as u32;
            if source.is_leaf(node) {
                let row = source.left.get(node).copied().unwrap_or(0);
                let threshold = match inline {
                    Some(leaves) => leaves.get(row as usize).copied().unwrap_or(0.0),
                    None => f64::from_bits(row.into()),
                };
                self.nodes.push(Node { threshold, number: 0, left: here });
            } else {
                let (feature, way, threshold) = source.split(node, prepare)?;
                let number = prepare.column(feature, way)?;
                self.nodes.push(Node { threshold, number, left: (first + order.len()) as u32 });
                order.extend(source.left.get(node));
                order.extend(source.right.get(node));
            }
            at += 1;
        }
        Ok(levels)
    }

    /// What a walk relies on: it begins at a node, a node looks at a number that every row has and
    /// leads to nodes, and a leaf to itself.
    fn check(&self) -> Result<(), Wrong> {
        let is_node = |at: u32| (at as usize) < self.nodes.len();
        let leads_on = |(at, node): (usize, &Node)| {
            let is_leaf = node.number == 0 && node.left as usize == at;
            (node.number as usize) < self.width && is_node(node.left) && (is_leaf || is_node(node.left + 1))
        };
        let begins = |group: &Group| group.roots.iter().all(|&root| is_node(root));
        if self.nodes.iter().enumerate().all(leads_on) && self.groups.iter().all(begins) {
            return Ok(());
        }
        wrong("nodes that lead to nodes", "one that does not; this is a bug of Scry")
    }

    /// Where each tree of a group ends for a row: the numbers of the leaves.
    #[inline(always)]
    pub(super) fn walk(&self, group: &Group, row: &[f64]) -> [f64; GROUP] {
        debug_assert_eq!(row.len(), self.width);
        let mut at = group.roots;
        let mut levels = group.levels;
        while levels > LEVELS_UNSEEN {
            for _ in 0..LEVELS_UNSEEN - 1 {
                at = self.step(at, row);
            }
            let next = self.step(at, row);
            if next == at {
                return self.ends(at);
            }
            (at, levels) = (next, levels - LEVELS_UNSEEN);
        }
        for _ in 0..levels {
            at = self.step(at, row);
        }
        self.ends(at)
    }

    #[inline(always)]
    fn step(&self, at: [u32; GROUP], row: &[f64]) -> [u32; GROUP] {
        at.map(|at| {
            // SAFETY: `check` has seen that every node leads to nodes and looks at a number below
            // the width, which is that of every prepared row. A leaf leads to itself: the first
            // number of a row, minus infinity, is greater than nothing.
            let (node, number) = unsafe {
                let node = self.nodes.get_unchecked(at as usize);
                (node, *row.get_unchecked(node.number as usize))
            };
            node.left + u32::from(number > node.threshold)
        })
    }

    #[inline(always)]
    fn ends(&self, at: [u32; GROUP]) -> [f64; GROUP] {
        at.map(|at| self.nodes.get(at as usize).map_or(0.0, |node| node.threshold))
    }
}

impl Source {
    fn is_leaf(&self, node: usize) -> bool {
        self.flags.get(node).is_some_and(|flags| flags & LEAF != 0)
    }

    /// Every child comes after its parent and has one only, and every node has a parent or is a
    /// root: so there is no cycle, and nothing is walked that is not read.
    fn check(&self, roots: &[u32], leaves: usize) -> Result<(), Wrong> {
        let count = self.flags.len();
        let mut is_reached = vec![false; count];
        let mut reach =
            |node: u32| is_reached.get_mut(node as usize).is_some_and(|reached| !std::mem::replace(reached, true));
        let once = |from: String, node: u32| {
            wrong(format!("{from} to lead to a node of {count} that nothing else leads to"), node)
        };
        if let Some(&root) = roots.iter().find(|&&root| !reach(root)) {
            return once("a root".into(), root);
        }
        for (node, &flags) in self.flags.iter().enumerate() {
            let get = |list: &[u32]| list.get(node).copied().unwrap_or(u32::MAX);
            let (left, right) = (get(&self.left), get(&self.right));
            if flags & LEAF != 0 {
                if left as usize >= leaves {
                    return wrong(format!("leaf {node}: a row of {leaves} leaves"), left);
                }
                continue;
            }
            for child in [left, right] {
                if child as usize <= node {
                    return wrong(format!("split {node} to lead to later nodes"), format!("node {child}"));
                }
                if !reach(child) {
                    return once(format!("split {node}"), child);
                }
            }
        }
        match is_reached.iter().position(|&reached| !reached) {
            None => Ok(()),
            Some(node) => wrong("nodes that a root leads to", format!("node {node}")),
        }
    }

    /// A split's feature, how it looks at it, and its threshold.
    fn split(&self, node: usize, prepare: &Prepare) -> Result<(u32, Way, f64), Wrong> {
        let flags = self.flags.get(node).copied().unwrap_or(0);
        let feature = self.feature.get(node).copied().unwrap_or(u32::MAX);
        if feature as usize >= prepare.features() {
            return wrong(format!("split {node}: a feature below {}", prepare.features()), feature);
        }
        let has = |flag| flags & flag != 0;
        let zero_missing = has(ZERO_MISSING);
        if has(CATEGORICAL) {
            let set = self.set.get(node).copied().unwrap_or(u32::MAX);
            if set as usize >= prepare.sets() {
                return wrong(format!("split {node}: a set below {}", prepare.sets()), set);
            }
            let missing = match (has(MISSING_ZERO) && !zero_missing, has(MISSING_LEFT)) {
                (true, _) => Missing::Zero,
                (false, true) => Missing::Left,
                (false, false) => Missing::Right,
            };
            let way = Way::Category { set, members_left: !has(MEMBERS_RIGHT), missing, zero_missing };
            return Ok((feature, way, 0.0));
        }
        let threshold = self.threshold.get(node).copied().unwrap_or(f64::NAN);
        if threshold.is_nan() {
            return wrong(format!("split {node}: a threshold"), "NaN");
        }
        let strict = has(STRICT);
        let goes_left = |x: f64| if strict { x < threshold } else { x <= threshold };
        let missing_left = if has(MISSING_ZERO) && !zero_missing { goes_left(0.0) } else { has(MISSING_LEFT) };
        // Less than a number is not greater than the number before it.
        let last_left = if strict { threshold.next_down() } else { threshold };
        let way = match threshold {
            f64::INFINITY if !strict => Way::Present { missing_left, present_left: true },
            f64::NEG_INFINITY if strict => Way::Present { missing_left, present_left: false },
            _ if zero_missing => Way::ZeroMissing { missing_left },
            _ => Way::Number { missing_left },
        };
        if zero_missing && matches!(way, Way::Present { .. }) {
            return wrong(format!("split {node}: a finite threshold where zero is missing"), threshold);
        }
        Ok((feature, way, if matches!(way, Way::Present { .. }) { 0.0 } else { last_left }))
    }
}
