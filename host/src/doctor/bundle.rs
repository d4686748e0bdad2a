//! What a bug report needs, in one file (`.tar.gz`), and no secret.
//!
//! ```text
//! scry-doctor/findings.json       what was found
//! scry-doctor/seen.json           versions, machine, folder, disk, ports, host
//! scry-doctor/configuration.toml  the file without its secrets
//! scry-doctor/history.json        the last changes
//! scry-doctor/metrics.txt         where a host answers
//! ```
//!
//! Never holds a token, a key, a component, or what a request said. Where a secret is known by its value, it is looked for
//! in each of these once more.

use super::finding::Finding;
use super::redact::{redacted, without};
use super::seen::Seen;
use flate2::Compression;
use flate2::write::GzEncoder;
use scry_files::{FileError, FileKind, write_parts};
use scry_store::tar::{END, Header};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// What goes into a bundle.
#[derive(Debug)]
pub struct Bundle<'a> {
    /// What was seen.
    pub seen: &'a Seen,
    /// What was found.
    pub findings: &'a [Finding],
    /// The configuration's file as it is, if one is named and can be read.
    pub configuration: Option<&'a str>,
    /// The host's metrics, if it answers.
    pub metrics: Option<&'a str>,
    /// The secrets that are known by their values.
    pub secrets: &'a [String],
}

/// Why a bundle was not written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A part of it.
    #[error("the bundle: {0}")]
    Io(#[from] io::Error),
}

/// Writes a bundle; the names of what is in it.
pub fn write_bundle(bundle: &Bundle<'_>, path: &Path) -> Result<Vec<&'static str>, BundleError> {
    let parts = bundle.parts()?;
    write_parts(FileKind::Backup, path, |file| {
        let mut zipped = GzEncoder::new(file, Compression::default());
        for (name, bytes) in &parts {
            let (path, size_bytes) = (format!("scry-doctor/{name}"), bytes.len() as u64);
            let header = Header { path, size_bytes, modified_s: bundle.seen.system.now_ms / 1000 };
            let too_long = || io::Error::other(format!("{name} has {size_bytes} bytes, more than a tar file takes"));
            zipped.write_all(&header.to_block().ok_or_else(too_long)?)?;
            zipped.write_all(bytes)?;
            zipped.write_all(&vec![0; header.padding()])?;
        }
        zipped.write_all(&END)?;
        zipped.finish().map(drop)?;
        Ok::<_, BundleError>(())
    })?;
    Ok(parts.into_iter().map(|(name, _)| name).collect())
}

impl Bundle<'_> {
    fn parts(&self) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
        let findings: Vec<_> = self.findings.iter().map(|finding| self.unquoted(finding)).collect();
        let mut parts = vec![("findings.json", json(&findings)?), ("seen.json", json(self.seen)?)];
        if let Some(text) = self.configuration {
            let shown = redacted(text).unwrap_or_else(|| "# left out: it is no TOML\n".into());
            parts.push(("configuration.toml", shown.into_bytes()));
        }
        let content = self.seen.folder.content.as_ref().and_then(|content| content.as_ref().ok());
        if let Some(state) = content.and_then(|content| content.state.as_ref().ok()) {
            parts.push(("history.json", json(&state.changes)?));
        }
        parts.extend(self.metrics.map(|metrics| ("metrics.txt", metrics.as_bytes().to_vec())));
        let clean = |(name, bytes): (&'static str, Vec<u8>)| (name, without(&bytes, self.secrets).into_owned());
        Ok(parts.into_iter().map(clean).collect())
    }
}

impl Bundle<'_> {
    /// A finding that quotes no line of the configuration: where it does not read, nobody knows which of it is secret.
    fn unquoted(&self, finding: &Finding) -> Finding {
        let mut unquoted = finding.clone();
        if let Some(error) = self.seen.configuration.error.as_ref().filter(|error| finding.found == error.trim()) {
            let is_place = |line: &&str| line.contains(": TOML parse error at line ");
            unquoted.found = error.lines().next().filter(is_place).unwrap_or("it does not read").to_owned();
        }
        unquoted
    }
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}
