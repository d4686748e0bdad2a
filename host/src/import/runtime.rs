//! The runtimes that travel in this program, compiled from `runtimes/` when it is built.

use scry_build::encode;
use scry_names::Digest;
use scry_sbom::Document;
use std::sync::OnceLock;

/// Far above what a runtime is.
const MAX_BYTES: usize = 64 << 20;

/// A runtime of Scry's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnRuntime {
    /// Of model files.
    Tabular,
    /// Of ONNX files.
    Network,
}

impl OwnRuntime {
    /// The runtime that a card names by the digest of its module.
    pub fn of(digest: &str) -> Option<Self> {
        let digest = digest.parse().ok()?;
        [Self::Tabular, Self::Network].into_iter().find(|own| own.digest() == Some(digest))
    }

    /// The digest of its module.
    pub fn digest(self) -> Option<Digest> {
        static TABULAR: OnceLock<Option<Digest>> = OnceLock::new();
        static NETWORK: OnceLock<Option<Digest>> = OnceLock::new();
        let known = match self {
            Self::Tabular => &TABULAR,
            Self::Network => &NETWORK,
        };
        *known.get_or_init(|| self.module().ok().map(|module| Digest::of(&module)))
    }

    /// Its module.
    pub(super) fn module(self) -> Result<Vec<u8>, String> {
        let deflated: &[u8] = match self {
            Self::Tabular => include_bytes!(concat!(env!("OUT_DIR"), "/tabular.wasm.z")),
            Self::Network => include_bytes!(concat!(env!("OUT_DIR"), "/network.wasm.z")),
        };
        inflated(deflated)
    }

    /// What it is made of.
    pub(super) fn sbom(self) -> Result<Document, String> {
        let deflated: &[u8] = match self {
            Self::Tabular => include_bytes!(concat!(env!("OUT_DIR"), "/tabular.sbom.z")),
            Self::Network => include_bytes!(concat!(env!("OUT_DIR"), "/network.sbom.z")),
        };
        Document::from_json(&inflated(deflated)?).map_err(|error| error.to_string())
    }

    /// A component without a model: the functions are those of every model.
    pub fn component(self) -> Option<Vec<u8>> {
        encode(&self.module().ok()?).ok()
    }
}

fn inflated(bytes: &[u8]) -> Result<Vec<u8>, String> {
    miniz_oxide::inflate::decompress_to_vec_with_limit(bytes, MAX_BYTES).map_err(|error| error.to_string())
}
