//! The command line: one file a command, each a thin path to the rooms that do
//! the work.
//!
//! Exit codes: 0 done, 1 the work failed, 2 the command line is wrong.

#[macro_use]
mod print;

mod apply;
mod build;
mod circuit;
mod client;
mod compile_worker;
mod demo;
mod deploy;
mod drift;
mod export;
mod gc;
mod history;
mod inspect;
mod models;
mod new;
mod placeholder;
mod predict;
mod profile;
mod progress;
mod publish;
mod reference;
mod rollback;
mod schema;
mod serve;
mod test;
mod transform;
mod withdraw;

use crate::config::{Compile, Config};
use crate::sandbox::{CompileSettings, Sandbox, SandboxError, SandboxSettings};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What a command fails with; shown as it is.
type CliError = Box<dyn std::error::Error>;

/// Serve machine-learning predictions from sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "scry", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start here:
  scry demo                      build, publish, predict, break, survive: in one go
  scry new churn                 a model's crate to start from
  scry build churn -o churn.wasm
  scry serve                     a host on 127.0.0.1:8080, its admin listener on 8081
  scry publish churn.wasm
  scry predict churn --input rows.json

Exit codes: 0 done, 1 the work failed, 2 the command line is wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a model's crate that builds, tests and predicts as it stands.
    New(new::Args),
    /// Build a crate into one sealed component.
    Build(build::Args),
    /// Show what a component says of itself, without running it.
    Inspect(inspect::Args),
    /// Run a component's golden examples in the host's own sandbox.
    Test(test::Args),
    /// Say what training data looks like, or whether two sets of it differ.
    Profile(Box<profile::Args>),
    /// Run a component's feature pipeline over a file.
    Transform(transform::Args),
    /// Print the JSON Schema of a model's files.
    Schema(schema::Args),
    /// Run a host.
    Serve(serve::Args),
    /// Give a component to a host, or to a registry.
    Publish(publish::Args),
    /// Choose which version is live, what stands in for it, and its limits.
    Deploy(Box<deploy::Args>),
    /// Bring a model, or all of them, back to an earlier state.
    Rollback(rollback::Args),
    /// Show who changed what, when, from and to.
    History(history::Args),
    /// Show a version's circuit, or hold it open or closed.
    Circuit(circuit::Args),
    /// Show how live rows differ from training data, alarm or not.
    Drift(drift::Args),
    /// Stop serving a model; its versions stay.
    Withdraw(withdraw::Args),
    /// Write what runs as one document.
    Export(export::Args),
    /// Bring a host to what a document says.
    Apply(apply::Args),
    /// Remove components that nothing refers to.
    Gc(gc::Args),
    /// List the models of a host.
    Models(models::Args),
    /// Send rows to a model.
    Predict(predict::Args),
    /// Compile what a host sends; for hosts only.
    #[command(hide = true)]
    CompileWorker(compile_worker::Args),
    /// Show the whole of it: build, serve, break, fall back, swap under load.
    Demo(demo::Args),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::New(args) => new::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Transform(args) => transform::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Rollback(args) => rollback::run(&args),
        Command::History(args) => history::run(&args),
        Command::Circuit(args) => circuit::run(&args),
        Command::Drift(args) => drift::run(&args),
        Command::Withdraw(args) => withdraw::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Apply(args) => apply::run(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::CompileWorker(args) => compile_worker::run(&args),
        Command::Demo(args) => demo::run(&args),
    };
    match result.and_then(|()| print::finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A host's configuration, for a command's own use.
fn read_config(path: Option<&std::path::Path>) -> Result<Config, CliError> {
    let config = Config::read(path)?;
    config.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    Ok(config)
}

/// A sandbox for one command's own use, with the host's settings.
fn local_sandbox(config: &Config) -> Result<Sandbox, SandboxError> {
    Sandbox::new(SandboxSettings {
        instances_max: 4,
        instances_ahead_max: 0,
        memory_max_bytes: config.limits.memory_max_bytes,
        quiet_cores: 0,
        compile: compile_settings(config),
    })
}

/// Where this program compiles, and within which limits.
fn compile_settings(config: &Config) -> CompileSettings {
    let &Compile { processes_max, memory_max_bytes, cpu_max_s, code_max_bytes, .. } = &config.compile;
    let program = Some(CompileSettings::this_program());
    CompileSettings { program, processes_max, memory_max_bytes, cpu_max_s, code_max_bytes }
}

/// A part of an answer, as text.
fn text(value: &serde_json::Value, key: &str) -> String {
    match value.get(key) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A list in an answer; none where there is none.
fn list<'a>(value: &'a serde_json::Value, key: &str) -> &'a [serde_json::Value] {
    value.get(key).and_then(serde_json::Value::as_array).map_or(&[], Vec::as_slice)
}

/// A time as people read it, in UTC.
fn time(unix_ms: Option<&serde_json::Value>) -> String {
    let time = unix_ms.and_then(serde_json::Value::as_i64).and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

/// Shows each gate that a change passed, and its time.
fn print_gates(answer: &serde_json::Value) {
    for gate in list(answer, "gates") {
        let ms = gate.get("ms").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
        let version = format!("{}@{}", text(gate, "model"), text(gate, "version"));
        println!("  {:<8} {version:<20} {ms:>9.1} ms  {}", text(gate, "gate"), text(gate, "note"));
    }
}

/// Prints a value as one line of JSON on stdout.
fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}
