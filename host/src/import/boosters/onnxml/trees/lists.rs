//! The attributes of trees: one list an attribute, with an element for each node, or for each weight of a leaf.

use crate::import::boosters::error::{BoosterError, Read};
use crate::import::boosters::onnxml::message::Told;
use std::ops::Range;

/// What is said of all nodes.
pub(super) struct Lists<'a> {
    trees: Vec<i64>,
    nodes: Vec<i64>,
    pub(super) features: Vec<i64>,
    pub(super) values: Vec<f64>,
    pub(super) modes: Vec<&'a str>,
    pub(super) yes: Vec<i64>,
    pub(super) no: Vec<i64>,
    /// Empty where nothing is said.
    pub(super) missing: Vec<i64>,
}

/// A tree: which places of the lists are its nodes.
pub(super) struct Tree {
    pub(super) id: i64,
    pub(super) nodes: Range<usize>,
    /// The numbers that its nodes have, sorted, with their places.
    places: Vec<(i64, usize)>,
}

impl Tree {
    pub(super) fn find(&self, id: i64) -> Option<usize> {
        let at = self.places.binary_search_by_key(&id, |&(id, _)| id).ok()?;
        self.places.get(at).map(|&(_, place)| place)
    }
}

impl<'a> Lists<'a> {
    pub(super) fn read(told: &mut Told<'a>) -> Read<Self> {
        let lists = Self {
            trees: told.ints("nodes_treeids")?,
            nodes: told.ints("nodes_nodeids")?,
            features: told.ints("nodes_featureids")?,
            values: told.floats("nodes_values")?,
            modes: told.texts("nodes_modes")?,
            yes: told.ints("nodes_truenodeids")?,
            no: told.ints("nodes_falsenodeids")?,
            missing: told.ints("nodes_missing_value_tracks_true")?,
        };
        told.floats("nodes_hitrates")?;
        let count = lists.trees.len();
        let lengths = [
            ("nodes_nodeids", lists.nodes.len()),
            ("nodes_featureids", lists.features.len()),
            ("nodes_values", lists.values.len()),
            ("nodes_modes", lists.modes.len()),
            ("nodes_truenodeids", lists.yes.len()),
            ("nodes_falsenodeids", lists.no.len()),
        ];
        if let Some((name, found)) = lengths.into_iter().find(|&(_, length)| length != count) {
            return Err(told.wrong(name, format!("{count} values, as `nodes_treeids` has"), found));
        }
        match lists.missing.len() {
            0 => Ok(lists),
            found if found == count => Ok(lists),
            found => Err(told.wrong("nodes_missing_value_tracks_true", format!("{count} values, or none"), found)),
        }
    }

    /// The trees, in their order. The first node of each is its root.
    pub(super) fn trees(&self, told: &Told<'_>) -> Read<Vec<Tree>> {
        let mut trees: Vec<Tree> = Vec::new();
        let mut start = 0;
        for same in self.trees.chunk_by(|a, b| a == b) {
            let nodes = start..start + same.len();
            start = nodes.end;
            let ids = self.nodes.get(nodes.clone()).unwrap_or_default();
            let mut places: Vec<_> = ids.iter().copied().zip(nodes.clone()).collect();
            places.sort_unstable();
            if places.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
                return Err(told.wrong("nodes_nodeids", "each node of a tree once", "one twice"));
            }
            trees.extend(same.first().map(|&id| Tree { id, nodes, places }));
        }
        let mut ids: Vec<_> = trees.iter().map(|tree| tree.id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(told.wrong("nodes_treeids", "the nodes of each tree side by side", "others between them"));
        }
        Ok(trees)
    }

    fn is_leaf(&self, at: usize) -> bool {
        self.modes.get(at) == Some(&"LEAF")
    }
}

