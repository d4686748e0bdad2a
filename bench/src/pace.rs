//! Two ways to send one request again and again: by a schedule, and whenever
//! the last one is answered.
//!
//! A schedule does not wait for the server, so a stall is seen by every request
//! that was due meanwhile: its time counts from then. Threads block,
//! and none spins: the generator shares the machine with what it measures.

use crate::client::Connection;
use crate::tally::Tally;
use scry_os::threads::be_prompt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A thread of the generator needs little; a schedule may have hundreds.
const STACK_BYTES: usize = 128 << 10;

/// The priority of whoever plays a client, where the system allows it.
const CLIENT_NICE: i32 = -10;

/// Requests by a schedule.
#[derive(Clone, Copy)]
pub(crate) struct OpenLoop<'a> {
    pub(crate) server: SocketAddr,
    pub(crate) request: &'a [u8],
    pub(crate) rate_per_s: f64,
    /// As many requests can be under way; more are sent late.
    pub(crate) connections: usize,
    pub(crate) seed: u64,
}

impl OpenLoop<'_> {
    /// Sends what is due within the time, each connection on a thread of its own.
    pub(crate) fn run(&self, time: Duration) -> Tally {
        let (start, next) = (Instant::now(), AtomicU64::new(0));
        let tally = on_each(self.connections, |_| {
            let (mut connection, mut tally) = (Connection::new(self.server), Tally::default());
            go_first();
            loop {
                let due = self.due(next.fetch_add(1, Ordering::Relaxed));
                if due >= time || start.elapsed() >= time {
                    return tally;
                }
                let due = wait(start + due, &mut tally);
                let answer = connection.exchange(self.request);
                tally.add(answer, due.elapsed());
            }
        });
        Tally { wall: start.elapsed(), ..tally }
    }

    /// When a request is due. Spread at random within its slot: a fixed beat
    /// could fall in step with the host's ticks.
    pub(crate) fn due(&self, number: u64) -> Duration {
        Duration::from_secs_f64((number as f64 + fraction(self.seed ^ number)) / self.rate_per_s)
    }
}

/// Clients have machines of their own: one that waits for a processor measures
/// itself. Not everybody may go first; then a short slice must do.
fn go_first() {
    let _ = rustix::process::setpriority_process(None, CLIENT_NICE);
}

/// Sleeps until the time, and says from when the request counts: a generator
/// that overslept says so apart; one that was busy counts from when it was due.
fn wait(due: Instant, tally: &mut Tally) -> Instant {
    let ahead = due.saturating_duration_since(Instant::now());
    if ahead.is_zero() {
        return due;
    }
    thread::sleep(ahead);
    let woken = Instant::now();
    tally.late.push(woken.saturating_duration_since(due));
    woken
}

/// The next request when the last one is answered, on each connection, for as
/// long as there is `more`.
pub(crate) fn closed_loop(
    server: SocketAddr,
    request: &[u8],
    connections: usize,
    more: impl Fn() -> bool + Sync,
) -> Tally {
    let start = Instant::now();
    let tally = on_each(connections, |_| {
        let (mut connection, mut tally) = (Connection::new(server), Tally::default());
        while more() {
            let sent = Instant::now();
            let answer = connection.exchange(request);
            tally.add(answer, sent.elapsed());
        }
        tally
    });
    Tally { wall: start.elapsed(), ..tally }
}

/// True until the time is over.
pub(crate) fn for_a_time(time: Duration) -> impl Fn() -> bool + Sync {
    let end = Instant::now() + time;
    move || Instant::now() < end
}

/// True so many times.
pub(crate) fn so_often(times: u64) -> impl Fn() -> bool + Sync {
    let count = AtomicU64::new(0);
    move || count.fetch_add(1, Ordering::Relaxed) < times
}

/// Runs the work on so many threads, and puts together what they saw.
pub(crate) fn on_each(threads: usize, work: impl Fn(usize) -> Tally + Sync) -> Tally {
    let mut all = Tally::default();
    let work = &work;
    thread::scope(|scope| {
        let spawn = |i| {
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, move || {
                be_prompt();
                work(i)
            })
        };
        let spawned: Vec<_> = (0..threads).map(spawn).collect();
        for thread in spawned {
            match thread.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(tally)) => all.merge(tally),
                Ok(Err(_)) => all.lose("a thread of the generator panicked".into()),
                Err(error) => all.lose(format!("a thread of the generator did not start: {error}")),
            }
        }
    });
    all
}

/// A number below 1 that looks random and is always the same (SplitMix64).
pub(crate) fn fraction(seed: u64) -> f64 {
    (scramble(seed) >> 11) as f64 / (1u64 << 53) as f64
}

/// The same as a whole number.
pub(crate) fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
