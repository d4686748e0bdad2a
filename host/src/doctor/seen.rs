//! What a look at a host's machine saw, as plain values.

use scry_catalog::Told;
use scry_names::Digest;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything that was looked at.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// The version of this program.
    pub scry: &'static str,
    /// The latest format of a data folder that it knows.
    pub folder_format: u32,
    /// The system.
    pub system: System,
    /// The configuration.
    pub configuration: Configuration,
    /// The data folder.
    pub folder: Folder,
    /// The disk that the data folder is on; or why that is not known.
    pub disk: Result<Disk, String>,
    /// The host's listeners, by the names of their tables.
    pub listeners: Vec<Listener>,
    /// What the host answered, if it was asked.
    pub host: Answer,
    /// The names of the variables in the environment that are Scry's.
    pub variables: Vec<String>,
}

/// The machine and its system.
#[derive(Debug, Serialize)]
pub struct System {
    /// Its name.
    pub name: String,
    /// Its version.
    pub release: String,
    /// The kind of processor.
    pub machine: &'static str,
    /// Processors that this process may use.
    pub processors: usize,
    /// Memory that this process may use, its group's limit included.
    pub memory_bytes: Option<u64>,
    /// Of that, what is free.
    pub available_bytes: Option<u64>,
    /// The most files that a process of this user may have open; none: any number.
    pub open_files_max: Option<u64>,
    /// What the system tells time by.
    pub clock: Option<String>,
    /// Unix time, in milliseconds.
    pub now_ms: u64,
}

/// The configuration, as far as something can be wrong with it.
#[derive(Debug, Serialize)]
pub struct Configuration {
    /// The file, if one is named.
    pub file: Option<PathBuf>,
    /// Why it cannot be used; it may quote a line of it, so that no bundle has it.
    #[serde(skip)]
    pub error: Option<String>,
    /// What is said of it.
    pub warnings: Vec<String>,
    /// The files that it names and that cannot be used, with their keys and why.
    pub unusable: Vec<(String, String)>,
    /// Whether the admin listener speaks TLS.
    pub has_admin_tls: bool,
    /// The length of the shortest admin token that it has, in characters.
    pub shortest_token: Option<usize>,
    /// Open files that a host wants.
    pub open_files_wanted: u64,
    /// `limits.memory_max_bytes`.
    pub call_memory_max_bytes: u64,
    /// Threads that make calls.
    pub compute_threads: usize,
    /// `admin.component_max_bytes`.
    pub component_max_bytes: u64,
}

/// The data folder.
#[derive(Debug, Serialize)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds; or why that cannot be told. Nothing, where it is not there.
    pub content: Option<Result<Content, String>>,
}

/// What a data folder holds.
#[derive(Debug, Serialize)]
pub struct Content {
    /// Whether a host is at work on it.
    pub is_in_use: bool,
    /// What does not verify.
    pub damage: Vec<String>,
    /// An append that was not finished, in bytes.
    pub cut_bytes: u64,
    /// Files that damage has left.
    pub quarantined: usize,
    /// Files that a crash has left.
    pub unfinished: usize,
    /// Secrets that other users can read.
    pub exposed: Vec<String>,
    /// Where history and checkpoint lead; or why nowhere.
    pub state: Result<State, String>,
}

/// Where history and checkpoint lead.
#[derive(Debug, Default, Serialize)]
pub struct State {
    /// Its number.
    pub number: u64,
    /// Models.
    pub models: usize,
    /// Components that it needs.
    pub needed: usize,
    /// Of those, the ones that are not there.
    pub missing: Vec<Digest>,
    /// And those that do not have their digest.
    pub damaged: Vec<Digest>,
    /// And how many were hashed in the time there was.
    pub hashed: usize,
    /// All components in the folder, in bytes.
    pub components_bytes: u64,
    /// The last changes, newest first: a file of their own in a bundle.
    #[serde(skip)]
    pub changes: Vec<Told>,
}

/// The disk that a folder is on.
#[derive(Debug, Clone, Serialize)]
pub struct Disk {
    /// What is free for this user.
    pub free_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
    /// Files that it has room for; none: as many as there are bytes for.
    pub free_files: Option<u64>,
    /// Whether nothing can be written.
    pub is_read_only: bool,
    /// Whether other machines may be at work on it.
    pub is_shared: bool,
}

/// A listener's address.
#[derive(Debug, Clone, Serialize)]
pub struct Listener {
    /// Its table's name.
    pub name: &'static str,
    /// Where it is.
    pub address: SocketAddr,
    /// Why it cannot be taken; nothing, where it can, or where it was not tried since a host is at work.
    pub error: Option<String>,
    /// Whether it was tried.
    pub is_tried: bool,
}

/// What a host answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Answer {
    /// It was not asked, and why not.
    NotAsked(String),
    /// It did not answer, or not what it was asked.
    Silent {
        /// Where.
        url: String,
        /// What came instead.
        why: String,
    },
    /// This.
    Says {
        /// Where.
        url: String,
        /// Its version.
        version: String,
        /// The number of its state.
        state: u64,
        /// Where it answers predictions.
        prediction: String,
        /// What it has found damaged.
        damage: Vec<String>,
        /// Versions that should answer and do not, and why.
        unavailable: Vec<String>,
        /// Versions that are not called, since they kept failing.
        open: Vec<String>,
    },
}
