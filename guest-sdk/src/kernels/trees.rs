//! Gradient-boosted trees.
//!
//! Trees walk side by side, one level a step: their loads overlap, and one
//! back edge pays for a node of each. A step has no branch: siblings lie side
//! by side, so a comparison's result is added to the left one's place; a
//! missing value stands in its row twice, as what always goes left and as what
//! always goes right; and a leaf leads to itself, so trees of unequal depth
//! need no test. Trees with categorical splits, or that treat zero as missing,
//! take a plainer walk.

/// Trees that walk side by side.
const GROUP: usize = 8;
/// Rows that walk a group before the next: both stay in the first-level cache.
const BLOCK_ROWS: usize = 32;

/// 16 bytes, four to a cache line.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Goes right when the value is greater; at a leaf, the leaf's value.
    threshold: f64,
    /// Which value of a `doubled` row.
    value: u32,
    /// Where left leads, right being the next node; at a leaf, itself.
    left: u32,
}

/// A split that the fast walk does not know.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Split {
    /// `value <= threshold`; NaN as told.
    Numeric { threshold: f64, missing_left: bool },
    /// The same, but zero is missing too.
    ZeroMissing { threshold: f64, missing_left: bool },
    /// A member of the bit set goes left; all else, right.
    Categorical { members: Vec<u32> },
}

/// One tree as a reader hands it over. A child below 0 is the leaf `!child`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) splits: Vec<(usize, Split, [i32; 2])>,
    pub(super) leaves: Vec<f64>,
}

/// What becomes of the sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Objective {
    Identity,
    Sigmoid(f64),
    Softmax,
    Exp,
}

#[derive(Debug, Clone)]
enum Walk {
    /// Roots of trees that walk together, and their levels.
    Group { roots: [u32; GROUP], levels: usize },
    /// A tree that walks alone.
    Alone(Tree),
}

/// A boosted ensemble.
#[derive(Debug, Clone)]
pub struct Trees {
    features: usize,
    classes: usize,
    objective: Objective,
    divisor: f64,
    nodes: Vec<Node>,
    walks: Vec<Walk>,
}

impl Trees {
    /// Builds the ensemble; the error says which tree is malformed.
    pub(super) fn new(
        features: usize,
        classes: usize,
        objective: Objective,
        average: bool,
        trees: Vec<Tree>,
    ) -> Result<Self, String> {
        if classes == 0 || trees.is_empty() || !trees.len().is_multiple_of(classes) {
            return Err(format!("{} trees for {classes} classes", trees.len()));
        }
        let divisor = if average { (trees.len() / classes) as f64 } else { 1.0 };
        let mut model = Self { features, classes, objective, divisor, nodes: Vec::new(), walks: Vec::new() };
        let mut waiting: Vec<(u32, usize)> = Vec::new();
        for (i, tree) in trees.into_iter().enumerate() {
            let levels = tree.check(features).map_err(|e| format!("tree {i}: {e}"))?;
            // A class's trees are summed apart, so only one class can group.
            if classes == 1 && tree.splits.iter().all(|(_, split, _)| split.is_fast()) {
                waiting.push((model.append(&tree), levels));
            } else {
                model.walks.push(Walk::Alone(tree));
            }
        }
        // Trees of like depth walk together: none waits long at its leaf.
        waiting.sort_by_key(|&(_, levels)| levels);
        waiting.chunks(GROUP).for_each(|trees| model.group(trees));
        model.check_walks()?;
        Ok(model)
    }

    /// Number of values in a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Number of values that a row's prediction has.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Predicts rows of `features()` values each, missing ones NaN; returns
    /// `classes()` values a row.
    pub fn predict(&self, rows: &[f64]) -> Vec<f64> {
        let count = rows.len() / self.features.max(1);
        let mut out = vec![0.0; count * self.classes];
        let mut doubled = Vec::with_capacity(self.doubled_len() * count.min(BLOCK_ROWS));
        let blocks = rows.chunks(BLOCK_ROWS * self.features.max(1));
        for (rows, sums) in blocks.zip(out.chunks_mut(BLOCK_ROWS * self.classes)) {
            doubled.clear();
            rows.chunks_exact(self.features).for_each(|row| double(row, &mut doubled));
            self.add(rows, &doubled, sums);
        }
        self.finish(&mut out);
        out
    }

