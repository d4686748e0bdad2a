//! The same model behind the servers that are used for this today, each in a
//! Python environment of its own.
//!
//! `bench/peers/install` makes the environments, `bench/peers/start` has how
//! each server runs. A peer that cannot be installed here is skipped with a
//! word; one that answers wrongly ends the benchmark. Nothing is installed
//! outside of the build folder, and all listen on loopback alone.

use crate::environments::{folder, install, sources};
use crate::error::Error;
use crate::load::Load;
use crate::models::{Model, Workbench};
use crate::servers::{Server, TempDir};
use crate::turns::{Entrant, Standing, take};
use crate::wire::{Columns, Form, Request};
use scry_card::{batch_from_records, differences};
use serde_json::Map;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Scry's forms; the first is what all are compared with.
const SCRY: &[Form] = &[Form::Binary, Form::Json, Form::Grpc];
/// How long a turn of a server lasts, roughly.
const TURN: Duration = Duration::from_secs(1);
/// Requests that are not counted; they show how many make a turn.
const WARM_UP: usize = 500;
/// Within this, a server must answer.
const START_UP: Duration = Duration::from_secs(60);

/// A server that others use.
struct Peer {
    name: &'static str,
    title: &'static str,
    /// How far its answers may be from LightGBM's, relatively.
    rtol: f64,
    columns: Columns,
    /// The forms of V2 that it takes.
    forms: &'static [Form],
}

/// Python's web frameworks leave the protocol to their users, who have JSON.
const JSON: &[Form] = &[Form::Json];

const PEERS: [Peer; 4] = [
    // ONNX has these trees in FP32.
    Peer { name: "fastapi_onnx", title: "FastAPI, ONNX Runtime", rtol: 1e-5, columns: Columns::Lists, forms: JSON },
    Peer { name: "fastapi_lightgbm", title: "FastAPI, LightGBM", rtol: 1e-6, columns: Columns::Lists, forms: JSON },
    Peer {
        name: "mlserver_lightgbm",
        title: "MLServer, LightGBM",
        rtol: 1e-6,
        columns: Columns::Lists,
        forms: &[Form::Json, Form::Grpc],
    },
    Peer {
        name: "pytriton_lightgbm",
        title: "Triton (pytriton), LightGBM",
        rtol: 1e-6,
        columns: Columns::Matrices,
        forms: &Form::ALL,
    },
];

/// A server that takes part, in the forms that it takes.
struct Running {
    title: &'static str,
    server: Server,
    columns: Columns,
    forms: &'static [Form],
}

/// Measures and prints the table.
pub(crate) fn run(workbench: &Workbench) -> Result<(), Error> {
    let model = &workbench.bikeshare;
    let (dir, native) = (TempDir::new()?, Server::native(&[model, &workbench.digits])?);
    let mut running = vec![
        Running::new(model, "**scry**", Server::scry(&dir.0, &[model])?, (Columns::Lists, SCRY), 1e-6)?,
        Running::new(model, "native", native, (Columns::Lists, &[Form::Json, Form::Binary]), 1e-6)?,
    ];
    let mut skipped = Vec::new();
    let outcomes = install(&sources(), &PEERS.map(|peer| peer.name))?;
    for (peer, outcome) in PEERS.iter().zip(&outcomes) {
        match outcome.skipped() {
            Some(reason) => skipped.push((peer.title, reason)),
            None => {
                let server = start(peer, model, &folder()?)?;
                running.push(Running::new(model, peer.title, server, (peer.columns, peer.forms), peer.rtol)?);
            }
        }
    }
    println!("## Beside other servers\n");
    println!(
        "Bikeshare by V2 over loopback, in each form that a server takes; memory is that of all of its processes.\n"
    );
    println!(
        "| rows | connections | server | form | requests/s | p50 µs | p99 µs | CPU µs/request | × scry, binary | memory MB |"
    );
    println!("|--:|--:|---|---|--:|--:|--:|--:|--:|--:|");
    for (rows, connections) in [(1, 1), (1, 16), (64, 1), (64, 16)] {
        measure(model, &running, rows, connections)?;
    }
    for (title, reason) in &skipped {
        println!("\n{title}: {reason}");
    }
    println!();
    Ok(())
}

