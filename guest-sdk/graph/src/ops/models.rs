//! What is left of a model when its sums are there: votes, likelihoods, neighbors.

use super::linear::{Tiles, add_square};
use super::op::{Made, Op, Stop, by_row, made};
use crate::arrays::Table;
use crate::error::wrong;
use crate::spec::Spec;
use crate::value::Operands;

/// Classes of one model: their pairs are columns.
const CLASSES_MAX: usize = 1_000;

/// Decisions between each two classes to one.
#[derive(Debug)]
pub(super) struct OneVsOne {
    classes: usize,
    is_vote: bool,
}

impl OneVsOne {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let classes = spec.count("classes", CLASSES_MAX)?;
        if width != classes * (classes - 1) / 2 {
            return wrong(format!("a column for each pair of {classes} classes"), format!("width {width}"));
        }
        let is_vote = spec.choice("result", &[("votes", true), ("decision", false)])?;
        made(Self { classes, is_vote }, if is_vote { 1 } else { classes })
    }

    /// Pairs in the order of the columns, the decision of each.
    fn pairs<'a>(&self, x: &'a [f64]) -> impl Iterator<Item = ((usize, usize), &'a f64)> {
        let classes = self.classes;
        (0..classes).flat_map(move |first| (first + 1..classes).map(move |second| (first, second))).zip(x)
    }
}

impl Op for OneVsOne {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        let mut votes = vec![0.0; self.classes];
        let mut sums = vec![0.0; self.classes];
        let add = |list: &mut [f64], at: usize, x: f64| list.get_mut(at).into_iter().for_each(|sum| *sum += x);
        by_row(of, if self.is_vote { 1 } else { self.classes }, out, |x, out| {
            votes.fill(0.0);
            sums.fill(0.0);
            for ((first, second), &decision) in self.pairs(x) {
                // libsvm votes for the second where neither wins, scikit-learn's decision for the first.
                let is_first = if self.is_vote { decision > 0.0 } else { decision >= 0.0 };
                add(&mut votes, if is_first { first } else { second }, 1.0);
                add(&mut sums, first, decision);
                add(&mut sums, second, -decision);
            }
            if self.is_vote {
                let best = votes.iter().enumerate().fold((0, f64::NEG_INFINITY), |best, (class, &votes)| {
                    if votes > best.1 { (class, votes) } else { best }
                });
                out.fill(best.0 as f64);
            } else {
                for ((out, votes), sum) in out.iter_mut().zip(&votes).zip(&sums) {
                    *out = votes + sum / (3.0 * (sum.abs() + 1.0));
                }
            }
        });
        Ok(())
    }
}

/// Of numbers side by side the one at which half of the weight is reached.
#[derive(Debug)]
pub(super) struct WeightedMedian {
    weights: Vec<f64>,
}

impl WeightedMedian {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let widths = spec.widths()?;
        if let Some(width) = widths.iter().find(|&&width| width != 1) {
            return wrong("matrices of width 1", format!("width {width}"));
        }
        made(Self { weights: spec.numbers("weights", widths.len())? }, 1)
    }
}

impl Op for WeightedMedian {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        let mut sorted: Vec<(f64, f64)> = Vec::with_capacity(self.weights.len());
        for row in 0..of.rows {
            let number = |(values, _): (&[f64], usize)| values.get(row).copied().unwrap_or(f64::NAN);
            sorted.clear();
            sorted.extend(of.matrices().map(number).zip(self.weights.iter().copied()));
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
            let half = 0.5 * sorted.iter().map(|(_, weight)| weight).sum::<f64>();
            let mut sum = 0.0;
            let reached = sorted.iter().find(|(_, weight)| {
                sum += weight;
                sum >= half
            });
            out.push(reached.map_or(f64::NAN, |&(number, _)| number));
        }
        Ok(())
    }
}

/// Joint log likelihoods of independent normal distributions.
#[derive(Debug)]
pub(super) struct GaussianNb {
    means: Table,
    variances: Table,
    /// One a class.
    log_prior: Vec<f64>,
    log_scale: Vec<f64>,
}

impl GaussianNb {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let means = spec.table("means", None, Some(width))?;
        let variances = spec.table("variances", Some(means.rows), Some(width))?;
        let log_prior = spec.numbers("log_prior", means.rows)?;
        let scale = |class| -> f64 {
            let variances = variances.row(class).iter();
            -0.5 * variances.map(|variance| (2.0 * std::f64::consts::PI * variance).ln()).sum::<f64>()
        };
        let (classes, log_scale) = (means.rows, (0..means.rows).map(scale).collect());
        made(Self { means, variances, log_prior, log_scale }, classes)
    }
}

impl Op for GaussianNb {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        by_row(of, self.log_prior.len(), out, |x, out| {
            let constants = self.log_prior.iter().zip(&self.log_scale);
            for ((class, out), (prior, scale)) in out.iter_mut().enumerate().zip(constants) {
                let terms = x.iter().zip(self.means.row(class)).zip(self.variances.row(class));
                let sum: f64 = terms.map(|((x, mean), variance)| (x - mean) * (x - mean) / variance).sum();
                *out = prior + (scale - 0.5 * sum);
            }
        });
        Ok(())
    }
}

/// The mean of the values of the nearest points.
#[derive(Debug)]
pub(super) struct Neighbors {
    points: Tiles,
    values: Table,
    count: usize,
    by_distance: bool,
    is_euclidean: bool,
}

impl Neighbors {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let points = spec.table("points", None, Some(width))?;
        let values = spec.table("values", Some(points.rows), None)?;
        let count = spec.count("count", points.rows)?;
        let by_distance = spec.choice("weights", &[("uniform", false), ("distance", true)])?;
        let is_euclidean = spec.choice("metric", &[("euclidean", true), ("manhattan", false)])?;
        let number = |input: usize, point: usize| points.row(point).get(input).copied().unwrap_or(0.0);
        let (points, width) = (Tiles::new(width, points.rows, number), values.columns);
        made(Self { points, values, count, by_distance, is_euclidean }, width)
    }
}

impl Op for Neighbors {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        let mut distances = vec![0.0; self.values.rows];
        let mut nearest: Vec<(f64, usize)> = Vec::with_capacity(self.values.rows);
        by_row(of, self.values.columns, out, |x, out| {
            if self.is_euclidean {
                self.points.fold(x, &mut distances, add_square);
                distances.iter_mut().for_each(|distance| *distance = distance.sqrt());
            } else {
                self.points.fold(x, &mut distances, |sum, x, point| sum + (x - point).abs());
            }
            nearest.clear();
            nearest.extend(distances.iter().copied().zip(0..));
            // Of equal distances the first point.
            let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            if self.count < nearest.len() {
                nearest.select_nth_unstable_by(self.count - 1, order);
                nearest.truncate(self.count);
            }
            nearest.sort_unstable_by(order);
            let is_there = nearest.first().is_some_and(|&(distance, _)| distance == 0.0);
            let weight = |distance: f64| match (self.by_distance, is_there) {
                (false, _) => 1.0,
                (true, true) => f64::from(u8::from(distance == 0.0)),
                (true, false) => 1.0 / distance,
            };
            let mut total = 0.0;
            for &(distance, point) in &nearest {
                let weight = weight(distance);
                total += weight;
                out.iter_mut().zip(self.values.row(point)).for_each(|(sum, value)| *sum += weight * value);
            }
            out.iter_mut().for_each(|sum| *sum /= total);
        });
        Ok(())
    }
}
