//! Gradient-boosted trees.
//!
//! Four trees walk side by side, one level a step: their loads overlap, and
//! one back edge pays for four nodes. A leaf leads to itself, so trees of
//! unequal depth need no test. Trees with categorical splits, or that treat
//! zero as missing, take a plainer walk.

/// Trees that walk side by side.
const GROUP: usize = 4;

/// 16 bytes, four to a cache line.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Goes left when the value is at most this; at a leaf, the leaf's value.
    threshold: f64,
    feature: u16,
    /// Whether a missing value (NaN) goes left.
    missing_left: u16,
    /// Left and right, counted from the tree's root; at a leaf, itself.
    children: [u16; 2],
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
    Group { roots: [usize; GROUP], levels: usize },
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
    /// In the order of the trees: sums round as the trainer's do.
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
        let mut waiting: Vec<(usize, usize)> = Vec::new();
        for (i, tree) in trees.into_iter().enumerate() {
            let levels = tree.check(features).map_err(|e| format!("tree {i}: {e}"))?;
            // A class's trees are summed apart, so only one class can group.
            if classes == 1 && tree.splits.iter().all(|(_, split, _)| matches!(split, Split::Numeric { .. })) {
                waiting.push((model.append(&tree), levels));
                if waiting.len() == GROUP {
                    model.group(&mut waiting);
                }
            } else {
                model.group(&mut waiting);
                model.walks.push(Walk::Alone(tree));
            }
        }
        model.group(&mut waiting);
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
        let mut tree = 0;
        // Trees outside, rows inside: a group stays in the first-level cache.
        for walk in &self.walks {
            match walk {
                Walk::Group { roots, levels } => {
                    for (row, sum) in rows.chunks_exact(self.features).zip(&mut out) {
                        *sum = self.walk_group(roots, *levels, row, *sum);
                    }
                    tree += GROUP;
                }
                Walk::Alone(alone) => {
                    let class = tree % self.classes;
                    for (row, sums) in rows.chunks_exact(self.features).zip(out.chunks_exact_mut(self.classes)) {
                        sums[class] += alone.walk(row);
                    }
                    tree += 1;
                }
            }
        }
        self.finish(&mut out);
        out
    }

    #[inline(always)]
    fn walk_group(&self, roots: &[usize; GROUP], levels: usize, row: &[f64], sum: f64) -> f64 {
        let mut at = [0u16; GROUP];
        for _ in 0..levels {
            for tree in 0..GROUP {
                let node = &self.nodes[roots[tree] + usize::from(at[tree])];
                let value = row[usize::from(node.feature)];
                let left = (value <= node.threshold) | (value.is_nan() & (node.missing_left != 0));
                at[tree] = node.children[usize::from(!left)];
            }
        }
        (0..GROUP).fold(sum, |sum, tree| sum + self.nodes[roots[tree] + usize::from(at[tree])].threshold)
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

    /// Adds a tree's nodes, splits first, then leaves; returns its root.
    fn append(&mut self, tree: &Tree) -> usize {
        let root = self.nodes.len();
        let splits = tree.splits.len();
        let place = |child: i32| if child < 0 { splits + !child as usize } else { child as usize } as u16;
        for (feature, split, children) in &tree.splits {
            let Split::Numeric { threshold, missing_left } = *split else { continue };
            self.nodes.push(Node {
                threshold,
                feature: *feature as u16,
                missing_left: u16::from(missing_left),
                children: children.map(place),
            });
        }
        for (i, &value) in tree.leaves.iter().enumerate() {
            let itself = (splits + i) as u16;
            self.nodes.push(Node { threshold: value, feature: 0, missing_left: 0, children: [itself; 2] });
        }
        root
    }

    fn group(&mut self, waiting: &mut Vec<(usize, usize)>) {
        if waiting.is_empty() {
            return;
        }
        // A short group is filled with a tree that adds nothing.
        while waiting.len() < GROUP {
            waiting.push((self.nodes.len(), 0));
            self.nodes.push(Node { threshold: 0.0, feature: 0, missing_left: 0, children: [0; 2] });
        }
        let levels = waiting.iter().map(|&(_, levels)| levels).max().unwrap_or(0);
        let mut roots = [0; GROUP];
        for (root, (at, _)) in roots.iter_mut().zip(waiting.drain(..)) {
            *root = at;
        }
        self.walks.push(Walk::Group { roots, levels });
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
                    Ok(child) => levels[child] = levels[child].max(levels[i] + 1),
                    Err(_) if !child as usize >= self.leaves.len() => {
                        return Err(format!("split {i} leads to leaf {}", !child));
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(levels.into_iter().max().map_or(0, |deepest| deepest + 1))
    }

    fn walk(&self, row: &[f64]) -> f64 {
        let mut at = if self.splits.is_empty() { !0 } else { 0 };
        while let Ok(i) = usize::try_from(at) {
            let (feature, split, children) = &self.splits[i];
            at = children[usize::from(!split.goes_left(row[*feature]))];
        }
        self.leaves[!at as usize]
    }
}

impl Split {
    fn goes_left(&self, value: f64) -> bool {
        /// What LightGBM takes for zero.
        const ZERO: f64 = 1e-35;
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
