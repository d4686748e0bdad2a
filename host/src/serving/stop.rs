//! What ends work before its deadline.

use scry_os::threads::thread_cpu;
use scry_sandbox::Client;
use scry_scheduler::CancelToken;
use std::time::Duration;

/// Ends work before its deadline.
#[derive(Debug)]
pub(super) enum Stop {
    /// When the client has gone.
    Client(CancelToken),
    /// When all clients have gone.
    Clients(Vec<CancelToken>),
    /// When this thread has used this much of a processor. Time in which it had none does not count.
    Slice(Duration),
}

impl Client for Stop {
    fn has_gone(&self) -> bool {
        match self {
            Self::Client(token) => token.is_cancelled(),
            Self::Clients(tokens) => tokens.iter().all(CancelToken::is_cancelled),
            Self::Slice(until) => thread_cpu() >= *until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

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
