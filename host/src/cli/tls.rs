//! Which certificates a command trusts, and which one it shows.

use super::{CliError, in_file, read_file};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// Certificates, for hosts that speak TLS.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Tls {
    /// Certificates of the authorities to trust, in PEM [default: those that the system trusts].
    #[arg(long, value_name = "FILE", env = "SCRY_CA")]
    ca: Option<PathBuf>,
    /// A certificate to show to a host that asks for one, in PEM.
    #[arg(long, value_name = "FILE", env = "SCRY_CLIENT_CERT", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE", env = "SCRY_CLIENT_KEY", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl Tls {
    /// What sends requests.
    pub(super) fn agent(&self) -> Result<Agent, CliError> {
        let roots = match &self.ca {
            Some(file) => RootCerts::new_with_certs(&certificates(file)?),
            None => RootCerts::PlatformVerifier,
        };
        let shown = match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => {
                let read = PrivateKey::from_pem(&read_file(key)?);
                let read = read.map_err(|error| in_file(key, format!("expected a private key in PEM: {error}")))?;
                Some(ClientCert::new_with_certs(&certificates(certificate)?, read))
            }
            _ => None,
        };
        Ok(agent(roots, shown))
    }
}

/// What sends requests to a host that is known to have no certificate, or one that the system trusts.
pub(super) fn plain_agent() -> Agent {
    agent(RootCerts::PlatformVerifier, None)
}

fn agent(roots: RootCerts, shown: Option<ClientCert>) -> Agent {
    let provider = Arc::new(ring::default_provider());
    let tls = TlsConfig::builder().root_certs(roots).client_cert(shown).unversioned_rustls_crypto_provider(provider);
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(600)));
    config.tls_config(tls.build()).build().new_agent()
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, CliError> {
    let bytes = read_file(file)?;
    let mut all = Vec::new();
    for item in parse_pem(&bytes) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| in_file(file, error))? {
            all.push(certificate);
        }
    }
    if all.is_empty() { Err(in_file(file, "expected certificates in PEM, found none")) } else { Ok(all) }
}
