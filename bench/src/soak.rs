//! Everything at once, for minutes or hours: good clients and bad ones, hostile
//! guests, swaps, publishing, rollbacks, clean-up. Nothing may grow, and nothing
//! may be answered that cannot be explained.
//!
//! Keeps only counts, so that it can run for days; decides from its seed what
//! is asked when. Never restarts the host: one that falls ends the soak.

use crate::Error;
use crate::admin::Admin;
use crate::claims::Claims;
use crate::client::{Connection, Kind};
use crate::machine::Look;
use crate::models::{Model, sandbox};
use crate::operator::operate;
use crate::pace::{fraction, scramble};
use crate::process::{RSS_TOLERANCE_MIB, Usage};
use crate::servers::{Server, TempDir};
use crate::soak_load::{Line, Manner, Request, lines};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// So that a history of hours does not look like a leak; clean-up keeps to it.
const CONFIG: &str = "[history]\nchanges_max = 100\n";
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Connections come and go.
const DESCRIPTORS_TOLERANCE: f64 = 8.0;
/// The runtime starts and ends threads that wait for disks.
const THREADS_TOLERANCE: f64 = 4.0;
const UNEXPLAINED_SHOWN_MAX: usize = 20;

/// How long, and which requests.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long the load lasts; the first third is warm-up
    #[arg(long, default_value_t = 3.0)]
    minutes: f64,
    /// Decides what is asked when
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What came back, shared by everybody who asks.
#[derive(Default)]
pub(crate) struct Book(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    lines: BTreeMap<&'static str, BTreeMap<Kind, u64>>,
    slowest: BTreeMap<&'static str, Duration>,
    unexplained: u64,
    /// What the first of them said, and how often each was said.
    shown: BTreeMap<String, u64>,
}

impl Book {
    /// Notes an answer, and what it says where it is not one of those expected.
    pub(crate) fn note(&self, name: &'static str, kind: Kind, took: Duration, unexplained: Option<String>) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = unexplained {
            pages.unexplained += 1;
            let shown = format!("{name}: {kind}: {text}");
            if pages.shown.len() < UNEXPLAINED_SHOWN_MAX || pages.shown.contains_key(&shown) {
                *pages.shown.entry(shown).or_default() += 1;
            }
        }
        *pages.lines.entry(name).or_default().entry(kind).or_default() += 1;
        let slowest = pages.slowest.entry(name).or_default();
        *slowest = took.max(*slowest);
    }

    /// Requests and unexplained answers so far.
    fn counts(&self) -> (u64, u64) {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (pages.lines.values().flat_map(BTreeMap::values).sum(), pages.unexplained)
    }
}

/// Runs the load, prints the summary, and fails where a claim does.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let sandbox = sandbox()?;
    let (bikeshare, digits) = (Model::example(&sandbox, "bikeshare")?, Model::example(&sandbox, "digits")?);
    let hostile = Model::guest(&sandbox, "hostile", &[])?;
    let dir = TempDir::new()?;
    let server = Server::configured(&dir.0, CONFIG, &[&bikeshare, &digits])?;
    let admin = Admin::of(&server)?;
    admin.publish("bikeshare", &bikeshare.variant(0))?;
    admin.deploy("bikeshare", &json!({ "aliases": { "champion": 1 } }))?;
    ["hostile", "hostile-fallback"]
        .into_iter()
        .try_for_each(|name| admin.publish(name, &hostile.component).map(drop))?;
    admin.deploy("hostile-fallback", &json!({ "fallback": [{ "constant": { "y": -1.0 } }] }))?;

    let (lines, book, over) = (lines(&bikeshare, &digits), Book::default(), AtomicBool::new(false));
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let processes = [server.process(), std::process::id()];
    let machine = Look::take(&processes)?;
    let samples = thread::scope(|scope| {
        for (number, line) in (1u64..).zip(&lines) {
            for connection in 0..line.connections as u64 {
                let seed = scramble(options.seed ^ (number << 40) ^ (connection << 32));
                let (book, over, server) = (&book, &over, server.prediction);
                scope.spawn(move || line.ask(server, seed, book, over));
            }
        }
        scope.spawn(|| operate(&admin, &digits, options.seed, &book, &over));
        let samples = watch(server.process(), time, &book);
        over.store(true, Ordering::Relaxed);
        samples
    })?;
    thread::sleep(Duration::from_secs(1));
    let live = admin.metric(&mut Connection::new(admin.address), "scry_instances_live")?;
    println!("## Soak, {} minutes\n", options.minutes);
    println!("Others took {:.0} % of the machine meanwhile.\n", machine.others_percent(&processes)?);
    report(&samples, live, book)
}

