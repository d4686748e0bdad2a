//! `scry demo`: the main job in one go, on the screen.
//!
//! Builds the embedded examples, runs a host in this process, and drives it
//! through its own interfaces, as a user would.

use super::client::{Client, read};
use super::new::{write_changed, write_dir, write_sdk};
use super::predict::{card, infer_path, v2_request};
use super::progress::Progress;
use super::{CliError, local_sandbox, serve};
use crate::config::Config;
use crate::server::{Bound, Stop};
use include_dir::{Dir, include_dir};
use scry_build::{Request, build, ensure_target};
use scry_card::batch_from_records;
use scry_catalog::Reference;
use scry_sandbox::Sandbox;
use scry_store::{Store, admin_token_path};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

static EXAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../examples");

/// The examples' workspace, as the demo lays it out.
const WORKSPACE: &str =
    "[workspace]\nresolver = \"3\"\nmembers = [\"guest-sdk\", \"examples/*\"]\nexclude = [\"examples/python\"]\n";
/// How often the live version changes while requests run.
const SWAPS: u32 = 40;
/// Clients that send requests meanwhile.
const CLIENTS: usize = 4;

/// Show the whole of it: build, serve, break, fall back, swap under load.
///
/// Adds the wasm32-wasip2 target when it is missing, builds the example models
/// from source, publishes them into a host of its own, predicts, then deploys a
/// version that traps and one that loops forever, and at last swaps versions
/// under load. Leaves the host up, with commands to try.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry demo --once")]
pub(super) struct Args {
    /// Exit at the end instead of leaving the host up.
    #[arg(long)]
    once: bool,
    /// The demo's own folder: sources, builds and store.
    #[arg(long, value_name = "DIR", default_value = "scry-demo")]
    data: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    std::fs::create_dir_all(&args.data).map_err(|e| format!("{}: {e}", args.data.display()))?;
    let data = args.data.canonicalize()?;
    let components = build_examples(&data.join("sources"))?;
    let host = DemoHost::start(&data.join("store"), !args.once)?;
    let client = &host.client;

    title("Publishing: verified, compiled, golden examples run in the sandbox");
    for name in ["bikeshare-linear", "bikeshare", "digits"] {
        publish(client, component(&components, name)?, name)?;
    }
    deploy(client, &json!({ "fallback": [{ "model": "bikeshare-linear" }, { "constant": { "riders": 143.8 } }] }))?;
    println!("bikeshare falls back to bikeshare-linear, then to a constant");

    title("Predicting: each request in a fresh sandbox");
    let url = client.prediction_url()?;
    predict(client, &url, "digits", &golden_row("digits")?)?;
    predict(client, &url, "bikeshare", &hour(8))?;

    title("A version that traps at four in the morning passed its golden examples");
    publish(client, component(&components, "traps")?, "bikeshare")?;
    deploy(client, &json!({ "to": "2" }))?;
    predict(client, &url, "bikeshare", &hour(12))?;
    predict(client, &url, "bikeshare", &hour(4))?;

    title("A version that loops forever is stopped inside the deadline of 300 ms");
    publish(client, component(&components, "loops")?, "bikeshare")?;
    deploy(client, &json!({ "to": "3" }))?;
    predict(client, &url, "bikeshare", &hour(4))?;

    title("Swapping versions under load");
    swap_under_load(client, &url)?;
    if args.once {
        return host.stop();
    }
    println!("\nThe host is up; Ctrl-C ends it. In another terminal:\n");
    println!("  export SCRY_ADMIN={} SCRY_ADMIN_TOKEN={}", client.url(), client.token());
    println!("  scry models");
    println!("  echo '{}' | scry predict bikeshare --input -", Value::Object(hour(8)));
    println!("  curl {url}/v2/models/digits");
    println!("  curl -H \"authorization: Bearer $SCRY_ADMIN_TOKEN\" $SCRY_ADMIN/metrics");
    println!("  scry new churn");
    println!("\n(`scry` is {})", std::env::current_exe()?.display());
    host.wait()
}

fn title(text: &str) {
    println!("\n== {text}");
}

/// Lays out the embedded sources and builds every component the demo needs.
fn build_examples(sources: &Path) -> Result<BTreeMap<&'static str, Vec<u8>>, CliError> {
    title("Building the example models from source");
    ensure_target()?;
    write_sdk(sources)?;
    write_dir(&sources.join("examples"), &EXAMPLES)?;
    write_changed(&sources.join("Cargo.toml"), WORKSPACE.as_bytes())?;
    if !sources.join("Cargo.lock").exists() {
        write_changed(&sources.join("Cargo.lock"), super::new::LOCK)?;
    }
    let sandbox = local_sandbox(&Config::default())?;
    let mut built = BTreeMap::new();
    for (name, dir, features) in [
        ("bikeshare-linear", "bikeshare-linear", ""),
        ("bikeshare", "bikeshare", ""),
        ("digits", "digits", ""),
        ("traps", "bikeshare-faulty", "traps"),
        ("loops", "bikeshare-faulty", "loops"),
    ] {
        built.insert(name, build_example(&sandbox, &sources.join("examples").join(dir), name, features)?);
    }
    Ok(built)
}

