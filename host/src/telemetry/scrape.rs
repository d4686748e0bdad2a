//! What each scrape collects anew: a version that is let go of leaves
//! nothing behind. `side` is `inputs`, `features` or `outputs`.

use crate::drift::SeriesMoment;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};

/// The versions of one moment.
#[derive(Debug)]
pub struct Scrape {
    /// Without a series where no key is trusted in particular.
    unsigned: IntGaugeVec,
    circuit_open: IntGaugeVec,
    data_age: GaugeVec,
    stale: IntGaugeVec,
    drift_rows: IntGaugeVec,
    drift_ln_e: GaugeVec,
    drift_columns: IntGaugeVec,
    drift_alarms: IntCounterVec,
}

impl Scrape {
    /// No version yet.
    pub fn new() -> Result<Self, prometheus::Error> {
        let version = ["model", "version"];
        let side = ["model", "version", "side"];
        let whole = |name: &str, help: &str, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
        let gauge = |name: &str, help: &str, labels: &[&str]| GaugeVec::new(Opts::new(name, help), labels);
        Ok(Self {
            unsigned: whole(
                "scry_unsigned_versions",
                "Versions that requests are led to and no trusted key has signed.",
                &[],
            )?,
            circuit_open: whole(
                "scry_circuit_open",
                "1 while a version is not called, but for a probe; else 0.",
                &version,
            )?,
            data_age: gauge("scry_model_data_age_seconds", "Since the end of a version's training data.", &version)?,
            stale: whole("scry_model_stale", "1 when a version's data is older than its max_age; else 0.", &version)?,
            drift_rows: whole("scry_drift_rows", "Rows counted in the epoch that runs.", &side)?,
            drift_ln_e: gauge("scry_drift_ln_e", "The most evidence of drift of any column, ln E.", &side)?,
            drift_columns: whole("scry_drift_columns", "Columns that drift in the epoch that runs.", &side)?,
            drift_alarms: IntCounterVec::new(
                Opts::new("scry_drift_alarms_total", "Epochs in which a column drifted."),
                &side,
            )?,
        })
    }

    /// How many versions nobody who is trusted has signed.
    pub fn unsigned(&self, count: usize) {
        self.unsigned.with_label_values::<&str>(&[]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A version's circuit.
    pub fn circuit(&self, model: &str, version: u32, is_open: bool) {
        self.circuit_open.with_label_values(&[model, &version.to_string()]).set(i64::from(is_open));
    }

    /// The age of a version's data.
    pub fn data(&self, model: &str, version: u32, age_s: f64, is_stale: Option<bool>) {
        let version = version.to_string();
        self.data_age.with_label_values(&[model, &version]).set(age_s);
        if let Some(is_stale) = is_stale {
            self.stale.with_label_values(&[model, &version]).set(i64::from(is_stale));
        }
    }

    /// One side of a version.
    pub fn drift(&self, model: &str, version: u32, moment: &SeriesMoment) {
        let version = version.to_string();
        let labels = [model, &version, moment.side];
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.drift_rows.with_label_values(&labels).set(whole(moment.rows));
        self.drift_ln_e.with_label_values(&labels).set(moment.ln_e);
        self.drift_columns.with_label_values(&labels).set(whole(moment.drifting as u64));
        self.drift_alarms.with_label_values(&labels).inc_by(moment.alarms);
    }

    pub(super) fn collectors(&self) -> [&dyn Collector; 8] {
        [
            &self.unsigned,
            &self.circuit_open,
            &self.data_age,
            &self.stale,
            &self.drift_rows,
            &self.drift_ln_e,
            &self.drift_columns,
            &self.drift_alarms,
        ]
    }

    pub(super) fn families(&self) -> impl Iterator<Item = MetricFamily> {
        let families: Vec<_> = self.collectors().iter().flat_map(|collector| collector.collect()).collect();
        families.into_iter().filter(|family| !family.get_metric().is_empty())
    }
}
