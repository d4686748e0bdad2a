//! The host's own work that grows with a request: large ones are read, and large answers written,
//! by the pool, in a lane of the model's, so that it is the model's time.

use super::SLICE;
use crate::serving::job::{Job, run};
use crate::serving::routes::Served;
use crate::serving::stop::Stop;
use scry_card::{Interrupt, Interrupted};
use scry_os::threads::thread_cpu;
use scry_sandbox::{CallError, Client};
use scry_scheduler::{CancelToken, Pool, is_idle_enough};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// JSON that is read or written on the thread that reads requests.
const SHORT_MAX_BYTES: usize = 64 << 10;
/// JSON that is handled there while other connections wait: as long as a hand-over takes.
const SHORT_BUSY_MAX_BYTES: usize = 4 << 10;

/// Does something with about `bytes` bytes: here where that is short, else on the pool. What
/// turns out to be long is stopped at its slice here, and begins anew there. Where the pool has
/// no room for what is not large, it is done here: a fallback, or an answer that is there already,
/// must not be lost for it.
pub(crate) async fn offload<T: Send + 'static>(
    pool: &Pool<Job>,
    served: &Served,
    deadline: Instant,
    bytes: usize,
    work: impl Fn(&mut Interrupt<'_>) -> Result<T, Interrupted> + Send + Sync + 'static,
) -> Result<T, CallError> {
    let is_small = bytes <= SHORT_MAX_BYTES;
    let is_short = bytes <= SHORT_BUSY_MAX_BYTES || (is_small && is_idle_enough(Instant::now()));
    if is_short && let Ok(done) = until(deadline, &Stop::Slice(thread_cpu() + SLICE), &work) {
        return Ok(done);
    }
    let (work, token, (answer, answered)) = (Arc::new(work), CancelToken::default(), oneshot::channel());
    let (theirs, stop) = (work.clone(), Stop::Client(token.clone()));
    let task = Box::new(move || {
        drop(answer.send(until(deadline, &stop, &*theirs)));
        true
    });
    let job = Job::Task { deadline, token: token.clone(), run: task };
    match run(pool, &served.reading, job, answered, token, deadline).await {
        Ok(done) => done,
        Err(CallError::Timeout) => Err(CallError::Overdue),
        Err(CallError::Overload) if is_small => until(deadline, &Never, &*work),
        Err(error) => Err(error),
    }
}

/// Stopped by its deadline only.
#[derive(Debug)]
struct Never;

impl Client for Never {
    fn has_gone(&self) -> bool {
        false
    }
}

/// Does something of the host's own on this thread, until the deadline or a stop.
fn until<T>(
    deadline: Instant,
    stop: &impl Client,
    work: &impl Fn(&mut Interrupt<'_>) -> Result<T, Interrupted>,
) -> Result<T, CallError> {
    let is_over = || stop.has_gone() || Instant::now() >= deadline;
    work(&mut Interrupt::when(&is_over)).map_err(|Interrupted| CallError::Overdue)
}
