//! What was found, and what to do next. Pure.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and something will be missed some day.
    Warning,
    /// It does not work, or not for long.
    Problem,
}

impl Level {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub about: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What is so.
    pub found: String,
    /// What to do, where it is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Finding {
    pub(super) fn ok(about: &'static str, found: impl Into<String>) -> Self {
        Self { about, level: Level::Ok, found: found.into(), next: None }
    }

    pub(super) fn warning(about: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { about, level: Level::Warning, found: found.into(), next: Some(next.into()) }
    }

    pub(super) fn problem(about: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { about, level: Level::Problem, found: found.into(), next: Some(next.into()) }
    }
}
