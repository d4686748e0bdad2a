//! The same model behind the servers that are used for this today, each in a
//! Python environment of its own.
//!
//! `bench/peers/install` makes the environments, `bench/peers/start` has how
//! each server runs. A peer that cannot be installed here is skipped with a
//! word; one that answers wrongly ends the benchmark. Nothing is installed
//! outside of the build folder, and all listen on loopback alone.

use crate::environments::{folder, install, sources};
use crate::error::Error;
use crate::load::{Load, post};
use crate::models::{Model, Workbench};
use crate::servers::{Server, TempDir};
use crate::turns::{Entrant, Standing, take};
use scry_card::{batch_from_records, differences};
use serde_json::{Map, Value};
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATH: &str = "/v2/models/bikeshare/infer";
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
    wire: Wire,
}

/// What a request looks like.
#[derive(Clone, Copy)]
enum Wire {
    /// As Scry has it: a list a column, `null` for what is missing.
    Lists,
    /// Triton, when it batches: a column is a matrix of one column. It takes
    /// no `null`, yet the NaN that clients in Python write.
    Matrices,
}

const PEERS: [Peer; 4] = [
    // ONNX has these trees in FP32.
    Peer { name: "fastapi_onnx", title: "FastAPI, ONNX Runtime", rtol: 1e-5, wire: Wire::Lists },
    Peer { name: "fastapi_lightgbm", title: "FastAPI, LightGBM", rtol: 1e-6, wire: Wire::Lists },
    Peer { name: "mlserver_lightgbm", title: "MLServer, LightGBM", rtol: 1e-6, wire: Wire::Lists },
    Peer { name: "pytriton_lightgbm", title: "Triton (pytriton), LightGBM", rtol: 1e-6, wire: Wire::Matrices },
];

/// A server that takes part, with its request of one row.
struct Running {
    title: String,
    server: Server,
    body: Vec<u8>,
}

/// Measures and prints the table.
pub(crate) fn run(workbench: &Workbench) -> Result<(), Error> {
    let model = &workbench.bikeshare;
    let dir = TempDir::new()?;
    let mut running = vec![
        Running::new(model, "**scry**", Server::scry(&dir.0, &[model])?, Wire::Lists, 1e-6)?,
        Running::new(model, "native", Server::native(&[model, &workbench.digits])?, Wire::Lists, 1e-6)?,
    ];
    let mut skipped = Vec::new();
    let outcomes = install(&sources(), &PEERS.map(|peer| peer.name))?;
    for (peer, outcome) in PEERS.iter().zip(&outcomes) {
        match outcome.skipped() {
            Some(reason) => skipped.push((peer.title, reason)),
            None => {
                let server = start(peer, model, &folder()?)?;
                running.push(Running::new(model, peer.title, server, peer.wire, peer.rtol)?);
            }
        }
    }
    println!("## Beside other servers\n");
    println!("One row of bikeshare, V2 JSON over loopback; memory is that of all of a server's processes.\n");
    println!("| connections | server | requests/s | p50 µs | p99 µs | CPU µs/request | × scry CPU | memory MB |");
    println!("|--:|---|--:|--:|--:|--:|--:|--:|");
    for connections in [1, 16] {
        measure(&running, connections)?;
        for (title, reason) in &skipped {
            println!("| {connections} | {title} | {reason} | | | | | |");
        }
    }
    println!();
    Ok(())
}

fn measure(running: &[Running], connections: usize) -> Result<(), Error> {
    let mut entrants = Vec::new();
    for Running { title, server, body } in running {
        eprintln!("peers: {title}, {connections} connections");
        let load = Load { path: PATH, body, connections, requests: WARM_UP };
        let rate = WARM_UP as f64 / load.send(server.prediction)?.wall.as_secs_f64();
        let requests = (rate * TURN.as_secs_f64()) as usize;
        entrants.push(Entrant { server, load: Load { requests: requests.max(connections), ..load } });
    }
    for (Running { title, server, .. }, standing) in running.iter().zip(take(&entrants)?) {
        let Standing { requests_per_s, p50_us, p99_us, cpu_us, ratio, .. } = standing;
        let megabytes = server.processes().memory()? as f64 / 1e6;
        println!(
            "| {connections} | {title} | {requests_per_s:.0} | {p50_us:.0} | {p99_us:.0} | {cpu_us:.0} | {ratio:.2} | {megabytes:.0} |"
        );
    }
    Ok(())
}

/// Starts a server, and waits until it answers.
fn start(peer: &Peer, model: &Model, environments: &Path) -> Result<Server, Error> {
    eprintln!("peers: starting {}", peer.name);
    let address = free_address()?;
    let path = environments.join(format!("{}.log", peer.name));
    let log = File::create(&path)?;
    let mut command = Command::new(sources().join("start"));
    command.arg(peer.name).arg(address.port().to_string()).arg(environments);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut server = Server::other(command, address)?;
    let (started, body) = (Instant::now(), peer.wire.body(model, &model.records(1)));
    loop {
        let Err(error) = post(address, PATH, &body) else { return Ok(server) };
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
    fn new(model: &Model, title: &str, server: Server, wire: Wire, rtol: f64) -> Result<Self, Error> {
        let fields = &model.description.card.schema.outputs;
        let mut golden = model.description.golden.clone();
        golden.rtol = rtol;
        for example in &golden.examples {
            let answer = post(server.prediction, PATH, &wire.body(model, &example.inputs))?;
            let answer: Value = serde_json::from_slice(&answer)?;
            let riders = answer.pointer("/outputs/0/data").and_then(Value::as_array).ok_or("an answer without data")?;
            let got: Vec<_> = riders.iter().map(|riders| Map::from_iter([("riders".into(), riders.clone())])).collect();
            let (_, expected) = example.batches(&model.description.card.schema)?;
            let got = batch_from_records(fields, &got)?;
            if got.rows != expected.rows {
                return Err(format!("{title}: {} answers for {} rows", got.rows, expected.rows).into());
            }
            if let Some(difference) = differences(fields, &golden, &expected, &got).first() {
                return Err(format!("{title}, {}: {difference}", example.name).into());
            }
        }
        Ok(Self { title: title.to_owned(), server, body: wire.body(model, &model.records(1)) })
    }
}

impl Wire {
    fn body(self, model: &Model, records: &[Map<String, Value>]) -> Vec<u8> {
        let rows = records.len() as u64;
        let request = match self {
            Self::Lists => model.v2_request(records, |field| field.batch_shape(rows)),
            Self::Matrices => model.v2_request(records, |_| vec![rows, 1]).replace("null", "NaN"),
        };
        request.into_bytes()
    }
}

/// An address that nobody listens on: not all of these servers choose one and
/// say which.
fn free_address() -> Result<SocketAddr, Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
