//! What a comparison found, in short columns: what drifts comes first.

use super::CliError;
use super::print::{Tone, line};
use super::table::{self, Cell, short};
use scry_card::stats::{Check, ColumnReport, DriftReport, Statistic, Verdict};
use serde::Deserialize;
use serde_json::Value;

/// Columns that are listed of one comparison that drift; the others are counted.
const DRIFTING_MAX: usize = 20;

/// One comparison of several.
pub(super) struct Compared {
    who: String,
    side: String,
    report: DriftReport,
}

impl Compared {
    pub(super) fn new(who: &str, side: &str, report: DriftReport) -> Self {
        Self { who: who.to_owned(), side: side.to_owned(), report }
    }

    /// From a host's answer.
    pub(super) fn of(who: &str, side: &str, report: &Value) -> Result<Self, CliError> {
        Ok(Self::new(who, side, DriftReport::deserialize(report)?))
    }
}

/// Columns in their order, but those that drift before the others.
pub(super) fn drifting_first(report: &mut DriftReport) {
    report.columns.sort_by_key(|column| column.verdict != Verdict::Drift);
}

fn drifting(report: &DriftReport) -> impl Iterator<Item = &ColumnReport> {
    report.columns.iter().filter(|column| column.verdict == Verdict::Drift)
}

/// One comparison: what follows, and a line a column.
pub(super) fn print(report: &DriftReport) {
    let DriftReport { verdict, alpha, reference_rows, live_rows, columns, .. } = report;
    line(&[
        (tone(*verdict), &verdict.to_string()),
        (Tone::Plain, &format!(": {} of {} columns drift", drifting(report).count(), columns.len())),
    ]);
    println!("{live_rows} rows against {reference_rows}, alpha {alpha}; every statistic: `-o wide`\n");
    let others = columns.iter().filter(|column| column.verdict != Verdict::Drift);
    let of = |column: &ColumnReport| {
        let verdict = Cell::new(column.verdict.to_string()).tone(tone(column.verdict));
        [Cell::new(&column.column), verdict].into_iter().chain(measures(column)).collect()
    };
    let rows: Vec<_> = drifting(report).chain(others).map(of).collect();
    table::print(&["COLUMN", "VERDICT", "STATISTIC", "VALUE", "LIMIT", "MISSING"], &rows);
}

/// Several: a line each, and then a line for each column that drifts.
pub(super) fn print_sides(sides: &[Compared]) {
    let rows: Vec<_> = sides
        .iter()
        .map(|Compared { who, side, report }| {
            let (count, all) = (drifting(report).count(), report.columns.len());
            vec![
                Cell::new(who),
                Cell::new(side),
                Cell::number(report.live_rows.to_string()),
                Cell::new(report.verdict.to_string()).tone(tone(report.verdict)),
                Cell::new(format!("{count} of {all} columns drift")),
            ]
        })
        .collect();
    table::print(&["VERSION", "SIDE", "ROWS", "VERDICT", "COLUMNS"], &rows);
    let mut rows = Vec::new();
    for Compared { who, side, report } in sides {
        let of = |column: &ColumnReport| {
            let name = Cell::new(&column.column).tone(Tone::Bad);
            [Cell::new(who), Cell::new(side), name].into_iter().chain(measures(column)).collect()
        };
        rows.extend(drifting(report).take(DRIFTING_MAX).map(of));
    }
    if !rows.is_empty() {
        println!();
    }
    table::print(&["VERSION", "SIDE", "DRIFTING", "STATISTIC", "VALUE", "LIMIT", "MISSING"], &rows);
}

/// What a column came to, by the statistic that says most about it.
fn measures(column: &ColumnReport) -> [Cell; 4] {
    let check = largest(column);
    let number = |value: Option<f64>| Cell::number(value.map_or_else(|| "-".into(), short));
    [
        Cell::new(check.map_or("-", |check| check.statistic.name())),
        number(check.map(|check| check.observed_value)),
        number(check.and_then(|check| check.threshold)),
        Cell::number(format!("{:.2} %", column.missing_percent)),
    ]
}

/// The size of a change that is largest by its own threshold.
fn largest(column: &ColumnReport) -> Option<&Check> {
    let ratio = |check: &Check| check.observed_value / check.threshold.unwrap_or(f64::INFINITY);
    let effects = Statistic::EFFECTS.into_iter().filter_map(|statistic| column.check(statistic));
    effects.max_by(|one, other| ratio(one).total_cmp(&ratio(other)))
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Ok => Tone::Good,
        Verdict::Drift => Tone::Bad,
        Verdict::InsufficientData => Tone::Warn,
    }
}
