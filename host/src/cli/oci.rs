//! What commands do with registries, with Docker's credentials.

use super::CliError;
use super::failure::Usage;
use crate::config::Config;
use scry_store::{OciError, Registries};

/// A registry, and how it is reached.
#[derive(Debug, clap::Args)]
pub(super) struct Reach {
    /// A registry that has no TLS, as `host` or `host:port`; loopback needs no such word.
    #[arg(long, value_name = "HOST")]
    pub(super) plain_http: Vec<String>,
}

impl Reach {
    /// Refuses what is said of a registry where none is named.
    pub(super) fn check_unused(&self) -> Result<(), CliError> {
        match self.plain_http.as_slice() {
            [] => Ok(()),
            [host, ..] => {
                Err(Usage(format!("`--plain-http {host}` is for a registry: expected `oci://…` beside it")).into())
            }
        }
    }

    /// Asks registries, to the end or to the limit of time.
    pub(super) fn ask<T>(&self, asking: impl AsyncFnOnce(Registries) -> Result<T, OciError>) -> Result<T, CliError> {
        // A large component on a slow line takes its time.
        const TIMEOUT_MS: u64 = 600_000;
        let mut config = Config::default();
        config.registries.timeout_ms = TIMEOUT_MS;
        config.registries.plain_http.clone_from(&self.plain_http);
        config.validate()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = runtime.block_on(asking(Registries::new(config.registry_settings())));
        // A credential helper that hangs must not keep the command.
        runtime.shutdown_background();
        Ok(asked?)
    }
}
