//! Trees against a plain walk over the file's own nodes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{File, bits, columns, features};
use proptest::prelude::*;
use serde_json::json;

/// A node as the file has it.
#[derive(Debug, Clone, Default)]
struct Node {
    flags: u8,
    feature: u32,
    threshold: f64,
    left: u32,
    right: u32,
    set: u32,
}

#[derive(Debug, Clone)]
struct Forest {
    roots: Vec<u32>,
    nodes: Vec<Node>,
    leaves: Vec<f64>,
    sets: Vec<Vec<u32>>,
    cast: bool,
    sum: bool,
    initial: Vec<f64>,
    target: Option<Vec<u32>>,
    divide: Option<f64>,
}

impl Forest {
    fn features(&self, rows: &[[f64; 3]]) -> Vec<f64> {
        let mut file = File::matrix(3);
        let precision = |single: bool| if single { "f32" } else { "f64" };
        let list = |get: fn(&Node) -> u32| self.nodes.iter().map(get).collect::<Vec<_>>();
        let width = if self.target.is_some() { 1 } else { self.initial.len() };
        let mut node = json!({
            "op": "trees", "of": [3],
            "roots": file.u32s(&self.roots),
            "flags": file.u8s(&self.nodes.iter().map(|node| node.flags).collect::<Vec<_>>()),
            "feature": file.u32s(&list(|node| node.feature)),
            "threshold": file.list(&self.nodes.iter().map(|node| node.threshold).collect::<Vec<_>>()),
            "left": file.u32s(&list(|node| node.left)),
            "right": file.u32s(&list(|node| node.right)),
            "leaves": file.f64s(&[self.leaves.len() / width, width], &self.leaves),
            "cast": precision(self.cast), "sum": precision(self.sum),
            "initial": file.list(&self.initial),
            "divide": self.divide,
        });
        if !self.sets.is_empty() {
            let starts = std::iter::once(0).chain(self.sets.iter().scan(0, |sum, set| {
                *sum += set.len() as u32;
                Some(*sum)
            }));
            node["set_starts"] = file.u32s(&starts.collect::<Vec<_>>()).into();
            node["set_words"] = file.u32s(&self.sets.concat()).into();
            node["set"] = file.u32s(&list(|node| node.set)).into();
        }
        if let Some(target) = &self.target {
            node["target"] = file.u32s(target).into();
        }
        let trees = file.node(node);
        file.output("sum", trees, self.initial.len());
        features(&file.model(), columns(rows))
    }

    /// One tree after the other, one node after the other.
    fn plain(&self, rows: &[[f64; 3]]) -> Vec<f64> {
        let plus = |sum: f64, x: f64| if self.sum { f64::from(sum as f32 + x as f32) } else { sum + x };
        let row = |row: &[f64; 3]| {
            let mut sums = self.initial.clone();
            for (tree, &root) in self.roots.iter().enumerate() {
                let leaf = self.leaf(root, row);
                match &self.target {
                    Some(target) => sums[target[tree] as usize] = plus(sums[target[tree] as usize], self.leaves[leaf]),
                    None => {
                        let width = sums.len();
                        let leaf = &self.leaves[leaf * width..][..width];
                        sums.iter_mut().zip(leaf).for_each(|(sum, &x)| *sum = plus(*sum, x));
                    }
                }
            }
            sums.into_iter().map(|sum| self.divide.map_or(sum, |divide| sum / divide)).collect::<Vec<_>>()
        };
        rows.iter().flat_map(row).collect()
    }

