//! What training data looked like, small enough to travel in a component.
//!
//! Never the data itself, save for a bounded sample where one is stored.

use super::cells::Place;
use super::{BINS, SCALE_MIN};
use crate::invalid::invalid;
use crate::invalid::one_of;
use crate::{Field, Invalid, Schema, strict};
use serde::{Deserialize, Serialize};

/// The largest references of one model, in bytes of JSON, samples included.
const BYTES_MAX: usize = 64 << 20;

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
    /// Elements that are NaN or infinite, which count as missing.
    pub nan_count: u64,
    /// The median of a column of whole numbers beyond ±2^53: all other
    /// numbers here are distances from it, so that neighbors stay apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<i128>,
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
    /// The counts to compare with, where there were too many values to name
    /// all: of elements that had no part in choosing the names. Those that
    /// chose them have too many of the chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOut>,
    /// Whether whole numbers beyond ±2^53 are among the values, each exactly as
    /// its text; without it, a text stands for all that round to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_whole: bool,
}

/// Counts of elements that did not decide which values are named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// One for each named value, in their order.
    pub counts: Vec<u64>,
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
    /// A file is not JSON, or not of the form.
    #[error("not readable: {0}")]
    File(#[from] strict::Error),
    /// Contradicts itself, or a limit.
    #[error("{0}")]
    Invalid(#[from] Invalid),
}

impl References {
    /// Reads and checks them.
    pub fn from_json(json: &[u8]) -> Result<Self, StatsError> {
        if json.len() > BYTES_MAX {
            let (expected, found) = (format!("at most {BYTES_MAX} bytes"), json.len().to_string());
            return Err(invalid("references", None, expected, found).into());
        }
        let references: Self = serde_json::from_slice(json)?;
        references.validate()?;
        Ok(references)
    }

    /// Reads and checks them as a file that someone wrote: strictly.
    pub fn from_file(json: &[u8]) -> Result<Self, StatsError> {
        strict::from_slice::<Self>(json)?;
        Self::from_json(json)
    }

    /// Checks each side.
    fn validate(&self) -> Result<(), Invalid> {
        let sides = [Some(&self.inputs), self.features.as_ref(), self.outputs.as_ref()];
        sides.into_iter().flatten().try_for_each(Reference::validate)
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
            let known = one_of(fields.iter().map(|field| field.name.as_str()));
            Err(invalid(&column.name, None, known, "a reference of an unknown field"))
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
                    numeric.origin.iter().for_each(|origin| hash.bytes(&origin.to_le_bytes()));
                }
                Kind::Categorical(categorical) => {
                    hash.text("categorical");
                    categorical.counts.iter().for_each(|category| hash.text(&category.value));
                    if categorical.is_whole {
                        hash.text("whole");
                    }
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

    /// Elements that are neither missing nor not finite.
    pub(super) fn present_count(&self) -> u64 {
        self.count.saturating_sub(self.missing_count())
    }
}

impl NumericReference {
    /// What distances are divided by.
    pub fn scale(&self) -> f64 {
        self.std_dev.max(SCALE_MIN)
    }

    /// A scale that outliers do not affect: the spread of the middle
    /// half (else of the middle eight tenths) of the values, as the standard
    /// deviation of normal numbers with that spread; never more than `scale`.
    pub fn robust_scale(&self) -> f64 {
        /// Of normal numbers, in standard deviations.
        const MIDDLE: [(f64, f64); 2] = [(0.25, 1.349), (0.1, 2.563)];
        let scale = self.scale();
        let spread = |tail| self.histogram.quantile(1.0 - tail) - self.histogram.quantile(tail);
        let spreads = MIDDLE.map(|(tail, normal)| spread(tail) / normal);
        spreads.into_iter().find(|spread| *spread > 0.0).map_or(scale, |spread| spread.clamp(SCALE_MIN, scale))
    }

    /// Between what values a distance by `robust_scale` is taken: those beyond
    /// count as being there.
    pub fn robust_limits(&self) -> (f64, f64) {
        /// Wide enough for the tails of a log-normal column.
        const SCALES: f64 = 3.0;
        let margin = SCALES * self.robust_scale();
        let edges = &self.histogram.edges;
        let (low, high) = (edges.first().map(|edge| edge - margin), edges.last().map(|edge| edge + margin));
        (low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY))
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
    /// The value below which this share of the values is, as far as edges tell:
    /// in the outer bins, their edge.
    fn quantile(&self, share: f64) -> f64 {
        let total: f64 = self.counts.iter().map(|&count| count as f64).sum();
        let (mut below, mut last) = (0.0, None);
        for (&edge, &count) in self.edges.iter().zip(&self.counts) {
            let up_to = below + count as f64 / total.max(1.0);
            if share <= up_to {
                let (from, of_bin) = (last.unwrap_or(edge), (share - below) / (up_to - below).max(f64::EPSILON));
                return from + (edge - from) * of_bin.clamp(0.0, 1.0);
            }
            (below, last) = (up_to, Some(edge));
        }
        last.unwrap_or(0.0)
    }

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
