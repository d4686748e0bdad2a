//! A version's circuit, as requests meet it: the breaker with a clock, a lock
//! where one is needed, a log and a metric.
//!
//! Never decides when it opens or closes: the breaker does.

use crate::telemetry::{Metrics, unix_ms};
use scry_catalog::{Breaker, CircuitOpen, Outcome, Override, Period, Phase};
use scry_sandbox::CallError;
use serde::Serialize;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The circuit of one version; it outlives the routes that lead to it.
#[derive(Debug)]
pub struct Circuit {
    model: String,
    version: u32,
    origin: Instant,
    /// The breaker's period while all is well, else 0. It is always from 1: reading
    /// it there needs no lock.
    calm: AtomicU64,
    breaker: Mutex<Breaker>,
    metrics: Arc<Metrics>,
}

/// The right to make one call. Its outcome is told once, or says nothing about
/// the version.
#[derive(Debug)]
pub(super) struct Pass {
    circuit: Arc<Circuit>,
    began: Period,
    outcome: Outcome,
}

/// How a circuit stands, for people.
#[derive(Debug, Clone, Serialize)]
pub struct CircuitState {
    /// `closed`, `open` or `half-open`.
    pub state: Phase,
    /// Whether an operator holds it there.
    pub forced: bool,
    /// Unix time; nothing while it has never changed.
    pub since_ms: Option<u64>,
    /// How long until a call passes, where it is open by itself.
    pub next_probe_ms: Option<u64>,
}

impl Circuit {
    /// A closed circuit with this first pause.
    pub fn new(model: &str, version: u32, pause: Duration, metrics: Arc<Metrics>) -> Self {
        // Another one in each process: hosts that fail together probe apart.
        let seed = RandomState::new().hash_one((model, version));
        Self {
            model: model.to_owned(),
            version,
            origin: Instant::now(),
            calm: AtomicU64::new(0),
            breaker: Mutex::new(Breaker::new(pause, seed)),
            metrics,
        }
    }

    /// Lets a call pass, or not.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Pass, CircuitOpen> {
        let began = match self.calm.load(Ordering::Relaxed) {
            0 => self.with(Breaker::enter)?,
            calm => calm,
        };
        Ok(Pass { circuit: self.clone(), began, outcome: Outcome::Unknown })
    }

    /// Why no call would pass now, a probe included; takes no probe.
    pub(super) fn refuses(&self) -> Option<CircuitOpen> {
        if self.calm.load(Ordering::Relaxed) != 0 {
            return None;
        }
        self.with(|breaker, now| {
            let is_forced = breaker.is_forced();
            let waits = is_forced || breaker.next_probe(now).is_some_and(|pause| !pause.is_zero());
            (breaker.phase() == Phase::Open && waits).then_some(CircuitOpen { is_forced })
        })
    }

    /// Does what an operator wants.
    pub fn force(&self, wanted: Override) {
        self.with(|breaker, now| breaker.force(wanted, now));
    }

    /// Whether calls are refused, a probe at most excepted.
    pub fn is_open(&self) -> bool {
        self.with(|breaker, _| breaker.phase() != Phase::Closed)
    }

    /// How it stands.
    pub fn state(&self) -> CircuitState {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.with(|breaker, now| CircuitState {
            state: breaker.phase(),
            forced: breaker.is_forced(),
            since_ms: breaker.since().map(|since| unix_ms().saturating_sub(millis(now.saturating_sub(since)))),
            next_probe_ms: breaker.next_probe(now).map(millis),
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Breaker, Duration) -> T) -> T {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let before = breaker.phase();
        let result = act(&mut breaker, self.origin.elapsed());
        self.calm.store(breaker.calm().unwrap_or(0), Ordering::Relaxed);
        let (after, forced) = (breaker.phase(), breaker.is_forced());
        drop(breaker);
        if after != before {
            self.changed(after, forced);
        }
        result
    }

    fn changed(&self, to: Phase, forced: bool) {
        let Self { model, version, .. } = self;
        self.metrics.circuit_changed(model, to.name());
        match to {
            Phase::Open => tracing::warn!(%model, version, forced, "the circuit is open"),
            Phase::HalfOpen => tracing::info!(%model, version, "the circuit is half-open: a probe goes first"),
            Phase::Closed => tracing::info!(%model, version, forced, "the circuit is closed"),
        }
    }
}

