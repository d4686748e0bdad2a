//! `oci://host[:port]/repository[:tag][@sha256:…]`: where a component is in a
//! registry. Pure: never asks the registry.

use crate::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A component in a registry: by tag, which may move, or by the digest of its
/// manifest, which may not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OciReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an OCI reference: write `oci://host/repository:tag` or `oci://host/repository@sha256:…`")]
pub struct OciReferenceError(pub String);

impl OciReference {
    /// The registry: a host, and a port where one is given.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository within the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if it names one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest, if it names one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Whether it means the same bytes for ever.
    pub fn is_pinned(&self) -> bool {
        self.digest.is_some()
    }

    /// The same repository, by the digest of a manifest and nothing else.
    pub fn pinned(&self, manifest: Digest) -> Self {
        Self { tag: None, digest: Some(manifest), ..self.clone() }
    }
}

impl FromStr for OciReference {
    type Err = OciReferenceError;

    fn from_str(text: &str) -> Result<Self, OciReferenceError> {
        parse(text).ok_or_else(|| {
            // What stands before an `@` may be a password.
            let shown = text.split_once('@').map_or(text, |(_, host)| host);
            OciReferenceError(shown.chars().take(200).collect())
        })
    }
}

fn parse(text: &str) -> Option<OciReference> {
    let (registry, rest) = text.strip_prefix("oci://")?.split_once('/')?;
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse().ok()?)),
        None => (rest, None),
    };
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (rest, digest.is_none().then_some("latest")),
    };
    let sound = is_registry(registry) && is_repository(repository) && tag.is_none_or(is_tag);
    let (registry, repository, tag) = (registry.to_owned(), repository.to_owned(), tag.map(str::to_owned));
    sound.then_some(OciReference { registry, repository, tag, digest })
}

/// Whether a text is `host` or `host:port`.
pub fn is_registry(text: &str) -> bool {
    let (host, port) = split_port(text);
    let name = |label: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty() && label.chars().all(plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    let host_is_sound = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.len() <= 253 && host.split('.').all(name),
    };
    let digits =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0);
    host_is_sound && port.is_none_or(digits)
}

/// Whether a registry is this machine.
pub fn is_loopback(registry: &str) -> bool {
    let (host, _) = split_port(registry);
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A registry's host, without its port.
pub fn split_port(registry: &str) -> (&str, Option<&str>) {
    match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    }
}

fn is_repository(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &str| {
        part.starts_with(alphanumeric)
            && part.ends_with(alphanumeric)
            && part.chars().all(|c| alphanumeric(c) || matches!(c, '.' | '_' | '-'))
    };
    text.len() <= 255 && text.split('/').all(part)
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128 && text.starts_with(word) && text.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl Serialize for OciReference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OciReference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn references_read_as_they_are_written() {
        for text in [
            "oci://registry.example/fraud:1.2",
            "oci://registry.example:5000/team/fraud-model:Latest_2",
            "oci://127.0.0.1:5000/a:b",
            "oci://[::1]:5000/a/b_c/d:e",
            &format!("oci://localhost/fraud@{DIGEST}"),
            &format!("oci://localhost/fraud:1@{DIGEST}"),
        ] {
            let reference: OciReference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!(reference.is_pinned(), text.contains('@'));
            assert_eq!(serde_json::to_value(&reference).unwrap(), text);
        }
        let bare: OciReference = "oci://localhost/fraud".parse().unwrap();
        assert_eq!(bare.tag(), Some("latest"));
        assert_eq!(bare.pinned(DIGEST.parse().unwrap()).to_string(), format!("oci://localhost/fraud@{DIGEST}"));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "fraud",
            "oci://",
            "oci://host",
            "oci://host/",
            "oci:///fraud",
            "https://host/fraud:1",
            "oci://host/Fraud",
            "oci://host/../fraud",
            "oci://host/a//b",
            "oci://host/fraud:",
            "oci://host/fraud:a:b",
            "oci://host/fraud@sha256:12",
            "oci://host:0/fraud",
            "oci://host:70000/fraud",
            "oci://host:+1/fraud",
            "oci://user:secret@host/fraud",
            "oci://ho st/fraud",
            "oci://::1/fraud",
            "oci://host/fraud?x=1",
        ] {
            let error = text.parse::<OciReference>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("is not an OCI reference"), "{error}");
        }
    }

    #[test]
    fn loopback_is_this_machine_and_nothing_that_looks_like_it() {
        for here in ["localhost", "localhost:5000", "127.0.0.1:1", "127.8.9.1", "[::1]:5000", "[::1]"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in ["localhost.example", "127.0.0.1.example", "0.0.0.0", "[::2]", "registry:5000"] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }

    proptest! {
        /// What reads is written and read the same.
        #[test]
        fn round_trip(
            registry in r"[a-z0-9]{1,9}(\.[a-z]{2,5})?(:[1-9][0-9]{0,3})?",
            repository in r"[a-z0-9]{1,5}([-_.][a-z0-9]{1,5})?(/[a-z0-9]{1,5}){0,2}",
            tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}"),
            digest in any::<bool>(),
        ) {
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            let digest = if digest { format!("@{DIGEST}") } else { String::new() };
            let reference: OciReference = format!("oci://{registry}/{repository}{tag}{digest}").parse().unwrap();
            prop_assert_eq!(reference.to_string().parse::<OciReference>().unwrap(), reference);
        }

        /// Any text at all: a reference that reads back, or an error; never a panic.
        #[test]
        fn any_text_is_read_or_refused(text in r"(oci://)?[a-z0-9:/@._\[\]-]{0,40}|\PC*") {
            if let Ok(reference) = text.parse::<OciReference>() {
                prop_assert_eq!(reference.to_string().parse::<OciReference>().unwrap(), reference);
            }
        }
    }
}