fn measure(model: &Model, running: &[Running], rows: usize, connections: usize) -> Result<(), Error> {
    let records = model.records(rows);
    let mut entries = Vec::new();
    for Running { title, server, columns, forms } in running {
        for &form in *forms {
            entries.push((*title, server, form, Request::infer(model, &records, form, *columns)?));
        }
    }
    let mut entrants = Vec::new();
    for (title, server, form, request) in &entries {
        eprintln!("peers: {title}, {}, {rows} rows, {connections} connections", form.title());
        let load = Load { request, connections, requests: WARM_UP };
        let rate = WARM_UP as f64 / load.send(server)?.wall.as_secs_f64();
        let requests = (rate * TURN.as_secs_f64()) as usize;
        entrants.push(Entrant { server, load: Load { requests: requests.max(connections), ..load } });
    }
    for ((title, server, form, _), standing) in entries.iter().zip(take(&entrants)?) {
        let Standing { requests_per_s, p50_us, p99_us, cpu_us, ratio, .. } = standing;
        let (form, megabytes) = (form.title(), server.processes().memory()? as f64 / 1e6);
        println!(
            "| {rows} | {connections} | {title} | {form} | {requests_per_s:.0} | {p50_us:.0} | {p99_us:.0} | {cpu_us:.0} | {ratio:.2} | {megabytes:.0} |"
        );
    }
    Ok(())
}

/// Starts a server, and waits until it answers.
fn start(peer: &Peer, model: &Model, environments: &Path) -> Result<Server, Error> {
    eprintln!("peers: starting {}", peer.name);
    let (address, grpc) = (free_address()?, free_address()?);
    let path = environments.join(format!("{}.log", peer.name));
    let log = File::create(&path)?;
    let mut command = Command::new(sources().join("start"));
    command.arg(peer.name).args([address, grpc].map(|address| address.port().to_string())).arg(environments);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut server = Server::other(command, address, grpc)?;
    let started = Instant::now();
    let requests = peer.forms.iter().map(|&form| Request::infer(model, &model.records(1), form, peer.columns));
    let requests = requests.collect::<Result<Vec<_>, Error>>()?;
    let ask = |server: &Server, request: &Request| request.client(server.address(request))?.exchange();
    loop {
        let Err(error) = requests.iter().try_for_each(|request| ask(&server, request).map(drop)) else {
            return Ok(server);
        };
        if server.has_ended()? || started.elapsed() > START_UP {
            let log = std::fs::read_to_string(&path)?;
            return Err(format!("{} does not answer: {error}; its log:\n{log}", peer.name).into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Running {
    /// A benchmark of wrong answers is worth nothing: it gives those of the
    /// golden examples first.
    fn new(
        model: &Model,
        title: &'static str,
        server: Server,
        (columns, forms): (Columns, &'static [Form]),
        rtol: f64,
    ) -> Result<Self, Error> {
        let fields = &model.description.card.schema.outputs;
        let mut golden = model.description.golden.clone();
        golden.rtol = rtol;
        for (example, &form) in golden.examples.iter().flat_map(|example| forms.iter().map(move |form| (example, form)))
        {
            let request = Request::infer(model, &example.inputs, form, columns)?;
            let riders = request.client(server.address(&request))?.exchange()?.numbers()?;
            let got: Vec<_> =
                riders.into_iter().map(|riders| Map::from_iter([("riders".into(), riders.into())])).collect();
            let (_, expected) = example.batches(&model.description.card.schema)?;
            let got = batch_from_records(fields, &got)?;
            if got.rows != expected.rows {
                return Err(format!("{title}: {} answers for {} rows", got.rows, expected.rows).into());
            }
            if let Some(difference) = differences(fields, &golden, &expected, &got).first() {
                return Err(format!("{title}, {}, {}: {difference}", form.title(), example.name).into());
            }
        }
        Ok(Self { title, server, columns, forms })
    }
}

/// An address that nobody listens on: not all of these servers choose one and
/// say which.
fn free_address() -> Result<SocketAddr, Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
