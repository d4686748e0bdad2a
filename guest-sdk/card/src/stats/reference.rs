//! What training data looked like, small enough to travel in a component.
//!
//! Never the data itself, save for a bounded sample where one is stored.

use super::cells::Place;
use super::{BINS, SCALE_MIN};
use crate::invalid::invalid;
use crate::{Field, Invalid, Schema};
use serde::{Deserialize, Serialize};

/// What the e-process expects of a cell that has had nothing: Jeffreys' prior.
const HALF: f64 = 0.5;

/// What training data looked like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Rows that were read.
    pub rows: u64,
    /// Start of the data, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_from: Option<String>,
    /// End of the data, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_until: Option<String>,
    /// What was assumed, left out or approximated, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
    /// One for each column that can be compared.
    pub columns: Vec<ColumnReference>,
}

/// What a model's training data looked like on all three sides of it; sealed
/// in its component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "Reference statistics of a model for Scry"))]
#[serde(deny_unknown_fields)]
pub struct References {
    /// Raw columns.
    pub inputs: Reference,
    /// What the pipeline made of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Reference>,
    /// What the model answered to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Reference>,
}

/// What one column looked like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ColumnReference {
    /// The field's name; with its place, `name[3]`, of an element of a field
    /// with a shape, row-major.
    pub name: String,
    /// Elements, missing ones among them.
    pub count: u64,
    /// Elements that are missing.
    pub null_count: u64,
    /// What the others are.
    pub kind: Kind,
}

/// The two ways in which a column is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// By quantile bins.
    Numeric(NumericReference),
    /// By its most frequent values.
    Categorical(CategoricalReference),
}

/// A column of numbers with many distinct values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NumericReference {
    /// Elements that are not a number, infinite, or beyond ±1e100.
    pub nan_count: u64,
    /// Mean of the others.
    pub mean: f64,
    /// Standard deviation of the others, ddof 0.
    pub std_dev: f64,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
    /// Their quantile bins.
    pub histogram: Histogram,
    /// Some of them, chosen uniformly, in ascending order: for exact distances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Vec<f64>>,
}

/// Quantile bins: bin j holds what is above edge j-1 and at most edge j; the
/// first and the last are open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// The order statistics x₍round(n·j/10)₎ for j = 1..9 without repeats.
    pub edges: Vec<f64>,
    /// Values in each bin, one more than edges. They add up to the values that
    /// the edges were taken from: all, or (then `assumed` says so) a uniform
    /// sample of them.
    pub counts: Vec<u64>,
    /// Mean of the values in each bin; of an empty one, its edge.
    pub means: Vec<f64>,
}

/// A column of text, truth values, or few distinct numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CategoricalReference {
    /// The most frequent values, by falling count.
    pub counts: Vec<Category>,
    /// Elements with any other value.
    pub other_count: u64,
}

/// One value, and how often it was there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// The value; a number as its shortest text (FP32 as the FP64 that it is).
    pub value: String,
    /// Its count.
    pub count: u64,
}

/// Why a reference, or counts, are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// Not JSON, or not of the form.
    #[error("not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Contradicts itself, or a limit.
    #[error("{0}")]
    Invalid(#[from] Invalid),
}

impl References {
    /// Reads and checks them.
    pub fn from_json(json: &[u8]) -> Result<Self, StatsError> {
        let references: Self = serde_json::from_slice(json)?;
        for side in [Some(&references.inputs), references.features.as_ref(), references.outputs.as_ref()] {
            side.map_or(Ok(()), Reference::validate)?;
        }
        Ok(references)
    }

    /// Leaves out the stored samples of all sides.
    pub fn without_samples(self) -> Self {
        let Self { inputs, features, outputs } = self;
        let [features, outputs] = [features, outputs].map(|side| side.map(Reference::without_samples));
        Self { inputs: inputs.without_samples(), features, outputs }
    }

    /// Whether they are of this schema's columns.
    pub fn fit(&self, schema: &Schema) -> Result<(), Invalid> {
        self.inputs.fits(&schema.inputs)?;
        self.features.as_ref().map_or(Ok(()), |side| side.fits(&schema.features))?;
        self.outputs.as_ref().map_or(Ok(()), |side| side.fits(&schema.outputs))
    }
}

impl Reference {
    fn fits(&self, fields: &[Field]) -> Result<(), Invalid> {
        let unknown = self.columns.iter().find(|column| Place::find(&column.name, fields).is_none());
        unknown.map_or(Ok(()), |column| {
            let known: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            Err(invalid(&column.name, None, format!("one of {}", known.join(", ")), "a reference of an unknown field"))
        })
    }

    /// Reads and checks a reference.
    pub fn from_json(json: &[u8]) -> Result<Self, StatsError> {
        let reference: Self = serde_json::from_slice(json)?;
        reference.validate()?;
        Ok(reference)
    }

    /// Leaves out the stored samples: smaller, and distances come from bins.
    pub fn without_samples(mut self) -> Self {
        for column in &mut self.columns {
            if let Kind::Numeric(numeric) = &mut column.kind {
                numeric.sample = None;
            }
        }
        self
    }

