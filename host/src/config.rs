//! The configuration file, parsed whole before anything starts.
//!
//! Every key is optional; an unknown one is an error. Never read again later.

mod clients;
mod compute;
mod defaults;
mod errors;
mod listen;
mod log;
mod retired;
mod security;
mod traces;
mod trust;

pub use listen::resolve;

pub use clients::ANY_ORIGIN;
pub use compute::{Compile, Compute};
pub use errors::Errors;
pub use log::{AccessFormat, AccessLines, Log, LogFormat};
pub use security::{Access, MetricsListener, Tls};
pub use traces::{TraceEnvironment, TraceProtocol, Traces};
pub use trust::Trust;

use retired::{RETIRED, Retired, take_out};
use scry_card::{Detail, Echo};
use scry_names::is_registry;
use scry_names::text::check_tables;
use scry_store::RegistrySettings;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Everything that `scry serve --config FILE` can set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder for components, state and cache. Default `scry-data`.
    pub data_dir: PathBuf,
    /// The listener that answers predictions.
    pub prediction: Listener,
    /// The listener that changes what is served.
    pub admin: Admin,
    /// Who may do what.
    pub access: Access,
    /// Whose components are taken.
    pub trust: Trust,
    /// The listener for metrics alone.
    pub metrics: MetricsListener,
    /// The registries that components are pulled from.
    pub registries: Registries,
    /// What is kept ready.
    pub catalog: Catalog,
    /// What is remembered of changes.
    pub history: History,
    /// The file that says what should run.
    pub desired_state: DesiredState,
    /// The threads that run guests.
    pub compute: Compute,
    /// The processes that compile components.
    pub compile: Compile,
    /// What a prediction may use, where its deployment does not say.
    pub limits: Limits,
    /// What is said of inputs that fail a check, and what live rows are compared with.
    pub validation: Validation,
    /// What is kept of predictions that fail.
    pub errors: Errors,
    /// The log on stderr, and the access log.
    pub log: Log,
    /// Where the spans of predictions go.
    pub traces: Traces,
    /// How a host ends.
    pub shutdown: Shutdown,
    /// Warnings about the file, for the log.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// `[prediction]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// Address and port; port 0 takes a free one. Default `127.0.0.1:8080`.
    #[serde(deserialize_with = "listen::address")]
    pub listen: SocketAddr,
    /// Largest request body, in bytes. Default 16 MiB.
    pub body_max_bytes: usize,
    /// How long a request's body may take to arrive, in milliseconds. Default 10,000.
    pub body_timeout_ms: u64,
    /// Connections that may be open at once; one more is told to come back.
    /// Default 4,096.
    pub connections_max: usize,
    /// How long a request's head may take to arrive, from the connection or its
    /// first byte, in milliseconds. Default 5,000.
    pub header_timeout_ms: u64,
    /// How long a connection may stay open between requests, in milliseconds.
    /// Default 60,000.
    pub idle_timeout_ms: u64,
    /// How long a client may take nothing of an answer, in milliseconds.
    /// Default 10,000.
    pub write_timeout_ms: u64,
    /// The model that `/invocations` asks. Default: the only one.
    pub default_model: Option<String>,
    /// Another path that does what `/invocations` does. Default none.
    pub predict_path: Option<String>,
    /// Another path that does what `/ping` does. Default none.
    pub health_path: Option<String>,
    /// Sites whose pages may ask, as `https://example.com`; `*` is any. Default none.
    pub cors_origins: Vec<String>,
    /// The certificate of a listener that speaks TLS. Default none: it does not.
    pub tls: Option<Tls>,
}

