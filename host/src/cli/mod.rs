//! The command line: one file a command, each a thin path to the rooms that do
//! the work.
//!
//! Exit codes: 0 done, 1 the work failed, 2 the command line is wrong.

#[macro_use]
mod print;

mod apply;
mod backup;
mod bench;
mod build;
mod cache;
mod circuit;
mod client;
mod comparison;
mod compile_worker;
mod completions;
mod demo;
mod deploy;
mod doctor;
mod drift;
mod errors;
mod export;
mod failure;
mod form;
mod gc;
mod history;
mod import;
mod inspect;
mod keygen;
mod man;
mod models;
mod new;
mod oci;
mod placeholder;
mod predict;
mod profile;
mod progress;
mod publish;
mod reference;
mod restore;
mod rollback;
mod schema;
mod serve;
mod served_models;
mod sign;
mod suggest;
mod table;
mod test;
mod tls;
mod token;
mod transform;
mod withdraw;

use crate::config::{Compile, Config};
use anstream::ColorChoice;
use clap::{CommandFactory, Parser, Subcommand};
use scry_names::text::whole_number;
use scry_sandbox::{CompileSettings, Sandbox, SandboxError, SandboxSettings};
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;

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

Exit codes: 0 done, 1 the work failed, 2 the command line is wrong, 3 the data is refused,
4 a difference is found by `test` or by `profile --compare --fail-on-drift`.

With `--json` an answer is one line on stdout, and an error is one line on stderr, its last:
{\"error\": {\"kind\": …, \"message\": …}}, of the kind usage, configuration, data, unreachable,
refused (by the host, with its `status` and `reason`), differs or failed.

Colors are for terminals; NO_COLOR=1 and TERM=dumb switch them off.";

/// What each does, its own file says.
#[derive(Debug, Subcommand)]
enum Command {
    New(new::Args),
    Build(build::Args),
    Import(import::Args),
    Inspect(inspect::Args),
    Test(test::Args),
    Bench(bench::Args),
    Profile(Box<profile::Args>),
    Transform(transform::Args),
    Schema(schema::Args),
    Serve(serve::Args),
    Keygen(keygen::Args),
    Sign(sign::Args),
    Publish(publish::Args),
    Deploy(Box<deploy::Args>),
    Rollback(rollback::Args),
    History(history::Args),
    Circuit(circuit::Args),
    Errors(errors::Args),
    Drift(drift::Args),
    Withdraw(withdraw::Args),
    Export(export::Args),
    Apply(apply::Args),
    Gc(gc::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Doctor(doctor::Args),
    Models(models::Args),
    Token(token::Args),
    Predict(predict::Args),
    /// Compile what a host sends; for hosts only.
    #[command(hide = true)]
    CompileWorker(compile_worker::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// A whole number as it is written everywhere else: digits, without a sign or zeros before them.
fn number<T: FromStr>(text: &str) -> Result<T, String> {
    whole_number(text).ok_or_else(|| "expected a whole number".to_owned())
}

/// Runs the command line.
pub fn main() -> ExitCode {
    // Where the variable `CI` is set, anstream takes every terminal for one that has colors.
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        ColorChoice::Never.write_global();
    }
    let is_json = failure::wants_json(std::env::args_os());
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if is_json && error.use_stderr() => {
            return failure::print_usage(&error);
        }
        Err(error) => error.exit(),
    };
    let result = match cli.command {
        Command::New(args) => new::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Transform(args) => transform::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Rollback(args) => rollback::run(&args),
        Command::History(args) => history::run(&args),
        Command::Circuit(args) => circuit::run(&args),
        Command::Errors(args) => errors::run(&args),
        Command::Drift(args) => drift::run(&args),
        Command::Withdraw(args) => withdraw::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Apply(args) => apply::run(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::CompileWorker(args) => compile_worker::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
    };
    match result.and_then(|()| print::finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::print(&error, is_json),
    }
}

/// A host's configuration, for a command's own use.
fn read_config(path: Option<&Path>) -> Result<Config, CliError> {
    let config = Config::read(path)?;
    config.warnings.iter().for_each(|warning| warn(warning));
    Ok(config)
}

/// A file's bytes.
fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| in_file(path, error))
}

/// An error that names its file.
fn in_file(path: &Path, error: impl std::fmt::Display) -> CliError {
    format!("{}: {error}", path.display()).into()
}

/// What a command goes on in spite of.
fn warn(warning: &str) {
    print::labelled(print::Tone::Warn, "warning:", format_args!("{warning}"));
}

/// A sandbox for one command's own use, with the host's settings.
fn local_sandbox(config: &Config) -> Result<Sandbox, SandboxError> {
    Sandbox::new(local_settings(config))
}

fn local_settings(config: &Config) -> SandboxSettings {
    SandboxSettings {
        instances_max: 4,
        instances_ahead_max: 0,
        memory_max_bytes: config.limits.memory_max_bytes,
        compile: compile_settings(config),
        is_embedded: false,
    }
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
