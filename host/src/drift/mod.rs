//! Whether what a version sees and says is still like its training data.
//!
//! Counts only, in the bins of the component's own reference, and never a row.
//! Never fails a request and never does I/O: the registry looks, warns and
//! keeps.

mod alarm;
mod epochs;
mod paired;
mod series;
mod shards;
mod skew;

pub use alarm::{Alarm, AlarmColumn};
pub use epochs::{Epoch, Epochs};
pub use paired::{Arm, Paired, PairedReport};
pub use series::{EpochReport, Series, SeriesMoment, SeriesReport};
pub use skew::{Skew, SkewReport};

use scry_card::stats::{Counter, Reference, References};
use scry_card::{Batch, Field, Interrupt, Invalid, Schema};
use scry_catalog::Version;
use scry_names::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// Raw columns.
const INPUTS: &str = "inputs";
/// What the pipeline made of them.
pub(crate) const FEATURES: &str = "features";
/// What the model answered.
pub(crate) const OUTPUTS: &str = "outputs";

/// One version's live rows beside its training data.
#[derive(Debug)]
pub struct DriftMonitor {
    /// The model's name.
    pub model: String,
    /// Number and digest.
    pub version: Version,
    /// What it reads.
    pub inputs: Option<Series>,
    /// What it answers.
    pub outputs: Option<Series>,
    /// What its pipeline makes of a sample of requests.
    pub features: Option<Skew>,
    /// Which sides cannot be counted, and why.
    pub unwatched: Vec<String>,
}

/// The counts of a version by side, as they are kept and exported.
pub type Counted = BTreeMap<String, Epochs>;

/// The counts of a model's versions, for other hosts to add.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedModel {
    /// The model's name.
    pub model: String,
    /// The versions that are watched.
    pub versions: Vec<ExportedVersion>,
}

/// The counts of one version.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedVersion {
    /// The version's number here.
    pub version: u32,
    /// The component.
    pub digest: Digest,
    /// Its counts.
    pub sides: Counted,
}

impl DriftMonitor {
    /// Nothing seen yet. Features are those of this share of the requests.
    pub fn new(
        model: &str,
        version: Version,
        references: &References,
        schema: &Schema,
        skew_sample_percent: f64,
    ) -> Self {
        let mut unwatched = Vec::new();
        let mut side = |name: &'static str, reference: Option<&Reference>, fields: &[Field]| {
            let side = reference.map(|reference| Series::new(name, reference.clone(), fields)).transpose();
            side.unwrap_or_else(|error| {
                unwatched.push(format!("{name}: {error}"));
                None
            })
        };
        let inputs = side(INPUTS, Some(&references.inputs), &schema.inputs);
        let outputs = side(OUTPUTS, references.outputs.as_ref(), &schema.outputs);
        let sampled = references.features.as_ref().filter(|_| skew_sample_percent > 0.0);
        let features = side(FEATURES, sampled, &schema.features).map(|side| Skew::new(side, skew_sample_percent));
        Self { model: model.to_owned(), version, inputs, outputs, features, unwatched }
    }

    /// The sides that are counted.
    pub fn sides(&self) -> impl Iterator<Item = &Series> {
        let features = self.features.as_ref().map(|skew| &skew.side);
        self.inputs.iter().chain(features).chain(&self.outputs)
    }

    /// Counts rows that were answered.
    pub(crate) fn saw(&self, inputs: &Batch, outputs: &Batch, interrupt: &mut Interrupt<'_>) {
        self.saw_inputs(inputs, interrupt);
        if let Some(side) = &self.outputs {
            side.saw(outputs, interrupt);
        }
    }

    /// Counts rows that another version answers, or none.
    pub(crate) fn saw_inputs(&self, inputs: &Batch, interrupt: &mut Interrupt<'_>) {
        if let Some(side) = &self.inputs {
            side.saw(inputs, interrupt);
        }
    }

    /// All that was counted.
    pub fn counted(&self) -> Counted {
        self.sides().map(|side| (side.name.to_owned(), side.epochs())).collect()
    }

    /// How far counting has come: the same while nothing was counted.
    pub fn mark(&self) -> Vec<(u64, u64, u64)> {
        self.sides().map(Series::mark).collect()
    }

    /// Goes on where earlier counts ended. Fails, unchanged, where one of them
    /// is none of this version's.
    pub fn resume(&self, mut earlier: Counted) -> Result<(), Invalid> {
        for side in self.sides() {
            earlier.get(side.name).map_or(Ok(()), |epochs| epochs.check(&side.reference))?;
        }
        for side in self.sides() {
            earlier.remove(side.name).map_or(Ok(()), |epochs| side.resume(epochs))?;
        }
        Ok(())
    }
}

/// Rows that are counted at once.
const PIECE_ROWS: usize = 1_024;

/// Has rows counted in pieces, until it is interrupted.
fn in_pieces(rows: usize, counter: &Counter, interrupt: &mut Interrupt<'_>, mut count: impl FnMut(Range<usize>)) {
    let mut from = 0;
    while from < rows {
        let to = rows.min(from + PIECE_ROWS);
        if interrupt.spend((to - from).saturating_mul(counter.elements_per_row())).is_err() {
            return;
        }
        count(from..to);
        from = to;
    }
}

#[cfg(test)]
mod tests;
