//! Faults on purpose, for tests of what a crash or a full disk leaves behind.
//!
//! Debug builds read `SCRY_FAILPOINT`, faults separated by commas, each at the
//! N-th write step that the process reaches (`N+`: and at every later one):
//!
//! ```text
//! kill:N   does the step, names it on stderr and dies of SIGKILL
//! full:N   ENOSPC instead of a step that creates or writes
//! error:N  EIO instead of the step
//! trace:N  does the step and names it on stderr
//! panic:N  panics instead of the step, with two lines
//! ```
//!
//! Release builds do the step and nothing else.

use super::kind::{FileKind, Step};
use std::io;

/// Does one step of a write, unless a fault is due.
#[cfg(not(debug_assertions))]
#[inline]
pub(super) fn step<T>(_: FileKind, _: Step, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    act()
}

#[cfg(debug_assertions)]
pub(super) use armed::step;

#[cfg(debug_assertions)]
pub use armed::{arm, reached};

#[cfg(debug_assertions)]
mod armed {
    use super::{FileKind, Step, io};
    use rustix::io::Errno;
    use rustix::process::{Signal, getpid, kill_process};
    use std::cell::RefCell;
    use std::io::Write;
    use std::sync::{LazyLock, Mutex, PoisonError};

    #[derive(Debug, Clone, Copy)]
    enum Action {
        Kill,
        Full,
        Error,
        Trace,
        Panic,
    }

    #[derive(Debug)]
    struct Fault {
        action: Action,
        first: u64,
        last: u64,
    }

    /// The faults, and how far the process has come.
    #[derive(Debug)]
    struct Failpoints {
        faults: Result<Vec<Fault>, String>,
        count: u64,
        reached: Vec<String>,
    }

    impl Failpoints {
        fn from_env() -> Self {
            Self::new(&std::env::var("SCRY_FAILPOINT").unwrap_or_default())
        }

        fn new(text: &str) -> Self {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let faults = parts.map(|part| {
                Fault::parse(part).ok_or_else(|| {
                    format!(
                        "SCRY_FAILPOINT: expected `kill:N`, `full:N`, `error:N`, `trace:N` or `panic:N`, N from 1, \
                         or `N+`; found `{part}`"
                    )
                })
            });
            Self { faults: faults.collect(), count: 0, reached: Vec::new() }
        }

        fn next(&mut self, step: Step) -> io::Result<Option<Action>> {
            // A typing error must not pass for a test that passes.
            let faults = self.faults.as_ref().map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e.clone()))?;
            self.count += 1;
            let due = |fault: &&Fault| {
                (fault.first..=fault.last).contains(&self.count)
                    && (step.takes_room() || !matches!(fault.action, Action::Full))
            };
            Ok(faults.iter().find(due).map(|fault| fault.action))
        }
    }

    impl Fault {
        fn parse(text: &str) -> Option<Self> {
            let (action, number) = text.split_once(':')?;
            let action = match action {
                "kill" => Action::Kill,
                "full" => Action::Full,
                "error" => Action::Error,
                "trace" => Action::Trace,
                "panic" => Action::Panic,
                _ => return None,
            };
            let (first, on) = match number.strip_suffix('+') {
                Some(first) => (first.parse().ok()?, true),
                None => (number.parse().ok()?, false),
            };
            (first > 0).then_some(Self { action, first, last: if on { u64::MAX } else { first } })
        }
    }

    pub(crate) fn step<T>(kind: FileKind, step: Step, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match next(kind, step)? {
            None => act(),
            Some(Action::Full) => Err(Errno::NOSPC.into()),
            Some(Action::Error) => Err(Errno::IO.into()),
            Some(Action::Trace) => {
                let done = act();
                say("passed", kind, step);
                done
            }
            #[expect(clippy::panic, reason = "it is told to")]
            Some(Action::Panic) => panic!("failpoint: {}\nforged", kind.name()),
            Some(Action::Kill) => {
                act()?;
                say("killed at", kind, step);
                kill_process(getpid(), Signal::KILL)?;
                loop {
                    std::thread::park();
                }
            }
        }
    }

    fn say(what: &str, kind: FileKind, step: Step) {
        // A closed stderr changes nothing.
        let _ = writeln!(io::stderr(), "failpoint: {what} {}.{}", kind.name(), step.name());
    }

    fn next(kind: FileKind, step: Step) -> io::Result<Option<Action>> {
        static OF_PROCESS: LazyLock<Mutex<Failpoints>> = LazyLock::new(|| Mutex::new(Failpoints::from_env()));
        let of_thread = OF_THREAD.with_borrow_mut(|of_thread| {
            let failpoints = of_thread.as_mut()?;
            failpoints.reached.push(format!("{}.{}", kind.name(), step.name()));
            Some(failpoints.next(step))
        });
        of_thread.unwrap_or_else(|| OF_PROCESS.lock().unwrap_or_else(PoisonError::into_inner).next(step))
    }

    // Tests share a process: each may have faults of its own.
    thread_local! {
        static OF_THREAD: RefCell<Option<Failpoints>> = const { RefCell::new(None) };
    }

    /// From now on this thread has faults of its own, which count from the start.
    pub fn arm(text: &str) {
        OF_THREAD.set(Some(Failpoints::new(text)));
    }

    /// The steps that this thread has reached since then.
    pub fn reached() -> Vec<String> {
        OF_THREAD
            .with_borrow(|of_thread| of_thread.as_ref().map_or(Vec::new(), |failpoints| failpoints.reached.clone()))
    }
}