/// What leaves add, and to which sums.
pub(super) struct Weights {
    trees: Vec<i64>,
    nodes: Vec<i64>,
    targets: Vec<u32>,
    numbers: Vec<f64>,
    /// By the place of the leaf, sorted: the places of its weights.
    of_leaf: Vec<(usize, usize)>,
    /// Where leaves stand among all nodes.
    leaf_places: Vec<usize>,
    pub(super) leaves: usize,
    /// The sums that have weights.
    pub(super) ids: Vec<u32>,
    pub(super) lowest: f64,
    pub(super) is_one_a_leaf: bool,
    /// The sum of each tree, where all leaves of a tree have one weight, for the same sum.
    pub(super) target_of_tree: Option<Vec<u32>>,
    /// Whether every row reaches a weight of each sum.
    pub(super) all_are_scored: bool,
    /// Whether every leaf of some tree has a weight above 0.
    pub(super) some_is_positive: bool,
}

/// The numbers of a tree's leaves.
pub(super) struct Rows {
    columns: usize,
    places: Vec<usize>,
    numbers: Vec<f64>,
}

impl Rows {
    pub(super) fn get(&self, place: usize) -> Option<&[f64]> {
        let row = self.places.binary_search(&place).ok()?;
        self.numbers.get(row * self.columns..(row + 1) * self.columns)
    }
}

impl Weights {
    pub(super) fn read(told: &mut Told<'_>, what: &str, width: usize) -> Read<Self> {
        let name = |part: &str| format!("{what}_{part}");
        let (trees, nodes) = (told.ints(&name("treeids"))?, told.ints(&name("nodeids"))?);
        let (targets, numbers) = (told.ints(&name("ids"))?, told.floats(&name("weights"))?);
        let lengths = [("treeids", trees.len()), ("nodeids", nodes.len()), ("ids", targets.len())];
        if let Some((part, found)) = lengths.into_iter().find(|&(_, length)| length != numbers.len()) {
            return Err(told.wrong(&name(part), format!("{} values, as weights", numbers.len()), found));
        }
        if numbers.iter().any(|x| !x.is_finite()) {
            return Err(told.wrong(&name("weights"), "finite numbers", "another"));
        }
        let index = |&id: &i64| u32::try_from(id).ok().filter(|&id| (id as usize) < width).ok_or(id);
        let targets: Result<Vec<u32>, i64> = targets.iter().map(index).collect();
        let targets = targets.map_err(|id| told.wrong(&name("ids"), format!("whole numbers below {width}"), id))?;
        let mut ids = targets.clone();
        ids.sort_unstable();
        ids.dedup();
        let lowest = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(Self {
            trees,
            nodes,
            targets,
            numbers,
            of_leaf: Vec::new(),
            leaf_places: Vec::new(),
            leaves: 0,
            is_one_a_leaf: false,
            target_of_tree: None,
            all_are_scored: ids.len() == width,
            some_is_positive: false,
            ids,
            lowest,
        })
    }

