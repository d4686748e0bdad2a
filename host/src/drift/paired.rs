//! Two versions of a model that run beside each other, both counted in the
//! bins of the live one's reference.
//!
//! Operators look at it, so it is a window that is judged once a look: it
//! raises no alarm.

use super::shards::Shards;
use super::{INPUTS, OUTPUTS};
use scry_card::stats::{Counter, Counts, DriftReport, Reference, References, ShownColumn, compare_live};
use scry_card::{Batch, Field, Interrupt, Invalid, Schema};
use serde::Serialize;
use std::sync::{Mutex, PoisonError};

/// The live version and another.
#[derive(Debug)]
pub struct Paired {
    /// The live version.
    pub live: u32,
    /// The other version.
    pub to: u32,
    inputs: Option<Pair>,
    outputs: Option<Pair>,
    /// What cannot be compared, and why.
    unlike: Vec<String>,
}

/// Which of the two.
#[derive(Debug, Clone, Copy)]
pub enum Arm {
    /// The live version.
    Live,
    /// The canary or the shadow.
    Other,
}

/// How the two differ.
#[derive(Debug, Serialize)]
pub struct PairedReport {
    /// The live version.
    pub live: u32,
    /// Of a canary: what it was asked. A shadow is asked the same.
    pub inputs: Option<DriftReport>,
    /// What it answered; `reference_rows` are the live version's.
    pub outputs: Option<DriftReport>,
    /// What cannot be compared, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlike: Vec<String>,
}

#[derive(Debug)]
struct Pair {
    reference: Reference,
    live: Tally,
    other: Tally,
}

#[derive(Debug)]
struct Tally {
    counter: Counter,
    shards: Shards,
    counts: Mutex<Counts>,
}

impl Paired {
    /// Two versions of a model: the numbers, the live one's reference, the
    /// schemas of both. Only where requests are shared do inputs say anything.
    pub fn new(numbers: (u32, u32), references: &References, schemas: [&Schema; 2], shares_requests: bool) -> Self {
        let ((live, to), [ours, theirs]) = (numbers, schemas);
        let mut unlike = Vec::new();
        let mut pair = |name: &str, reference: Option<&Reference>, fields: [&[Field]; 2]| {
            let pair = reference.map(|reference| Pair::new(reference, fields)).transpose();
            pair.unwrap_or_else(|error| {
                unlike.push(format!("{name}: {error}"));
                None
            })
        };
        let shared = Some(&references.inputs).filter(|_| shares_requests);
        let inputs = pair(INPUTS, shared, [&ours.inputs, &theirs.inputs]);
        let outputs = pair(OUTPUTS, references.outputs.as_ref(), [&ours.outputs, &theirs.outputs]);
        Self { live, to, inputs, outputs, unlike }
    }

    pub(crate) fn saw(&self, arm: Arm, inputs: &Batch, outputs: &Batch, interrupt: &mut Interrupt<'_>) {
        for (pair, batch) in [(&self.inputs, inputs), (&self.outputs, outputs)] {
            if let Some(pair) = pair {
                pair.tally(arm).saw(batch, interrupt);
            }
        }
    }

    /// Side by side: how the two differ so far, and where the values of both fell.
    pub fn drawn(&self, alpha: f64) -> Vec<(&'static str, DriftReport, Vec<ShownColumn>)> {
        let sides = [(INPUTS, &self.inputs), (OUTPUTS, &self.outputs)];
        let drawn = sides.into_iter().filter_map(|(name, pair)| {
            let pair = pair.as_ref()?;
            let (live, other) = (pair.live.counts(), pair.other.counts());
            let report = compare_live(&pair.reference, &live, &other, alpha).ok()?;
            Some((name, report, pair.reference.shown_both(&live, &other)))
        });
        drawn.collect()
    }

    /// How the two differ so far.
    pub fn report(&self, alpha: f64) -> PairedReport {
        let mut unlike = self.unlike.clone();
        let mut report = |pair: &Option<Pair>| {
            let report = pair.as_ref().map(|pair| pair.report(alpha)).transpose();
            report.unwrap_or_else(|error| {
                unlike.push(error.to_string());
                None
            })
        };
        let (inputs, outputs) = (report(&self.inputs), report(&self.outputs));
        PairedReport { live: self.live, inputs, outputs, unlike }
    }
}

impl Pair {
    fn new(reference: &Reference, [ours, theirs]: [&[Field]; 2]) -> Result<Self, Invalid> {
        let (live, other) = (Tally::new(reference, ours)?, Tally::new(reference, theirs)?);
        Ok(Self { reference: reference.clone(), live, other })
    }

    fn tally(&self, arm: Arm) -> &Tally {
        match arm {
            Arm::Live => &self.live,
            Arm::Other => &self.other,
        }
    }

    fn report(&self, alpha: f64) -> Result<DriftReport, Invalid> {
        compare_live(&self.reference, &self.live.counts(), &self.other.counts(), alpha)
    }
}

impl Tally {
    fn new(reference: &Reference, fields: &[Field]) -> Result<Self, Invalid> {
        let counter = Counter::new(reference, fields)?;
        Ok(Self { counts: Mutex::new(counter.start()), shards: Shards::default(), counter })
    }

    fn saw(&self, batch: &Batch, interrupt: &mut Interrupt<'_>) {
        self.shards.count(&self.counter, batch, interrupt, |counts| self.add(counts));
    }

    fn add(&self, counts: &Counts) {
        // They are this very reference's.
        let _ = self.counts.lock().unwrap_or_else(PoisonError::into_inner).merge(counts);
    }

    fn counts(&self) -> Counts {
        self.shards.take(|counts| self.add(counts));
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
