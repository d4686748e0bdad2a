//! Where a guest was when it was stopped: its functions by name, as far as its name section has them.
//!
//! The component chooses its names, so they are cut here. Never decides what follows.

use rustc_demangle::demangle;
use scry_card::shortened;
use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter, Result as Written};
use wasmtime::{FrameInfo, WasmBacktrace};

/// Functions of one backtrace, the innermost first.
const FRAMES_MAX: usize = 32;
/// The name of one, in bytes.
const NAME_MAX_BYTES: usize = 256;
/// What comes before a backtrace in a text, and what wasmtime begins its own with.
const HEADING: &str = "\nwasm backtrace:";
const ENGINE_HEADING: &str = "error while executing at wasm backtrace";

/// A function that had not returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Its name, or its number where it has none.
    pub function: String,
    /// Where in the module's code it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

impl Frame {
    fn of(frame: &FrameInfo) -> Self {
        let name = frame.func_name().map(|name| format!("{:#}", demangle(name)));
        let function = name.unwrap_or_else(|| format!("function {}", frame.func_index()));
        Self { function: shortened(function, NAME_MAX_BYTES), offset: frame.module_offset().map(|at| at as u64) }
    }
}

impl Display for Frame {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        match self.offset {
            Some(at) => write!(f, "{at:#8x} {}", self.function),
            None => f.write_str(&self.function),
        }
    }
}

/// Where the guest was, the innermost function first; nothing where it did not run.
pub(super) fn backtrace(error: &wasmtime::Error) -> Vec<Frame> {
    let found = error.downcast_ref::<WasmBacktrace>();
    found.map(|found| found.frames().iter().take(FRAMES_MAX).map(Frame::of).collect()).unwrap_or_default()
}

/// What stopped the guest.
pub(super) fn trapped(error: &wasmtime::Error) -> String {
    let texts = error.chain().map(ToString::to_string).filter(|text| !text.starts_with(ENGINE_HEADING));
    texts.collect::<Vec<_>>().join(": ")
}

/// A cause with a line for each function.
pub(super) fn with_backtrace(cause: String, frames: &[Frame]) -> String {
    if frames.is_empty() {
        return cause;
    }
    let lines = frames.iter().enumerate().map(|(i, frame)| format!("\n  {i:>2}: {frame}"));
    cause + HEADING + &lines.collect::<String>()
}

/// The cause alone.
pub(super) fn without_backtrace(text: &str) -> &str {
    text.rsplit_once(HEADING).map_or(text, |(cause, _)| cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_found_again_before_its_backtrace() {
        let frame = |function: &str, offset| Frame { function: function.into(), offset };
        let frames = [frame("model::predict", Some(0x2a)), frame("function 7", None)];
        let text = with_backtrace("wasm trap: unreachable".into(), &frames);
        assert_eq!(text, "wasm trap: unreachable\nwasm backtrace:\n   0:     0x2a model::predict\n   1: function 7");
        assert_eq!(without_backtrace(&text), "wasm trap: unreachable");
        assert_eq!(without_backtrace(&with_backtrace("none".into(), &[])), "none");
    }
}
