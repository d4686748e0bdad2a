//! `[access]`, `[metrics]`, and the certificates of the listeners. Reads none of the files that it names.

use super::{ConfigError, check, listen};
use crate::access::is_host_name;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `[access]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Tokens with scopes, as `scry token` writes them; read again when the file changes. Default none: predictions need
    /// no token.
    pub token_file: Option<PathBuf>,
}

/// `[metrics]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsListener {
    /// Address and port of a listener that answers `GET /metrics` without a token, and nothing else. Default none.
    #[serde(deserialize_with = "listen::optional_address")]
    pub listen: Option<SocketAddr>,
}

/// `[prediction.tls]` and `[admin.tls]`: files in PEM, read again when they change.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose certificates clients have to show. Default none: clients show none.
    pub client_ca: Option<PathBuf>,
}

pub(super) fn check_hosts(names: &[String]) -> Result<(), ConfigError> {
    let wrong = names.iter().find(|name| !is_host_name(name));
    let found = wrong.map(|name| format!("`{name}`")).unwrap_or_default();
    check(wrong.is_none() && names.len() <= 100, "admin.hosts", "at most 100 names without a port", found)
}
