//! `scry circuit`

use super::client::{Host, segment};
use super::models::circuit;
use super::{CliError, print_json, text};
use scry_catalog::{Override, Reference};
use serde_json::{Value, json};

/// Show a version's circuit, or hold it open or closed.
///
/// A version that fails repeatedly is not called for a while: requests go
/// straight to the fallback, and one probe at a time tests whether it is well
/// again. An override belongs to this host as it runs: it is not recorded in
/// the history, and a restart ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry circuit fraud@3 --open")]
pub(super) struct Args {
    /// The version: `fraud` (the live one), `fraud@3`, `fraud@champion` or `fraud@sha256:…`.
    model: Reference,
    /// No calls, until it is told otherwise.
    #[arg(long, group = "state")]
    open: bool,
    /// Every call, however many fail.
    #[arg(long, group = "state")]
    closed: bool,
    /// As failures and probes say: ends an override. After `--open` a probe goes first.
    #[arg(long, group = "state")]
    auto: bool,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let Reference { model, version } = &args.model;
    let path = format!("/v1/models/{}/circuit", segment(model));
    let wanted = match (args.open, args.closed, args.auto) {
        (true, ..) => Some(Override::Open),
        (_, true, _) => Some(Override::Closed),
        (.., true) => Some(Override::Auto),
        _ => None,
    };
    let client = args.host.client()?;
    let shown: Value = match (wanted, version) {
        (Some(state), _) => client.post(&path, json!({ "version": version, "state": state }).to_string().as_bytes())?,
        (None, Some(version)) => client.get(&format!("{path}?version={}", segment(&version.to_string())))?,
        (None, None) => client.get(&path)?,
    };
    if args.json {
        return print_json(&shown);
    }
    println!("{model}@{}  {}", text(&shown, "version"), circuit(&shown));
    Ok(())
}
