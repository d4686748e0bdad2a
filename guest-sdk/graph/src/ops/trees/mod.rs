//! Sums of decision trees.
//!
//! Every split is made a comparison: for each feature and way of treating what is missing, zero or
//! a category, a row is prepared with one number that is never greater than the threshold of a
//! split that sends it left. Eight trees are walked at once, since no step of one waits for
//! another; their results are added one by one, in the order of the trees.

mod layout;
mod prepare;

use super::op::{Made, Op, Stop, made};
use crate::error::wrong;
use crate::spec::Spec;
use crate::value::Operands;
use layout::{Forest, GROUP};
use prepare::Prepare;

/// Numbers prepared at once: they stay close to the processor.
const PREPARED_MAX: usize = 1 << 15;

/// An ensemble.
#[derive(Debug)]
pub(super) struct Trees {
    forest: Forest,
    prepare: Prepare,
    leaves: Leaves,
    /// What each row's sums begin with: one an output.
    initial: Vec<f64>,
    divide: Option<f64>,
    /// Whether sums are rounded to f32 as they grow.
    is_single: bool,
}

/// What a tree adds, and to what.
#[derive(Debug)]
enum Leaves {
    /// One number, which the leaf holds, to the only sum.
    One,
    /// One number, which the leaf holds, to the tree's own sum.
    Each(Vec<u32>),
    /// A row of these to all sums; the leaf holds which.
    All(Vec<f64>),
}

impl Trees {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let features = spec.width()?;
        let casts = [("f32", true), ("f64", false)];
        let (cast, is_single) = (spec.choice("cast", &casts)?, spec.choice("sum", &casts)?);
        let initial = spec.any_numbers("initial")?;
        let width = initial.len();
        let leaves = spec.table("leaves", None, None)?;
        let target = spec.indexes_if("target", width)?;
        let of_leaf = if target.is_some() { 1 } else { width };
        if leaves.columns != of_leaf {
            return wrong(format!("`leaves`: rows of {of_leaf}"), leaves.columns);
        }
        let mut prepare = Prepare::new(features, cast);
        let inline = (of_leaf == 1).then_some(leaves.values.as_slice());
        let forest = Forest::read(spec, &mut prepare, leaves.rows, inline)?;
        let leaves = match target {
            Some(target) if target.len() != forest.trees() => {
                return wrong(format!("`target`: one for each of {} trees", forest.trees()), target.len());
            }
            Some(target) if width > 1 => Leaves::Each(target),
            _ if width == 1 => Leaves::One,
            _ => Leaves::All(leaves.values),
        };
        let divide = spec.number_if("divide")?;
        made(Self { forest, prepare, leaves, initial, divide, is_single }, width)
    }

    /// Adds all trees to the rows' sums.
    fn add<const SINGLE: bool>(&self, prepared: &[f64], sums: &mut [f64]) {
        let width = self.initial.len();
        for (group, first) in self.forest.groups().zip((0..).step_by(GROUP)) {
            let rows = prepared.chunks_exact(self.prepare.width()).zip(sums.chunks_exact_mut(width));
            match &self.leaves {
                Leaves::One => rows.for_each(|(row, sums)| {
                    let ends = self.forest.walk(group, row);
                    for sum in sums {
                        *sum = ends.iter().take(group.trees).fold(*sum, |sum, &end| plus::<SINGLE>(sum, end));
                    }
                }),
                Leaves::Each(target) => {
                    let target = target.get(first..).unwrap_or_default();
                    rows.for_each(|(row, sums)| {
                        let ends = self.forest.walk(group, row);
                        for (&end, &target) in ends.iter().take(group.trees).zip(target) {
                            if let Some(sum) = sums.get_mut(target as usize) {
                                *sum = plus::<SINGLE>(*sum, end);
                            }
                        }
                    });
                }
                Leaves::All(leaves) => rows.for_each(|(row, sums)| {
                    let ends = self.forest.walk(group, row);
                    for end in ends.iter().take(group.trees) {
                        let at = end.to_bits() as usize * width;
                        let leaf = leaves.get(at..at + width).unwrap_or_default();
                        sums.iter_mut().zip(leaf).for_each(|(sum, &x)| *sum = plus::<SINGLE>(*sum, x));
                    }
                }),
            }
        }
    }
}

#[inline(always)]
fn plus<const SINGLE: bool>(sum: f64, x: f64) -> f64 {
    if SINGLE { f64::from(sum as f32 + x as f32) } else { sum + x }
}

impl Op for Trees {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        (0..of.rows).for_each(|_| out.extend_from_slice(&self.initial));
        let (x, features) = of.matrix(0);
        let rows = (PREPARED_MAX / self.prepare.width()).clamp(1, of.rows.max(1));
        let mut prepared = vec![0.0; rows * self.prepare.width()];
        for (x, sums) in x.chunks(rows * features).zip(out.chunks_mut(rows * self.initial.len())) {
            let filled = self.prepare.fill(x, &mut prepared);
            if self.is_single { self.add::<true>(filled, sums) } else { self.add::<false>(filled, sums) }
        }
        if let Some(divide) = self.divide {
            out.iter_mut().for_each(|sum| *sum /= divide);
        }
        Ok(())
    }
}
