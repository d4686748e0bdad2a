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
    println!("*Checked* is the native server that checks values and counts them for drift, as the host does.\n");
    println!(
        "| model | rows | connections | server | requests/s | p50 µs | p99 µs | CPU µs/request | × native CPU | × checked |"
    );
    println!("|---|--:|--:|---|--:|--:|--:|--:|--:|--:|");
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
    let (checked, [native, scry]) = (format!("/checked{path}"), servers);
    let load = |path| Load { path, body: &body, connections, requests };
    let entrants = [
        Entrant { server: native, load: load(&path) },
        Entrant { server: native, load: load(&checked) },
        Entrant { server: scry, load: load(&path) },
    ];
    for entrant in &entrants {
        Load { requests: WARM_UP, ..entrant.load }.send(entrant.server.prediction)?;
    }
    for (i, (standing, title)) in take(&entrants)?.iter().zip(["native", "checked", "**scry**"]).enumerate() {
        let shown = |from: usize, ratio: f64| if i < from { String::new() } else { format!("{ratio:.2}") };
        let (ratio, to_checked) = (shown(1, standing.ratio), shown(2, standing.ratio_to_last));
        let (rate, cpu) = (standing.requests_per_s, standing.cpu_us);
        let (p50, p99) = (standing.p50_us, standing.p99_us);
        println!(
            "| {name} | {rows} | {connections} | {title} | {rate:.0} | {p50:.0} | {p99:.0} | {cpu:.0} | {ratio} | {to_checked} |"
        );
    }
    Ok(())
}
