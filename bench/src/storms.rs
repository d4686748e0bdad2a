//! Ten thousand traps, and a thousand clients who leave in the middle of a
//! call: what the host still holds afterwards.

use crate::arena::{Arena, hostile_request};
use crate::claims::Claims;
use crate::client::{Connection, Kind, connect};
use crate::error::Error;
use crate::machine::cores;
use crate::pace::{closed_loop, fraction, on_each, so_often};
use crate::process::{RSS_TOLERANCE_MIB, Usage};
use crate::tally::Tally;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TRAPS: u64 = 10_000;
/// So that every slot of the pool and every thread's heap has been used once.
const TRAPS_WARM_UP: u64 = 500;
const CLIENTS: u64 = 1_000;
const CLIENTS_WARM_UP: u64 = 100;
/// Clients at once; each stays for up to `STAY_MAX`.
const CLIENTS_AT_ONCE: usize = 16;
const STAY_MAX: Duration = Duration::from_millis(20);
/// How long calls that nobody waits for may go on: their deadline, and as much again.
const CALM_MAX: Duration = Duration::from_millis(600);
const PATIENCE: Duration = Duration::from_secs(10);
const INSTANCES: &str = "scry_instances_live";

/// Runs both, and prints what they claim.
pub(crate) fn run(arena: &Arena, seed: u64, claims: &mut Claims) -> Result<(), Error> {
    println!("| claim | found | |");
    println!("|---|---|---|");
    traps(arena, claims)?;
    leavers(arena, seed, claims)?;
    println!();
    Ok(())
}

fn traps(arena: &Arena, claims: &mut Claims) -> Result<(), Error> {
    eprintln!("hostile: {TRAPS} traps");
    let request = hostile_request("hostile", "trap");
    let send = |times| closed_loop(arena.server.prediction, &request, 4 * cores(), so_often(times));
    send(TRAPS_WARM_UP);
    let before = Usage::of(arena.server.process())?;
    let tally = send(TRAPS);
    let after = Usage::of(arena.server.process())?;
    let growth_mib = after.rss_mib - before.rss_mib;
    let is_answer = |kind: &Kind| ["trap", "overload", "circuit-open"].contains(&kind.reason.as_str());
    claims.line(&format!("{TRAPS} traps are answered as such"), tally.kinds(), tally.count(is_answer) as u64 == TRAPS);
    let found = format!("{growth_mib:.1} MiB ({:.0} → {:.0})", before.rss_mib, after.rss_mib);
    claims.line(&format!("{TRAPS} traps grow memory by less than 8 MiB"), found, growth_mib < RSS_TOLERANCE_MIB);
    Ok(())
}

fn leavers(arena: &Arena, seed: u64, claims: &mut Claims) -> Result<(), Error> {
    eprintln!("hostile: {CLIENTS} clients leave");
    let cap = cores() as f64;
    leave(arena, CLIENTS_WARM_UP, seed);
    calm(arena)?;
    let plateau = Usage::of(arena.server.process())?;
    let over = AtomicBool::new(false);
    let (tally, most) = thread::scope(|scope| {
        let watching = scope.spawn(|| watch(arena, &over));
        let tally = leave(arena, CLIENTS, seed ^ 1);
        over.store(true, Ordering::Relaxed);
        (tally, watching.join().unwrap_or(Err("the watching thread panicked".into())))
    });
    let (looks, most) = most?;
    let calmed = calm(arena)?;
    let good = closed_loop(arena.server.prediction, &arena.good, 1, so_often(1));
    let after = Usage::settled(arena.server.process(), &plateau, PATIENCE)?;
    claims.line(
        &format!("{CLIENTS} clients could ask, and left"),
        format!("{} could not", tally.lost),
        tally.lost == 0,
    );
    let found = format!("at most {most} of {cap} in {looks} looks");
    claims.line("they never raise the number of running calls above the cap", found, most >= 1.0 && most <= cap);
    let found = calmed.map_or("no end".into(), |calmed| format!("after {} ms", calmed.as_millis()));
    claims.line("then no call runs any more", found, calmed.is_some_and(|calmed| calmed <= CALM_MAX));
    claims.line("then a good request is answered", good.kinds(), good.failed() == 0);
    let found = format!(
        "{:.0} → {:.0} MiB, {} → {} threads, {} → {} descriptors",
        plateau.rss_mib, after.rss_mib, plateau.threads, after.threads, plateau.descriptors, after.descriptors
    );
    let is_back = after.is_back_at(&plateau) && after.descriptors <= plateau.descriptors;
    claims.line("then memory, threads and descriptors are back", found, is_back);
    Ok(())
}

/// Clients who ask for what takes for ever, and leave before the answer.
fn leave(arena: &Arena, clients: u64, seed: u64) -> Tally {
    let requests = ["loop", "lazy-load"].map(|behaviour| hostile_request("hostile", behaviour));
    on_each(CLIENTS_AT_ONCE, |thread| {
        let (mut tally, first) = (Tally::default(), thread as u64);
        for client in (first..clients).step_by(CLIENTS_AT_ONCE) {
            let request = requests.get(client as usize % requests.len()).map_or(&[][..], Vec::as_slice);
            let asked = connect(arena.server.prediction).and_then(|mut stream| {
                stream.write_all(request)?;
                thread::sleep(STAY_MAX.mul_f64(fraction(seed ^ (client << 8))));
                Ok(())
            });
            if let Err(error) = asked {
                tally.lose(error.to_string());
            }
        }
        tally
    })
}

/// The most instances that were ever seen, until it is over.
fn watch(arena: &Arena, over: &AtomicBool) -> Result<(u32, f64), String> {
    let (mut connection, mut looks, mut most) = (Connection::new(arena.admin.address), 0, 0.0f64);
    while !over.load(Ordering::Relaxed) {
        let live = arena.admin.metric(&mut connection, INSTANCES).map_err(|error| error.to_string())?;
        most = most.max(live.unwrap_or_default());
        looks += 1;
        thread::sleep(Duration::from_millis(2));
    }
    Ok((looks, most))
}

/// How long it takes until no instance is left; none if that takes too long.
fn calm(arena: &Arena) -> Result<Option<Duration>, Error> {
    let (started, mut connection) = (Instant::now(), Connection::new(arena.admin.address));
    while started.elapsed() < PATIENCE {
        if arena.admin.metric(&mut connection, INSTANCES)? == Some(0.0) {
            return Ok(Some(started.elapsed()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(None)
}
