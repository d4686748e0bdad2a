//! `[compute]` and `[compile]`: what running components, and making their code,
//! may take.

use serde::Deserialize;

/// `[compute]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compute {
    /// Threads that run guests. Default 0: one a core.
    pub threads: usize,
    /// Threads that read requests and write answers. Default 0: one for two cores.
    pub io_threads: usize,
    /// Calls that may wait for a thread, over all models. Default 1,024.
    pub queue_max: usize,
    /// Instances that may be kept ready ahead of need, over all components; with 0
    /// each call makes its own. Default 64.
    pub instances_ahead_max: u32,
    /// Whether memory comes in small pages: a huge one takes a millisecond to be cleared, on
    /// the time of the request that touches it first. Default true.
    pub small_pages: bool,
}

/// `[compile]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compile {
    /// Components that may be compiled at once, each in a process of its own;
    /// others wait. Default 2.
    pub processes_max: usize,
    /// Memory that compiling one component may take, in bytes. Default 1 GiB.
    pub memory_max_bytes: u64,
    /// Processor time that it may take, in seconds. Default 60.
    pub cpu_max_s: u64,
    /// The code of one component, in bytes. Default 128 MiB.
    pub code_max_bytes: u64,
    /// Compiled functions that are kept for components that have them, too, in
    /// bytes; the oldest go first. Default 64 MiB; 0 keeps none.
    pub functions_max_bytes: u64,
}

impl Default for Compute {
    fn default() -> Self {
        Self { threads: 0, io_threads: 0, queue_max: 1024, instances_ahead_max: 64, small_pages: true }
    }
}

impl Default for Compile {
    fn default() -> Self {
        Self {
            processes_max: 2,
            memory_max_bytes: 1 << 30,
            cpu_max_s: 60,
            code_max_bytes: 128 << 20,
            functions_max_bytes: 64 << 20,
        }
    }
}

impl Compile {
    /// Each key with its value and its range.
    pub(super) fn ranges(&self) -> [(&'static str, u64, u64, u64); 5] {
        [
            ("compile.processes_max", self.processes_max as u64, 1, 64),
            ("compile.memory_max_bytes", self.memory_max_bytes, 16 << 20, 1 << 40),
            ("compile.cpu_max_s", self.cpu_max_s, 1, 3600),
            ("compile.code_max_bytes", self.code_max_bytes, 1 << 20, 1 << 32),
            ("compile.functions_max_bytes", self.functions_max_bytes, 0, 1 << 30),
        ]
    }
}
