//! More requests than the host has room for: what is refused, how fast, and
//! what becomes of the rest.
//!
//! Requests come by a schedule, four times as many as the host can answer at
//! its best: connections that wait for their answers would only ask for more as
//! fast as they are served. The generator must not be the bottleneck: requests
//! are rendered once, one thread has all connections, and the table says what
//! was really offered. The best and the overload take turns. What the generator
//! takes of the processors, more at overload, the host cannot have: the table also
//! says what it answered for what was left to it.

use crate::admin::Admin;
use crate::arena::hostile_request;
use crate::claims::{Claims, DEADLINE_MS, LATE_MS_MAX};
use crate::client::{Kind, render};
use crate::crowd;
use crate::error::Error;
use crate::machine::{cores, others_percent, undisturbed};
use crate::models::{Model, sandbox};
use crate::pace::{OpenLoop, scramble};
use crate::process::{RSS_TOLERANCE_MIB, Usage};
use crate::servers::{Server, TempDir};
use crate::stats::Sample;
use crate::tally::Tally;
use std::time::Duration;

const OVERLOAD: f64 = 4.0;
/// Some refusals, so that their time is the host's and not the generator's.
const MODERATE: f64 = 1.5;
/// Gross misses; the table says how much it is.
const KEPT_MIN: f64 = 0.75;
const REFUSAL_MS_MAX: f64 = 25.0;
/// More than a model's calls that run or wait by default, so that the schedule never waits for a connection.
const CONNECTIONS: usize = 320;
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Turns that the best and the overload take
    #[arg(long, default_value_t = 8)]
    rounds: u64,
    /// How long a turn lasts, s
    #[arg(long, default_value_t = 3.0)]
    turn_s: f64,
    /// Only models whose title holds this
    #[arg(long)]
    only: Option<String>,
    /// Decides when exactly requests are due
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A model, and how many connections bring the most out of it.
struct Case {
    title: &'static str,
    request: Vec<u8>,
    connections: usize,
}

/// What the turns of one case showed.
#[derive(Default)]
struct Found {
    best: Tally,
    moderate: Tally,
    overload: Tally,
    others_percent: f64,
}

/// Measures, prints, and fails where a claim does.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let sandbox = sandbox()?;
    let slow = Model::guest(&sandbox, "steady", &["slow"])?;
    let digits = Model::example(&sandbox, "digits")?;
    let dir = TempDir::new()?;
    let server = Server::scry(&dir.0, &[&slow, &digits])?;
    let slow_request = String::from_utf8(hostile_request("steady", ""))?.replace("1.0", "1e3");
    let cases = [
        Case { title: "steady, slow", request: slow_request.into_bytes(), connections: 4 },
        Case {
            title: "digits, 64 rows",
            request: render("POST", "/v2/models/digits/infer", "", &digits.v2_body(64)),
            connections: 16,
        },
    ];
    println!("## Overload\n");
    println!(
        "{OVERLOAD}× and {MODERATE}× as many requests as the host answers at its best, by a schedule; {} turns of {} s each. \
         Accepted is what was answered with 200. Where the machine has no room to send more, all of {CONNECTIONS} connections wait for answers.\n",
        options.rounds, options.turn_s
    );
    println!(
        "| model | best /s | offered /s (× best) | accepted /s (× best, at least {KEPT_MIN}; for what was left to it) | accepted p50 / p99 ms, at most {} | answers \
         | refused at {MODERATE}×: p99 ms, below {REFUSAL_MS_MAX}; at {OVERLOAD}× | Retry-After | MiB before, after | others % CPU |",
        DEADLINE_MS + LATE_MS_MAX
    );
    println!("|---|--:|--:|--:|--:|---|--:|---|--:|--:|");
    let mut claims = Claims::default();
    let wanted = |title: &str| options.only.as_deref().is_none_or(|only| title.contains(only));
    for case in cases.iter().filter(|case| wanted(case.title)) {
        eprintln!("overload: {}", case.title);
        case.measure(&server, options, &mut claims)?;
    }
    println!();
    if !Admin::of(&server)?.send("GET", "/v1/state", b"")?.kind.is_ok() {
        return Err("the host does not answer any more".into());
    }
    claims.verdict()
}

