//! One call: an instance as the snapshot is, its limits, its answer.
//!
//! No state survives a call: an instance that has answered is put back to the
//! snapshot or dropped. One that is ready ahead of need has run nothing.

use super::abi;
use super::engine::{Loaded, Metering};
use super::epochs::Epochs;
use super::instance::{Function, Instance};
use super::limits::{Asker, CallLimits, Context, Stopped};
use super::rewind::Learned;
use scry_card::{Batch, check_form, shortened};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{Store, Trap, UpdateDeadline};

/// A line that a guest logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters, by the guest.
    pub level: tracing::Level,
    /// The line, cut to the limit.
    pub message: String,
}

/// Why a call has no answer. Each has a name of its own everywhere.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The guest crashed.
    #[error("the component trapped: {0}")]
    Trap(String),
    /// The deadline passed while the guest ran.
    #[error("the component did not answer before its deadline")]
    Timeout,
    /// The same, but the call had little time: a client's short deadline or a
    /// long wait, not the component, is at fault.
    #[error("the component did not answer before the deadline, which left it little time")]
    ShortOfTime,
    /// The deadline passed before there was anything to call the guest with.
    #[error(
        "the request came too late: it was not there and read within its deadline of {:.0} ms",
        .deadline.as_secs_f64() * 1e3
    )]
    Late {
        /// From the request's first byte.
        deadline: Duration,
    },
    /// The deadline passed while the host itself was at work for the request.
    #[error("the deadline passed before the request was read, checked, and answered")]
    Overdue,
    /// The guest used up its fuel.
    #[error("the component used up its fuel")]
    Fuel,
    /// The guest asked for more memory than it may have.
    #[error("the component reached its memory limit")]
    Memory,
    /// The answer is not what the schema promises, or is too large.
    #[error("the component's answer is invalid: {0}")]
    InvalidOutput(String),
    /// The model itself says that it failed.
    #[error("the model failed: {0}")]
    Failed(String),
    /// The model refuses the input: the caller's fault.
    #[error("the model refuses the input: {0}")]
    InvalidInput(String),
    /// No instance was free.
    #[error("no sandbox was free")]
    Overload,
    /// Less time is left than the model is known to need.
    #[error("the deadline is too short: the model takes {:.1} ms at least", .0.as_secs_f64() * 1e3)]
    DeadlineTooShort(Duration),
    /// The client has gone.
    #[error("the client left before the answer")]
    Abandoned,
    /// The version was not asked: it failed repeatedly, or an operator says so.
    #[error("the circuit is open: the version fails repeatedly, or an operator keeps requests from it")]
    CircuitOpen,
}

impl CallError {
    /// The name in headers, parameters and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Timeout | Self::ShortOfTime | Self::Late { .. } | Self::Overdue => "timeout",
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::InvalidOutput(_) => "invalid-output",
            Self::Failed(_) => "failed",
            Self::InvalidInput(_) => "invalid-input",
            Self::Overload => "overload",
            Self::DeadlineTooShort(_) => "deadline-too-short",
            Self::Abandoned => "abandoned",
            Self::CircuitOpen => "circuit-open",
        }
    }
}

/// What a call did, and what it took.
#[derive(Debug)]
pub struct CallReport {
    /// The answer, of the form that the schema says. Its values are whoever asks
    /// to check.
    pub outcome: Result<Batch, CallError>,
    /// Instructions, roughly, where they are counted.
    pub fuel: Option<u64>,
    /// Linear memory at the end, in bytes.
    pub memory_bytes: u64,
    /// From instantiation to the copied-out answer.
    pub duration: Duration,
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
/// putting it back takes time, too: whoever waits for the answer should have it
/// before.
#[derive(Debug)]
pub struct Spent {
    instance: Option<Instance>,
    /// Rather than having been stopped somewhere.
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
        match ready {
            Ok(mut instance) => {
                let report = self.ask(&mut instance, function, inputs, limits, started);
                let has_returned =
                    matches!(report.outcome, Ok(_) | Err(CallError::Failed(_) | CallError::InvalidInput(_)));
                let was_put_back = instance.was_put_back;
                CallReport { was_put_back, spent: Spent { instance: Some(instance), has_returned }, ..report }
            }
            Err(error) => report(Err(error), None, &mut Context::new(0), started),
        }
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
    let (deadline, asker) = (limits.deadline, limits.asker.clone());
    epochs.keep_on();
    let epochs = epochs.clone();
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        epochs.keep_on();
        match Instant::now() {
            now if now >= deadline => Err(Stopped::Deadline.into()),
            _ if asker.as_deref().is_some_and(Asker::has_gone) => Err(Stopped::Abandoned.into()),
            _ => Ok(UpdateDeadline::Continue(1)),
        }
    });
}

/// The longest backtrace, in bytes: the component chooses its names.
const ERROR_MAX_BYTES: usize = 4096;

pub(super) fn classify(error: wasmtime::Error) -> CallError {
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        return match stopped {
            Stopped::Deadline => CallError::Timeout,
            Stopped::Memory => CallError::Memory,
            Stopped::Abandoned => CallError::Abandoned,
        };
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return CallError::Overload;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => CallError::Fuel,
        Some(Trap::Interrupt) => CallError::Timeout,
        Some(_) => CallError::Trap(shortened(format!("{error:?}"), ERROR_MAX_BYTES)),
        // Not a trap: the host could not read what the guest gave it.
        None => CallError::InvalidOutput(shortened(format!("{error:#}"), ERROR_MAX_BYTES)),
    }
}
