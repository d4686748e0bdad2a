//! The thread that compiles: one component at a time, at the lowest priority,
//! so that requests are answered first.
//!
//! Never runs a guest, never touches a file.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Whatever is idle may run; everything else comes first.
const LOWEST_PRIORITY: i32 = 19;

/// The compiling thread, for the life of a sandbox.
#[derive(Debug)]
pub(super) struct Compiler {
    /// One sender, shared: whoever waits for its lock would wait for the thread.
    jobs: Mutex<Sender<Job>>,
}

struct Job {
    engine: Engine,
    bytes: Vec<u8>,
    done: Sender<wasmtime::Result<Component>>,
}

impl Compiler {
    /// Starts the thread; it ends with the sandbox.
    pub(super) fn start() -> std::io::Result<Self> {
        let (jobs, waiting) = channel::<Job>();
        std::thread::Builder::new().name("scry-compile".into()).spawn(move || {
            if let Err(error) = rustix::process::nice(LOWEST_PRIORITY) {
                tracing::warn!(%error, "the compiling thread keeps its priority");
            }
            for Job { engine, bytes, done } in waiting {
                // Nobody waits any more when the host is ending.
                let _ = done.send(Component::new(&engine, bytes));
            }
        })?;
        Ok(Self { jobs: Mutex::new(jobs) })
    }

    /// Compiles, when it is this component's turn.
    pub(super) fn compile(&self, engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
        let (done, compiled) = channel();
        let job = Job { engine: engine.clone(), bytes: bytes.to_vec(), done };
        let ended = |_| wasmtime::Error::msg("the compiling thread has ended; this is a bug in scry");
        let jobs = self.jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        jobs.send(job).map_err(|_| ended(()))?;
        drop(jobs);
        compiled.recv().map_err(|_| ended(()))?
    }
}