impl Line {
    /// Asks again and again, at random times, until it is over.
    fn ask(&self, server: SocketAddr, seed: u64, book: &Book, over: &AtomicBool) {
        let mut connection = Connection::new(server);
        let pause = Duration::from_secs_f64(2.0 * self.connections as f64 / self.per_s);
        for turn in 1.. {
            let chance = scramble(seed ^ turn);
            thread::sleep(pause.mul_f64(fraction(chance)));
            if over.load(Ordering::Relaxed) {
                return;
            }
            let pick = scramble(chance) as usize % self.requests.len();
            if let Some(request) = self.requests.get(pick) {
                request.ask(self.name, server, &mut connection, chance, book);
            }
        }
    }
}

impl Request {
    fn ask(&self, name: &'static str, server: SocketAddr, connection: &mut Connection, chance: u64, book: &Book) {
        let sent = Instant::now();
        let answer = match self.manner {
            Manner::Well => connection.exchange(&self.bytes).map(Some),
            _ => self.misbehave(server, chance),
        };
        match answer {
            // The client has left; nobody knows what was answered.
            Ok(None) => book.note(name, Kind::default(), sent.elapsed(), None),
            Ok(Some(answer)) => {
                let is_expected = self.expected.contains(&answer.kind);
                let unexplained = (!is_expected).then(|| answer.text());
                book.note(name, answer.kind, sent.elapsed(), unexplained);
            }
            Err(error) => book.note(name, Kind::default(), sent.elapsed(), Some(error.to_string())),
        }
    }
}

/// Looks at the host once a second, and says how far it is.
fn watch(process: u32, time: Duration, book: &Book) -> Result<Vec<Usage>, std::io::Error> {
    let (started, mut samples) = (Instant::now(), Vec::new());
    let is_terminal = std::io::stderr().is_terminal();
    while started.elapsed() < time {
        thread::sleep(SAMPLE_EVERY);
        let now = Usage::of(process)?;
        samples.push(now);
        if is_terminal || samples.len().is_multiple_of(30) {
            let (asked, unexplained) = book.counts();
            let (start, end) = if is_terminal { ("\r", "\x1b[K") } else { ("", "\n") };
            eprint!(
                "{start}soak: {:3.0} % of {:.0} min, {asked} requests, {unexplained} unexplained, {:.0} MiB, {} threads, {} descriptors{end}",
                100.0 * started.elapsed().as_secs_f64() / time.as_secs_f64(),
                time.as_secs_f64() / 60.0,
                now.rss_mib,
                now.threads,
                now.descriptors
            );
            // A progress line that is not shown at once harms nobody.
            let _ = std::io::stderr().flush();
        }
    }
    eprintln!();
    Ok(samples)
}

fn report(samples: &[Usage], live: Option<f64>, book: Book) -> Result<(), Error> {
    let pages = book.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("| kind | answers | slowest ms |");
    println!("|---|---|--:|");
    for (name, kinds) in &pages.lines {
        let told = |(kind, count): (&Kind, &u64)| match kind.status {
            0 => format!("{count} × nobody listened"),
            _ => format!("{count} × {kind}"),
        };
        let slowest = pages.slowest.get(name).copied().unwrap_or_default();
        println!("| {name} | {} | {} |", kinds.iter().map(told).collect::<Vec<_>>().join(", "), slowest.as_millis());
    }
    println!(
        "\nMedians of the first and the last quarter after the warm-up third, and the most that was ever seen then:\n"
    );
    println!("| claim | found | |");
    println!("|---|---|---|");
    let mut claims = Claims::default();
    let mut flat = |what: &str, unit: &str, tolerance: f64, value: fn(&Usage) -> f64| {
        let (first, last, most) = quarters(samples, value);
        let found = format!("{first:.0} → {last:.0}{unit}, most {most:.0}");
        claims.line(&format!("{what} grows by at most {tolerance:.0}{unit}"), found, last - first <= tolerance);
    };
    flat("memory", " MiB", RSS_TOLERANCE_MIB, |usage| usage.rss_mib);
    flat("the number of descriptors", "", DESCRIPTORS_TOLERANCE, |usage| usage.descriptors as f64);
    flat("the number of threads", "", THREADS_TOLERANCE, |usage| usage.threads as f64);
    claims.line("no instance is left", live.map_or("nothing".into(), |live| live.to_string()), live == Some(0.0));
    let unexplained = pages.unexplained;
    claims.line("every answer is explained", format!("{unexplained} are not"), unexplained == 0);
    println!();
    pages.shown.iter().for_each(|(shown, count)| println!("- unexplained, {count} times: {shown}"));
    claims.verdict()
}

/// Medians of the first and the last quarter after the warm-up, and the most.
fn quarters(samples: &[Usage], value: impl Fn(&Usage) -> f64) -> (f64, f64, f64) {
    let values: Vec<f64> = samples.iter().skip(samples.len() / 3).map(value).collect();
    let quarter = values.len().div_ceil(4);
    let first = values.iter().take(quarter).copied().collect();
    let last = values.iter().rev().take(quarter).copied().collect();
    (crate::stats::median(first), crate::stats::median(last), values.iter().copied().fold(f64::NAN, f64::max))
}
