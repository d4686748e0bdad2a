//! `scry serve`

use super::{CliError, compile_settings};
use crate::config::{Config, resolve};
use crate::recording::Recording;
use crate::registry::Registry;
use crate::server::{Bound, Stop, serve};
use crate::telemetry::{Metrics, init_log};
use scry_os::memory::small_pages;
use scry_os::threads::be_prompt;
use scry_sandbox::{Sandbox, SandboxSettings};
use scry_scheduler::{thread_woke, threads_max};
use scry_store::Store;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Run a host until SIGTERM or Ctrl-C, then let requests finish.
///
/// After SIGTERM it says that it is not ready and goes on answering for
/// `shutdown.grace_ms`, so that others can take over; a second signal ends it at once.
///
/// Prints one line on stdout when it is ready:
/// `ready prediction=http://ADDR admin=http://ADDR`, and `metrics=http://ADDR` where that is
/// configured; `https` where a listener has a certificate. Logs go to stderr.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Example:\n  scry serve --config scry.toml --listen 0.0.0.0:8080")]
pub(super) struct Args {
    /// The configuration; every key in it is optional.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for components, state and cache [default: scry-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where predictions are answered; port 0 takes a free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", env = "SCRY_LISTEN", value_parser = resolve)]
    listen: Option<SocketAddr>,
    /// The model that `/invocations` asks, as SageMaker and MLflow do [default: the only one].
    #[arg(long, value_name = "MODEL")]
    default_model: Option<String>,
    /// Where changes are made; port 0 takes a free one [default: 127.0.0.1:8081].
    #[arg(long, value_name = "ADDR", env = "SCRY_ADMIN_LISTEN", value_parser = resolve)]
    admin_listen: Option<SocketAddr>,
    /// The admin token [default: the configured one, else one made on first start].
    #[arg(long, value_name = "TOKEN", env = "SCRY_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
    /// Print the line on stdout as JSON: `prediction`, `admin` and perhaps `metrics`, the addresses.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let config = args.config()?;
    init_log(&config.log)?;
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if args.admin_listen.is_none() && std::env::var_os("SCRY_ADMIN").is_some() {
        tracing::warn!(
            "SCRY_ADMIN tells clients where a host is; this host listens where SCRY_ADMIN_LISTEN, `--admin-listen` or \
             `admin.listen` says: {}",
            config.admin.listen
        );
    }
    if config.compute.small_pages {
        small_pages();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.io_threads())
        .thread_keep_alive(CHANGE_THREAD_IDLE_MAX)
        .on_thread_start(be_prompt)
        .on_thread_unpark(thread_woke)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move || {
            tokio::select! { _ = terminate.recv() => Stop::Gracefully, _ = interrupt.recv() => Stop::Promptly }
        };
        host(&config, |bound| announce(&bound, args.json), stop).await
    })?;
    // A guest may still be running; the process does not wait for it.
    runtime.shutdown_background();
    Ok(())
}

/// How long a thread that made a change is kept for the next one.
const CHANGE_THREAD_IDLE_MAX: Duration = Duration::from_millis(500);
/// A shorter token gets a warning.
const TOKEN_LEN_SAFE: usize = 16;

fn announce(bound: &Bound, is_json: bool) {
    if is_json {
        let mut line = json!({ "prediction": bound.prediction.to_string(), "admin": bound.admin.to_string() });
        if let (Some(metrics), Some(line)) = (bound.metrics, line.as_object_mut()) {
            line.insert("metrics".into(), metrics.to_string().into());
        }
        return println!("{line}");
    }
    let metrics = bound.metrics.map(|metrics| format!(" metrics={metrics}")).unwrap_or_default();
    println!("ready prediction={} admin={}{metrics}", bound.prediction, bound.admin);
}

/// Opens the data folder and serves it until `stop`.
pub(super) async fn host(
    config: &Config,
    ready: impl FnOnce(Bound),
    mut stop: impl AsyncFnMut() -> Stop,
) -> Result<(), CliError> {
    let keys = config.trust.read()?;
    let store = Store::open(&config.data_dir)?;
    let token = match &config.admin.token {
        Some(token) => {
            if token.len() < TOKEN_LEN_SAFE {
                tracing::warn!("the admin token is shorter than {TOKEN_LEN_SAFE} characters: it can be guessed");
            }
            token.clone()
        }
        None => store.admin_token()?,
    };
    // Every thread that makes calls holds one instance; changes and the shadows hold a few more.
    let settings = SandboxSettings {
        instances_max: u32::try_from(threads_max(config.compute_threads()) + config.io_threads() + 8)?,
        instances_ahead_max: config.compute.instances_ahead_max,
        memory_max_bytes: config.limits.memory_max_bytes,
        compile: compile_settings(config),
        is_embedded: false,
    };
    let metrics = Arc::new(Metrics::new()?);
    let recording = Arc::new(Recording::start(config, &store, metrics.clone())?);
    let opening = config.clone();
    let open = move || Registry::open(opening, keys, store, Sandbox::new(settings)?, metrics);
    let registry = tokio::select! {
        opened = tokio::task::spawn_blocking(open) => Arc::new(opened??),
        // Nothing is served yet, and what is written may end at any point.
        _ = stop() => return Ok(()),
    };
    serve(config, registry, recording, &token, ready, stop).await?;
    Ok(())
}

impl Args {
    /// The file, with the command line on top.
    fn config(&self) -> Result<Config, CliError> {
        let mut config = Config::read(self.config.as_deref())?;
        config.prediction.take_vertex_ai(|name| std::env::var(name).ok())?;
        config.warnings.extend(config.traces.take_environment(|name| std::env::var(name).ok()));
        if let Some(data) = &self.data {
            config.data_dir.clone_from(data);
        }
        if let Some(listen) = self.listen {
            config.prediction.listen = listen;
        }
        if let Some(model) = &self.default_model {
            config.prediction.default_model = Some(model.clone());
        }
        if let Some(listen) = self.admin_listen {
            config.admin.listen = listen;
        }
        if let Some(token) = &self.admin_token {
            config.admin.token = Some(token.clone());
        }
        config.validate()?;
        Ok(config)
    }
}
