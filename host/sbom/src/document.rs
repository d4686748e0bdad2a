//! The parts of CycloneDX 1.5 that Scry writes.
//!
//! Typed, so that members come in one order whatever else is compiled in.

use crate::{PACKAGES_MAX, SBOM_MAX_BYTES, SbomError};
use serde::{Deserialize, Serialize};

/// A whole document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    #[serde(rename = "$schema")]
    schema: String,
    bom_format: String,
    spec_version: String,
    version: u32,
    pub(crate) metadata: Metadata,
    pub(crate) components: Vec<Part>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What the document is about, and what made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Metadata {
    lifecycles: Vec<Lifecycle>,
    pub(crate) tools: Tools,
    pub(crate) component: Part,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lifecycle {
    phase: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tools {
    pub(crate) components: Vec<Part>,
}

/// A package, a tool, or a model: a component in CycloneDX's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// The name by which other parts of the document mean it.
    #[serde(rename = "bom-ref", default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) hashes: Vec<Hash>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) licenses: Vec<License>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) purl: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Application,
    Library,
    MachineLearningModel,
    Platform,
}

/// Whether a package is in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// It is.
    Required,
    /// It only took part in making it.
    Excluded,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hash {
    alg: String,
    content: String,
}

/// A license: an SPDX expression, or whatever its author calls it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum License {
    Expression(String),
    License(Named),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Named {
    name: String,
}

/// What a part needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dependency {
    #[serde(rename = "ref")]
    pub(crate) of: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) depends_on: Vec<String>,
}

impl Document {
    pub(crate) fn new(tools: Vec<Part>, about: Part, components: Vec<Part>, dependencies: Vec<Dependency>) -> Self {
        let mut document = Self {
            schema: "http://cyclonedx.org/schema/bom-1.5.schema.json".into(),
            bom_format: "CycloneDX".into(),
            spec_version: "1.5".into(),
            version: 1,
            metadata: Metadata {
                lifecycles: vec![Lifecycle { phase: "build".into() }],
                tools: Tools { components: tools },
                component: about,
            },
            components,
            dependencies,
        };
        document.sort();
        document
    }

    /// Puts everything into the one order in which it is written.
    pub(crate) fn sort(&mut self) {
        self.components.sort_by(|a, b| (&a.name, &a.version, &a.reference).cmp(&(&b.name, &b.version, &b.reference)));
        self.dependencies.sort_by(|a, b| a.of.cmp(&b.of));
    }

    /// Reads what [`Self::to_json`] wrote.
    pub fn from_json(json: &[u8]) -> Result<Self, SbomError> {
        if json.len() > SBOM_MAX_BYTES {
            return Err(SbomError::TooLarge(json.len()));
        }
        Ok(serde_json::from_slice(json)?)
    }

    /// The JSON, if it keeps to the limits.
    pub fn to_json(&self) -> Result<Vec<u8>, SbomError> {
        if self.components.len() > PACKAGES_MAX {
            return Err(SbomError::TooMany(self.components.len()));
        }
        let json = serde_json::to_vec(self)?;
        if json.len() > SBOM_MAX_BYTES { Err(SbomError::TooLarge(json.len())) } else { Ok(json) }
    }
}

impl Part {
    pub(crate) fn new(kind: Kind, name: impl Into<String>, version: Option<String>) -> Self {
        Self {
            kind,
            reference: None,
            name: name.into(),
            version,
            scope: None,
            hashes: Vec::new(),
            licenses: Vec::new(),
            purl: None,
        }
    }
}

impl Hash {
    pub(crate) fn sha256(content: &str) -> Self {
        Self { alg: "SHA-256".into(), content: content.to_owned() }
    }
}

impl License {
    /// Of a crate's `license`. Those of before 2018 separate licenses by a slash.
    pub(crate) fn of_crate(text: &str) -> Self {
        let joined = text.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ");
        if is_expression(&joined) { Self::Expression(joined) } else { Self::of(text) }
    }

    /// Of a text that says which.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.to_owned();
        if is_expression(&text) { Self::Expression(text) } else { Self::License(Named { name: text }) }
    }
}

/// Whether a text has the form of an SPDX expression; identifiers are not looked up.
fn is_expression(text: &str) -> bool {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let (mut depth, mut wants_license) = (0usize, true);
    for word in spaced.split_whitespace() {
        match (word, wants_license) {
            ("(", true) => depth += 1,
            (")", false) if depth > 0 => depth -= 1,
            ("AND" | "OR" | "WITH", false) => wants_license = true,
            ("AND" | "OR" | "WITH" | "(" | ")", _) => return false,
            (id, true) if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.+:".contains(&byte)) => {
                wants_license = false;
            }
            _ => return false,
        }
    }
    depth == 0 && !wants_license
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_license_is_an_expression_where_it_has_the_form_of_one() {
        for (text, expression) in [
            ("MIT", "MIT"),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", "(MIT OR Apache-2.0) AND Unicode-3.0"),
            ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
            ("LicenseRef-acme", "LicenseRef-acme"),
        ] {
            assert_eq!(License::of(text), License::Expression(expression.into()));
        }
        for text in ["", "All rights reserved", "MIT OR", "(MIT", "MIT)", "AND MIT", "see LICENSE.txt", "ours, only"] {
            assert_eq!(License::of(text), License::License(Named { name: text.into() }));
        }
        assert_eq!(License::of_crate("MIT / Apache-2.0"), License::Expression("MIT OR Apache-2.0".into()));
        let address = "https://acme.example/license";
        for license in [License::of(address), License::of_crate(address)] {
            assert_eq!(license, License::License(Named { name: address.into() }));
        }
        assert_eq!(License::of("Ours/Internal"), License::License(Named { name: "Ours/Internal".into() }));
    }
}