    /// Finds the leaf of each weight, and sees what the weights have in common.
    pub(super) fn place(&mut self, told: &Told<'_>, lists: &Lists<'_>, trees: &[Tree]) -> Read<()> {
        let mut by_id: Vec<_> = trees.iter().map(|tree| (tree.id, tree)).collect();
        by_id.sort_unstable_by_key(|&(id, _)| id);
        let leaf = |tree: i64, node: i64| {
            let at = by_id.binary_search_by_key(&tree, |&(id, _)| id).ok()?;
            by_id.get(at)?.1.find(node).filter(|&place| lists.is_leaf(place))
        };
        for (weight, (&tree, &node)) in self.trees.iter().zip(&self.nodes).enumerate() {
            match leaf(tree, node) {
                Some(place) => self.of_leaf.push((place, weight)),
                None => return Err(BoosterError::wrong("weights of leaves", format!("node {node} of tree {tree}"))),
            }
        }
        self.of_leaf.sort_unstable();
        self.leaf_places = (0..lists.modes.len()).filter(|&place| lists.is_leaf(place)).collect();
        self.leaves = self.leaf_places.len();
        let twice = |pair: &[(usize, usize)]| match *pair {
            [(a, first), (b, second)] => a == b && self.targets.get(first) == self.targets.get(second),
            _ => false,
        };
        self.is_one_a_leaf =
            self.of_leaf.len() == self.leaves && self.of_leaf.iter().map(|(place, _)| place).eq(&self.leaf_places);
        let mut sorted = self.of_leaf.clone();
        sorted.sort_unstable_by_key(|&(place, weight)| (place, self.targets.get(weight).copied()));
        if sorted.windows(2).any(twice) {
            return Err(told.wrong("nodes_nodeids", "one weight of a leaf for each sum", "two"));
        }
        let targets: Option<Vec<u32>> = trees.iter().map(|tree| self.only_target(tree)).collect();
        self.target_of_tree = targets.filter(|_| self.is_one_a_leaf);
        let whole = |tree: &Tree| self.scored_by(tree);
        let all_of_some = trees.iter().any(|tree| whole(tree) == self.ids.len());
        self.all_are_scored &= self.target_of_tree.is_some() || all_of_some;
        self.some_is_positive = trees.iter().any(|tree| self.is_positive(tree));
        Ok(())
    }

    /// The weights of a tree's leaves, leaf by leaf.
    fn of(&self, tree: &Tree) -> impl Iterator<Item = &[(usize, usize)]> {
        let start = self.of_leaf.partition_point(|&(place, _)| place < tree.nodes.start);
        let end = self.of_leaf.partition_point(|&(place, _)| place < tree.nodes.end);
        self.of_leaf.get(start..end).unwrap_or_default().chunk_by(|a, b| a.0 == b.0)
    }

    fn leaves_of(&self, tree: &Tree) -> &[usize] {
        let start = self.leaf_places.partition_point(|&place| place < tree.nodes.start);
        let end = self.leaf_places.partition_point(|&place| place < tree.nodes.end);
        self.leaf_places.get(start..end).unwrap_or_default()
    }

    /// The one sum that all weights of a tree are for.
    fn only_target(&self, tree: &Tree) -> Option<u32> {
        let mut targets = self.of(tree).flatten().map(|&(_, weight)| self.targets.get(weight).copied());
        let first = targets.next()??;
        targets.all(|target| target == Some(first)).then_some(first)
    }

    /// How many sums each leaf of a tree has a weight of, at least.
    fn scored_by(&self, tree: &Tree) -> usize {
        let all = self.of(tree).count() == self.leaves_of(tree).len();
        if all { self.of(tree).map(<[_]>::len).min().unwrap_or(0) } else { 0 }
    }

    /// Whether each leaf of a tree has a weight above 0.
    fn is_positive(&self, tree: &Tree) -> bool {
        let positive = |leaf: &&[(usize, usize)]| {
            leaf.iter().any(|&(_, weight)| self.numbers.get(weight).is_some_and(|&number| number > 0.0))
        };
        self.of(tree).filter(positive).count() == self.leaves_of(tree).len()
    }

    /// The numbers of a tree's leaves: one each, or one for every sum.
    pub(super) fn rows(&self, tree: &Tree, columns: usize) -> Rows {
        let places = self.leaves_of(tree).to_vec();
        let mut numbers = vec![0.0; places.len() * columns];
        for &(place, weight) in self.of(tree).flatten() {
            let column = if columns == 1 { Some(0) } else { self.targets.get(weight).map(|&target| target as usize) };
            let row = places.binary_search(&place).ok();
            let number = row.zip(column).and_then(|(row, column)| numbers.get_mut(row * columns + column));
            if let (Some(number), Some(&weight)) = (number, self.numbers.get(weight)) {
                *number = weight;
            }
        }
        Rows { columns, places, numbers }
    }
}
