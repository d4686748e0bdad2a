//! The same requests to a native server and to `scry serve`, over loopback.

use crate::Error;
use crate::load::Load;
use crate::models::{Model, Workbench};
use crate::servers::{Server, TempDir};
use crate::turns::{Entrant, take};

/// Requests in the first turn, which is not counted.
const WARM_UP: usize = 500;

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
    for server in servers {
        Load { requests: WARM_UP, ..load }.send(server.prediction)?;
    }
    let standings = take(&servers.map(|server| Entrant { server, load }))?;
    for (i, (standing, title)) in standings.iter().zip(["native", "**scry**"]).enumerate() {
        let ratio = if i == 0 { String::new() } else { format!("{:.2}", standing.ratio) };
        let (rate, cpu) = (standing.requests_per_s, standing.cpu_us);
        let (p50, p99) = (standing.p50_us, standing.p99_us);
        println!(
            "| {name} | {rows} | {connections} | {title} | {rate:.0} | {p50:.0} | {p99:.0} | {cpu:.0} | {ratio} |"
        );
    }
    Ok(())
}