    fn leaf(&self, root: u32, row: &[f64; 3]) -> usize {
        let mut node = &self.nodes[root as usize];
        while node.flags & 1 == 0 {
            let x = row[node.feature as usize];
            let x = if self.cast { f64::from(x as f32) } else { x };
            let missing = x.is_nan() || (node.flags & 32 != 0 && x.abs() <= f64::from(1e-35f32));
            let goes_left = |x: f64| {
                if node.flags & 8 != 0 {
                    let word = |at: usize| self.sets[node.set as usize].get(at).copied().unwrap_or(0);
                    let is_member = x.trunc() >= 0.0 && x < 1e9 && word(x as usize / 32) >> (x as usize % 32) & 1 == 1;
                    is_member == (node.flags & 16 == 0)
                } else if node.flags & 2 != 0 {
                    x < node.threshold
                } else {
                    x <= node.threshold
                }
            };
            let left = match (missing, node.flags & (64 | 32) == 64) {
                (false, _) => goes_left(x),
                (true, true) => goes_left(0.0),
                (true, false) => node.flags & 4 != 0,
            };
            node = &self.nodes[if left { node.left } else { node.right } as usize];
        }
        node.left as usize
    }
}

/// Values at which comparisons turn.
fn value() -> impl Strategy<Value = f64> {
    let close = |x: f32| [f64::from(x), f64::from(x.next_up()), f64::from(x).next_up(), f64::from(x).next_down()];
    let mut special = vec![
        f64::NAN,
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e-35,
        f64::from(1e-35f32),
        f64::from(1e-35f32).next_up(),
        -1e-36,
        5e-324,
        -0.5,
        -1.0,
        33.0,
    ];
    special.extend([0.1f32, 1.0, 2.0, -3.25, 64.0].into_iter().flat_map(close));
    prop_oneof![prop::sample::select(special), -70.0..70.0f64]
}

/// A tree of splits and leaves, as a shape: `Some` splits.
fn forest() -> impl Strategy<Value = Forest> {
    let node = (any::<u8>(), 0u32..3, value(), 0u32..3, any::<prop::sample::Index>());
    let trees = prop::collection::vec(prop::collection::vec((node, prop::bool::weighted(0.6)), 1..40), 1..20);
    let sums = prop::collection::vec(-10.0..10.0f64, 1..4);
    let sets = prop::collection::vec(prop::collection::vec(any::<u32>(), 0..3), 3);
    let leaves = prop::collection::vec(-5.0..5.0f64, 60);
    (trees, sums, sets, leaves, any::<(bool, bool, bool)>(), prop::option::of(1.0..9.0f64)).prop_map(
        |(trees, initial, sets, leaves, (cast, sum, one), divide)| {
            let mut nodes = Vec::new();
            let mut roots = Vec::new();
            for tree in &trees {
                roots.push(nodes.len() as u32);
                let first = nodes.len();
                let mut open = 1;
                for (at, ((flags, feature, threshold, set, leaf), splits)) in tree.iter().enumerate() {
                    if at == open {
                        break;
                    }
                    let is_split = *splits && open + 2 <= 40;
                    let mut node = Node { flags: flags & !1, feature: *feature, set: *set, ..Node::default() };
                    node.threshold = if threshold.is_nan() { 0.5 } else { *threshold };
                    if node.flags & 32 != 0 && node.threshold.is_infinite() {
                        node.threshold = 0.0;
                    }
                    if is_split {
                        (node.left, node.right) = ((first + open) as u32, (first + open + 1) as u32);
                        if flags & 1 != 0 {
                            std::mem::swap(&mut node.left, &mut node.right);
                        }
                        open += 2;
                    } else {
                        node.flags |= 1;
                        node.left = leaf.index(20) as u32;
                    }
                    nodes.push(node);
                }
                // What a split still waits for.
                while nodes.len() < first + open {
                    nodes.push(Node { flags: 1, left: (nodes.len() % 20) as u32, ..Node::default() });
                }
            }
            let target = one.then(|| (0..roots.len()).map(|tree| (tree % initial.len()) as u32).collect());
            let width = if one { 1 } else { initial.len() };
            let leaves = leaves[..20 * width].to_vec();
            let initial = initial.into_iter().map(|x| if sum { f64::from(x as f32) } else { x }).collect();
            Forest { roots, nodes, leaves, sets, cast, sum, initial, target, divide }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn eight_at_once_are_to_the_bit_what_a_plain_walk_finds(
        forest in forest(),
        rows in prop::collection::vec([value(), value(), value()], 1..70),
    ) {
        prop_assert_eq!(bits(&forest.features(&rows)), bits(&forest.plain(&rows)));
    }
}
