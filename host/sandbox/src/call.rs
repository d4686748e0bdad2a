//! One call: an instance as the snapshot is, its limits, its answer.
//!
//! No state survives a call: an instance that has answered is put back to the
//! snapshot or dropped. One that is ready ahead of need has run nothing.

use super::abi;
use super::backtrace::Frame;
use super::engine::Loaded;
use super::epochs::Epochs;
use super::error::{CallError, classify};
use super::instance::{Function, Instance};
use super::limits::{CallLimits, Client, Context, LogLine, Stopped};
use super::rewind::Learned;
use super::settings::Metering;
use super::stock::Shelf;
use scry_card::{Batch, check_form};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{Store, UpdateDeadline};

/// What a call did, and what it took.
#[derive(Debug)]
pub struct CallReport {
    /// The answer, of the form that the schema says. The caller checks its
    /// values.
    pub outcome: Result<Batch, CallError>,
    /// Instructions, roughly, where they are counted.
    pub fuel: Option<u64>,
    /// Linear memory at the end, in bytes.
    pub memory_bytes: u64,
    /// From instantiation to the copied-out answer.
    pub duration: Duration,
    /// How much of it the instance took, where the limits ask for that.
    pub instantiated: Option<Duration>,
    /// Where the guest was when it was stopped, the innermost function first.
    pub backtrace: Vec<Frame>,
    /// What the guest logged, within limits.
    pub logs: Vec<LogLine>,
    /// Lines beyond the limit.
    pub logs_dropped: u64,
    /// Whether its instance had answered before, and was put back to the snapshot.
    pub was_put_back: bool,
    /// What is left of the instance.
    pub spent: Spent,
}

/// An instance that has answered. Dropping it takes as long as making one, and
/// putting it back takes time, too: the caller should have its answer before.
#[derive(Debug)]
pub struct Spent {
    instance: Option<Instance>,
    /// Whether its call returned, rather than being stopped somewhere.
    has_returned: bool,
}

impl Spent {
    /// The instance as it was before its call, where it can be put back.
    pub(super) fn put_back(self, learned: &Learned) -> Option<Instance> {
        let mut instance = self.instance?;
        instance.put_back(self.has_returned, learned).then_some(instance)
    }
}

impl Loaded {
    /// The same code with new instances only: a call that no client waits for
    /// takes none from other calls, and has no lock in common with them.
    pub fn apart(&self) -> Self {
        Self { stock: Arc::new(Shelf::new(0)).stock(), ..self.clone() }
    }

    /// Has an instance ready for the next call, where fewer than `each` wait for
    /// one: what is left of the last call, put back to the snapshot, or a new
    /// one. Best done when no call waits for this thread.
    pub fn restock(&self, spent: Spent, each: usize, limits: &CallLimits) -> Result<(), CallError> {
        if self.stock.has_room(each) {
            let instance = spent.put_back(&self.learned).map_or_else(|| self.instantiate(limits), Ok)?;
            self.stock.put(instance);
        }
        Ok(())
    }

    /// Keeps what is left of the last call for the next one, where it can be put back to the snapshot and fewer than
    /// `each` wait. Makes no new instance.
    pub fn put_back(&self, spent: Spent, each: usize) {
        if self.stock.has_room(each)
            && let Some(instance) = spent.put_back(&self.learned)
        {
            self.stock.put(instance);
        }
    }

    /// Learns which pages calls on these inputs write, so that the first instances under load can be put back. Leaves
    /// no instance behind.
    pub fn learn(&self, inputs: &Batch, limits: impl Fn() -> CallLimits) {
        /// Each teaches a number of pages; together more than are held.
        const ROUNDS: usize = 8;
        for _ in 0..ROUNDS {
            let CallReport { outcome, was_put_back, spent, .. } = self.predict(inputs, &limits());
            let is_learned = was_put_back || outcome.is_err() || self.restock(spent, 1, &limits()).is_err();
            if is_learned {
                break;
            }
        }
        drop(self.stock.take());
    }

    /// Predicts, from the snapshot.
    pub fn predict(&self, inputs: &Batch, limits: &CallLimits) -> CallReport {
        self.call(Function::Predict, inputs, limits)
    }

    /// Runs only the feature pipeline, from the snapshot.
    pub fn transform(&self, inputs: &Batch, limits: &CallLimits) -> CallReport {
        self.call(Function::Transform, inputs, limits)
    }

    /// Makes an instance and drops it: the first of a component costs more.
    pub fn warm(&self, limits: &CallLimits) -> Result<(), CallError> {
        self.instantiate(limits).map(drop)
    }

    /// An instance that answers again and again. For benchmarks and tests
    /// only: the guest's state survives from call to call.
    pub fn session(&self, limits: &CallLimits) -> Result<Session, CallError> {
        Ok(Session { loaded: self.clone(), instance: self.instantiate(limits)? })
    }

