//! Profile, validation and drift of whole tables, beside the tools that are
//! used for this today; and what Scry's own rule for drift costs and gives.
//!
//! Each tool is a process on one core. The tables are made once, all read the
//! same files, and an answer that is not true ends the benchmark.

mod made;
mod rule;
pub(crate) mod scry_turn;
mod shared;
mod task;
mod tools;

use crate::error::Error;
use crate::servers::TempDir;
use crate::stats::median;
use made::{COLUMNS, Made};
use task::Task;
use tools::{Tool, Turn};

/// How much of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rows of each table
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    rows: u32,
    /// Turns that each tool takes at each task
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Epochs that are simulated of each kind
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    epochs: u32,
    /// Scry alone; nothing is installed
    #[arg(long)]
    no_peers: bool,
    /// Only the tables, or only what the rule costs and gives
    #[arg(long, value_enum)]
    only: Option<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Tables,
    Rule,
}

/// One tool's turns at one task, one for each round.
#[derive(Default)]
struct Turns {
    seconds: Vec<f64>,
    process_seconds: Vec<f64>,
    peak_mib: f64,
    ratios: Vec<f64>,
    title: String,
    verdict: String,
}

/// Measures and prints the tables; an error when a claim does not hold.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    println!("## Data\n");
    if options.only != Some(Part::Rule) {
        tables(options)?;
    }
    if options.only != Some(Part::Tables) {
        rule::run(options.rounds.into(), options.epochs.into())?.verdict()?;
    }
    Ok(())
}

fn tables(options: &Options) -> Result<(), Error> {
    let rows = options.rows as usize;
    let (mut tools, mut skipped) = (vec![tools::scry()?], Vec::new());
    if !options.no_peers {
        let (peers, others) = tools::peers()?;
        tools.extend(peers);
        skipped = others;
    }
    let folder = TempDir::new()?;
    let made = Made::write(&folder.0, rows)?;
    let mut all: Vec<Vec<Turns>> = Task::ALL.map(|_| tools.iter().map(|_| Turns::default()).collect()).into();
    for round in 1..=options.rounds {
        for (task, turns) in Task::ALL.into_iter().zip(&mut all) {
            let mut first = None;
            for (tool, turns) in tools.iter().zip(turns) {
                eprintln!("data: round {round}, {}, {}", task.title(), tool.title);
                let turn = tool.turn(task, &made, &folder.0)?;
                let seconds = turn.answer.seconds;
                let verdict = task.judge(&turn.answer, &made, rows);
                let verdict = verdict.map_err(|error| format!("{}, {}: {error}", tool.title, task.title()))?;
                turns.add(tool, turn, verdict, seconds / *first.get_or_insert(seconds));
            }
        }
    }
    println!(
        "Tables of {rows} rows and {COLUMNS} columns of FP64; one core; median of {} (min–max).\n",
        options.rounds
    );
    println!("| task | tool | rows/s | seconds | × scry | process, seconds | peak MiB | answer |");
    println!("|---|---|--:|--:|--:|--:|--:|---|");
    for (task, turns) in Task::ALL.into_iter().zip(all) {
        turns.into_iter().for_each(|turns| println!("{}", turns.line(task, rows)));
        for (title, reason) in &skipped {
            println!("| {} | {title} | {reason} | | | | | |", task.title());
        }
    }
    println!();
    Ok(())
}

impl Turns {
    fn add(&mut self, tool: &Tool, turn: Turn, verdict: String, ratio: f64) {
        self.seconds.push(turn.answer.seconds);
        self.process_seconds.push(turn.process_seconds);
        self.peak_mib = self.peak_mib.max(turn.answer.peak_mib);
        self.ratios.push(ratio);
        self.title = format!("{} {}", tool.title, turn.answer.version);
        self.verdict = verdict;
    }

    fn line(self, task: Task, rows: usize) -> String {
        let Self { seconds, process_seconds, peak_mib, ratios, title, verdict } = self;
        let low = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let high = seconds.iter().copied().fold(0.0, f64::max);
        let (middle, process, ratio) = (median(seconds), median(process_seconds), median(ratios));
        let rate = thousands(task.rows(rows) as f64 / middle);
        format!(
            "| {} | {title} | {rate} | {middle:.3} ({low:.3}–{high:.3}) | {ratio:.1} | {process:.2} | {peak_mib:.0} | {verdict} |",
            task.title()
        )
    }
}

/// A whole number to three digits, for people.
fn thousands(number: f64) -> String {
    let unit = 10f64.powf(number.max(1.0).log10().floor() - 2.0).max(1.0);
    let digits = format!("{:.0}", (number / unit).round() * unit);
    let parts: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    parts.join(",")
}
