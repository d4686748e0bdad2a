//! What a model's versions see and say, beside what they learned from: for
//! programs, and as text for people. Reads what is there, changes nothing.

use crate::drift::{DriftMonitor, EpochReport, ExportedModel, ExportedVersion, PairedReport, SeriesReport, SkewReport};
use crate::registry::Registry;
use crate::server::versions::{Staleness, role};
use crate::serving::{Routes, Served};
use scry_card::stats::DriftReport;
use scry_catalog::CatalogError;
use scry_names::Digest;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// How the versions of a model stand.
#[derive(Debug, Serialize)]
pub(in crate::server) struct ShownDrift {
    model: String,
    /// Share of epochs in which an alarm may be false, a side of a version.
    alpha: f64,
    versions: Vec<ShownVersion>,
}

#[derive(Debug, Serialize)]
struct ShownVersion {
    version: u32,
    digest: Digest,
    /// `live`, `canary`, `shadow`, or nothing.
    role: Option<&'static str>,
    /// `watched`, `no reference`, `cold`, or why it is not available.
    state: String,
    #[serde(flatten)]
    staleness: Staleness,
    /// `inputs`, `features` and `outputs`, where they are watched.
    sides: BTreeMap<&'static str, SeriesReport>,
    /// Which sides are not watched, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unwatched: Vec<String>,
    /// What became of the sample that features come from.
    skew: Option<SkewReport>,
    /// Of a canary or a shadow: how it differs from the live version.
    beside: Option<PairedReport>,
}

/// All versions of a model, newest last.
pub(in crate::server) fn report(registry: &Registry, name: &str, now_ms: u64) -> Result<ShownDrift, CatalogError> {
    let routes = registry.routes().load_full();
    let (catalog, alpha) = (routes.catalog.clone(), registry.drift_alpha());
    let served = routes.models.get(name).map(AsRef::as_ref);
    let versions = catalog.model(name)?.all().map(|version| {
        let found = served.and_then(|served| served.versions.get(&version.number));
        let target = found.and_then(|found| found.as_ref().ok());
        let watch = routes.called(name, version.number).and_then(|called| called.monitor.as_deref());
        let state = match (watch, found) {
            (Some(_), _) => "watched".to_owned(),
            (None, Some(Ok(_))) => "no reference".to_owned(),
            (None, Some(Err(why))) => why.clone(),
            (None, None) => "cold".to_owned(),
        };
        ShownVersion {
            version: version.number,
            digest: version.digest,
            role: served.and_then(|served| role(served, version.number)),
            state,
            staleness: target.map(|target| Staleness::of(target, now_ms)).unwrap_or_default(),
            sides: watch.map(|watch| sides(watch, alpha)).unwrap_or_default(),
            unwatched: watch.map(|watch| watch.unwatched.clone()).unwrap_or_default(),
            skew: watch.and_then(|watch| watch.features.as_ref()).map(|skew| skew.report()),
            beside: served.and_then(|served| beside(served, version.number, alpha)),
        }
    });
    Ok(ShownDrift { model: name.to_owned(), alpha, versions: versions.collect() })
}

fn sides(watch: &DriftMonitor, alpha: f64) -> BTreeMap<&'static str, SeriesReport> {
    watch.sides().filter_map(|side| Some((side.name, side.report(alpha).ok()?))).collect()
}

/// How a canary, or a shadow, differs from the live version.
fn beside(served: &Served, number: u32, alpha: f64) -> Option<PairedReport> {
    let canary = served.target(number).ok().and_then(|target| target.paired.as_ref());
    let shadow = served.shadow.as_ref().and_then(|arm| arm.paired.as_ref());
    let paired = canary.into_iter().chain(shadow).find(|paired| paired.to == number)?;
    Some(paired.report(alpha))
}

/// The counts of a model's versions, for other hosts to add.
pub(in crate::server) fn export(routes: &Routes, name: &str) -> Result<ExportedModel, CatalogError> {
    routes.catalog.model(name)?;
    let called = routes.called.get(name).into_iter().flat_map(|versions| versions.iter());
    let monitors = called.filter_map(|(number, version)| Some((*number, version.monitor.as_ref()?)));
    let versions = monitors.map(|(version, watch)| ExportedVersion {
        version,
        digest: watch.version.digest,
        sides: watch.counted(),
    });
    Ok(ExportedModel { model: name.to_owned(), versions: versions.collect() })
}

impl fmt::Display for ShownDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  (alpha {} an epoch and side)", self.model, self.alpha)?;
        self.versions.iter().try_for_each(|version| write!(f, "\n{version}"))
    }
}

impl fmt::Display for ShownVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, digest, role, state, staleness, .. } = self;
        let role = role.map(|role| format!(" ({role})")).unwrap_or_default();
        writeln!(f, "@{version}{role}  {digest}  {state}{staleness}")?;
        self.unwatched.iter().try_for_each(|why| writeln!(f, "  not watched: {why}"))?;
        for (name, side) in &self.sides {
            write!(f, "\n[{name}]  alarms so far: {}", side.alarms)?;
            if let Some(SkewReport { sampled, failed, dropped }) = self.skew.filter(|_| *name == "features") {
                write!(f, ", sampled {sampled} requests, {failed} failed, {dropped} dropped")?;
            }
            writeln!(f)?;
            for epoch in side.last.iter().chain([&side.current]) {
                show_epoch(f, epoch)?;
            }
        }
        let Some(beside) = &self.beside else { return Ok(()) };
        for (name, report) in [("inputs", &beside.inputs), ("outputs", &beside.outputs)] {
            if let Some(report) = report {
                writeln!(f, "\n[{name} beside the live version @{}]", beside.live)?;
                show_report(f, report)?;
            }
        }
        beside.unlike.iter().try_for_each(|why| writeln!(f, "  not compared: {why}"))
    }
}

fn show_epoch(f: &mut fmt::Formatter<'_>, epoch: &EpochReport) -> fmt::Result {
    let EpochReport { epoch: number, alarm, report } = epoch;
    writeln!(f, "epoch {number}")?;
    if let Some(alarm) = alarm {
        writeln!(f, "ALARM after {} rows: {alarm}", alarm.rows)?;
    }
    show_report(f, report)
}

fn show_report(f: &mut fmt::Formatter<'_>, report: &DriftReport) -> fmt::Result {
    report.to_string().lines().try_for_each(|line| match line {
        "" => writeln!(f),
        line => writeln!(f, "  {line}"),
    })
}