fn build_example(sandbox: &Sandbox, dir: &Path, name: &str, features: &str) -> Result<Vec<u8>, CliError> {
    let started = Instant::now();
    let request = Request {
        dir: dir.to_owned(),
        features: features.split_terminator(',').map(str::to_owned).collect(),
        ..Request::default()
    };
    let progress = Progress::start();
    let (bytes, description) = build(sandbox, &request, |step| progress.step(&format!("{name}: {}", step.label())))?;
    drop(progress);
    let digest = description.digest.to_string();
    let short = digest.get(..19).unwrap_or(&digest);
    println!("{name:<18} {:>8} bytes  {short}…  {:.1} s", bytes.len(), started.elapsed().as_secs_f64());
    Ok(bytes)
}

fn component<'a>(built: &'a BTreeMap<&str, Vec<u8>>, name: &str) -> Result<&'a [u8], CliError> {
    Ok(built.get(name).ok_or_else(|| format!("`{name}` was not built"))?)
}

/// A host in this process, on a store of its own.
struct DemoHost {
    client: Client,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl DemoHost {
    /// Starts on the usual ports, or on free ones when those are taken.
    fn start(store: &Path, until_interrupted: bool) -> Result<Self, CliError> {
        // Opened once to be sure that no other demo is running on it.
        drop(Store::open(store)?);
        std::fs::remove_dir_all(store).map_err(|e| format!("{}: {e}", store.display()))?;
        let mut config = Config { data_dir: store.to_owned(), ..Config::default() };
        config.log.level = "error".into();
        crate::telemetry::init_log(&config.log)?;
        for listen in [&mut config.prediction.listen, &mut config.admin.listen] {
            if std::net::TcpListener::bind(*listen).is_err() {
                listen.set_port(0);
            }
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, bound) = mpsc::channel::<Bound>();
        let thread = std::thread::spawn(move || serve_until(&config, ready, stopped, until_interrupted));
        let Ok(bound) = bound.recv() else {
            let ended = thread.join().unwrap_or_else(|_| Err("the host panicked".into()));
            return Err(ended.err().unwrap_or_else(|| "the host ended at once".into()).into());
        };
        let token = std::fs::read_to_string(admin_token_path(store))?;
        Ok(Self { client: Client::new(&bound.admin.to_string(), token.trim().to_owned()), stop, thread })
    }

    fn stop(self) -> Result<(), CliError> {
        // The host may have ended already; then `wait` says why.
        let _ = self.stop.send(());
        join(self.thread)
    }

    /// Until the user ends it.
    fn wait(self) -> Result<(), CliError> {
        let Self { stop: _keep, thread, .. } = self;
        join(thread)
    }
}

fn join(thread: JoinHandle<Result<(), String>>) -> Result<(), CliError> {
    thread.join().map_err(|_| "the host panicked; this is a bug in scry")?.map_err(Into::into)
}

fn serve_until(
    config: &Config,
    ready: mpsc::Sender<Bound>,
    mut stopped: oneshot::Receiver<()>,
    until_interrupted: bool,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let served = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
        let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
        let stop = async move || {
            tokio::select! {
                _ = interrupt.recv(), if until_interrupted => {}
                _ = terminate.recv() => {}
                _ = &mut stopped, if !stopped.is_terminated() => {}
            }
            // No request of others is at stake.
            Stop::Promptly
        };
        // The demo may have given up already; then nobody listens.
        let announce = move |bound| {
            let _ = ready.send(bound);
        };
        serve::host(config, announce, stop).await.map_err(|e| e.to_string())
    });
    runtime.shutdown_background();
    served
}

fn publish(client: &Client, bytes: &[u8], name: &str) -> Result<(), CliError> {
    let started = Instant::now();
    let published: Value = client.post(&format!("/v1/models?name={name}"), bytes)?;
    let version = published.get("version").cloned().unwrap_or_default();
    println!("published {name}@{version} in {} ms", started.elapsed().as_millis());
    Ok(())
}

fn deploy(client: &Client, change: &Value) -> Result<(), CliError> {
    let _: Value = client.post("/v1/models/bikeshare/deploy", change.to_string().as_bytes())?;
    Ok(())
}

fn hour(hour: i64) -> Map<String, Value> {
    let row = json!({
        "hour": hour, "weekday": 3, "month": 6, "holiday": false, "working_day": true, "weather": "clear",
        "temperature": 0.62, "felt_temperature": null, "humidity": 0.5, "wind_speed": 0.2,
    });
    row.as_object().cloned().unwrap_or_default()
}

