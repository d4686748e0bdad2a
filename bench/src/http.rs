//! The same requests to a native server and to `scry serve`, over loopback.

use crate::client::render;
use crate::error::Error;
use crate::forms;
use crate::load::Load;
use crate::models::{Model, Workbench};
use crate::servers::{Server, TempDir, build_scry};
use crate::turns::{Entrant, take};
use crate::wire::{Columns, Form, Request};
use std::path::{Path, PathBuf};

/// Requests in the first turn, which is not counted.
const WARM_UP: usize = 500;

/// What else takes part.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Another `scry` program, such as one of an earlier commit, in the native server's place: its rate is the last
    /// column's 1
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
}

/// Measures and prints the table.
pub(crate) fn run(workbench: &Workbench, options: &Options) -> Result<(), Error> {
    let models = [&workbench.bikeshare, &workbench.digits];
    let dir = TempDir::new()?;
    if let Some(beside) = &options.beside {
        return pairs(workbench, beside, &dir, models);
    }
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
    forms::measure(&models, &native, &scry)
}

/// Two programs in turns.
fn pairs(workbench: &Workbench, beside: &Path, dir: &TempDir, models: [&Model; 2]) -> Result<(), Error> {
    let base = Server::of_program(beside, &dir.0.join("base"), "", &models)?;
    let scry = Server::of_program(&build_scry()?, &dir.0.join("scry"), "", &models)?;
    println!("## Over HTTP, beside another program\n");
    println!(
        "| model | rows | connections | base requests/s | requests/s | p99 µs, base and this | × base throughput | × base CPU |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for (model, rows, requests) in [(&workbench.bikeshare, 1, 3000), (&workbench.digits, 64, 600)] {
        for connections in [1, 16] {
            let name = &model.description.card.name;
            let request = Request::infer(model, &model.records(rows), Form::Json, Columns::Lists)?;
            let load = Load { request: &request, connections, requests };
            let entrants = [Entrant { server: &base, load }, Entrant { server: &scry, load }];
            for entrant in &entrants {
                Load { requests: WARM_UP, ..entrant.load }.send(entrant.server)?;
            }
            let standings = take(&entrants)?;
            let [base, this] = standings.as_slice() else { return Err("two programs took part".into()) };
            println!(
                "| {name} | {rows} | {connections} | {:.0} | {:.0} | {:.0}, {:.0} | {:.2} | {:.2} |",
                base.requests_per_s,
                this.requests_per_s,
                base.p99_us,
                this.p99_us,
                this.requests_per_s / base.requests_per_s,
                this.ratio
            );
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
    let [native, scry] = servers;
    let request = Request::infer(model, &model.records(rows), Form::Json, Columns::Lists)?;
    let checked = Request::Http(render("POST", &format!("/checked/v2/models/{name}/infer"), "", &model.v2_body(rows)));
    let load = |request| Load { request, connections, requests };
    let entrants = [
        Entrant { server: native, load: load(&request) },
        Entrant { server: native, load: load(&checked) },
        Entrant { server: scry, load: load(&request) },
    ];
    for entrant in &entrants {
        Load { requests: WARM_UP, ..entrant.load }.send(entrant.server)?;
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
