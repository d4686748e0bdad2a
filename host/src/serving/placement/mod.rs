//! Where a request's work runs: on the thread that read it, or on the pool. Decided once, by what
//! requests of its size have taken so far.

mod inline;
mod offload;

pub(super) use inline::InlinePolicy;

use super::Predictor;
use super::job::Job;
use super::request::Request;
use scry_os::threads::thread_cpu;
use scry_sandbox::Asker;
use scry_scheduler::{CancelToken, Permit, is_idle_enough};
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

/// Ends work before its deadline.
#[derive(Debug)]
pub(super) enum Stop {
    /// When the client has gone.
    Client(CancelToken),
    /// When all clients have.
    Clients(Vec<CancelToken>),
    /// When this thread has used so much of a processor. Time in which it had none does not count.
    Slice(Duration),
}

impl Asker for Stop {
    fn has_gone(&self) -> bool {
        match self {
            Self::Client(token) => token.is_cancelled(),
            Self::Clients(tokens) => tokens.iter().all(CancelToken::is_cancelled),
            Self::Slice(until) => thread_cpu() >= *until,
        }
    }
}

impl Predictor {
    /// Where this request runs.
    pub(super) fn place<'a>(&'a self, request: &'a Request) -> Placement<'a> {
        let served = &request.served;
        let live = served.versions.get(&served.serving.live).and_then(|target| target.as_ref().ok());
        let is_short = live.is_some_and(|target| target.observed.inline().covers(request.body.len()));
        let permit = (is_short && is_idle_enough(Instant::now())).then(|| self.pool.enter(&served.admission));
        permit.flatten().map_or(Placement::Pool, Placement::Inline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_counts_the_time_of_the_processor_only() {
        let slice = Stop::Slice(thread_cpu() + Duration::from_millis(2));
        std::thread::sleep(Duration::from_millis(5));
        assert!(!slice.has_gone(), "it slept");
        let until = Instant::now() + Duration::from_secs(10);
        while !slice.has_gone() && Instant::now() < until {}
        assert!(slice.has_gone());
    }

    #[test]
    fn joined_calls_go_on_while_one_client_waits() {
        let tokens = [CancelToken::default(), CancelToken::default()];
        let stop = Stop::Clients(tokens.to_vec());
        drop(tokens[0].cancel_on_drop());
        assert!(!stop.has_gone());
        drop(tokens[1].cancel_on_drop());
        assert!(stop.has_gone());
    }
}