impl Pass {
    /// What became of the call.
    pub(super) fn tell<T>(self, result: &Result<T, CallError>) {
        match result {
            Ok(_) => self.succeeded(),
            Err(error) if is_at_fault(error) => self.failed(),
            Err(_) => drop(self),
        }
    }

    fn succeeded(mut self) {
        self.outcome = Outcome::Good;
    }

    fn failed(mut self) {
        self.outcome = Outcome::Bad;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        // Where all is well, only a failure changes anything.
        if self.outcome == Outcome::Bad || self.circuit.calm.load(Ordering::Relaxed) != self.began {
            self.circuit.with(|breaker, now| breaker.tell(self.began, self.outcome, now));
        }
    }
}

/// Whether an error is the version's own: a client with a tiny deadline, or a
/// long queue, must not take the version from all callers.
fn is_at_fault(error: &CallError) -> bool {
    match error {
        CallError::Trap(_)
        | CallError::Timeout
        | CallError::Fuel
        | CallError::Memory
        | CallError::InvalidOutput(_)
        | CallError::Failed(_) => true,
        CallError::InvalidInput(_)
        | CallError::Overload
        | CallError::ShortOfTime
        | CallError::Late { .. }
        | CallError::Overdue
        | CallError::DeadlineTooShort(_)
        | CallError::Abandoned
        | CallError::CircuitOpen => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circuit(pause_ms: u64) -> Arc<Circuit> {
        let metrics = Arc::new(Metrics::new().unwrap());
        Arc::new(Circuit::new("m", 1, Duration::from_millis(pause_ms), metrics))
    }

    fn calls(circuit: &Arc<Circuit>, good: bool, count: usize) {
        for _ in 0..count {
            let pass = circuit.enter().unwrap();
            if good { pass.succeeded() } else { pass.failed() }
        }
    }

    #[test]
    fn only_a_versions_own_failures_count() {
        for error in [CallError::Fuel, CallError::Memory, CallError::Trap(String::new()), CallError::Timeout] {
            assert!(is_at_fault(&error));
        }
        for error in [CallError::Overload, CallError::InvalidInput(String::new()), CallError::ShortOfTime] {
            assert!(!is_at_fault(&error));
        }
    }

    #[test]
    fn a_pass_that_is_dropped_is_a_probe_given_back() {
        let circuit = circuit(0);
        calls(&circuit, false, 5);
        for _ in 0..3 {
            let probe = circuit.enter().unwrap();
            assert!(circuit.enter().is_err() && circuit.is_open());
            drop(probe);
        }
        calls(&circuit, true, 1);
        assert!(!circuit.is_open());
    }

    #[test]
    fn a_calm_circuit_is_passed_without_its_lock() {
        let circuit = circuit(60_000);
        calls(&circuit, true, 32);
        let lock = circuit.breaker.lock().unwrap();
        calls(&circuit, true, 100);
        drop(circuit.enter().unwrap());
        drop(lock);
        // It still notices when that ends.
        calls(&circuit, false, 16);
        assert!(circuit.is_open());
        assert!(!circuit.enter().unwrap_err().is_forced);
    }

    #[test]
    fn of_many_threads_one_has_the_probe() {
        let circuit = circuit(0);
        calls(&circuit, false, 5);
        let go = std::sync::Barrier::new(8);
        let out: Vec<_> = std::thread::scope(|scope| {
            let enter = || {
                go.wait();
                circuit.enter()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(enter)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(out.iter().filter(|entered| entered.is_ok()).count(), 1);
    }
}
