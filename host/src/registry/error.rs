//! Why a change was refused; nothing has changed then.

use crate::golden::GoldenFailure;
use crate::serving::FallbackError;
use scry_catalog::{Breaking, CatalogError, DesiredError, HistoryError};
use scry_component::ComponentError;
use scry_files::FileError;
use scry_names::Digest;
use scry_sandbox::{CallError, SandboxError};
use scry_signatures::SignatureError;
use scry_store::{OciError, StoreError};

/// Why a change was refused.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The bytes are not a model.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// No trusted key has signed it.
    #[error(
        "`{model}` ({digest}) is not signed by a trusted key: {why}; sign it with `scry sign --key KEY FILE`, or where it \
         lies in a registry, and publish or deploy it again"
    )]
    Unsigned {
        /// The model.
        model: String,
        /// The component.
        digest: Digest,
        /// What is wrong with its signature.
        why: SignatureError,
    },
    /// The component does not load.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// It loads, and not even an empty instance of it can be made.
    #[error("version {number} of `{model}` does not start: {error}")]
    Warm {
        /// The model.
        model: String,
        /// The version.
        number: u32,
        /// What happened.
        error: CallError,
    },
    /// Its checks cannot be run.
    #[error("the checks of version {number} of `{model}` cannot be run: {message}")]
    Checks {
        /// The model.
        model: String,
        /// The version.
        number: u32,
        /// Which, and why.
        message: String,
    },
    /// It starts, and predicts something else than it should.
    #[error("the golden examples fail: {0}")]
    Golden(#[from] GoldenFailure),
    /// Callers of the version that it replaces would be broken.
    #[error(
        "version {number} of `{model}` would break callers of version {replaced}: {}; `--allow-breaking` deploys it anyway",
        .breaking.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Breaking {
        /// The model.
        model: String,
        /// The new version.
        number: u32,
        /// The version that callers know.
        replaced: u32,
        /// Every break.
        breaking: Vec<Breaking>,
    },
    /// The catalog does not allow it.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A fallback that does not fit.
    #[error(transparent)]
    Fallback(#[from] FallbackError),
    /// The version is in the catalog and cannot run here.
    #[error("version {number} of `{model}` is not available: {why}")]
    Unavailable {
        /// The model.
        model: String,
        /// The version.
        number: u32,
        /// Why it does not load.
        why: String,
    },
    /// No such state.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A document that says something impossible.
    #[error(transparent)]
    Desired(#[from] DesiredError),
    /// A registry that does not give what it should.
    #[error(transparent)]
    Oci(Box<OciError>),
    /// The data folder failed.
    #[error(transparent)]
    Store(StoreError),
    /// It has no room for what the change writes.
    #[error("{0}; nothing has changed: free space, e.g. with `scry gc`, and try again")]
    Full(StoreError),
    /// The change would lead requests to code that is not loaded; a fault of the host.
    #[error("version {number} of `{model}` is not loaded: nothing has changed; try again")]
    NotInHand {
        /// The model.
        model: String,
        /// The version.
        number: u32,
    },
    /// The history in the data folder does not lead to a state.
    #[error("{0}")]
    Recovery(String),
    /// Other changes came first.
    #[error("other changes are being made; try again in a moment")]
    Contended,
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::File(FileError::Full { .. }) => Self::Full(error),
            error => Self::Store(error),
        }
    }
}

impl From<OciError> for ChangeError {
    fn from(error: OciError) -> Self {
        Self::Oci(Box::new(error))
    }
}
