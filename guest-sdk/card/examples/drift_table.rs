//! How often comparisons without drift raise an alarm, and how often drift is
//! seen: the table in docs/benchmarks.md.
//!
//!     cargo run -p scry-card --example drift_table

#[path = "../tests/stats/figures.rs"]
mod figures;
#[allow(dead_code, reason = "only its random numbers are used")]
#[path = "../tests/stats/simulation.rs"]
mod simulation;

use figures::{Case, Way, drifted, too_small, undrifted};

/// Comparisons without drift.
const UNDRIFTED: usize = 400;
/// Comparisons with drift.
const DRIFTED: usize = 100;

fn main() {
    let names = Way::ALL.map(Way::name).join(" | ");
    println!("Alarms of {UNDRIFTED} comparisons without drift, at most 4 expected:\n");
    println!("| column | {names} |\n|---|--:|--:|--:|--:|--:|");
    let mut totals = [0; Way::ALL.len()];
    let cases = undrifted();
    for case in &cases {
        let alarms = Way::ALL.map(|way| case.verdicts(way, 1, UNDRIFTED).drift);
        totals.iter_mut().zip(alarms).for_each(|(total, alarms)| *total += alarms);
        row(&case.name, alarms);
    }
    row(&format!("all {}", cases.len() * UNDRIFTED), totals);
    println!("\nAlarms of {DRIFTED} comparisons with drift:\n");
    println!("| column | {names} |\n|---|--:|--:|--:|--:|--:|");
    for case in drifted() {
        row(&case.name, Way::ALL.map(|way| case.verdicts(way, 2, DRIFTED).drift));
    }
    println!("\nVerdict `insufficient_data` of {DRIFTED} comparisons:\n");
    println!("| column | {names} |\n|---|--:|--:|--:|--:|--:|");
    for case in too_small() {
        row(&case.name, Way::ALL.map(|way| insufficient(&case, way)));
    }
}

fn insufficient(case: &Case, way: Way) -> usize {
    case.verdicts(way, 3, DRIFTED).insufficient
}

fn row(name: &str, figures: [usize; 5]) {
    println!("| {name} | {} |", figures.map(|figure| figure.to_string()).join(" | "));
}
