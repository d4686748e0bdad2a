//! One request, from named tensors to an answer, inside its deadline.

use super::behind::Behind;
use super::budget::{Rest, share};
use super::compute::Compute;
use super::observed::LastError;
use super::routes::{Link, Routes, Served, repeated};
use super::run::{Attempt, run};
use super::target::{Target, spare_inputs, spare_outputs};
use crate::catalog::{CatalogError, VersionRef};
use crate::sandbox::CallError;
use crate::store::Digest;
use crate::telemetry::{Metrics, unix_ms};
use arc_swap::ArcSwap;
use scry_card::{Batch, Card, Field, Invalid, NamedTensor, assemble, check};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Errors that one refused request names.
const ERRORS_MAX: usize = 16;
/// How long a killed guest may take to notice, before the request goes on without it.
const KILL_GRACE: Duration = Duration::from_millis(20);

/// A prediction request.
#[derive(Debug)]
pub struct Call {
    /// The model's name.
    pub model: String,
    /// Which version; whichever is routed when none is named.
    pub version: Option<VersionRef>,
    /// Requests of one key get one version while a canary runs.
    pub key: Option<String>,
    /// The columns.
    pub inputs: Vec<NamedTensor>,
    /// When the request arrived.
    pub received: Instant,
    /// A deadline shorter than the model's.
    pub timeout: Option<Duration>,
}

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Answer {
    /// Card of the version that was asked.
    pub card: Arc<Card>,
    /// The predictions, in the form of that card's outputs.
    pub outputs: Batch,
    /// The model that answered.
    pub model: String,
    /// Its version: a number, or `constant`.
    pub version: String,
    /// Its digest; a constant has none.
    pub digest: Option<Digest>,
    /// Why a spare answered, when one did.
    pub degraded: Option<&'static str>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// No such model or version.
    #[error(transparent)]
    Unknown(#[from] CatalogError),
    /// Inputs that are not what the schema says.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    InvalidInput(Vec<Invalid>),
    /// Inputs that the model itself refuses.
    #[error("{0}")]
    Refused(String),
    /// Nobody answered in time, or at all.
    #[error("{0}")]
    NoAnswer(CallError),
    /// The version is there but cannot run on this host.
    #[error("the model is not available: {0}")]
    Unavailable(String),
}

/// Answers requests from whatever is routed at the moment.
#[derive(Debug)]
pub struct Predictor {
    routes: Arc<ArcSwap<Routes>>,
    compute: Compute,
    behind: Behind,
    metrics: Arc<Metrics>,
}

impl Predictor {
    /// A predictor on the given routes; starts the thread for shadows.
    pub fn new(routes: Arc<ArcSwap<Routes>>, compute: Compute, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        Ok(Self { routes, compute, behind: Behind::start()?, metrics })
    }

    /// The model of this name, as it is served now.
    pub fn served(&self, model: &str) -> Result<Arc<Served>, CatalogError> {
        let routes = self.routes.load();
        routes.models.get(model).cloned().ok_or_else(|| CatalogError::UnknownModel(model.chars().take(80).collect()))
    }

    /// The same for a request to predict: one for a model that is not there counts.
    pub fn asked(&self, model: &str) -> Result<Arc<Served>, CatalogError> {
        self.served(model).inspect_err(|_| self.metrics.refused("unknown"))
    }

    /// Answers one request, within its deadline.
    pub async fn predict(&self, call: Call) -> Result<Answer, PredictError> {
        let served = self.asked(&call.model)?;
        let number = match &call.version {
            Some(version) => served.resolve(version).inspect_err(|_| self.metrics.refused(&served.name))?,
            None => served.pick(call.key.as_deref()),
        };
        let longest = served.limits.deadline;
        let deadline = call.received + call.timeout.map_or(longest, |shorter| shorter.min(longest));
        let answer = self.answer(&served, number, call.inputs, deadline).await;
        let outcome = match &answer {
            Ok(Answer { degraded: Some(_), .. }) => "degraded",
            Ok(_) => "ok",
            Err(PredictError::InvalidInput(_) | PredictError::Refused(_) | PredictError::Unknown(_)) => "invalid-input",
            Err(PredictError::NoAnswer(error)) => error.reason(),
            Err(PredictError::Unavailable(_)) => "unavailable",
        };
        self.metrics.answered(&served.name, number, outcome, call.received.elapsed());
        answer
    }

    async fn answer(
        &self,
        served: &Served,
        number: u32,
        named: Vec<NamedTensor>,
        deadline: Instant,
    ) -> Result<Answer, PredictError> {
        let chain = served.chain(number);
        let target = match served.target(number) {
            Ok(target) => target,
            Err(why) => return self.answer_unavailable(served, chain, named, deadline, why).await,
        };
        let inputs = Arc::new(validated(&target.card.schema.inputs, named).inspect_err(|_| mismatch(served, target))?);
        let window = Window::new(deadline, chain, served.limits.fallback_reserve_percent);
        let first = match self.attempt(target, &inputs, window).await {
            Ok((outputs, took)) => {
                if let Some(shadow) = served.shadow.as_ref().filter(|_| number == served.serving.live) {
                    shadow.follow(&self.behind, &self.metrics, &inputs, &outputs, took);
                }
                return Ok(Answer::of(target, target.card.clone(), outputs, None));
            }
            Err(CallError::InvalidInput(message)) => return Err(PredictError::Refused(message)),
            Err(error) => error,
        };
        self.fall_back(served, &target.card, chain, &inputs, deadline, first.reason())
            .await
            .ok_or(PredictError::NoAnswer(first))
    }

    /// The live version does not load: its first spare knows the form.
    async fn answer_unavailable(
        &self,
        served: &Served,
        chain: &[Link],
        mut named: Vec<NamedTensor>,
        deadline: Instant,
        why: String,
    ) -> Result<Answer, PredictError> {
        let card = chain.iter().find_map(|link| match link {
            Link::Target { target, .. } => Some(target.card.clone()),
            _ => None,
        });
        let Some(card) = card else { return Err(PredictError::Unavailable(why)) };
        let fields = &card.schema.inputs;
        named.retain(|input| fields.iter().any(|field| field.name == input.name));
        let inputs = Arc::new(validated(fields, named)?);
        let answer = self.fall_back(served, &card, chain, &inputs, deadline, "unavailable").await;
        answer.ok_or(PredictError::Unavailable(why))
    }

    /// Walks the chain until somebody answers.
    async fn fall_back(
        &self,
        served: &Served,
        card: &Arc<Card>,
        chain: &[Link],
        inputs: &Arc<Batch>,
        deadline: Instant,
        reason: &'static str,
    ) -> Option<Answer> {
        if !chain.is_empty() {
            self.metrics.fell_back(&served.name, reason);
        }
        for (i, link) in chain.iter().enumerate() {
            match link {
                Link::Constant(row) => {
                    return Some(Answer {
                        card: card.clone(),
                        outputs: repeated(row, inputs.rows),
                        model: served.name.clone(),
                        version: "constant".into(),
                        digest: None,
                        degraded: Some(reason),
                    });
                }
                Link::Unavailable(_) => {}
                Link::Target { target, inputs: from, outputs } => {
                    let columns = Arc::new(spare_inputs(inputs, &target.card.schema.inputs, from));
                    let rest = chain.get(i + 1..).unwrap_or_default();
                    let window = Window::new(deadline, rest, served.limits.fallback_reserve_percent);
                    if let Ok((answer, _)) = self.attempt(target, &columns, window).await {
                        return Some(Answer::of(target, card.clone(), spare_outputs(&answer, outputs), Some(reason)));
                    }
                }
            }
        }
        None
    }

    /// Runs one component on the compute pool, within its own limits.
    async fn attempt(&self, target: &Arc<Target>, inputs: &Arc<Batch>, window: Window) -> Attempt {
        let until = window.until;
        let pass = target.enter()?;
        let (answer, answered) = tokio::sync::oneshot::channel();
        let started = Arc::new(AtomicBool::new(false));
        let queued = Instant::now();
        let (work, batch, metrics, starting) = (target.clone(), inputs.clone(), self.metrics.clone(), started.clone());
        let job = move || {
            metrics.queued(&work.model, queued.elapsed());
            starting.store(true, Ordering::Relaxed);
            let left = until.saturating_duration_since(Instant::now());
            let outcome = if left.is_zero() { Err(CallError::Overload) } else { run(&work, &batch, until, &metrics) };
            // Before the answer: whoever has it meets what follows from it.
            pass.tell(&outcome, left, &work.limits);
            // Nobody listens when the request has gone on without us.
            let _ = answer.send(outcome);
        };
        self.compute.submit(&target.admission, until, job).map_err(|_| CallError::Overload)?;
        match tokio::time::timeout_at(window.give_up.into(), answered).await {
            Ok(Ok(outcome)) => outcome,
            // Overdue in the queue, and dropped there.
            Ok(Err(_)) if !started.load(Ordering::Relaxed) => Err(CallError::Overload),
            Ok(Err(_)) => Err(CallError::Trap("the host dropped the call; this is a bug in scry".into())),
            Err(_) if !started.load(Ordering::Relaxed) => Err(CallError::Overload),
            Err(_) => Err(CallError::Timeout),
        }
    }
}

impl Answer {
    fn of(target: &Target, card: Arc<Card>, outputs: Batch, degraded: Option<&'static str>) -> Self {
        Self {
            card,
            outputs,
            model: target.model.clone(),
            version: target.version.number.to_string(),
            digest: Some(target.version.digest),
            degraded,
        }
    }
}

/// When a component is stopped, and when the request goes on without it.
#[derive(Debug, Clone, Copy)]
struct Window {
    until: Instant,
    give_up: Instant,
}

impl Window {
    /// The window of a component that `rest` stands behind.
    fn new(deadline: Instant, rest: &[Link], reserve_percent: u8) -> Self {
        let now = Instant::now();
        let stands = |wanted: fn(&Link) -> bool| rest.iter().any(wanted);
        let rest = if stands(|link| matches!(link, Link::Target { .. })) {
            Rest::Component
        } else if stands(|link| matches!(link, Link::Constant(_))) {
            Rest::Constant
        } else {
            Rest::Nothing
        };
        let until = now + share(deadline.saturating_duration_since(now), rest, reserve_percent);
        let grace = match rest {
            Rest::Nothing => KILL_GRACE,
            Rest::Constant | Rest::Component => KILL_GRACE.min(deadline.saturating_duration_since(until) / 2),
        };
        Self { until, give_up: until + grace }
    }
}

/// The request's columns in the schema's order, checked value by value.
fn validated(fields: &[Field], named: Vec<NamedTensor>) -> Result<Batch, PredictError> {
    let batch = assemble(fields, named).map_err(|error| PredictError::InvalidInput(vec![error]))?;
    let errors = check(fields, &batch, ERRORS_MAX);
    if errors.is_empty() { Ok(batch) } else { Err(PredictError::InvalidInput(errors)) }
}

/// A canary that asks for other inputs than the live version is at fault when
/// a request does not fit it; otherwise the request is.
fn mismatch(served: &Served, target: &Target) {
    let is_canary = served.serving.canary.as_ref().is_some_and(|canary| canary.to == target.version.number);
    let live = served.target(served.serving.live);
    if is_canary && live.is_ok_and(|live| live.card.schema.inputs != target.card.schema.inputs) {
        let message = "a request does not fit this version's inputs, which differ from the live version's";
        target.observed.record(Duration::ZERO, Some(LastError::new(unix_ms(), "invalid-input", message)));
    }
}