    fn call(&self, function: Function, inputs: &Batch, limits: &CallLimits) -> CallReport {
        let started = Instant::now();
        let ready = self.stock.take().map_or_else(|| self.instantiate(limits), Ok);
        let instantiated = limits.is_timed.then(|| started.elapsed());
        let report = match ready {
            Ok(mut instance) => {
                let report = self.ask(&mut instance, function, inputs, limits, started);
                let has_returned =
                    matches!(report.outcome, Ok(_) | Err(CallError::Failed(_) | CallError::InvalidInput(_)));
                let was_put_back = instance.was_put_back;
                CallReport { was_put_back, spent: Spent { instance: Some(instance), has_returned }, ..report }
            }
            Err(error) => report(Err(error), None, &mut Context::new(0), started),
        };
        CallReport { instantiated, ..report }
    }

    /// A new instance; its start runs within the limits.
    pub(super) fn instantiate(&self, limits: &CallLimits) -> Result<Instance, CallError> {
        let mut store = Store::new(self.pre.module().engine(), Context::new(limits.memory_max_bytes));
        arm(&mut store, limits, self.metering, &self.epochs);
        let learned = self.stock.keeps().then_some(&*self.learned);
        Instance::new(&self.pre, &self.exports, learned, store).map_err(classify)
    }

    fn ask(
        &self,
        instance: &mut Instance,
        function: Function,
        inputs: &Batch,
        limits: &CallLimits,
        started: Instant,
    ) -> CallReport {
        arm(&mut instance.store, limits, self.metering, &self.epochs);
        // One made ahead may have been made for a model with more.
        let outcome = if instance.store.data().memory_bytes > limits.memory_max_bytes {
            Err(CallError::Memory)
        } else {
            self.answer(instance, function, inputs, limits.output_max_bytes)
        };
        let fuel = instance.store.get_fuel().ok().map(|left| limits.fuel.saturating_sub(left));
        report(outcome, fuel, instance.store.data_mut(), started)
    }

    fn answer(
        &self,
        instance: &mut Instance,
        function: Function,
        inputs: &Batch,
        output_max_bytes: u64,
    ) -> Result<Batch, CallError> {
        instance.clear_away()?;
        let lowered = abi::lower(inputs, instance)?;
        let columns = instance.call(function, lowered, |memory, at| abi::lift(memory, at, output_max_bytes))??;
        let fields = match function {
            Function::Predict => &self.schema.outputs,
            Function::Transform => &self.schema.features,
        };
        let batch = Batch { rows: inputs.rows, columns };
        match check_form(fields, &batch) {
            Ok(()) => Ok(batch),
            Err(wrong) => Err(CallError::InvalidOutput(wrong.to_string())),
        }
    }
}

/// See [`Loaded::session`].
#[derive(Debug)]
pub struct Session {
    loaded: Loaded,
    instance: Instance,
}

impl Session {
    /// Predicts where the last call left off.
    pub fn predict(&mut self, inputs: &Batch, limits: &CallLimits) -> CallReport {
        self.loaded.ask(&mut self.instance, Function::Predict, inputs, limits, Instant::now())
    }
}

/// What a call did. What the guest said last before a trap is what its author
/// needs first.
fn report(outcome: Result<Batch, CallError>, fuel: Option<u64>, context: &mut Context, started: Instant) -> CallReport {
    let outcome = outcome.map_err(|error| match error {
        CallError::Trap(cause) => {
            CallError::Trap(match context.logs.iter().rfind(|line| line.level == tracing::Level::ERROR) {
                Some(line) => format!("{}\n{cause}", line.message),
                None => cause,
            })
        }
        other => other,
    });
    CallReport {
        outcome,
        fuel,
        memory_bytes: context.memory_bytes,
        duration: started.elapsed(),
        instantiated: None,
        backtrace: std::mem::take(&mut context.backtrace),
        logs: std::mem::take(&mut context.logs),
        logs_dropped: std::mem::take(&mut context.logs_dropped),
        was_put_back: false,
        spent: Spent { instance: None, has_returned: false },
    }
}

/// Puts a call's limits into force on a store.
pub(super) fn arm(store: &mut Store<Context>, limits: &CallLimits, metering: Metering, epochs: &Arc<Epochs>) {
    let context = store.data_mut();
    context.memory_max_bytes = limits.memory_max_bytes;
    store.limiter(|context| context);
    if metering == Metering::Fuel {
        // Fails only where fuel is not compiled in.
        let _ = store.set_fuel(limits.fuel);
    }
    // Ticks drift under load; the wall clock does not.
    let (deadline, client) = (limits.deadline, limits.client.clone());
    epochs.keep_on();
    let epochs = epochs.clone();
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        epochs.keep_on();
        match Instant::now() {
            now if now >= deadline => Err(Stopped::Deadline.into()),
            _ if client.as_deref().is_some_and(Client::has_gone) => Err(Stopped::Abandoned.into()),
            _ => Ok(UpdateDeadline::Continue(1)),
        }
    });
}
