//! The same requests to a native server and to `scry serve`, over loopback.

use crate::Error;
use crate::load::Load;
use crate::models::{Model, Workbench};
use crate::servers::{Server, TempDir};
use crate::stats::{Sample, median};
use std::time::Duration;

/// Turns that each server takes.
const ROUNDS: usize = 7;
/// Requests in the first turn, which is not counted.
const WARM_UP: usize = 500;

/// Sums over one server's turns.
#[derive(Default)]
struct Tally {
    latencies: Vec<Duration>,
    wall: Duration,
    cpu: Duration,
}

impl Tally {
    fn requests(&self) -> f64 {
        self.latencies.len() as f64
    }

    fn cpu_us_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests()
    }
}

/// Measures and prints the table.
pub(crate) fn run(workbench: &Workbench) -> Result<(), Error> {
    let models = [&workbench.bikeshare, &workbench.digits];
    let dir = TempDir::new()?;
    let native = Server::native(&models)?;
    let scry = Server::scry(&dir.0, &models)?;
    println!("## Over HTTP\n");
    println!("V2 JSON over loopback, connections kept alive; the load generator shares the machine's cores.\n");
    println!("| model | rows | connections | server | requests/s | p50 µs | p99 µs | CPU µs/request | × native CPU |");
    println!("|---|--:|--:|---|--:|--:|--:|--:|--:|");
    for (model, rows, requests) in [(&workbench.bikeshare, 1, 3000), (&workbench.digits, 64, 600)] {
        for connections in [1, 16] {
            measure(model, rows, connections, requests, [&native, &scry])?;
        }
    }
    println!();
    Ok(())
}

fn measure(
    model: &Model,
    rows: usize,
    connections: usize,
    requests: usize,
    servers: [&Server; 2],
) -> Result<(), Error> {
    let name = &model.description.card.name;
    eprintln!("http: {name}, {rows} rows, {connections} connections");
    let (path, body) = (format!("/v2/models/{name}/infer"), model.v2_body(rows));
    let load = Load { path: &path, body: &body, connections, requests };
    let mut tallies: [Tally; 2] = Default::default();
    let mut ratios = Vec::new();
    for server in servers {
        Load { requests: WARM_UP, ..load }.send(server.prediction)?;
    }
    for _ in 0..ROUNDS {
        let mut cpu = [Duration::ZERO; 2];
        for ((server, tally), cpu) in servers.iter().zip(&mut tallies).zip(&mut cpu) {
            let before = server.cpu_time()?;
            let outcome = load.send(server.prediction)?;
            *cpu = server.cpu_time()?.saturating_sub(before);
            tally.cpu += *cpu;
            tally.wall += outcome.wall;
            tally.latencies.extend(outcome.latencies);
        }
        let [native, scry] = cpu.map(|cpu| cpu.as_secs_f64());
        ratios.push(scry / native);
    }
    for (i, (tally, title)) in tallies.into_iter().zip(["native", "**scry**"]).enumerate() {
        let (rate, cpu) = (tally.requests() / tally.wall.as_secs_f64(), tally.cpu_us_per_request());
        let ratio = if i == 0 { String::new() } else { format!("{:.2}", median(ratios.clone())) };
        let latencies = Sample::new(tally.latencies);
        let (p50, p99) = (latencies.rank_us(0.5), latencies.rank_us(0.99));
        println!(
            "| {name} | {rows} | {connections} | {title} | {rate:.0} | {p50:.0} | {p99:.0} | {cpu:.0} | {ratio} |"
        );
    }
    Ok(())
}
