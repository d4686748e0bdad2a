//! Where the values of a column fell, in training and since: what charts draw.
//!
//! Counts only, never a value of a row; judges nothing.

use super::counts::Tally;
use super::{ColumnReference, Counts, Kind, Reference};
use serde::Serialize;

/// The cells of one column, and how many values fell into each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownColumn {
    /// The field's name.
    pub column: String,
    /// What the cells are.
    #[serde(flatten)]
    pub cells: ShownCells,
    /// The first side: the training data, or the live version's.
    pub before: Fell,
    /// The other side: live values, or the other version's.
    pub after: Fell,
}

/// What the cells of a column are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ShownCells {
    /// Bins: the first and the last are open.
    Numeric {
        /// Where one bin ends and the next begins.
        edges: Vec<f64>,
        /// The smallest value of the training data.
        minimum: f64,
        /// The largest.
        maximum: f64,
        /// What all these are distances from, where that is not 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
    },
    /// Values, and one more cell for all others.
    Categorical {
        /// The values that have a cell.
        values: Vec<String>,
    },
}

/// How many values fell where.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fell {
    /// One count for each cell.
    pub counts: Vec<u64>,
    /// Values that are missing, or not finite.
    pub missing_count: u64,
}

impl Reference {
    /// The training data beside live counts. Nothing where they are another reference's.
    pub fn shown(&self, live: &Counts) -> Vec<ShownColumn> {
        self.shown_by(live, |column, tally| (Fell::of_reference(column), Fell::of(tally)))
    }

    /// Two live counts beside each other, in these cells. Nothing where they are another reference's.
    pub fn shown_both(&self, before: &Counts, after: &Counts) -> Vec<ShownColumn> {
        if before.check(self).is_err() {
            return Vec::new();
        }
        let mut others = before.columns.iter();
        self.shown_by(after, |column, tally| {
            (others.next().map_or_else(|| Fell::of_reference(column), Fell::of), Fell::of(tally))
        })
    }

    fn shown_by(
        &self,
        live: &Counts,
        mut sides: impl FnMut(&ColumnReference, &Tally) -> (Fell, Fell),
    ) -> Vec<ShownColumn> {
        if live.check(self).is_err() {
            return Vec::new();
        }
        let columns = self.columns.iter().zip(&live.columns);
        let shown = columns.map(|(column, tally)| {
            let (before, after) = sides(column, tally);
            ShownColumn { column: column.name.clone(), cells: ShownCells::of(&column.kind), before, after }
        });
        shown.collect()
    }
}

impl ShownCells {
    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Numeric(numeric) => Self::Numeric {
                edges: numeric.histogram.edges.clone(),
                minimum: numeric.minimum,
                maximum: numeric.maximum,
                origin: numeric.origin.map(|origin| origin.to_string()),
            },
            Kind::Categorical(categorical) => {
                Self::Categorical { values: categorical.counts.iter().map(|category| category.value.clone()).collect() }
            }
        }
    }
}

impl Fell {
    fn of(tally: &Tally) -> Self {
        Self { counts: tally.cells.clone(), missing_count: tally.missing_count() }
    }

    fn of_reference(column: &ColumnReference) -> Self {
        let counts = match &column.kind {
            Kind::Numeric(numeric) => numeric.histogram.counts.clone(),
            Kind::Categorical(categorical) => {
                let held_out = categorical.held_out.as_ref();
                let mut counts: Vec<u64> = match held_out {
                    Some(held_out) => held_out.counts.clone(),
                    None => categorical.counts.iter().map(|category| category.count).collect(),
                };
                counts.push(held_out.map_or(categorical.other_count, |held_out| held_out.other_count));
                counts
            }
        };
        Self { counts, missing_count: column.missing_count() }
    }
}
