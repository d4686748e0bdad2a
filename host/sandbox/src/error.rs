//! Why a component was not compiled, not loaded, or has not answered.

use super::backtrace::{Frame, backtrace, trapped, with_backtrace, without_backtrace};
use super::limits::Stopped;
use scry_card::shortened;
use std::time::Duration;
use wasmtime::Trap;

/// Why a call has no answer. Each has a name of its own everywhere.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The guest crashed.
    #[error("the component trapped: {0}")]
    Trap(String),
    /// The deadline passed while the guest ran.
    #[error("the component did not answer before its deadline")]
    Timeout,
    /// The deadline passed while the guest ran, but the call had little time: a
    /// client's short deadline or a long wait, not the component, is at fault.
    #[error("the component did not answer before the deadline, which left it little time")]
    ShortOfTime,
    /// The deadline passed before there was anything to call the guest with.
    #[error(
        "the request came too late: it was not there and read within its deadline of {:.0} ms",
        .deadline.as_secs_f64() * 1e3
    )]
    Late {
        /// From the request's first byte.
        deadline: Duration,
    },
    /// The deadline passed while the host itself was at work for the request.
    #[error("the deadline passed before the request was read, checked, and answered")]
    Overdue,
    /// The guest used up its fuel.
    #[error("the component used up its fuel")]
    Fuel,
    /// The guest asked for more memory than it may have.
    #[error("the component reached its memory limit")]
    Memory,
    /// The answer is not what the schema promises, or is too large.
    #[error("the component's answer is invalid: {0}")]
    InvalidOutput(String),
    /// The model itself says that it failed.
    #[error("the model failed: {0}")]
    Failed(String),
    /// The model refuses the input: the caller's fault.
    #[error("the model refuses the input: {0}")]
    InvalidInput(String),
    /// No instance was free.
    #[error("no sandbox was free")]
    Overload,
    /// Less time is left than the model is known to need.
    #[error("the deadline is too short: the model takes {:.1} ms at least", .0.as_secs_f64() * 1e3)]
    DeadlineTooShort(Duration),
    /// The client has gone.
    #[error("the client left before the answer")]
    Abandoned,
    /// The version was not asked: it failed repeatedly, or an operator says so.
    #[error("the circuit is open: the version fails repeatedly, or an operator keeps requests from it")]
    CircuitOpen,
}

impl CallError {
    /// The name in headers, parameters and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Timeout | Self::ShortOfTime | Self::Late { .. } | Self::Overdue => "timeout",
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::InvalidOutput(_) => "invalid-output",
            Self::Failed(_) => "failed",
            Self::InvalidInput(_) => "invalid-input",
            Self::Overload => "overload",
            Self::DeadlineTooShort(_) => "deadline-too-short",
            Self::Abandoned => "abandoned",
            Self::CircuitOpen => "circuit-open",
        }
    }

    /// What happened, without the backtrace of a trap.
    pub fn cause(&self) -> String {
        match self {
            Self::Trap(text) => Self::Trap(without_backtrace(text).to_owned()).to_string(),
            other => other.to_string(),
        }
    }
}

/// Why a component cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine could not be set up on this machine.
    #[error("the sandbox could not be set up: {0}")]
    Setup(String),
    /// The bytes do not compile, or are not of the contract.
    #[error("the component cannot be loaded: {0}")]
    Component(String),
    /// Compiling failed for a reason other than the component's form.
    #[error(transparent)]
    Compile(CompileError),
}

impl From<CompileError> for SandboxError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Refused(why) => Self::Component(why),
            other => Self::Compile(other),
        }
    }
}

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The bytes do not compile.
    #[error("{0}")]
    Refused(String),
    /// It takes too much memory.
    #[error(
        "compiling the component takes more memory than `compile.memory_max_bytes` allows, {max_bytes} bytes: \
         split its largest functions"
    )]
    Memory {
        /// The limit.
        max_bytes: u64,
    },
    /// It takes too long.
    #[error(
        "compiling the component takes more processor time than `compile.cpu_max_s` allows, {max_s} seconds: \
         split its largest functions"
    )]
    CpuTime {
        /// The limit.
        max_s: u64,
    },
    /// There is too much code.
    #[error("the component's code is larger than `compile.code_max_bytes` allows, {max_bytes} bytes")]
    CodeSize {
        /// The limit.
        max_bytes: u64,
    },
    /// The process ended, or said something that it should not.
    #[error("the compiler crashed: {0}")]
    Crash(String),
    /// The process was stopped, or the machine had no time for it.
    #[error("the compiler did not answer within {max_s} seconds; is its process stopped, or the machine overloaded?")]
    Stalled {
        /// How long it had.
        max_s: u64,
    },
    /// The process could not be started.
    #[error("the compiler could not be started: {0}")]
    Start(std::io::Error),
}

/// The longest text of an error, in bytes: the component chooses its names.
const ERROR_MAX_BYTES: usize = 4096;

/// Why a guest stopped.
pub(super) fn classify(error: wasmtime::Error) -> CallError {
    let frames = stopped_at(&error);
    classify_at(error, &frames)
}

/// Where it was then; nothing where no client waits for it any more: its call may begin again elsewhere.
pub(super) fn stopped_at(error: &wasmtime::Error) -> Vec<Frame> {
    let is_abandoned = matches!(error.downcast_ref(), Some(Stopped::Abandoned));
    if is_abandoned { Vec::new() } else { backtrace(error) }
}

/// The same, of one that stopped in these functions.
pub(super) fn classify_at(error: wasmtime::Error, frames: &[Frame]) -> CallError {
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        return match stopped {
            Stopped::Deadline => CallError::Timeout,
            Stopped::Memory => CallError::Memory,
            Stopped::Abandoned => CallError::Abandoned,
        };
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return CallError::Overload;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => CallError::Fuel,
        Some(Trap::Interrupt) => CallError::Timeout,
        Some(_) => CallError::Trap(shortened(with_backtrace(trapped(&error), frames), ERROR_MAX_BYTES)),
        // Not a trap: the host could not read what the guest gave it.
        None => CallError::InvalidOutput(shortened(format!("{error:#}"), ERROR_MAX_BYTES)),
    }
}