impl Case {
    fn measure(&self, server: &Server, options: &Options, claims: &mut Claims) -> Result<(), Error> {
        let turn = Duration::from_secs_f64(options.turn_s);
        let send = |rate_per_s: f64, connections: usize, seed: u64| {
            let (server, request) = (server.prediction, self.request.as_slice());
            crowd::run(&OpenLoop { server, request, rate_per_s, connections, seed }, turn)
        };
        // As fast as so many connections are answered.
        let best = || send(f64::INFINITY, self.connections, options.seed);
        let at = |times: f64, rate_per_s: f64, seed: u64| send(times * rate_per_s, CONNECTIONS, seed);
        at(OVERLOAD, per_s(&best()?, Kind::is_ok), options.seed)?;
        let before = Usage::of(server.process())?;
        let turns = undisturbed(options.rounds, &[server.process(), std::process::id()], |round| {
            let (best, seed) = (best()?, scramble(options.seed ^ (round << 32)));
            let rate = per_s(&best, Kind::is_ok);
            Ok((best, at(OVERLOAD, rate, seed)?, at(MODERATE, rate, seed ^ 1)?))
        })?;
        let after = Usage::settled(server.process(), &before, PATIENCE)?;
        let mut found = Found { others_percent: others_percent(&turns), ..Found::default() };
        for watched in turns {
            found.best.merge(watched.turn.0);
            found.overload.merge(watched.turn.1);
            found.moderate.merge(watched.turn.2);
        }
        found.print(self.title, [before, after], claims);
        Ok(())
    }
}

/// Processors that the generator leaves to the host.
fn left(tally: &Tally) -> f64 {
    cores() as f64 - tally.cpu.as_secs_f64() / tally.wall.as_secs_f64()
}

fn per_s(tally: &Tally, wanted: impl Fn(&Kind) -> bool) -> f64 {
    tally.count(wanted) as f64 / tally.wall.as_secs_f64()
}

impl Found {
    fn print(&self, title: &str, [before, after]: [Usage; 2], claims: &mut Claims) {
        let (best, accepted) = (per_s(&self.best, Kind::is_ok), per_s(&self.overload, Kind::is_ok));
        let kept = (accepted / left(&self.overload)) / (best / left(&self.best));
        let offered = per_s(&self.overload, |_| true);
        let ms = |sample: &Sample, rank| sample.rank_us(rank) / 1e3;
        let taken = self.overload.times(Kind::is_ok);
        let is_refusal = |kind: &Kind| kind.status == 503;
        let [refused, flooded] = [&self.moderate, &self.overload].map(|tally| tally.times(is_refusal));
        let refusals = self.moderate.count(is_refusal) + self.overload.count(is_refusal);
        let silent = self.moderate.silent_503 + self.overload.silent_503;
        let all = [&self.best, &self.moderate, &self.overload];
        let others: usize = all.iter().map(|tally| tally.failed() - tally.count(is_refusal)).sum();
        if others > 0 {
            eprintln!("{title}: at the best {}; at {MODERATE}× {}", self.best.kinds(), self.moderate.kinds());
        }
        println!(
            "| {title} | {best:.0} | {offered:.0} ({:.1}) | {accepted:.0} ({:.2}; {kept:.2}) {} | {:.0} / {:.0} {} | {} {} | {:.1} of {} {}; {:.0} \
             | {} of {refusals} {} | {:.0}, {:.0} {} | {:.0} |",
            offered / best,
            accepted / best,
            claims.mark(accepted >= KEPT_MIN * best),
            ms(&taken, 0.5),
            ms(&taken, 0.99),
            claims.mark(ms(&taken, 0.99) <= DEADLINE_MS + LATE_MS_MAX),
            self.overload.kinds(),
            claims.mark(others == 0),
            ms(&refused, 0.99),
            self.moderate.count(is_refusal),
            claims.mark(ms(&refused, 0.99) < REFUSAL_MS_MAX),
            ms(&flooded, 0.99),
            refusals - silent,
            claims.mark(silent == 0 && refusals > 0),
            before.rss_mib,
            after.rss_mib,
            claims.mark(after.rss_mib <= before.rss_mib + RSS_TOLERANCE_MIB),
            self.others_percent,
        );
    }
}
