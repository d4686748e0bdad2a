//! One request, from named tensors to an answer, inside its deadline.

use super::Admission;
use super::aside::now;
use super::behind::Behind;
use super::budget::{Behind as Rest, Window};
use super::compute::Compute;
use super::job::Job;
use super::observed::LastError;
use super::refusals::Refusals;
use super::routes::{Link, Routes, Served, repeated};
use super::rows::Rows;
use super::target::{Target, spare_inputs, spare_outputs};
use super::validation::{Bypass, Refusal, by_schema};
use super::whole::is_whole;
use crate::telemetry::{Metrics, UNKNOWN, unix_ms};
use arc_swap::ArcSwap;
use scry_card::{Batch, Card, CheckKind, Interrupt};
use scry_catalog::{CatalogError, VersionRef};
use scry_os::threads::Cores;
use scry_protocol::{Answer, Remarks};
use scry_sandbox::CallError;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How requests count that were at fault themselves, and why a spare answers
/// one that the model itself must not see.
pub(super) const INVALID_INPUT: &str = "invalid-input";

/// A prediction request.
#[derive(Debug)]
pub struct Call {
    /// The model's name.
    pub model: String,
    /// Which version; the routed one when none is named.
    pub version: Option<VersionRef>,
    /// Requests of one key get one version while a canary runs.
    pub key: Option<String>,
    /// The rows.
    pub inputs: Rows,
    /// When the request arrived.
    pub received: Instant,
    /// A deadline shorter than the model's.
    pub timeout: Option<Duration>,
    /// Whether rows that are refused leave the others their answers.
    pub by_row: bool,
}

/// An answer that is still to be written. What writes it, or refuses it
/// after all, counts the request by what its client gets.
#[derive(Debug)]
#[must_use]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// The request.
    pub due: Due,
}

/// A request that is not counted yet.
#[derive(Debug)]
pub struct Due {
    pub(super) served: Arc<Served>,
    pub(super) number: u32,
    pub(super) received: Instant,
    /// Its own, where that is shorter than the model's.
    pub(super) deadline: Instant,
    pub(super) outcome: &'static str,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// No such model or version.
    #[error(transparent)]
    Unknown(#[from] CatalogError),
    /// Inputs that are not what the schema or a check says.
    #[error("{0}")]
    InvalidInput(Refusal),
    /// Inputs that the model itself refuses.
    #[error("{0}")]
    Refused(String),
    /// A version that is not to be trusted as it stands, by the gravest of
    /// what is wrong with it.
    #[error("the version is not to be trusted: {1}")]
    Untrusted(CheckKind, Refusal),
    /// No version answered, or none in time.
    #[error("{0}")]
    NoAnswer(CallError),
    /// The version is there but cannot run on this host.
    #[error("the model is not available: {0}")]
    Unavailable(String),
}

impl PredictError {
    /// Whether it says which inputs are wrong.
    pub fn has_findings(&self) -> bool {
        matches!(self, Self::InvalidInput(_) | Self::Untrusted(..))
    }
}

/// How large a predictor is.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Threads that run guests.
    pub threads: usize,
    /// Threads that read requests.
    pub io_threads: usize,
    /// Calls that may wait, over all models.
    pub queue_max: usize,
    /// Processors that long calls, and work that no client waits for, leave to the others.
    pub quiet_cores: usize,
}

/// Answers requests from whatever is routed at the moment.
#[derive(Debug)]
pub struct Predictor {
    routes: Arc<ArcSwap<Routes>>,
    pub(super) compute: Compute<Job>,
    behind: Behind,
    pub(super) refusals: Refusals,
    pub(super) metrics: Arc<Metrics>,
}

impl Predictor {
    /// A predictor on the given routes; starts the threads that run guests.
    pub fn new(routes: Arc<ArcSwap<Routes>>, sizes: Sizes, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let Sizes { threads, io_threads, queue_max, quiet_cores } = sizes;
        let books = metrics.clone();
        let account = Box::new(move |lane: &Admission, cpu| books.used_cpu(&lane.model, cpu));
        let cores = Cores::keeping_quiet(quiet_cores);
        let behind = Behind::start(cores.clone())?;
        let compute = Compute::start(threads, queue_max, cores, account)?;
        let refusals = Refusals::new(io_threads);
        Ok(Self { routes, compute, behind, refusals, metrics })
    }

    /// The model of this name, as it is served now.
    pub fn served(&self, model: &str) -> Result<Arc<Served>, CatalogError> {
        let routes = self.routes.load();
        routes.models.get(model).cloned().ok_or_else(|| CatalogError::UnknownModel(model.chars().take(80).collect()))
    }

