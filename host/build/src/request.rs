//! What to build, and within which limits.

use std::path::PathBuf;
use std::time::Duration;

/// How long a model may take to load, where the request does not say.
pub(super) const LOAD_TIME_MAX: Duration = Duration::from_secs(60);
/// How much memory it may take.
pub(super) const LOAD_MEMORY_MAX_BYTES: u64 = 256 << 20;

/// What to build, and how.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The crate's folder.
    pub dir: PathBuf,
    /// Cargo features to switch on.
    pub features: Vec<String>,
    /// Whether cargo may print its own progress.
    pub show_cargo: bool,
    /// Where compiled files go; by default a folder of cargo's own.
    pub target_dir: Option<PathBuf>,
    /// How long the model may take to load; by default a minute.
    pub load_time_max: Option<Duration>,
}
