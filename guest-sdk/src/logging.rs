//! Lines for the operator's log. The host bounds how many it keeps.

use std::fmt;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Only while something is being looked into.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

/// Writes one line: `log(Level::Warn, format_args!("odd age {age}"))`.
pub fn log(level: Level, message: impl fmt::Display) {
    #[cfg(target_arch = "wasm32")]
    {
        use crate::bindings::scry::model::logging;
        let level = match level {
            Level::Debug => logging::Level::Debug,
            Level::Info => logging::Level::Info,
            Level::Warn => logging::Level::Warn,
            Level::Error => logging::Level::Error,
        };
        logging::log(level, &message.to_string());
    }
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}