    /// The same for a request to predict: one for a model that is not there counts.
    pub fn asked(&self, model: &str) -> Result<Arc<Served>, CatalogError> {
        self.served(model).inspect_err(|_| self.metrics.refused(UNKNOWN))
    }

    /// Answers one request, within its deadline.
    pub async fn predict(&self, call: Call) -> Result<Answered, PredictError> {
        let served = self.asked(&call.model)?;
        let number = match &call.version {
            Some(version) => served.resolve(version).inspect_err(|_| self.metrics.refused(&served.name))?,
            None => served.pick(call.key.as_deref()),
        };
        let longest = served.limits.deadline;
        let deadline = call.received + call.timeout.map_or(longest, |shorter| shorter.min(longest));
        let asked = Asked { metrics: &self.metrics, served: &served, number, received: call.received };
        if Instant::now() >= deadline {
            // No component was asked.
            let late = CallError::Late { deadline: deadline.saturating_duration_since(call.received) };
            asked.answered(late.reason());
            return Err(PredictError::NoAnswer(late));
        }
        let answer = self.answer(&served, number, call.inputs, call.by_row, deadline).await;
        match answer {
            Ok(answer) => {
                let outcome = if answer.degraded.is_some() { "degraded" } else { "ok" };
                asked.goes_on();
                let due = Due { number, received: call.received, deadline, outcome, served };
                Ok(Answered { answer, due })
            }
            Err(error) => {
                asked.answered(match &error {
                    PredictError::InvalidInput(_) | PredictError::Refused(_) | PredictError::Unknown(_) => {
                        INVALID_INPUT
                    }
                    PredictError::Untrusted(check, _) => check.name(),
                    PredictError::NoAnswer(error) => error.reason(),
                    PredictError::Unavailable(_) => "unavailable",
                });
                Err(error)
            }
        }
    }

    /// Counts a request whose answer shows that it could not be meant.
    pub fn unfit(&self, due: &Due) {
        self.asked_for(due).answered(INVALID_INPUT);
    }

    pub(super) fn asked_for<'a>(&'a self, due: &'a Due) -> Asked<'a> {
        Asked { metrics: &self.metrics, served: &due.served, number: due.number, received: due.received }
    }

    /// Whether a request would find room; one that would not is counted, and
    /// worth no more time.
    pub async fn admit(&self, served: &Served, received: Instant) -> Result<(), PredictError> {
        let has_room = || !served.fallback.is_empty() || self.compute.has_room(&served.admission, &served.reading);
        if has_room() {
            return Ok(());
        }
        let asked = Asked { metrics: &self.metrics, served, number: served.serving.live, received };
        // Who had to wait long for a refusal may need none any more: it would only ask again.
        if self.refusals.wait(received + served.limits.deadline).await && has_room() {
            asked.goes_on();
            return Ok(());
        }
        asked.answered(CallError::Overload.reason());
        Err(PredictError::NoAnswer(CallError::Overload))
    }

    async fn answer(
        &self,
        served: &Served,
        number: u32,
        rows: Rows,
        by_row: bool,
        deadline: Instant,
    ) -> Result<Answer, PredictError> {
        let chain = served.chain(number);
        let target = match served.target(number) {
            Ok(target) => target,
            Err(why) => return self.answer_unavailable(served, chain, rows, deadline, why).await,
        };
        let checked = if is_whole() || target.validation.is_short(rows.size(target.card.schema.inputs.len())) {
            now(deadline, |interrupt| target.check(rows, by_row, &self.metrics, interrupt))
        } else {
            let (target, metrics) = (target.clone(), self.metrics.clone());
            let work = move |interrupt: &mut Interrupt<'_>| target.check(rows, by_row, &metrics, interrupt);
            self.on_compute(&served.reading, deadline, work).await
        };
        let checked = checked.map_err(PredictError::NoAnswer)?.inspect_err(|_| mismatch(served, target))?;
        let inputs = checked.batch.clone();
        if let Some(bypass) = checked.bypass {
            if checked.is_kept_from_version() {
                target.sample_features(&self.behind, &inputs);
            }
            let chain = if matches!(bypass, Bypass::Nobody(_)) { &[] } else { chain };
            let answer = self.fall_back(served, &target.card, chain, &inputs, deadline, bypass.reason()).await;
            return match answer {
                Some(answer) => checked.complete(answer),
                None => Err(checked.refused()),
            };
        }
        let window = window(served, chain, deadline);
        let first = match self.attempt(target, &inputs, window).await {
            Ok((outputs, took)) => {
                self.refusals.answered();
                target.sample_features(&self.behind, &inputs);
                if let Some(shadow) = served.shadow.as_ref().filter(|_| number == served.serving.live) {
                    shadow.follow(&self.behind, &self.metrics, &inputs, &outputs, took);
                }
                return checked.complete(answer_of(target, target.card.clone(), outputs, None));
            }
            Err(CallError::InvalidInput(message)) => return Err(PredictError::Refused(message)),
            Err(error) => error,
        };
        if matches!(first, CallError::Overload) || (chain.is_empty() && matches!(first, CallError::CircuitOpen)) {
            self.refusals.wait(deadline).await;
        }
        let answer = self.fall_back(served, &target.card, chain, &inputs, deadline, first.reason()).await;
        answer.ok_or(PredictError::NoAnswer(first)).and_then(|answer| checked.complete(answer))
    }

