//! Histograms of a model's versions: live values beside the training data, and a canary or a shadow beside the live
//! version. Counts only; reads what is there, judges nothing.

use crate::drift::{DriftMonitor, Paired, Series};
use crate::registry::Registry;
use crate::server::versions::role;
use crate::serving::Served;
use scry_card::stats::{ColumnReport, DriftReport, ShownColumn, Statistic, Verdict};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A model's histograms.
#[derive(Debug, Serialize)]
pub(super) struct Drawn {
    model: String,
    versions: Vec<DrawnVersion>,
}

#[derive(Debug, Serialize)]
struct DrawnVersion {
    version: u32,
    /// `live`, `canary` or `shadow`.
    role: &'static str,
    /// `inputs`, `features` and `outputs`, where they are watched.
    sides: BTreeMap<&'static str, DrawnSide>,
    /// Of a canary or a shadow: the live version is `before`, it is `after`.
    beside: BTreeMap<&'static str, DrawnSide>,
}

#[derive(Debug, Serialize)]
struct DrawnSide {
    verdict: Verdict,
    before_rows: u64,
    after_rows: u64,
    /// How many columns there are, drawn or not.
    column_count: usize,
    /// Those that drift first, then by evidence.
    columns: Vec<DrawnColumn>,
}

#[derive(Debug, Serialize)]
struct DrawnColumn {
    verdict: Verdict,
    /// How large the change is, and where that starts to matter, for the effect that is furthest beyond.
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<Effect>,
    #[serde(flatten)]
    shown: ShownColumn,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Effect {
    name: &'static str,
    observed_value: f64,
    threshold: f64,
}

impl Drawn {
    /// Of each side of each version that has a role, at most so many columns.
    pub(super) fn of(registry: &Registry, model: &str, most: usize) -> Self {
        registry.look_at_drift();
        let (routes, alpha) = (registry.routes().load_full(), registry.drift_alpha());
        let served = routes.models.get(model).map(AsRef::as_ref);
        let called = routes.called.get(model).into_iter().flat_map(|versions| versions.iter());
        let versions = called.filter_map(|(number, version)| {
            let role = served.and_then(|served| role(served, *number))?;
            let sides = version.monitor.as_deref().map(|watch| sides(watch, alpha, most)).unwrap_or_default();
            let beside = served.map(|served| beside(served, *number, alpha, most)).unwrap_or_default();
            Some(DrawnVersion { version: *number, role, sides, beside })
        });
        Self { model: model.to_owned(), versions: versions.collect() }
    }
}

fn sides(watch: &DriftMonitor, alpha: f64, most: usize) -> BTreeMap<&'static str, DrawnSide> {
    watch.sides().filter_map(|side| Some((side.name, side_of(side, alpha, most)?))).collect()
}

/// The epoch that runs and the one before: of a new one, a few rows would show little.
fn side_of(side: &Series, alpha: f64, most: usize) -> Option<DrawnSide> {
    let epochs = side.drawn();
    let report = side.report(alpha).ok()?;
    let alarmed = side.standing_alarm().map(|alarm| alarm.columns).unwrap_or_default();
    let mut report = report.current.report;
    // What an alarm that stands has named stays named.
    for column in &mut report.columns {
        if alarmed.iter().any(|alarm| alarm.column == column.column) {
            column.verdict = Verdict::Drift;
        }
    }
    Some(DrawnSide::of(side.reference.rows, epochs.rows(), &report, side.reference.shown(&epochs), most))
}

/// A canary, or a shadow, beside the live version.
fn beside(served: &Served, number: u32, alpha: f64, most: usize) -> BTreeMap<&'static str, DrawnSide> {
    let canary = served.target(number).ok().and_then(|target| target.paired.as_ref());
    let shadow = served.shadow.as_ref().and_then(|arm| arm.paired.as_ref());
    let Some(paired) = canary.into_iter().chain(shadow).find(|paired| paired.to == number) else {
        return BTreeMap::new();
    };
    of_pair(paired, alpha, most)
}

fn of_pair(paired: &Paired, alpha: f64, most: usize) -> BTreeMap<&'static str, DrawnSide> {
    let drawn = paired.drawn(alpha).into_iter();
    drawn
        .map(|(side, report, shown)| {
            (side, DrawnSide::of(report.reference_rows, report.live_rows, &report, shown, most))
        })
        .collect()
}

impl DrawnSide {
    fn of(before_rows: u64, after_rows: u64, report: &DriftReport, shown: Vec<ShownColumn>, most: usize) -> Self {
        let mut columns: Vec<(&ColumnReport, ShownColumn)> = report.columns.iter().zip(shown).collect();
        let column_count = columns.len();
        columns.sort_by(|(a, _), (b, _)| rank(b).partial_cmp(&rank(a)).unwrap_or(Ordering::Equal));
        columns.truncate(most);
        let columns = columns
            .into_iter()
            .map(|(report, shown)| DrawnColumn { verdict: report.verdict, effect: Effect::of(report), shown })
            .collect();
        let verdict = match report.columns.iter().any(|column| column.verdict == Verdict::Drift) {
            true => Verdict::Drift,
            false => report.verdict,
        };
        Self { verdict, before_rows, after_rows, column_count, columns }
    }
}

/// What is drawn first: drift, then evidence of it, then size.
fn rank(report: &ColumnReport) -> (bool, f64, f64) {
    let size = Effect::of(report).map_or(0.0, |effect| effect.observed_value / effect.threshold);
    (report.verdict == Verdict::Drift, report.value(Statistic::LnE).unwrap_or(0.0), size)
}

impl Effect {
    fn of(report: &ColumnReport) -> Option<Self> {
        let effects = report.checks.iter().filter(|check| Statistic::EFFECTS.contains(&check.statistic));
        let judged = effects.filter_map(|check| {
            let threshold = check.threshold.filter(|threshold| *threshold > 0.0)?;
            Some(Self { name: check.statistic.name(), observed_value: check.observed_value, threshold })
        });
        judged.max_by(|a, b| {
            let size = |effect: &Self| effect.observed_value / effect.threshold;
            size(a).partial_cmp(&size(b)).unwrap_or(Ordering::Equal)
        })
    }
}