    fn doubled_len(&self) -> usize {
        1 + 2 * self.features
    }

    /// Adds all trees for a block of rows.
    fn add(&self, rows: &[f64], doubled: &[f64], sums: &mut [f64]) {
        let mut tree = 0;
        for walk in &self.walks {
            match walk {
                Walk::Group { roots, levels } => {
                    for (row, sum) in doubled.chunks_exact(self.doubled_len()).zip(sums.iter_mut()) {
                        *sum = self.walk_group(roots, *levels, row, *sum);
                    }
                    tree += GROUP;
                }
                Walk::Alone(alone) => {
                    let class = tree % self.classes;
                    for (row, sums) in rows.chunks_exact(self.features).zip(sums.chunks_exact_mut(self.classes)) {
                        sums[class] += alone.walk(row);
                    }
                    tree += 1;
                }
            }
        }
    }

    #[inline(always)]
    fn walk_group(&self, roots: &[u32; GROUP], levels: usize, row: &[f64], sum: f64) -> f64 {
        let mut at = *roots;
        for _ in 0..levels.div_ceil(2) {
            at = self.step(at, row);
            at = self.step(at, row);
        }
        // In pairs: a chain of additions would wait for each of them.
        let [a, b, c, d, e, f, g, h] = at.map(|at| self.nodes[at as usize].threshold);
        sum + (((a + b) + (c + d)) + ((e + f) + (g + h)))
    }

    #[inline(always)]
    fn step(&self, at: [u32; GROUP], row: &[f64]) -> [u32; GROUP] {
        at.map(|at| {
            // SAFETY: `check_walks` has seen that every node reads a value that a
            // row has, and that a split leads to nodes. A leaf leads to itself:
            // what it reads, the first value of a doubled row, is never greater.
            let (node, value) = unsafe {
                let node = self.nodes.get_unchecked(at as usize);
                (node, *row.get_unchecked(node.value as usize))
            };
            node.left + u32::from(value > node.threshold)
        })
    }

    fn finish(&self, out: &mut [f64]) {
        for sums in out.chunks_exact_mut(self.classes) {
            for sum in sums.iter_mut() {
                *sum /= self.divisor;
                match self.objective {
                    Objective::Identity | Objective::Softmax => {}
                    Objective::Sigmoid(slope) => *sum = super::sigmoid(slope * *sum),
                    Objective::Exp => *sum = sum.exp(),
                }
            }
            if self.objective == Objective::Softmax {
                let high = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = sums.iter().map(|sum| (sum - high).exp()).sum();
                sums.iter_mut().for_each(|sum| *sum = (*sum - high).exp() / total);
            }
        }
    }

    /// Adds a tree's nodes, level by level; returns its root.
    fn append(&mut self, tree: &Tree) -> u32 {
        let root = self.nodes.len() as u32;
        let mut order = vec![tree.root()];
        for place in root.. {
            let Some(&at) = order.get((place - root) as usize) else { break };
            let split = usize::try_from(at).ok().map(|split| &tree.splits[split]);
            self.nodes.push(match split {
                Some(&(feature, Split::Numeric { threshold, missing_left }, children)) => {
                    let left = root + order.len() as u32;
                    order.extend(children);
                    Node { threshold, value: 1 + 2 * feature as u32 + u32::from(!missing_left), left }
                }
                _ => Node { threshold: tree.leaves[!at as usize], value: 0, left: place },
            });
        }
        root
    }

    fn group(&mut self, trees: &[(u32, usize)]) {
        let mut roots = [0; GROUP];
        for (i, root) in roots.iter_mut().enumerate() {
            *root = trees.get(i).map_or_else(|| self.nothing(), |&(root, _)| root);
        }
        let levels = trees.iter().map(|&(_, levels)| levels).max().unwrap_or(0);
        self.walks.push(Walk::Group { roots, levels });
    }