    /// The live version does not load: its first spare knows the form.
    async fn answer_unavailable(
        &self,
        served: &Served,
        chain: &[Link],
        mut rows: Rows,
        deadline: Instant,
        why: String,
    ) -> Result<Answer, PredictError> {
        let card = chain.iter().find_map(|link| match link {
            Link::Target { target, .. } => Some(target.card.clone()),
            _ => None,
        });
        let Some(card) = card else { return Err(PredictError::Unavailable(why)) };
        let (theirs, size) = (card.clone(), rows.size(card.schema.inputs.len()));
        let work = move |interrupt: &mut Interrupt<'_>| {
            rows.keep_only(&theirs.schema.inputs);
            by_schema(&theirs.schema.inputs, rows, interrupt)
        };
        let validated = match is_whole() || size.is_short() {
            true => now(deadline, work),
            false => self.on_compute(&served.reading, deadline, work).await,
        };
        let inputs = Arc::new(validated.map_err(PredictError::NoAnswer)??);
        let answer = self.fall_back(served, &card, chain, &inputs, deadline, "unavailable").await;
        answer.ok_or(PredictError::Unavailable(why))
    }

    /// Walks the chain until a link answers.
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
                    let outputs = repeated(row, inputs.rows);
                    return Some(constant_answer(&served.name, card.clone(), outputs, reason));
                }
                Link::Unavailable(_) => {}
                Link::Target { target, inputs: from, outputs } => {
                    let columns = Arc::new(spare_inputs(inputs, &target.card.schema.inputs, from));
                    let rest = chain.get(i + 1..).unwrap_or_default();
                    let window = window(served, rest, deadline);
                    if let Ok((answer, _)) = self.attempt(target, &columns, window).await {
                        return Some(answer_of(target, card.clone(), spare_outputs(&answer, outputs), Some(reason)));
                    }
                }
            }
        }
        None
    }
}

fn answer_of(target: &Target, card: Arc<Card>, outputs: Batch, degraded: Option<&'static str>) -> Answer {
    Answer {
        card,
        outputs,
        model: target.model.clone(),
        version: target.version.number.to_string(),
        digest: Some(target.digest_text.clone()),
        degraded,
        remarks: Remarks::default(),
    }
}

fn constant_answer(model: &str, card: Arc<Card>, outputs: Batch, reason: &'static str) -> Answer {
    Answer {
        card,
        outputs,
        model: model.to_owned(),
        version: "constant".into(),
        digest: None,
        degraded: Some(reason),
        remarks: Remarks::default(),
    }
}

/// A request that is being answered. When it is dropped before, its client
/// went away.
pub(super) struct Asked<'a> {
    pub(super) metrics: &'a Metrics,
    pub(super) served: &'a Served,
    pub(super) number: u32,
    pub(super) received: Instant,
}

impl Asked<'_> {
    pub(super) fn answered(self, outcome: &'static str) {
        self.count(outcome);
        self.goes_on();
    }

    /// It is counted elsewhere.
    pub(super) fn goes_on(self) {
        std::mem::forget(self);
    }

    fn count(&self, outcome: &'static str) {
        // One that is not kept ready has no series of its own.
        let version = self.served.versions.contains_key(&self.number).then_some(self.number);
        self.metrics.answered(&self.served.name, version, outcome, self.received.elapsed());
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.count(CallError::Abandoned.reason());
    }
}

/// The window of a component that `rest` stands behind.
pub(super) fn window(served: &Served, rest: &[Link], deadline: Instant) -> Window {
    let behind = rest.iter().filter_map(|link| match link {
        Link::Constant(_) => Some(Rest::Constant),
        Link::Target { target, .. } => Some(Rest::Component(target.observed.p99())),
        Link::Unavailable(_) => None,
    });
    Window::new(Instant::now(), deadline, served.limits.deadline, behind, &served.limits.reserve)
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
