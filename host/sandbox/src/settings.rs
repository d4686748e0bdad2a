//! How large a sandbox is, and what compiling may take.

use std::path::PathBuf;
use std::time::Duration;

/// Whether code counts fuel. Counting is compiled in, so each is an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metering {
    /// Deterministic, and the default.
    Fuel,
    /// Only the deadline ends a call.
    Off,
}

/// How large the pool is.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// Instances that may run calls at once, per engine.
    pub instances_max: u32,
    /// Instances that may be kept ready ahead of need, over all components.
    pub instances_ahead_max: u32,
    /// The most linear memory that any deployment may grant, in bytes.
    pub memory_max_bytes: u64,
    /// Where components are compiled, and within which limits.
    pub compile: CompileSettings,
    /// Whether the process is another program's, such as Python's: without signal handlers, and with memory
    /// that is taken when it is needed instead of being reserved.
    pub is_embedded: bool,
}

impl SandboxSettings {
    /// For a process of another program. Components are compiled in it: code from elsewhere has other settings.
    pub fn embedded(memory_max_bytes: u64) -> Self {
        let compile = CompileSettings::trusting();
        // Instances that are put back have pages that fault.
        Self { instances_max: 0, instances_ahead_max: 0, memory_max_bytes, compile, is_embedded: true }
    }
}

/// The command that is such a process.
pub(crate) const WORKER: &str = "compile-worker";

/// Where components are compiled, and what that may take.
#[derive(Debug, Clone)]
pub struct CompileSettings {
    /// The `scry` program, of this version. Without one, components are compiled
    /// in this process and without limits: for tests and benchmarks, which trust them.
    pub program: Option<PathBuf>,
    /// Components that may be compiled at once; others wait.
    pub processes_max: usize,
    /// Memory that one may take, in bytes.
    pub memory_max_bytes: u64,
    /// Processor time that one may take, in seconds.
    pub cpu_max_s: u64,
    /// The code of one, in bytes.
    pub code_max_bytes: u64,
}

impl CompileSettings {
    /// In this process, without limits.
    pub fn trusting() -> Self {
        Self {
            program: None,
            processes_max: 1,
            memory_max_bytes: u64::MAX,
            cpu_max_s: u64::MAX,
            code_max_bytes: u64::MAX,
        }
    }

    /// The program that runs, even where its file has been replaced since.
    pub fn this_program() -> PathBuf {
        PathBuf::from("/proc/self/exe")
    }

    /// How long a process may take in wall time, since the machine may be busy.
    pub(crate) fn wall_max(&self) -> Duration {
        Duration::from_secs(self.cpu_max_s.saturating_mul(10).saturating_add(30))
    }
}