/// `[admin]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address and port; port 0 takes a free one. Default `127.0.0.1:8081`.
    #[serde(deserialize_with = "listen::address")]
    pub listen: SocketAddr,
    /// Bearer token. Default: `SCRY_ADMIN_TOKEN`, else made on first start and
    /// kept in the data folder.
    pub token: Option<String>,
    /// More tokens, by the names that the history shows for them. The one
    /// above is `admin`.
    pub tokens: BTreeMap<String, String>,
    /// Largest component, in bytes. Default 64 MiB.
    pub component_max_bytes: usize,
    /// As for predictions. Default 64.
    pub connections_max: usize,
    /// As for predictions, in milliseconds. Default 5,000.
    pub header_timeout_ms: u64,
    /// As for predictions, in milliseconds. Default 60,000.
    pub idle_timeout_ms: u64,
    /// As for predictions, in milliseconds. Default 10,000.
    pub write_timeout_ms: u64,
    /// Names under which clients reach this listener, beside loopback and its address. Default none.
    pub hosts: Vec<String>,
    /// As for predictions.
    pub tls: Option<Tls>,
}

/// `[registries]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registries {
    /// How long a pull or a push may take, in milliseconds. Default 60,000.
    pub timeout_ms: u64,
    /// Hosts that are spoken to without TLS, as `host` or `host:port`. Loopback
    /// always is. Default none.
    pub plain_http: Vec<String>,
}

/// `[catalog]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Catalog {
    /// Models that a host may hold, withdrawn ones included. Default 10,000.
    pub models_max: usize,
    /// The newest versions of a model that can be called by number before they
    /// are deployed. Default 2.
    pub versions_warm: usize,
    /// How long the golden examples of a version may take together, in
    /// milliseconds. Default 60,000.
    pub golden_max_ms: u64,
}

/// `[history]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// How long `scry gc` keeps a change, and the components that its state
    /// names, in days. Default 90.
    pub retention_days: u64,
    /// How many changes `scry gc` keeps at most.
    pub changes_max: usize,
}

/// `[desired_state]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DesiredState {
    /// A document as `scry export` writes it; applied when its content changes.
    pub file: Option<PathBuf>,
    /// How often the document is looked at, in milliseconds. Default 1,000.
    pub poll_ms: u64,
}

/// `[limits]`, and per deployment.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// From the request's arrival to its answer, fallbacks included, in
    /// milliseconds. Default 300.
    pub deadline_ms: u64,
    /// Share of the deadline kept back for a fallback that has not been measured
    /// yet, in percent. Default 25.
    pub fallback_reserve_percent: u8,
    /// What is kept back for a measured fallback: a quarter more than its p99, at least
    /// this, and 20 for a guest that ends late; in milliseconds. Default 10.
    pub fallback_reserve_min_ms: u64,
    /// Instructions, roughly, per call; 0 compiles without counting. Default
    /// 2,000,000,000.
    pub fuel: u64,
    /// Linear memory of one call, in bytes. Default 256 MiB. Also the most
    /// that a deployment may set.
    pub memory_max_bytes: u64,
    /// Answer of one call, in bytes. Default 16 MiB.
    pub output_max_bytes: u64,
    /// Calls of one model that may run at once. Default 0: as many as there
    /// are compute threads.
    pub in_flight_max: usize,
    /// Calls of one model that may wait. Default 256.
    pub queue_max: usize,
    /// How long a call may wait, in milliseconds. One that would probably wait for more
    /// than half of it is refused at once. Default 0: half of the deadline.
    pub queue_time_max_ms: u64,
    /// Rows of waiting requests that one call may answer together. Default 0:
    /// each request is a call of its own.
    pub batch_max_rows: usize,
    /// How long a request is held back for others to join it, in milliseconds.
    /// Default 0: only requests that wait anyway are joined.
    pub batch_delay_ms: u64,
    /// How long a version that fails repeatedly is not called, at first, in
    /// milliseconds; doubles up to a minute. Default 1,000.
    pub circuit_pause_ms: u64,
}

/// `[validation]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Validation {
    /// Errors that one refused request names; the others are counted. Default 16.
    pub errors_max: usize,
    /// Characters of a wrong value that its error repeats; 0: only of what type
    /// it is. Default 40.
    pub echo_max_chars: usize,
    /// Share of epochs in which an alarm may be false, of one side of one
    /// version. Default 0.01.
    pub drift_alpha: f64,
    /// Share of the requests whose features are compared with those of the
    /// training, in percent; at most four a second of a version. Default 1.5; 0
    /// compares none.
    pub skew_sample_percent: f64,
    /// How often counts are kept in the data folder, where there are new ones,
    /// in milliseconds. Default 10,000.
    pub drift_save_ms: u64,
}

