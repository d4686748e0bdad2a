//! `scry doctor`

use super::client::{Client, Host};
use super::print::{Tone, counted, line};
use super::{CliError, list, print_json, text};
use crate::config::{Config, resolve};
use crate::doctor::{Answer, Bundle, Finding, Level, Seen, count, judge, look, write_bundle};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Look at what a host runs on, and say what to do about it.
///
/// Versions, configuration, data folder, disk, memory, open files, ports, clock, and the host, if one is running.
/// Changes nothing. Run it as the host's user, on its machine, with its options.
///
/// Exits with 1 where it finds a problem.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  scry doctor --config scry.toml\n  scry doctor --bundle report.tar.gz")]
pub(super) struct Args {
    /// The host's configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the host answers predictions, as `scry serve` takes it.
    #[arg(long, value_name = "ADDR", env = "SCRY_LISTEN", value_parser = resolve)]
    listen: Option<SocketAddr>,
    /// Where changes are made, as `scry serve` takes it.
    #[arg(long, value_name = "ADDR", env = "SCRY_ADMIN_LISTEN", value_parser = resolve)]
    admin_listen: Option<SocketAddr>,
    /// Also write what a bug report needs to this file, a `.tar.gz`: findings, versions, the configuration without
    /// secrets, the last 200 changes, and the host's metrics. Never a token, a key, or what a request said.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Print one line of JSON: `findings` (each with `about`, `level`, `found`, and `next` where there is something to
    /// do), `problems`, `warnings`, and with `--bundle` its path.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let (config, error) = args.read_config();
    let host = args.host.described_by(&config);
    let config = Config { data_dir: host.data().to_owned(), ..config };
    let client = host.client();
    let answer = match &client {
        Ok(client) => ask(client),
        Err(error) => Answer::NotAsked(error.to_string()),
    };
    let seen = look(args.config.as_deref(), &config, error, answer);
    let findings = judge(&seen);
    let bundled = args.write_bundle(&seen, &findings, &config, client.ok().as_ref())?;
    let (problems, warnings) = (count(&findings, Level::Problem), count(&findings, Level::Warning));
    if args.json {
        let mut answer = json!({ "findings": findings, "problems": problems, "warnings": warnings });
        if let (Some(path), Some(members)) = (&args.bundle, answer.as_object_mut()) {
            members.insert("bundle".into(), json!(path));
        }
        print_json(&answer)?;
    } else {
        findings.iter().for_each(show);
        if let Some(path) = &args.bundle {
            println!("{}: {}; read it before you send it", path.display(), bundled.join(", "));
        }
    }
    match problems {
        0 => Ok(()),
        _ => Err(format!("{} found", counted(problems as u64, "problem")).into()),
    }
}

fn show(finding: &Finding) {
    let tone = match finding.level {
        Level::Ok => Tone::Good,
        Level::Warning => Tone::Warn,
        Level::Problem => Tone::Bad,
    };
    // What has several lines stays in its column.
    let in_column = |text: &str| text.replace('\n', &format!("\n{:<25}", ""));
    let told = format!("{:<16} {}", finding.about, in_column(&finding.found));
    for (at, told) in told.lines().enumerate() {
        match at {
            0 => line(&[(tone, &format!("{:<8}", finding.level.name())), (Tone::Plain, told)]),
            _ => line(&[(Tone::Plain, told)]),
        }
    }
    if let Some(next) = &finding.next {
        line(&[(Tone::Plain, &format!("{:<25}{next}", ""))]);
    }
}

impl Args {
    /// As `scry serve` would; where it would not start, the defaults and why.
    fn read_config(&self) -> (Config, Option<String>) {
        let read = || {
            let mut config = Config::read(self.config.as_deref())?;
            config.prediction.take_vertex_ai(|name| std::env::var(name).ok())?;
            Ok::<_, CliError>(config)
        };
        let (mut config, error) = match read() {
            Ok(config) => (config, None),
            Err(error) => (Config::default(), Some(error.to_string())),
        };
        config.prediction.listen = self.listen.unwrap_or(config.prediction.listen);
        config.admin.listen = self.admin_listen.unwrap_or(config.admin.listen);
        (config, error)
    }

    fn write_bundle(
        &self,
        seen: &Seen,
        findings: &[Finding],
        config: &Config,
        client: Option<&Client>,
    ) -> Result<Vec<&'static str>, CliError> {
        let Some(path) = &self.bundle else { return Ok(Vec::new()) };
        let configuration = self.config.as_deref().and_then(|file| std::fs::read_to_string(file).ok());
        let metrics = client.and_then(|client| client.get_text("/metrics").ok());
        let bundle = Bundle {
            seen,
            findings,
            configuration: configuration.as_deref(),
            metrics: metrics.as_deref(),
            secrets: &secrets(config, client),
        };
        Ok(write_bundle(&bundle, path)?)
    }
}

/// The secrets at hand.
fn secrets(config: &Config, client: Option<&Client>) -> Vec<String> {
    let admin = &config.admin;
    let mut secrets: Vec<String> = admin.token.iter().chain(admin.tokens.values()).cloned().collect();
    secrets.extend(client.map(|client| client.token().to_owned()));
    secrets.extend(["SCRY_TOKEN", "SCRY_ADMIN_TOKEN"].iter().filter_map(|name| std::env::var(name).ok()));
    secrets
}

/// What a host says of itself.
fn ask(client: &Client) -> Answer {
    // Without a user's name and password.
    let url = client.url();
    let url = match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    };
    let asked = || Ok::<(Value, Value), CliError>((client.get("/v1/state")?, client.get("/v1/models")?));
    let (state, models) = match asked() {
        Ok(answers) => answers,
        Err(error) => return Answer::Silent { why: error.to_string().replace(client.url(), &url), url },
    };
    let mut answer = (Vec::new(), Vec::new());
    for model in list(&models, "models") {
        for version in list(model, "versions") {
            let name = format!("{}@{}", text(model, "model"), text(version, "version"));
            let state = text(version, "state");
            if !["ready", "cold"].contains(&state.as_str()) {
                answer.0.push(format!("{name} ({state})"));
            }
            if version.get("circuit").is_some_and(|circuit| text(circuit, "state") == "open") {
                answer.1.push(name);
            }
        }
    }
    let (unavailable, open) = answer;
    Answer::Says {
        url,
        version: text(&state, "version"),
        state: state.get("number").and_then(Value::as_u64).unwrap_or_default(),
        prediction: text(&state, "prediction"),
        damage: list(&state, "damage").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        unavailable,
        open,
    }
}
