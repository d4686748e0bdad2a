//! The outline of a document, whoever wrote it.
//!
//! The bytes are untrusted. Never judges what a document says.

use crate::{PACKAGES_MAX, SBOM_MAX_BYTES, SbomError, cut};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

/// Tools that a summary names.
const TOOLS_MAX: usize = 8;

/// What a document says, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The form and its version: `CycloneDX 1.5`.
    pub format: String,
    /// Packages that are in the component.
    pub packages: usize,
    /// Packages that only took part in making it.
    pub excluded: usize,
    /// What built it, with versions.
    pub built_with: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    bom_format: String,
    spec_version: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    components: Vec<Package>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    tools: Option<Tools>,
}

/// Tools as they are since version 1.5, or as they were before.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tools {
    Components {
        #[serde(default)]
        components: Vec<Tool>,
    },
    List(Vec<Tool>),
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    version: Option<String>,
}

#[derive(Deserialize)]
struct Package {
    #[serde(rename = "name")]
    _name: String,
    #[serde(default)]
    scope: Option<String>,
}

impl Summary {
    /// Reads a document within its limits; its text, too.
    pub fn of(json: &[u8]) -> Result<(&str, Self), SbomError> {
        if json.len() > SBOM_MAX_BYTES {
            return Err(SbomError::TooLarge(json.len()));
        }
        // What is passed over need not be UTF-8 otherwise.
        let json = std::str::from_utf8(json).map_err(serde_json::Error::custom)?;
        let outline: Outline = serde_json::from_str(json)?;
        if outline.bom_format != "CycloneDX" {
            return Err(SbomError::Format(cut(&outline.bom_format)));
        }
        if outline.components.len() > PACKAGES_MAX {
            return Err(SbomError::TooMany(outline.components.len()));
        }
        let is_excluded = |package: &&Package| package.scope.as_deref() == Some("excluded");
        let excluded = outline.components.iter().filter(is_excluded).count();
        let tools = match outline.metadata.tools {
            Some(Tools::Components { components } | Tools::List(components)) => components,
            None => Vec::new(),
        };
        let told = |tool: Tool| match tool.version {
            Some(version) => cut(&format!("{} {version}", tool.name)),
            None => cut(&tool.name),
        };
        let summary = Self {
            format: cut(&format!("CycloneDX {}", outline.spec_version)),
            packages: outline.components.len() - excluded,
            excluded,
            built_with: tools.into_iter().take(TOOLS_MAX).map(told).collect(),
        };
        Ok((json, summary))
    }
}
