//! What a backup may hold: under which path, and how long.
//!
//! Pure. Any other path is refused, so that none leads out of a folder.

use crate::drift::COUNTS_MAX_BYTES;
use crate::journal::{CHECKPOINT, JOURNAL, JOURNAL_MAX_BYTES};
use crate::lines::LINE_MAX_BYTES;
use scry_card::is_model_name;
use scry_names::Digest;
use scry_signatures::{ENVELOPE_MAX_BYTES, ENVELOPE_SUFFIX};

/// The longest component that is believed, in bytes: more than WebAssembly's memory holds.
const COMPONENT_MAX_BYTES: u64 = 4 << 30;

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// Every change.
    History,
    /// The state.
    Checkpoint,
    /// A component.
    Component(Digest),
    /// Who signed it.
    Signature(Digest),
    /// Counts of a model's live rows.
    Drift {
        /// The model's name.
        model: String,
        /// Its version's component.
        digest: Digest,
    },
}

impl Entry {
    /// Its path in a backup.
    pub fn path(&self) -> String {
        match self {
            Self::History => JOURNAL.to_owned(),
            Self::Checkpoint => CHECKPOINT.to_owned(),
            Self::Component(digest) => format!("components/{}.wasm", digest.hex()),
            Self::Signature(digest) => format!("components/{}.wasm{ENVELOPE_SUFFIX}", digest.hex()),
            // The model is a folder: a name in a tar file has at most 100 characters.
            Self::Drift { model, digest } => format!("drift/{model}/{}.json", digest.hex()),
        }
    }

    /// The file that has this path, if any has.
    pub fn of(path: &str) -> Option<Self> {
        let digest = |hex: &str| format!("sha256:{hex}").parse().ok();
        let entry = match path {
            JOURNAL => Self::History,
            CHECKPOINT => Self::Checkpoint,
            _ => match path.split_once('/')? {
                ("components", name) => match name.strip_suffix(ENVELOPE_SUFFIX) {
                    Some(name) => Self::Signature(digest(name.strip_suffix(".wasm")?)?),
                    None => Self::Component(digest(name.strip_suffix(".wasm")?)?),
                },
                ("drift", rest) => {
                    let (model, name) = rest.split_once('/').filter(|(model, _)| is_model_name(model))?;
                    Self::Drift { model: model.to_owned(), digest: digest(name.strip_suffix(".json")?)? }
                }
                _ => return None,
            },
        };
        Some(entry)
    }

    /// The most bytes that it may have.
    pub fn max_bytes(&self) -> u64 {
        match self {
            Self::History => JOURNAL_MAX_BYTES,
            Self::Checkpoint => LINE_MAX_BYTES as u64,
            Self::Component(_) => COMPONENT_MAX_BYTES,
            Self::Signature(_) => ENVELOPE_MAX_BYTES as u64,
            Self::Drift { .. } => COUNTS_MAX_BYTES,
        }
    }
}
