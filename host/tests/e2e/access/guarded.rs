//! A host with a token file, and clients with its tokens.

use crate::support::{Host, PATIENT, Ran, Reply, guest, rows, scry};
use std::path::Path;
use tempfile::TempDir;

pub(crate) const CONFIG: &str = "access.token_file = \"tokens.toml\"\nmetrics.listen = \"127.0.0.1:0\"\n";

/// `scry token` in a host's folder.
pub(crate) fn token(dir: &Path, args: &[&str]) -> Ran {
    Ran::of(scry().current_dir(dir).arg("token").args(args))
}

/// A new token.
pub(crate) fn new(dir: &Path, name: &str, more: &[&str]) -> String {
    let made = token(dir, &[&["new", name, "--json"], more].concat()).ok().json();
    assert_eq!(made["name"], name);
    made["token"].as_str().unwrap().to_owned()
}

/// A host with a token file that has these tokens, and the model `steady`.
pub(crate) struct Guarded {
    pub(crate) host: Host,
    tokens: Vec<(&'static str, String)>,
}

impl Guarded {
    pub(crate) fn with(config: &str, tokens: &[(&'static str, &[&str])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tokens.toml"), "").unwrap();
        let tokens = tokens.iter().map(|(name, more)| (*name, new(dir.path(), name, more))).collect();
        let host = begin(dir, &format!("{CONFIG}{config}{PATIENT}"));
        host.publish(&guest("steady"));
        Self { host, tokens }
    }

    pub(crate) fn folder(&self) -> std::path::PathBuf {
        self.host.data().parent().unwrap().to_owned()
    }

    /// The text of a token; that of the configuration is `main`.
    pub(crate) fn token(&self, name: &str) -> String {
        match name {
            "main" => self.host.token(),
            "stranger" => "scry_0000".into(),
            _ => self.tokens.iter().find(|(known, _)| *known == name).unwrap().1.clone(),
        }
    }

    pub(crate) fn ask(&self, name: &str, method: &str, url: &str, body: &[u8]) -> Reply {
        let bearer = format!("Bearer {}", self.token_or_none(name));
        let headers = [("authorization", bearer.as_str())];
        self.host.send(method, url, if name == "nobody" { &[] } else { &headers }, body)
    }

    fn token_or_none(&self, name: &str) -> String {
        if name == "nobody" { String::new() } else { self.token(name) }
    }

    pub(crate) fn predict(&self, name: &str, model: &str) -> Reply {
        let url = format!("{}/v2/models/{model}/infer", self.host.prediction);
        self.ask(name, "POST", &url, rows("", &[1.0]).to_string().as_bytes())
    }

    /// A series, as the listener without tokens has it.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let url = format!("{}/metrics", self.host.metrics.as_ref().unwrap());
        let text = self.host.send("GET", &url, &[], b"").status(200).text;
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    pub(crate) fn refused(&self, listener: &str, reason: &str) -> f64 {
        self.metric(&format!(r#"scry_access_refused_total{{listener="{listener}",reason="{reason}"}}"#))
    }
}

fn begin(dir: TempDir, config: &str) -> Host {
    Host::begin(dir, config, "").unwrap_or_else(|fallen| panic!("not ready: {}", fallen.log()))
}
