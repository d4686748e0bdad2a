//! The sandbox of this process, and the threads that use it.
//!
//! A thread of our own for each piece of work: its stack has a known size, and its floating-point environment is the
//! usual one, whatever libraries have made of the caller's. A process that was forked gets a sandbox of its own, since
//! the thread that ends overdue calls is not forked.

use crate::errors::Failure;
use arc_swap::ArcSwapOption;
use pyo3::prelude::*;
use scry::config::Config;
use scry_sandbox::{Client, Sandbox, SandboxSettings};
use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Deep enough for a guest's own stack of a megabyte.
const STACK_BYTES: usize = 8 << 20;
/// How often a caller that waits looks for an interrupt from the keyboard.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);

/// This process's sandbox.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) sandbox: Sandbox,
}

/// No lock: one that another thread holds while the process forks would never be released in the child.
static CURRENT: ArcSwapOption<Process> = ArcSwapOption::const_empty();

/// What the last panic said, and where.
static PANIC: Mutex<String> = Mutex::new(String::new());

impl Process {
    fn current() -> Result<Arc<Self>, Failure> {
        let id = std::process::id();
        if let Some(current) = CURRENT.load_full() {
            if current.id == id {
                return Ok(current);
            }
            // The parent's, of whose threads there are none here.
            std::mem::forget(current);
        }
        let settings = SandboxSettings::embedded(Config::default().limits.memory_max_bytes);
        let sandbox = Sandbox::new(settings).map_err(|error| Failure::Bug(error.to_string()))?;
        let made = Arc::new(Self { id, sandbox });
        CURRENT.store(Some(made.clone()));
        Ok(made)
    }
}

/// Whether the work is over, and whether the caller has given up.
#[derive(Debug, Default)]
struct Caller {
    has_gone: AtomicBool,
    is_over: Mutex<bool>,
    changed: Condvar,
}

impl Client for Caller {
    fn has_gone(&self) -> bool {
        self.has_gone.load(Ordering::Relaxed)
    }
}

impl Caller {
    /// Waits until the work is over, or for so long.
    fn wait(&self, most: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(is_over, most, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Says that the work is over, even if it panics.
struct Over<'a>(&'a Caller);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        *self.0.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

/// Does something with this process's sandbox on a thread of its own, without the interpreter's lock. A panic is an
/// error. An interrupt from the keyboard stops calls that are made for the given client.
pub(crate) fn apart<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&Process, &Arc<dyn Client>) -> Result<T, Failure> + Send,
) -> PyResult<T> {
    let process = py.detach(Process::current).map_err(|failure| failure.raised(py))?;
    let caller = Arc::new(Caller::default());
    let client: Arc<dyn Client> = caller.clone();
    let usual = || {
        let _over = Over(&caller);
        usual_floats();
        work(&process, &client)
    };
    let mut interrupted = None;
    let result = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("scry".into()).stack_size(STACK_BYTES);
        let thread =
            thread.spawn_scoped(scope, usual).map_err(|error| Failure::System(format!("no thread: {error}")))?;
        while !py.detach(|| caller.wait(SIGNALS_EVERY)) {
            if let Err(error) = py.check_signals() {
                caller.has_gone.store(true, Ordering::Relaxed);
                interrupted = Some(error);
            }
        }
        py.detach(|| thread.join()).unwrap_or_else(|panic| Err(Failure::Bug(told(&*panic))))
    });
    match interrupted {
        Some(error) => Err(error),
        None => result.map_err(|failure| failure.raised(py)),
    }
}

/// Keeps what a panic says instead of printing it.
pub(crate) fn keep_panics() {
    std::panic::set_hook(Box::new(|info| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
    }));
}

fn told(panic: &(dyn Any + Send)) -> String {
    let said = std::mem::take(&mut *PANIC.lock().unwrap_or_else(PoisonError::into_inner));
    let plain = || panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".into());
    if said.is_empty() { plain() } else { said }
}

/// Rounds to nearest and keeps denormal numbers: a new thread has the environment of the one that started it, and a
/// library that was compiled with `-ffast-math` may have changed that.
#[cfg(target_arch = "x86_64")]
fn usual_floats() {
    static USUAL: u32 = 0x1f80;
    // SAFETY: reads four bytes; the value is the one that every program starts with.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const USUAL, options(nostack, readonly)) };
}

#[cfg(target_arch = "aarch64")]
fn usual_floats() {
    // SAFETY: the value is the one that every program starts with.
    unsafe { std::arch::asm!("msr fpcr, xzr", options(nomem, nostack)) };
}