impl Validation {
    /// How much is said of an error, as checks take it.
    pub fn detail(&self) -> Detail {
        Detail { errors_max: self.errors_max, echo: Echo { max_chars: self.echo_max_chars } }
    }
}

/// `[shutdown]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// How long a host goes on answering after SIGTERM while it says that it is not
    /// ready, in milliseconds. Default 5,000.
    pub grace_ms: u64,
    /// How long requests may finish after that, in milliseconds. Default 10,000.
    pub drain_ms: u64,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No such file, or it may not be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Not TOML, an unknown key, a wrong type.
    #[error("{}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, key and what was expected.
        message: String,
    },
    /// A value out of its range.
    #[error("configuration key `{key}`: expected {expected}, found {found}")]
    Value {
        /// The key.
        key: &'static str,
        /// The range.
        expected: String,
        /// The value.
        found: String,
    },
}

impl Config {
    /// How registries are asked.
    pub fn registry_settings(&self) -> RegistrySettings {
        RegistrySettings {
            timeout_ms: self.registries.timeout_ms,
            plain_http: self.registries.plain_http.clone(),
            component_max_bytes: self.admin.component_max_bytes as u64,
        }
    }

    /// Reads a file; without one, every key has its default.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Io { path: path.to_owned(), error })?;
        let config =
            Self::parse(&text, RETIRED).map_err(|message| ConfigError::Parse { path: path.to_owned(), message })?;
        config.validate()?;
        Ok(config)
    }

    fn parse(text: &str, retired: &[Retired]) -> Result<Self, String> {
        let unreadable = |e: toml::de::Error| e.to_string();
        let mut table: toml::Table = toml::from_str(text).map_err(unreadable)?;
        let warnings = take_out(&mut table, retired);
        // Where nothing is taken out, errors say in which line.
        let config = if warnings.is_empty() { toml::from_str(text) } else { table.clone().try_into() };
        let config: Self = config.map_err(unreadable)?;
        check_tables::<Self>(table.try_into().map_err(unreadable)?)?;
        Ok(Self { warnings, ..config })
    }

    /// Checks ranges that types do not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const DAY_MS: u64 = 86_400_000;
        let (prediction, admin, limits) = (&self.prediction, &self.admin, &self.limits);
        for (key, found, min, max) in [
            ("prediction.body_max_bytes", prediction.body_max_bytes as u64, 1024, u64::MAX),
            ("prediction.body_timeout_ms", prediction.body_timeout_ms, 1, DAY_MS),
            ("prediction.connections_max", prediction.connections_max as u64, 1, 1_000_000),
            ("prediction.header_timeout_ms", prediction.header_timeout_ms, 1, DAY_MS),
            ("prediction.idle_timeout_ms", prediction.idle_timeout_ms, 1, DAY_MS),
            ("prediction.write_timeout_ms", prediction.write_timeout_ms, 1, DAY_MS),
            ("admin.connections_max", admin.connections_max as u64, 1, 1_000_000),
            ("admin.header_timeout_ms", admin.header_timeout_ms, 1, DAY_MS),
            ("admin.idle_timeout_ms", admin.idle_timeout_ms, 1, DAY_MS),
            ("admin.write_timeout_ms", admin.write_timeout_ms, 1, DAY_MS),
            ("registries.timeout_ms", self.registries.timeout_ms, 1, 3_600_000),
            ("catalog.models_max", self.catalog.models_max as u64, 1, 100_000),
            ("catalog.versions_warm", self.catalog.versions_warm as u64, 0, 64),
            ("catalog.golden_max_ms", self.catalog.golden_max_ms, 1, DAY_MS),
            ("history.changes_max", self.history.changes_max as u64, 1, 1_000_000),
            ("desired_state.poll_ms", self.desired_state.poll_ms, 10, DAY_MS),
            ("compute.threads", self.compute.threads as u64, 0, 256),
            ("compute.queue_max", self.compute.queue_max as u64, 1, u64::MAX),
            ("limits.deadline_ms", limits.deadline_ms, 1, DAY_MS),
            ("limits.fallback_reserve_percent", u64::from(limits.fallback_reserve_percent), 0, 90),
            ("limits.output_max_bytes", limits.output_max_bytes, 1024, u64::MAX),
            ("limits.queue_max", limits.queue_max as u64, 1, u64::MAX),
            ("limits.queue_time_max_ms", limits.queue_time_max_ms, 0, DAY_MS),
            ("limits.fallback_reserve_min_ms", limits.fallback_reserve_min_ms, 0, DAY_MS),
            ("limits.batch_max_rows", limits.batch_max_rows as u64, 0, 1_000_000),
            ("limits.batch_delay_ms", limits.batch_delay_ms, 0, DAY_MS),
            ("limits.circuit_pause_ms", limits.circuit_pause_ms, 1, 60_000),
            ("validation.drift_save_ms", self.validation.drift_save_ms, 100, DAY_MS),
            ("compute.io_threads", self.compute.io_threads as u64, 0, 256),
            ("validation.errors_max", self.validation.errors_max as u64, 1, 1000),
            ("validation.echo_max_chars", self.validation.echo_max_chars as u64, 0, 1000),
            ("shutdown.grace_ms", self.shutdown.grace_ms, 0, DAY_MS),
            ("shutdown.drain_ms", self.shutdown.drain_ms, 0, DAY_MS),
            ("compute.instances_ahead_max", u64::from(self.compute.instances_ahead_max), 0, 1024),
        ]
        .into_iter()
        .chain(self.compile.ranges())
        .chain(self.errors.ranges())
        {
            let expected = if max == u64::MAX { format!("at least {min}") } else { format!("{min} to {max}") };
            check((min..=max).contains(&found), key, &expected, found.to_string())?;
        }
        self.errors.check()?;
        prediction.check_clients()?;
        self.trust.check()?;
        self.log.check()?;
        self.traces.check()?;
        let Validation { drift_alpha, skew_sample_percent, .. } = self.validation;
        let is_rate = (1e-9..=0.5).contains(&drift_alpha);
        check(is_rate, "validation.drift_alpha", "1e-9 to 0.5", drift_alpha.to_string())?;
        let is_share = (0.0..=100.0).contains(&skew_sample_percent);
        check(is_share, "validation.skew_sample_percent", "0 to 100", skew_sample_percent.to_string())?;
        let memory = limits.memory_max_bytes;
        check((1 << 20..=1 << 32).contains(&memory), "limits.memory_max_bytes", "1 MiB to 4 GiB", memory.to_string())?;
        let no_registry = self.registries.plain_http.iter().find(|host| !is_registry(host));
        let found = no_registry.map(|host| format!("`{host}`")).unwrap_or_default();
        check(no_registry.is_none(), "registries.plain_http", "`host` or `host:port`", found)?;
        let is_blank = |token: &String| token.trim().is_empty();
        let are_usable = admin.tokens.len() <= 64 && !admin.tokens.values().any(is_blank);
        let tokens = format!("{} tokens", admin.tokens.len());
        check(are_usable, "admin.tokens", "at most 64, none of them empty", tokens)?;
        check(!admin.token.as_ref().is_some_and(is_blank), "admin.token", "a token", "an empty text".into())?;
        security::check_hosts(&admin.hosts)
    }

    /// Threads that run guests, with the default worked out.
    pub fn compute_threads(&self) -> usize {
        match self.compute.threads {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            given => given,
        }
    }

    /// Threads that read and write, with the default worked out.
    pub fn io_threads(&self) -> usize {
        match self.compute.io_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2),
            given => given,
        }
    }

    /// `limits.in_flight_max`, with the default worked out.
    pub fn in_flight_max(&self) -> usize {
        match self.limits.in_flight_max {
            0 => self.compute_threads(),
            given => given,
        }
    }
}

fn check(holds: bool, key: &'static str, expected: &str, found: String) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::Value { key, expected: expected.to_owned(), found }) }
}

#[cfg(test)]
mod tests;
