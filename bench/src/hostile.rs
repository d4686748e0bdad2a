//! Hostile guests beside a good model: what each of them does to its own
//! callers, to everybody else, and to the host.
//!
//! Quiet and storm take turns, so that a noisy machine disturbs both. In a
//! storm four times as many connections as the machine has cores send one
//! hostile request after the other. The good model and the health check are
//! asked by a schedule: callers who wait for an answer before they ask again
//! would hide every stall. Never tunes the host: it runs with its defaults, but
//! for two protections that the hostile models go without, so that the guests
//! really run until the clock stops them: fuel, and circuits where there are
//! any. `--breaker` leaves them both.

use crate::Error;
use crate::admin::Admin;
use crate::claims::Claims;
use crate::client::{Kind, render};
use crate::machine::{others_percent, undisturbed};
use crate::models::{Model, sandbox};
use crate::pace::{OpenLoop, closed_loop, for_a_time, on_each, scramble};
use crate::process::Usage;
use crate::servers::{Server, TempDir};
use crate::stats::Sample;
use crate::storms;
use crate::tally::Tally;
use serde_json::json;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The host's default deadline.
pub(crate) const DEADLINE_MS: f64 = 300.0;
/// What an answer may come later.
pub(crate) const LATE_MS_MAX: f64 = 25.0;
const HEALTH_MS_MAX: f64 = 10.0;
/// A gross miss; the table says how much it is.
const RATIO_MAX: f64 = 5.0;
/// Often enough for a 99th percentile.
const HEALTH_RATE_PER_S: f64 = 100.0;
/// Enough for a schedule whose answers take well below its beat.
const GOOD_CONNECTIONS: usize = 2;
/// How long memory and threads may take to come back.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the guest is told, and what should come of it.
pub(crate) const BEHAVIOURS: [(&str, &str); 8] = [
    ("loop", "timeout"),
    ("memory-copy", "timeout"),
    ("recursion", "trap"),
    ("growth", "memory"),
    ("trap", "trap"),
    ("huge-output", "invalid-output"),
    ("log-flood", ""),
    ("lazy-load", "timeout"),
];
/// A version that loads while it predicts, published again and again.
const PUBLISHING: &str = "publishing lazy-load";

/// What to measure, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Turns that quiet and storm take
    #[arg(long, default_value_t = 10)]
    rounds: u64,
    /// How long a turn lasts, s
    #[arg(long, default_value_t = 1.0)]
    turn_s: f64,
    /// Requests to the good model, per second
    #[arg(long, default_value_t = 200.0)]
    rate_per_s: f64,
    /// Only guests whose name holds this
    #[arg(long)]
    only: Option<String>,
    /// Keep fuel, and let the host stop calling what keeps failing, as in production
    #[arg(long)]
    breaker: bool,
    /// Decides when exactly requests are due
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A guest that grows has that before its deadline also where pages are slow to come.
const MEMORY_MAX_BYTES: u64 = 128 << 20;

/// A host with a good model, and hostile ones with and without a fallback.
pub(crate) struct Arena {
    // Before the folder, which must not go while the server runs.
    pub(crate) server: Server,
    pub(crate) admin: Admin,
    pub(crate) good: Vec<u8>,
    lazy: Model,
    published: AtomicU32,
    has_breaker: bool,
    _dir: TempDir,
}

/// What one turn showed.
#[derive(Default)]
struct Turn {
    good: Tally,
    health: Tally,
    hostile: Tally,
}

/// One row of the table.
struct Row {
    quiet: Turn,
    storm: Turn,
    others_percent: f64,
    plateau: Usage,
    after: Usage,
}

