//! What a guest is made of: its software bill of materials (SBOM), a document of CycloneDX 1.5.
//!
//! [`Build`] makes one of what cargo said while it built a guest, [`Document::of_import`] one for a model that a prebuilt
//! runtime runs, and [`Summary`] reads one. The same build gives the same bytes: a document has no time, no serial number,
//! and no path. Pure: never runs cargo, and never opens a file.

#![forbid(unsafe_code)]

mod cargo;
mod document;
mod import;
mod source;
mod summary;

pub use cargo::Build;
pub use document::Document;
pub use import::Model;
pub use summary::Summary;

/// The largest document, in bytes of JSON.
pub const SBOM_MAX_BYTES: usize = 4 << 20;
/// The most packages of one document.
pub const PACKAGES_MAX: usize = 10_000;

/// Why something is no software bill of materials.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// Larger than any document needs to be.
    #[error("the SBOM: expected at most {SBOM_MAX_BYTES} bytes, found {0}")]
    TooLarge(usize),
    /// More packages than any guest has.
    #[error("the SBOM: expected at most {PACKAGES_MAX} packages, found {0}")]
    TooMany(usize),
    /// Not JSON, or not of CycloneDX's form.
    #[error("the SBOM is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Another kind of document.
    #[error("the SBOM: `bomFormat`: expected `CycloneDX`, found `{0}`")]
    Format(String),
    /// Cargo said something else than it should.
    #[error("the SBOM cannot be made: {of}: {message}")]
    Cargo {
        /// What cargo was asked for.
        of: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

/// The first characters of a text from outside.
fn cut(text: &str) -> String {
    const SHOWN_MAX_CHARS: usize = 80;
    text.chars().take(SHOWN_MAX_CHARS).collect()
}
