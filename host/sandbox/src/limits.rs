//! What one call may use, and the state that enforces it inside a store.

use super::backtrace::Frame;
use super::bindings::scry::model::{logging, types};
use super::core_module::MEMORY;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::{Caller, Extern, ResourceLimiter};

/// The client that asked for a call.
pub trait Client: std::fmt::Debug + Send + Sync {
    /// Whether the client has stopped waiting.
    fn has_gone(&self) -> bool;
}

/// What one call may use.
#[derive(Debug, Clone)]
pub struct CallLimits {
    /// When the guest is stopped.
    pub deadline: Instant,
    /// Instructions, roughly; ignored by code that was compiled without fuel.
    pub fuel: u64,
    /// Linear memory, in bytes.
    pub memory_max_bytes: u64,
    /// What the guest may hand to the host in one go: its answer, a log line.
    pub output_max_bytes: u64,
    /// The client that waits: when it is gone the guest is stopped.
    pub client: Option<Arc<dyn Client>>,
    /// Whether the report says how long the instance took: that reads the clock once more.
    pub is_timed: bool,
}

/// A limit that stopped a guest; the error that travels through wasmtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stopped {
    #[error("the deadline passed")]
    Deadline,
    #[error("the memory limit was reached")]
    Memory,
    #[error("nobody waits any more")]
    Abandoned,
}

/// A line that a guest logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters, by the guest.
    pub level: tracing::Level,
    /// The line, cut to the limit.
    pub message: String,
}

/// The store's own state.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) memory_max_bytes: u64,
    pub(super) memory_bytes: u64,
    pub(super) logs: Vec<LogLine>,
    pub(super) logs_dropped: u64,
    /// Where the guest was when it was stopped.
    pub(super) backtrace: Vec<Frame>,
}

impl Context {
    const LOG_MAX_LINES: usize = 32;
    const LOG_LINE_MAX_BYTES: usize = 1024;

    pub(super) fn new(memory_max_bytes: u64) -> Self {
        Self { memory_max_bytes, memory_bytes: 0, logs: Vec::new(), logs_dropped: 0, backtrace: Vec::new() }
    }

    /// Keeps a line, cut to the limit; what is not UTF-8 in it is replaced.
    fn logged(&mut self, level: tracing::Level, line: &[u8]) {
        if self.logs.len() >= Self::LOG_MAX_LINES {
            self.logs_dropped += 1;
            return;
        }
        let kept = line.get(..Self::LOG_LINE_MAX_BYTES).unwrap_or(line);
        let kept = match str::from_utf8(kept) {
            // Cut within a character.
            Err(error) if error.error_len().is_none() => kept.get(..error.valid_up_to()).unwrap_or_default(),
            _ => kept,
        };
        self.logs.push(LogLine { level, message: String::from_utf8_lossy(kept).into_owned() });
    }
}

impl ResourceLimiter for Context {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let after = self.memory_bytes.saturating_add((desired.saturating_sub(current)) as u64);
        if after > self.memory_max_bytes {
            // An error, not `false`: the guest must not be able to hide it.
            return Err(Stopped::Memory.into());
        }
        self.memory_bytes = after;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        const TABLE_MAX_ELEMENTS: usize = 20_000;
        if desired > TABLE_MAX_ELEMENTS {
            return Err(Stopped::Memory.into());
        }
        Ok(true)
    }
}

/// The contract's, in its order.
const LEVELS: [tracing::Level; 4] =
    [tracing::Level::DEBUG, tracing::Level::INFO, tracing::Level::WARN, tracing::Level::ERROR];

/// Types only: nothing to call.
impl types::Host for Context {}

impl logging::Host for Context {
    fn log(&mut self, level: logging::Level, message: String) {
        let level = LEVELS.get(level as usize).copied();
        self.logged(level.unwrap_or(tracing::Level::ERROR), message.as_bytes());
    }
}

/// The log as a core module calls it, with a text in its memory. No more of it
/// is looked at than is kept.
pub(super) fn log(mut caller: Caller<'_, Context>, level: u32, start: u32, bytes: u32) -> wasmtime::Result<()> {
    let known = LEVELS.get(level as usize).copied();
    let level = known.ok_or_else(|| wasmtime::Error::msg(format!("{level} is no log level")))?;
    let Some(Extern::Memory(memory)) = caller.get_export(MEMORY) else {
        return Err(wasmtime::Error::msg("a log line without a memory"));
    };
    let (memory, context) = memory.data_and_store_mut(&mut caller);
    let end = (start as usize).checked_add(bytes as usize);
    let line = end.and_then(|end| memory.get(start as usize..end));
    context.logged(level, line.ok_or_else(|| wasmtime::Error::msg("a log line outside of its memory"))?);
    Ok(())
}
