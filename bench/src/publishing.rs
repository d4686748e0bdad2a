//! What the callers of one model notice while versions of another are taken in:
//! verified, compiled, proved.

use crate::admin::Admin;
use crate::error::Error;
use crate::load::Load;
use crate::models::Workbench;
use crate::servers::{Server, TempDir};
use crate::stats::{Sample, median};
use crate::wire::{Columns, Form, Request};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Turns that each of the two takes.
const ROUNDS: usize = 7;
const REQUESTS: usize = 20_000;

/// Measures and prints the table.
pub(crate) fn run(workbench: &Workbench) -> Result<(), Error> {
    let asked = &workbench.bikeshare;
    let dir = TempDir::new()?;
    let scry = Server::scry(&dir.0, &[asked, &workbench.digits])?;
    let request = Request::infer(asked, &asked.records(1), Form::Json, Columns::Lists)?;
    println!("## While versions of another model compile\n");
    println!("One row of bikeshare over loopback, while new versions of digits are published one after the other.\n");
    println!(
        "| connections | versions published | quiet p50 µs | quiet p99 µs | publishing p50 µs | publishing p99 µs | p99 ratio (median of rounds) |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    let serial = AtomicU32::new(0);
    for connections in [1, 4] {
        eprintln!("publishing: {connections} connections");
        let load = Load { request: &request, connections, requests: REQUESTS };
        load.send(&scry)?;
        let before = serial.load(Ordering::Relaxed);
        let (mut all, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
        for _ in 0..ROUNDS {
            let quiet = load.send(&scry)?.latencies;
            let busy = beside(|| publish(workbench, &scry, &serial), || load.send(&scry))?.latencies;
            ratios.push(p99(&busy) / p99(&quiet));
            all[0].extend(quiet);
            all[1].extend(busy);
        }
        let published = serial.load(Ordering::Relaxed) - before;
        let [quiet, busy] = all.map(Sample::new);
        let (ranks, ratio) = ([&quiet, &busy].map(|s| (s.rank_us(0.5), s.rank_us(0.99))), median(ratios));
        let [(quiet50, quiet99), (busy50, busy99)] = ranks;
        println!(
            "| {connections} | {published} | {quiet50:.0} | {quiet99:.0} | {busy50:.0} | {busy99:.0} | {ratio:.2} |"
        );
    }
    println!();
    Ok(())
}

fn p99(latencies: &[Duration]) -> f64 {
    Sample::new(latencies.to_vec()).rank_us(0.99)
}

/// Runs `work` while `disturb` happens again and again.
fn beside<T: Send>(
    disturb: impl Fn() -> Result<(), Error> + Send + Sync,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let disturbing = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                disturb().map_err(|error| error.to_string())?;
            }
            Ok::<(), String>(())
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        disturbing.join().map_err(|_| "the publishing thread panicked")??;
        done
    })
}

/// Another version of digits: the same model, told apart by a custom section.
fn publish(workbench: &Workbench, scry: &Server, serial: &AtomicU32) -> Result<(), Error> {
    let number = serial.fetch_add(1, Ordering::Relaxed);
    let component = workbench.digits.variant(number);
    Admin::of(scry)?.post("/v1/models", &component).map(drop)
}
