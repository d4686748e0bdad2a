//! What files are for, and the steps of which a write consists.

/// What a file is for, as its write steps are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The folder's lock.
    Lock,
    /// The number of the folder's format.
    Format,
    /// The admin token, the cache's key.
    Secret,
    /// A component, or the signature beside it.
    Component,
    /// Compiled code.
    Cache,
    /// Compiled functions, which no state depends on.
    Functions,
    /// The journal of changes.
    Journal,
    /// The copy of the state beside it.
    Checkpoint,
    /// Counts of live rows, which no state depends on.
    Drift,
    /// What is kept of errors, which no state depends on.
    Errors,
    /// What is kept of a damaged file.
    Quarantine,
    /// What a crash left of an unfinished write.
    Stale,
    /// What a command writes for its user, in no data folder.
    Build,
    /// A backup: its owner's alone, as what is in it was.
    Backup,
    /// A whole data folder that was restored.
    Restored,
}

/// One step of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Create,
    Half,
    Rest,
    Sync,
    Rename,
    Folder,
    AppendHalf,
    AppendRest,
    AppendSync,
    Truncate,
    Remove,
}

impl FileKind {
    /// The kind's own part of a step's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Format => "format",
            Self::Secret => "secret",
            Self::Component => "component",
            Self::Cache => "cache",
            Self::Functions => "functions",
            Self::Journal => "journal",
            Self::Checkpoint => "checkpoint",
            Self::Drift => "drift",
            Self::Errors => "errors",
            Self::Quarantine => "quarantine",
            Self::Stale => "stale",
            Self::Build => "build",
            Self::Backup => "backup",
            Self::Restored => "restored",
        }
    }
}

impl Step {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Half => "half",
            Self::Rest => "rest",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Folder => "folder",
            Self::AppendHalf => "append.half",
            Self::AppendRest => "append.rest",
            Self::AppendSync => "append.sync",
            Self::Truncate => "truncate",
            Self::Remove => "remove",
        }
    }

    /// Whether a full disk can refuse it.
    #[cfg(debug_assertions)]
    pub(crate) fn takes_room(self) -> bool {
        matches!(self, Self::Create | Self::Half | Self::Rest | Self::AppendHalf | Self::AppendRest)
    }
}