/// The first row of an example's golden examples.
fn golden_row(example: &str) -> Result<Map<String, Value>, CliError> {
    let file = EXAMPLES.get_file(format!("{example}/golden.json")).ok_or("the example has no golden.json")?;
    let golden: scry_card::Golden = scry_card::strict::from_slice(file.contents())?;
    let row = golden.examples.first().and_then(|example| example.inputs.first()).cloned();
    Ok(row.ok_or("the example has no rows")?)
}

fn request(client: &Client, model: &str, row: &Map<String, Value>) -> Result<String, CliError> {
    let card = card(client, model)?;
    let batch = batch_from_records(&card.schema.inputs, std::slice::from_ref(row))?;
    v2_request(&card.schema.inputs, &batch)
}

/// One request, and its answer on one line.
fn predict(client: &Client, url: &str, model: &str, row: &Map<String, Value>) -> Result<(), CliError> {
    let body = request(client, model, row)?;
    let path = infer_path(&model.parse::<Reference>()?);
    let started = Instant::now();
    let answer: Value = read(client.infer(url, &path, body.as_bytes())?)?;
    let took = started.elapsed();
    let parameter = |name: &str| answer.pointer(&format!("/parameters/{name}")).and_then(Value::as_str).unwrap_or("-");
    let first = answer.pointer("/outputs/0");
    let part = |key: &str| first.and_then(|output| output.pointer(key)).cloned().unwrap_or_default();
    let asked = row.get("hour").map_or_else(String::new, |hour| format!(" at {hour}:00"));
    print!("{model}{asked}: {} = {}", part("/name").as_str().unwrap_or_default(), part("/data/0"));
    print!("  from {}@{}", parameter("scry-model"), parameter("scry-version"));
    match parameter("scry-degraded") {
        "-" => println!("  in {:.1} ms", took.as_secs_f64() * 1e3),
        reason => println!("  DEGRADED ({reason})  in {:.1} ms", took.as_secs_f64() * 1e3),
    }
    Ok(())
}

/// Deploys back and forth while clients send requests; every answer counts.
fn swap_under_load(client: &Client, url: &str) -> Result<(), CliError> {
    let body = request(client, "bikeshare", &hour(12))?;
    let path = infer_path(&"bikeshare".parse::<Reference>()?);
    let (done, failed) = (AtomicBool::new(false), AtomicU64::new(0));
    deploy(client, &json!({ "to": "1" }))?;
    let (by_version, swaps) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let client = Client::new(client.url(), String::new());
                let (body, path, done, failed) = (&body, &path, &done, &failed);
                scope.spawn(move || send_until(&client, url, path, body, done, failed))
            })
            .collect();
        let mut swaps: Result<(), String> = Ok(());
        for i in 0..SWAPS {
            std::thread::sleep(Duration::from_millis(25));
            let to = if i % 2 == 0 { "2" } else { "1" };
            swaps = swaps.and_then(|()| deploy(client, &json!({ "to": to })).map_err(|e| e.to_string()));
        }
        done.store(true, Ordering::Relaxed);
        let mut total = BTreeMap::<String, u64>::new();
        for answers in clients.into_iter().filter_map(|client| client.join().ok()) {
            answers.into_iter().for_each(|(version, count)| *total.entry(version).or_default() += count);
        }
        (total, swaps)
    });
    swaps?;
    let requests: u64 = by_version.values().sum();
    let failed = failed.load(Ordering::Relaxed);
    let versions: Vec<_> = by_version.iter().map(|(version, count)| format!("{count} by {version}")).collect();
    println!(
        "{SWAPS} swaps during {} requests ({}); failed requests: {failed}",
        requests + failed,
        versions.join(", ")
    );
    if failed == 0 { Ok(()) } else { Err(format!("{failed} requests failed during the swaps").into()) }
}

/// Sends requests until told to stop; returns how many each version answered.
fn send_until(
    client: &Client,
    url: &str,
    path: &str,
    body: &str,
    done: &AtomicBool,
    failed: &AtomicU64,
) -> BTreeMap<String, u64> {
    let mut by_version = BTreeMap::new();
    while !done.load(Ordering::Relaxed) {
        let answer = client.infer(url, path, body.as_bytes()).and_then(read::<Value>);
        let version = answer.as_ref().ok().and_then(|answer| answer.pointer("/parameters/scry-version")?.as_str());
        let degraded = answer.as_ref().is_ok_and(|answer| answer.pointer("/parameters/scry-degraded").is_some());
        match version {
            Some(version) if !degraded => *by_version.entry(format!("version {version}")).or_default() += 1,
            _ => {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    by_version
}
