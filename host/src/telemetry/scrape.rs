//! What each scrape collects anew: a version that is let go of leaves
//! nothing behind. `side` is `inputs`, `features` or `outputs`.

use super::ModelSeries;
use super::exemplars::ShownExemplars;
use super::process::ProcessScrape;
use crate::drift::SeriesMoment;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};
use std::path::Path;
use std::time::Duration;

/// The versions of one moment.
#[derive(Debug)]
pub struct Scrape {
    process: ProcessScrape,
    live: IntGaugeVec,
    queued: IntGaugeVec,
    deadline: GaugeVec,
    /// Without a series where no key is trusted in particular.
    unsigned: IntGaugeVec,
    circuit_open: IntGaugeVec,
    data_age: GaugeVec,
    stale: IntGaugeVec,
    drift_rows: IntGaugeVec,
    drift_ln_e: GaugeVec,
    drift_columns: IntGaugeVec,
    drift_alarms: IntCounterVec,
    exemplars: ShownExemplars,
}

impl Scrape {
    /// The process and its data folder; no version yet.
    pub fn new(data_dir: &Path) -> Result<Self, prometheus::Error> {
        let version = ["model", "version"];
        let side = ["model", "version", "side"];
        let whole = |name: &str, help: &str, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
        let gauge = |name: &str, help: &str, labels: &[&str]| GaugeVec::new(Opts::new(name, help), labels);
        Ok(Self {
            process: ProcessScrape::new(data_dir)?,
            live: whole(
                "scry_live_version_info",
                "1 for the version that answers requests which name none.",
                &["model", "version", "digest"],
            )?,
            queued: whole("scry_requests_queued", "Requests, or calls for them, that wait for a place.", &["model"])?,
            deadline: gauge("scry_deadline_seconds", "The longest that a request may take.", &["model"])?,
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
            exemplars: ShownExemplars::default(),
        })
    }

    /// A model that requests have meant.
    pub fn model(&mut self, model: &str, series: &ModelSeries, queued: usize, deadline: Duration) {
        series.exemplars().into_iter().for_each(|(labels, of)| self.exemplars.add(labels, of));
        self.queued.with_label_values(&[model]).set(i64::try_from(queued).unwrap_or(i64::MAX));
        self.deadline.with_label_values(&[model]).set(deadline.as_secs_f64());
    }

    /// The version that is live, and its digest.
    pub fn live(&self, model: &str, version: u32, digest: &str) {
        self.live.with_label_values(&[model, &version.to_string(), digest]).set(1);
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

    pub(super) fn collectors(&self) -> impl Iterator<Item = &dyn Collector> {
        let versions: [&dyn Collector; 11] = [
            &self.live,
            &self.queued,
            &self.deadline,
            &self.unsigned,
            &self.circuit_open,
            &self.data_age,
            &self.stale,
            &self.drift_rows,
            &self.drift_ln_e,
            &self.drift_columns,
            &self.drift_alarms,
        ];
        self.process.collectors().into_iter().chain(versions)
    }

    pub(super) fn exemplars(&self) -> &ShownExemplars {
        &self.exemplars
    }

    pub(super) fn families(&self) -> impl Iterator<Item = MetricFamily> {
        let families: Vec<_> = self.collectors().flat_map(|collector| collector.collect()).collect();
        families.into_iter().filter(|family| !family.get_metric().is_empty())
    }
}