/// Measures, prints, and fails where a claim does.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let arena = Arena::new(options.breaker)?;
    let cores = cores();
    println!("## Hostile guests\n");
    println!(
        "{} hostile connections on {cores} cores; {}; {:.0} requests/s to the good model, {HEALTH_RATE_PER_S:.0}/s to the health check, \
         both by a schedule; {} turns of {} s each, quiet and storm. Where others took much of the machine, times say little of the host.\n",
        4 * cores,
        arena.circuits(options.breaker),
        options.rate_per_s,
        options.rounds,
        options.turn_s
    );
    let mut claims = Claims::default();
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| name.contains(only));
    println!(
        "| guest | fallback | answers | p99 ms, at most {} | health p99 ms, below {HEALTH_MS_MAX} | good quiet p50 / p99 µs | good storm p50 / p99 µs \
         | × p99, at most {RATIO_MAX} | good failed | MiB before, after | threads before, after | sent late p99 µs, quiet / storm | others % CPU |",
        DEADLINE_MS + LATE_MS_MAX
    );
    println!("|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (behaviour, reason) in BEHAVIOURS.into_iter().filter(|(name, _)| wanted(name)) {
        for (model, fallback) in [("hostile", "none"), ("hostile-fallback", "constant")] {
            eprintln!("hostile: {behaviour}, fallback: {fallback}");
            let request = hostile_request(model, behaviour);
            let storm = |time| closed_loop(arena.server.prediction, &request, 4 * cores, for_a_time(time));
            let row = arena.measure(options, &storm)?;
            let is_error = fallback == "none" && !reason.is_empty();
            let why = |kind: &Kind| kind.reason == reason || (reason == "timeout" && kind.reason == "fuel");
            let ran = |kind: &Kind| why(kind) && is_error == (kind.status != 200);
            row.print([behaviour, fallback], ran, Some(DEADLINE_MS + LATE_MS_MAX), &mut claims);
        }
    }
    if wanted(PUBLISHING) {
        eprintln!("hostile: {PUBLISHING}");
        let row = arena.measure(options, &|time| arena.publish_lazy(4 * cores, time))?;
        row.print([PUBLISHING, "none"], |kind| kind.status == 422, None, &mut claims);
    }
    println!();
    if options.only.is_none() {
        storms::run(&arena, options.seed, &mut claims)?;
    }
    claims.verdict()
}

/// As the host counts them.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(2, usize::from)
}