    /// A tree that adds nothing, for a group that is short of one.
    fn nothing(&mut self) -> u32 {
        let itself = self.nodes.len() as u32;
        self.nodes.push(Node { threshold: 0.0, value: 0, left: itself });
        itself
    }

    /// What a step relies on: it begins at a node, reads a value that every row
    /// has, and leads to a node. A leaf never leads to its neighbour.
    fn check_walks(&self) -> Result<(), String> {
        let is_node = |at: u32| (at as usize) < self.nodes.len();
        let leads_on = |(i, node): (usize, &Node)| {
            let is_leaf = node.value == 0 && node.left as usize == i;
            (node.value as usize) < self.doubled_len() && is_node(node.left) && (is_leaf || is_node(node.left + 1))
        };
        let begins = |walk: &Walk| match walk {
            Walk::Group { roots, .. } => roots.iter().all(|&root| is_node(root)),
            Walk::Alone(_) => true,
        };
        let holds = self.nodes.iter().enumerate().all(leads_on) && self.walks.iter().all(begins);
        if holds { Ok(()) } else { Err("a node leads nowhere; this is a bug in the kernel".into()) }
    }
}

/// Appends what a leaf compares with, which never is greater, and each value
/// twice: for splits that send a missing one left, and right.
fn double(row: &[f64], doubled: &mut Vec<f64>) {
    doubled.push(f64::NEG_INFINITY);
    for &value in row {
        let missing = value.is_nan();
        doubled.push(if missing { f64::NEG_INFINITY } else { value });
        doubled.push(if missing { f64::INFINITY } else { value });
    }
}

impl Tree {
    /// Checks every index and that there is no cycle; returns the levels.
    fn check(&self, features: usize) -> Result<usize, String> {
        let nodes = self.splits.len() + self.leaves.len();
        if self.leaves.is_empty() || nodes > usize::from(u16::MAX) || features > usize::from(u16::MAX) {
            return Err(format!("{nodes} nodes on {features} features: at most 65535 each"));
        }
        let mut levels = vec![0usize; self.splits.len()];
        for (i, (feature, _, children)) in self.splits.iter().enumerate() {
            if *feature >= features {
                return Err(format!("split {i} reads feature {feature} of {features}"));
            }
            for &child in children {
                match usize::try_from(child) {
                    Ok(child) if child <= i || child >= self.splits.len() => {
                        return Err(format!("split {i} leads to split {child}"));
                    }
                    Ok(child) if levels[child] != 0 => return Err(format!("two splits lead to split {child}")),
                    Ok(child) => levels[child] = levels[i] + 1,
                    Err(_) if !child as usize >= self.leaves.len() => {
                        return Err(format!("split {i} leads to leaf {}", !child));
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(levels.into_iter().max().map_or(0, |deepest| deepest + 1))
    }

    /// The first split, or the only leaf.
    fn root(&self) -> i32 {
        if self.splits.is_empty() { !0 } else { 0 }
    }

    fn walk(&self, row: &[f64]) -> f64 {
        let mut at = self.root();
        while let Ok(i) = usize::try_from(at) {
            let (feature, split, children) = &self.splits[i];
            at = children[usize::from(!split.goes_left(row[*feature]))];
        }
        self.leaves[!at as usize]
    }
}

impl Split {
    /// Whether a step of the fast walk can take it.
    fn is_fast(&self) -> bool {
        matches!(self, Self::Numeric { threshold, .. } if threshold.is_finite())
    }

    fn goes_left(&self, value: f64) -> bool {
        /// What LightGBM takes for zero.
        const ZERO: f64 = 1e-35_f32 as f64;
        match self {
            Self::Numeric { threshold, missing_left } => value <= *threshold || (value.is_nan() && *missing_left),
            Self::ZeroMissing { threshold, missing_left } => {
                if value.is_nan() || value.abs() <= ZERO {
                    *missing_left
                } else {
                    value <= *threshold
                }
            }
            Self::Categorical { members } => {
                value >= 0.0
                    && members.get(value as usize / 32).is_some_and(|word| word >> (value as usize % 32) & 1 == 1)
            }
        }
    }
}

#[cfg(test)]
mod tests;
