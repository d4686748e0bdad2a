use super::*;
use proptest::prelude::*;

const FEATURES: usize = 5;

/// A shape that is grown leaf by leaf, so that every tree is a sound one.
fn tree(plain: bool) -> impl Strategy<Value = Tree> {
    let split =
        (0..FEATURES, -2.0..2.0f64, any::<bool>(), 0..if plain { 1u8 } else { 3 }, any::<prop::sample::Index>());
    (prop::collection::vec(split, 0..24), prop::collection::vec(-5.0..5.0f64, 25)).prop_map(|(splits, values)| {
        let mut tree = Tree { splits: Vec::new(), leaves: vec![values[0]] };
        for (i, (feature, threshold, missing_left, kind, at)) in splits.into_iter().enumerate() {
            let leaf = !(at.index(tree.leaves.len()) as i32);
            let parent = tree.splits.iter_mut().flat_map(|(_, _, children)| children).find(|child| **child == leaf);
            if let Some(child) = parent {
                *child = i as i32;
            }
            let split = match kind {
                0 => Split::Numeric { threshold, missing_left },
                1 => Split::ZeroMissing { threshold, missing_left },
                _ => Split::Categorical { members: vec![threshold.to_bits() as u32, 5] },
            };
            let right = !(tree.leaves.len() as i32);
            tree.splits.push((feature, split, [leaf, right]));
            tree.leaves.push(values[i + 1]);
        }
        tree
    })
}

/// Ordinary values, thresholds' neighbours, and everything odd.
fn value() -> impl Strategy<Value = f64> {
    const ODD: [f64; 12] =
        [f64::NAN, 0.0, -0.0, 1e-36, -1e-36, f64::INFINITY, f64::NEG_INFINITY, -1.0, 31.0, 32.0, 63.9, 1e300];
    prop_oneof![4 => -3.0..3.0f64, 2 => prop::sample::select(&ODD[..])]
}

fn rows() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop::collection::vec(value(), FEATURES), 0..6).prop_map(|rows| rows.concat())
}

/// What the fast walk must agree with: each tree alone, from its root.
fn plain_sums(trees: &[Tree], rows: &[f64], classes: usize) -> Vec<f64> {
    let sums = |row: &[f64]| {
        let mut sums = vec![0.0; classes];
        trees.iter().enumerate().for_each(|(i, tree)| sums[i % classes] += tree.walk(row));
        sums
    };
    rows.chunks_exact(FEATURES).flat_map(sums).collect()
}

/// The fast walk may add in another order: as good as equal.
fn near(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-12)
}

proptest! {
    #[test]
    fn trees_that_walk_together_sum_to_what_each_gives_alone(
        trees in prop::collection::vec(tree(true), 1..11),
        rows in rows(),
    ) {
        let model = Trees::new(FEATURES, 1, Objective::Identity, false, trees.clone()).unwrap();
        let together = model.walks.iter().all(|walk| matches!(walk, Walk::Group { .. }));
        prop_assert!(together);
        prop_assert!(near(&model.predict(&rows), &plain_sums(&trees, &rows, 1)));
    }

    #[test]
    fn trees_of_every_kind_and_class_keep_their_order(
        trees in prop::collection::vec(tree(false), 1..5),
        classes in 1..4usize,
        rows in rows(),
    ) {
        let trees: Vec<_> = (0..classes).flat_map(|_| trees.clone()).collect();
        let model = Trees::new(FEATURES, classes, Objective::Identity, false, trees.clone()).unwrap();
        prop_assert_eq!(model.classes(), classes);
        prop_assert!(near(&model.predict(&rows), &plain_sums(&trees, &rows, classes)));
    }

    #[test]
    fn any_indexes_are_refused_or_walked(
        splits in prop::collection::vec((0..7usize, [-4..6i32, -4..6i32]), 0..5),
        leaves in prop::collection::vec(-1.0..1.0f64, 0..5),
        rows in rows(),
    ) {
        let split = |(feature, children)| (feature, Split::Numeric { threshold: 0.0, missing_left: true }, children);
        let tree = Tree { splits: splits.into_iter().map(split).collect(), leaves };
        if let Ok(model) = Trees::new(FEATURES, 1, Objective::Identity, false, vec![tree]) {
            prop_assert_eq!(model.predict(&rows).len(), rows.len() / FEATURES);
        }
    }
}

#[test]
fn a_cycle_is_refused() {
    let split = |children| (0, Split::Numeric { threshold: 0.0, missing_left: false }, children);
    let tree = Tree { splits: vec![split([1, -1]), split([0, -2])], leaves: vec![1.0, 2.0] };
    assert!(Trees::new(1, 1, Objective::Identity, false, vec![tree]).unwrap_err().contains("split 1 leads to split 0"));
}