/// A request that makes the guest behave like this.
pub(crate) fn hostile_request(model: &str, behaviour: &str) -> Vec<u8> {
    let behaviour = format!(r#"{{"name":"behaviour","shape":[1],"datatype":"BYTES","data":["{behaviour}"]}}"#);
    let body = format!(r#"{{"inputs":[{behaviour},{{"name":"x","shape":[1],"datatype":"FP64","data":[1.0]}}]}}"#);
    render("POST", &format!("/v2/models/{model}/infer"), "", body.as_bytes())
}

/// A request for a health check.
pub(crate) fn health_request() -> Vec<u8> {
    render("GET", "/v2/health/live", "", b"")
}

impl Arena {
    fn new(breaker: bool) -> Result<Self, Error> {
        let sandbox = sandbox()?;
        let good = Model::example(&sandbox, "bikeshare")?;
        let hostile = Model::guest(&sandbox, "hostile", &[])?;
        let lazy = Model::guest(&sandbox, "hostile", &["lazy-load"])?;
        let dir = TempDir::new()?;
        let server = Server::scry(&dir.0, &[&good])?;
        let admin = Admin::of(&server)?;
        let mut has_breaker = false;
        for model in ["hostile", "hostile-fallback"] {
            admin.publish(model, &hostile.component)?;
            admin.deploy(model, &json!({ "limits": { "memory_max_bytes": MEMORY_MAX_BYTES } }))?;
            if !breaker {
                admin.deploy(model, &json!({ "limits": { "fuel": 0 } }))?;
                has_breaker = admin.hold_closed(model)?;
            }
        }
        admin.deploy("hostile-fallback", &json!({ "fallback": [{ "constant": { "y": -1.0 } }] }))?;
        let good = render("POST", "/v2/models/bikeshare/infer", "", &good.v2_body(1));
        Ok(Self { server, admin, good, lazy, published: AtomicU32::new(0), has_breaker, _dir: dir })
    }

    fn circuits(&self, breaker: bool) -> &'static str {
        match (breaker, self.has_breaker) {
            (true, _) => "fuel and circuits as in production",
            (false, true) => "without fuel, circuits held closed, so that the guests run all the time",
            (false, false) => "without fuel (the host has no circuits), so that the guests run all the time",
        }
    }

    /// One row: a storm to reach the plateau, then quiet and storm in turns.
    fn measure(&self, options: &Options, storm: &(dyn Fn(Duration) -> Tally + Sync)) -> Result<Row, Error> {
        let turn = Duration::from_secs_f64(options.turn_s);
        self.turn(Some(storm), turn, options, 0);
        thread::sleep(Duration::from_millis(500));
        let plateau = Usage::of(self.server.process())?;
        let processes = [self.server.process(), std::process::id()];
        let turns = undisturbed(options.rounds, &processes, |round| {
            let quiet = self.turn(None, turn, options, 2 * round);
            let storm = self.turn(Some(storm), turn, options, 2 * round + 1);
            // What was killed at the end of the storm is not part of the next quiet.
            thread::sleep(Duration::from_millis(200));
            Ok((quiet, storm))
        })?;
        let after = Usage::settled(self.server.process(), &plateau, PATIENCE)?;
        let others_percent = others_percent(&turns);
        let (mut quiet, mut storm) = (Turn::default(), Turn::default());
        for watched in turns {
            quiet.merge(watched.turn.0);
            storm.merge(watched.turn.1);
        }
        Ok(Row { quiet, storm, others_percent, plateau, after })
    }

    fn turn(
        &self,
        storm: Option<&(dyn Fn(Duration) -> Tally + Sync)>,
        time: Duration,
        options: &Options,
        number: u64,
    ) -> Turn {
        let (server, seed) = (self.server.prediction, scramble(options.seed ^ (number << 32)));
        let health = health_request();
        let good = OpenLoop {
            server,
            request: &self.good,
            rate_per_s: options.rate_per_s,
            connections: GOOD_CONNECTIONS,
            seed,
        };
        let health =
            OpenLoop { request: &health, rate_per_s: HEALTH_RATE_PER_S, connections: 1, seed: scramble(seed), ..good };
        thread::scope(|scope| {
            let health = scope.spawn(move || health.run(time));
            let good = scope.spawn(move || good.run(time));
            let hostile = storm.map(|storm| storm(time)).unwrap_or_default();
            let joined = |thread: thread::ScopedJoinHandle<'_, Tally>| thread.join().unwrap_or_default();
            Turn { good: joined(good), health: joined(health), hostile }
        })
    }

    /// Publishes versions that no gate should let through, each with other bytes.
    fn publish_lazy(&self, publishers: usize, time: Duration) -> Tally {
        let more = for_a_time(time);
        on_each(publishers, |_| {
            let mut tally = Tally::default();
            while more() {
                let component = self.lazy.variant(self.published.fetch_add(1, Ordering::Relaxed));
                let sent = Instant::now();
                tally.add(self.admin.send("POST", "/v1/models?name=lazy", &component), sent.elapsed());
            }
            tally
        })
    }
}

impl Turn {
    fn merge(&mut self, other: Self) {
        self.good.merge(other.good);
        self.health.merge(other.health);
        self.hostile.merge(other.hostile);
    }
}

impl Row {
    fn print(&self, title: [&str; 2], ran: impl Fn(&Kind) -> bool, p99_ms_max: Option<f64>, claims: &mut Claims) {
        let all = |tally: &Tally| tally.times(|_| true);
        let (quiet, storm) = (all(&self.quiet.good), all(&self.storm.good));
        let us = |sample: &Sample| format!("{:.0} / {:.0}", sample.rank_us(0.5), sample.rank_us(0.99));
        let late = |turn: &Turn| Sample::new(turn.good.late.clone()).rank_us(0.99);
        let hostile = &self.storm.hostile;
        let hostile_ms = all(hostile).rank_us(0.99) / 1e3;
        let health_ms = all(&self.storm.health).rank_us(0.99) / 1e3;
        let ratio = storm.rank_us(0.99) / quiet.rank_us(0.99);
        let good_failed = self.quiet.good.failed() + self.storm.good.failed();
        let health_failed = self.quiet.health.failed() + self.storm.health.failed();
        let [guest, fallback] = title;
        println!(
            "| {guest} | {fallback} | {} {} | {hostile_ms:.0} {} | {health_ms:.1} {} | {} | {} | {ratio:.2} {} | {} {} \
             | {:.0}, {:.0} {} | {}, {} {} | {:.0} / {:.0} | {:.0} |",
            hostile.kinds(),
            claims.mark(hostile.count(ran) > 0),
            claims.mark(hostile.lost == 0 && p99_ms_max.is_none_or(|most| hostile_ms <= most)),
            claims.mark(health_failed == 0 && health_ms < HEALTH_MS_MAX),
            us(&quiet),
            us(&storm),
            claims.mark(ratio <= RATIO_MAX),
            if good_failed == 0 { "0".into() } else { self.storm.good.kinds() },
            claims.mark(good_failed == 0),
            self.plateau.rss_mib,
            self.after.rss_mib,
            claims.mark(self.after.rss_is_back_at(&self.plateau)),
            self.plateau.threads,
            self.after.threads,
            claims.mark(self.after.threads <= self.plateau.threads),
            late(&self.quiet),
            late(&self.storm),
            self.others_percent,
        );
    }
}
