//! Categories and ranges to numbers.

use super::op::{Made, Op, Stop, by_row, made};
use crate::error::{Wrong, wrong};
use crate::spec::Spec;
use crate::value::{Operands, Shape};
use scry_card::{Text, shortened};

/// Characters of a text that a message shows.
const SHOWN_MAX_BYTES: usize = 64;
/// More columns than any one-hot encoding needs.
const WIDTH_MAX: usize = 1 << 20;

/// Texts, found by a search.
#[derive(Debug, Default)]
pub(super) struct Terms {
    texts: Text,
    /// Indexes of the texts, sorted by them.
    sorted: Vec<u32>,
}

impl Terms {
    /// Texts of which none comes twice.
    pub(super) fn read(texts: Text, name: &str) -> Result<Self, Wrong> {
        let mut named: Vec<(&str, u32)> = texts.iter().zip(0..).collect();
        named.sort_unstable();
        let twice = named.windows(2).find_map(|pair| match pair {
            [(a, _), (b, _)] if a == b => Some(*a),
            _ => None,
        });
        if let Some(twice) = twice {
            return wrong(
                format!("`{name}`: each once"),
                format!("{:?} twice", shortened(twice.into(), SHOWN_MAX_BYTES)),
            );
        }
        let sorted = named.into_iter().map(|(_, index)| index).collect();
        Ok(Self { texts, sorted })
    }

    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let term = |&index: &u32| self.texts.get(index as usize).unwrap_or_default();
        self.sorted.binary_search_by(|index| term(index).cmp(text)).ok().and_then(|at| self.sorted.get(at).copied())
    }
}

/// A text to its place among the categories.
#[derive(Debug)]
pub(super) struct TextIndex {
    categories: Terms,
    unknown: Option<f64>,
    missing: Option<f64>,
}

impl TextIndex {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        match spec.of.as_slice() {
            [Shape::Text] => {}
            [_] => return wrong("text", "numbers"),
            more => return wrong("`of` with 1 node", more.len()),
        }
        let categories = Terms::read(spec.texts("categories")?, "categories")?;
        let (unknown, missing) = (spec.number_or_error("unknown")?, spec.number_or_error("missing")?);
        made(Self { categories, unknown, missing }, 1)
    }
}

impl Op for TextIndex {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        let Some(column) = of.text() else { return Ok(()) };
        for row in 0..of.rows {
            let text = column.get(row);
            let index = match text {
                Some(text) => self.categories.find(text).map(f64::from).or(self.unknown),
                None => self.missing,
            };
            out.push(index.ok_or_else(|| refused(row, self.categories.len(), text.map(str::to_owned)))?);
        }
        Ok(())
    }
}

fn refused(row: usize, known: usize, found: Option<String>) -> Stop {
    let found = found.map_or_else(|| "nothing".into(), |text| format!("{:?}", shortened(text, SHOWN_MAX_BYTES)));
    Stop {
        row,
        message: format!("expected one of the {known} categories that the model was trained with, found {found}"),
    }
}

/// A number to its place among the categories.
#[derive(Debug)]
pub(super) struct NumberIndex {
    /// Sorted, with their indexes; NaN is not here.
    sorted: Vec<(f64, u32)>,
    nan: Option<u32>,
    unknown: Option<f64>,
    missing: Option<f64>,
}

impl NumberIndex {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        spec.single()?;
        let categories = spec.any_numbers("categories")?;
        let indexed: Vec<(f64, u32)> = categories.into_iter().zip(0..).collect();
        let nan = indexed.iter().find(|(x, _)| x.is_nan()).map(|&(_, index)| index);
        // Zero is one category, whatever its sign.
        let mut sorted: Vec<_> = indexed.into_iter().filter(|(x, _)| !x.is_nan()).map(|(x, i)| (x + 0.0, i)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        if sorted.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            return wrong("`categories`: each once", "a number twice");
        }
        let (unknown, missing) = (spec.number_or_error("unknown")?, spec.number_or_error("missing")?);
        made(Self { sorted, nan, unknown, missing }, 1)
    }
}

impl Op for NumberIndex {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        for (row, &x) in of.matrix(0).0.iter().enumerate() {
            let index = if x.is_nan() {
                self.nan.map(f64::from).or(self.missing)
            } else {
                let found = self.sorted.binary_search_by(|(category, _)| category.total_cmp(&(x + 0.0)));
                found.ok().and_then(|at| self.sorted.get(at)).map(|&(_, index)| f64::from(index)).or(self.unknown)
            };
            let found = || (!x.is_nan()).then(|| x.to_string());
            out.push(index.ok_or_else(|| refused(row, self.sorted.len(), found()))?);
        }
        Ok(())
    }
}

/// A number as an index, if it is one below the limit.
fn index(x: f64, limit: usize) -> Option<usize> {
    (x >= 0.0 && x < limit as f64 && x.fract() == 0.0).then_some(x as usize)
}

/// 0s with a 1 at the index's column.
#[derive(Debug)]
pub(super) struct OneHot {
    columns: Vec<u32>,
    width: usize,
}

impl OneHot {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        spec.single()?;
        let width = spec.count("width", WIDTH_MAX)?;
        let columns = spec.words("columns")?;
        if let Some(column) = columns.iter().find(|&&column| column as usize >= width && column != u32::MAX) {
            return wrong(format!("`columns`: indexes below {width}, or {} for none", u32::MAX), column);
        }
        made(Self { columns, width }, width)
    }
}

impl Op for OneHot {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        by_row(of, self.width, out, |x, out| {
            let column = x.first().and_then(|&x| index(x, self.columns.len())).and_then(|at| self.columns.get(at));
            if let Some(hot) = column.and_then(|&column| out.get_mut(column as usize)) {
                *hot = 1.0;
            }
        });
        Ok(())
    }
}

/// An index to its row of a table.
#[derive(Debug)]
pub(super) struct Gather {
    table: crate::arrays::Table,
    default: Vec<f64>,
}

impl Gather {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        spec.single()?;
        let table = spec.table("table", None, None)?;
        let width = table.columns;
        made(Self { default: spec.numbers("default", width)?, table }, width)
    }
}

impl Op for Gather {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        for &x in of.matrix(0).0 {
            out.extend_from_slice(index(x, self.table.rows).map_or(&self.default, |row| self.table.row(row)));
        }
        Ok(())
    }
}

/// How many edges a number has reached.
#[derive(Debug)]
pub(super) struct Bins {
    edges: Vec<f64>,
}

impl Bins {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        spec.single()?;
        let edges = spec.any_numbers("edges")?;
        if !edges.is_sorted() {
            return wrong("`edges`: numbers that never decrease", "one that does, or NaN");
        }
        made(Self { edges }, 1)
    }
}

impl Op for Bins {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        // NaN has passed them all, as in numpy's searchsorted.
        let bin = |x: f64| self.edges.partition_point(|&edge| edge <= x || x.is_nan()) as f64;
        out.extend(of.matrix(0).0.iter().map(|&x| bin(x)));
        Ok(())
    }
}