    /// Names what counts are counted in: columns, their bins and their
    /// categories. Counts with the same fingerprint may be added.
    pub fn fingerprint(&self) -> String {
        let mut hash = Fnv::default();
        for column in &self.columns {
            hash.text(&column.name);
            match &column.kind {
                Kind::Numeric(numeric) => {
                    hash.text("numeric");
                    let scale = [numeric.mean, numeric.scale(), numeric.minimum, numeric.maximum];
                    let edges = numeric.histogram.edges.iter();
                    scale.iter().chain(edges).for_each(|number| hash.bytes(&number.to_bits().to_le_bytes()));
                }
                Kind::Categorical(categorical) => {
                    hash.text("categorical");
                    categorical.counts.iter().for_each(|category| hash.text(&category.value));
                }
            }
        }
        format!("{:016x}", hash.0)
    }
}

/// The 64-bit FNV-1a hash: the same on every machine and in every version.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(&(text.len() as u64).to_le_bytes());
        self.bytes(text.as_bytes());
    }
}

impl ColumnReference {
    /// Elements that are missing or not finite.
    pub fn missing_count(&self) -> u64 {
        match &self.kind {
            Kind::Numeric(numeric) => self.null_count.saturating_add(numeric.nan_count),
            Kind::Categorical(_) => self.null_count,
        }
    }

    /// Values in each bin, or each category and then `other`.
    pub(super) fn cell_counts(&self) -> Vec<u64> {
        match &self.kind {
            Kind::Numeric(numeric) => numeric.histogram.counts.clone(),
            Kind::Categorical(categorical) => {
                let counts = categorical.counts.iter().map(|category| category.count);
                counts.chain([categorical.other_count]).collect()
            }
        }
    }

    /// What the e-process expects of each cell.
    ///
    /// n values have n + 1 spacings before, between and after them, and the
    /// shares of the bins are Dirichlet distributed by their spacings: by their
    /// counts, the last bin's one more. A category's share is by its count + ½.
    pub(super) fn value_weights(&self) -> Vec<f64> {
        let mut weights: Vec<f64> = self.cell_counts().into_iter().map(|count| count as f64).collect();
        match &self.kind {
            Kind::Numeric(_) => weights.iter_mut().rev().take(1).for_each(|last| *last += 1.0),
            Kind::Categorical(_) => weights.iter_mut().for_each(|weight| *weight += HALF),
        }
        weights
    }

    /// The same of missing elements. Where bins are those of a sample, they
    /// weigh less than all values; so must the missing ones.
    pub(super) fn missing_weight(&self) -> f64 {
        let counted: f64 = self.cell_counts().into_iter().map(|count| count as f64).sum();
        let present = self.count.saturating_sub(self.missing_count()) as f64;
        let sampled = if present > counted { counted / present } else { 1.0 };
        self.missing_count() as f64 * sampled + HALF
    }
}

impl NumericReference {
    /// What distances are divided by.
    pub fn scale(&self) -> f64 {
        self.std_dev.max(SCALE_MIN)
    }

    /// A number in standard deviations from the mean.
    pub(super) fn normed(&self, value: f64) -> f64 {
        (value - self.mean) / self.scale()
    }

    /// The histogram with normed edges and sums.
    pub(super) fn normed_bins(&self) -> (Vec<f64>, Vec<f64>) {
        let Histogram { edges, counts, means } = &self.histogram;
        let sums = means.iter().zip(counts).map(|(&mean, &count)| self.normed(mean) * count as f64);
        (edges.iter().map(|&edge| self.normed(edge)).collect(), sums.collect())
    }
}

impl Histogram {
    /// The bins of values in ascending order.
    pub(super) fn of(sorted: &[f64]) -> Self {
        let count = sorted.len();
        let ranks = (1..BINS).map(|j| (2 * count * j + BINS) / (2 * BINS));
        let mut edges: Vec<f64> =
            ranks.filter_map(|rank| rank.checked_sub(1)).filter_map(|at| sorted.get(at)).copied().collect();
        edges.dedup();
        let (mut counts, mut means) = (Vec::with_capacity(BINS), Vec::with_capacity(BINS));
        let mut rest = sorted;
        for edge in edges.iter().copied().map(Some).chain([None]) {
            let end = edge.map_or(rest.len(), |edge| rest.partition_point(|&value| value <= edge));
            let (bin, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            let mut moments = super::Moments::default();
            bin.iter().for_each(|&value| moments.push(value));
            let (low, high) = (moments.minimum(), moments.maximum());
            let empty = edge.or(edges.last().copied()).unwrap_or(0.0);
            counts.push(bin.len() as u64);
            // Rounding must not put a mean outside of its bin.
            means.push(low.zip(high).map_or(empty, |(low, high)| moments.mean().max(low).min(high)));
            rest = after;
        }
        Self { edges, counts, means }
    }
}
