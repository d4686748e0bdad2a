//! Where a request's work runs: on the thread that read it, or on the pool. Decided once, by what
//! requests of its size have taken so far.

mod offload;

pub(super) use offload::offload;

use super::job::Job;
use super::request::Request;
use super::stages::Outcome;
use super::version::ServedVersion;
use scry_scheduler::{Permit, Pool, is_idle_enough};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Processor time after which work on a thread that reads requests is stopped.
pub(super) const SLICE: Duration = Duration::from_millis(1);

/// Where a request runs.
pub(super) enum Placement<'a> {
    /// Here, in this place of the model's lane.
    Inline(Permit<'a, Job>),
    /// On the compute threads.
    Pool,
}

/// Where this request runs.
pub(super) fn place<'a>(pool: &'a Pool<Job>, request: &'a Request) -> Placement<'a> {
    let covers = |target: &Arc<ServedVersion>| target.stats.inline().covers(request.body.len());
    let mut candidates = request.candidates().peekable();
    let is_short = candidates.peek().is_some() && candidates.all(covers);
    let permit = (is_short && is_idle_enough(Instant::now())).then(|| pool.enter(&request.served.lane));
    permit.flatten().map_or(Placement::Pool, Placement::Inline)
}

/// What has turned out to be too long for a thread that reads requests shows first that it is well.
pub(super) fn too_long(request: &Request, outcome: &Outcome) {
    match outcome {
        Outcome::Unread => request.candidates().for_each(|target| target.stats.inline().failed()),
        Outcome::Uncalled(prepared) | Outcome::Unwritten(prepared, _) => {
            prepared.target.iter().for_each(|target| target.stats.inline().failed());
        }
        Outcome::Done(..) | Outcome::Bypassed(_) | Outcome::Failed(..) => {}
    }
}
