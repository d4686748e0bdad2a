//! One request, from its bytes to its answer's, inside its deadline: where its stages run, and what
//! answers when the version does not.

use super::asked::Asked;
use super::circuit::Pass;
use super::deadline::Window;
use super::fallback::{FallbackLink, fallback_inputs, fallback_outputs, repeated};
use super::invoke::Attempt;
use super::job::{Call, Job, run};
use super::placement::{Placement, SLICE, offload, place, too_long};
use super::recorded;
use super::request::{Failure, PredictError, Reply, Request, unanswered};
use super::routes::{Routes, Served};
use super::sampling::sample_features;
use super::services::Services;
use super::stages::{Outcome, Prepared, all_stages, answered, of_constant, of_version, prepare, window, write};
use super::stop::Stop;
use super::trail::Trail;
use super::validation::Bypass;
use super::version::ServedVersion;
use crate::recording::Recording;
use crate::telemetry::traces::{StepKind, Traces};
use crate::telemetry::{Metrics, UNKNOWN, enter, with_current};
use arc_swap::ArcSwap;
use scry_card::{Batch, Interrupt, Interrupted, Values};
use scry_catalog::CatalogError;
use scry_os::ticker::Ticker;
use scry_protocol::Answer;
use scry_sandbox::CallError;
use scry_scheduler::{Background, CancelToken, Lane, Pool};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// A number in JSON with its comma, roughly.
const ELEMENT_BYTES: usize = 12;

/// Answers requests from whatever is routed at the moment.
#[derive(Debug)]
pub struct Predictor {
    routes: Arc<ArcSwap<Routes>>,
    pool: Pool<Job>,
    services: Arc<Services>,
}

/// A request of which one stage is over; on which version, and what follows.
type Ended = (u32, Result<Reply, Failure>);

impl Predictor {
    /// A predictor on the given routes; starts the threads that run guests. At most `queue_max`
    /// calls wait, over all models. Traced requests are handed over to `traces`.
    pub fn new(
        routes: Arc<ArcSwap<Routes>>,
        threads: usize,
        queue_max: usize,
        ticker: Arc<Ticker>,
        metrics: Arc<Metrics>,
        recording: Arc<Recording>,
        traces: Option<Arc<Traces>>,
    ) -> std::io::Result<Self> {
        let books = metrics.clone();
        let account = move |lane: &Lane, cpu| books.used_cpu(lane.name(), cpu);
        let pool = Pool::start(threads, queue_max, ticker, account)?;
        let services = Services { metrics, recording, traces, background: Background::start()? };
        Ok(Self { routes, pool, services: Arc::new(services) })
    }

    /// What is served now.
    pub fn routes(&self) -> Arc<Routes> {
        self.routes.load_full()
    }

    /// Where requests are counted.
    pub fn metrics(&self) -> &Metrics {
        &self.services.metrics
    }

    /// The model of this name, as it is served now.
    pub fn served(&self, model: &str) -> Result<Arc<Served>, CatalogError> {
        let routes = self.routes.load();
        routes.models.get(model).cloned().ok_or_else(|| CatalogError::UnknownModel(model.chars().take(80).collect()))
    }

    /// The model that a request to predict names: one that is not there counts.
    pub fn asked(&self, model: &str) -> Result<Arc<Served>, CatalogError> {
        self.served(model).inspect_err(|_| self.services.metrics.refused(UNKNOWN))
    }

    /// Does work with about `bytes` bytes of a request beside its stages, in its model's time: here
    /// where that is short, else on the pool.
    pub async fn offload<T: Send + 'static>(
        &self,
        served: &Served,
        received: Instant,
        bytes: usize,
        work: impl Fn(&mut Interrupt<'_>) -> Result<T, Interrupted> + Send + Sync + 'static,
    ) -> Result<T, CallError> {
        offload(&self.pool, served, received + served.limits.deadline, bytes, work).await
    }

    /// Counts a request that came no further than this.
    pub fn unanswered(&self, served: &Served, received: Instant, error: CallError) -> Failure {
        let record = recorded::unreceived(&self.services.recording, served, received, &error);
        let error = PredictError::NoAnswer(error);
        let number = served.serving.live;
        with_current(|context| context.note(|| unanswered(served, Some(number), error.outcome())));
        Asked::new(&self.services, served, received, None).ended(number, error.outcome());
        Failure { record, ..error.into() }
    }

    /// Why a request would find no room: it is counted, and worth no more time.
    pub fn refusal(&self, served: &Served, received: Instant) -> Option<Failure> {
        let has_room = !served.fallback.is_empty() || self.pool.has_room(&served.lane, &served.reading);
        (!has_room).then(|| self.unanswered(served, received, CallError::Overload))
    }

    /// Answers one request, within its deadline. Dropping the future stops it.
    pub async fn predict(&self, mut request: Request) -> Result<Reply, Failure> {
        let services = &*self.services;
        request.noted = services.recording.begins(&request.served.name);
        request.trail = Trail::of(services.traces.is_some() && request.context.span().is_sampled);
        let request = Arc::new(request);
        let (served, live) = (&*request.served, request.served.serving.live);
        let asked = Asked::new(services, served, request.received, Some(&request));
        served.series.received(request.body.len());
        // It stays so where its client leaves.
        request.context.note(|| unanswered(served, Some(live), CallError::Abandoned.reason()));
        let (number, mut ended) = self.answer(&request).await;
        asked.over(&request, number, &mut ended);
        ended
    }

    async fn answer(&self, request: &Arc<Request>) -> Ended {
        if let Err(late) = request.in_time(request.deadline(None)) {
            // No component is asked.
            return (request.served.serving.live, Err(late.into()));
        }
        if let Some(version) = &request.version
            && let Err(unknown) = request.served.resolve(version)
        {
            return (request.served.serving.live, Err(PredictError::Unknown(unknown).into()));
        }
        match place(&self.pool, request) {
            Placement::Inline(mut permit) => {
                request.served.series.inline_call();
                let (began, stop) = (Instant::now(), Stop::Slice(permit.began() + SLICE));
                let (outcome, spent) = all_stages(request, stop, &self.services);
                if let Some((target, spent)) = spent {
                    permit.is_measured();
                    target.put_back(spent);
                    if outcome.is_answered() {
                        target.stats.inline().answered(request.body.len(), began.elapsed());
                    }
                }
                drop(permit);
                too_long(request, &outcome);
                self.go_on(request, outcome).await
            }
            Placement::Pool => self.on_pool(request).await,
        }
    }

    /// What follows from what one thread has done.
    async fn go_on(&self, request: &Arc<Request>, outcome: Outcome) -> Ended {
        match outcome {
            Outcome::Done(number, ended) => (number, ended),
            Outcome::Unread => self.on_pool(request).await,
            Outcome::Uncalled(prepared) => self.call(request, prepared).await,
            Outcome::Bypassed(prepared) => self.bypass(request, prepared).await,
            Outcome::Failed(prepared, error) => self.fall_back(request, prepared, error).await,
            Outcome::Unwritten(prepared, answer) => self.write(request, prepared, answer).await,
        }
    }

    /// On the compute threads: all of it in one go, or stage by stage where others may have a part in it.
    async fn on_pool(&self, request: &Arc<Request>) -> Ended {
        let (served, live) = (&request.served, request.served.serving.live);
        if request.is_alone() {
            if let Some(error) = request.refused_at_once() {
                return (live, Err(error.into()));
            }
            let done = self.all_on_pool(request).await;
            return match done {
                Ok(outcome) => Box::pin(self.go_on(request, outcome)).await,
                Err(error) => (live, Err(error.into())),
            };
        }
        if served.fallback.is_empty() && !self.pool.has_room(&served.lane, &served.reading) {
            return (live, Err(CallError::Overload.into()));
        }
        let (theirs, services) = (request.clone(), self.services.clone());
        let work = move |interrupt: &mut Interrupt<'_>| prepare(&theirs, &services, interrupt);
        let prepared = offload(&self.pool, served, request.deadline(None), request.body.len(), work).await;
        match prepared {
            Ok(Ok(prepared)) if prepared.checked.is_bypassed() => self.bypass(request, Box::new(prepared)).await,
            Ok(Ok(prepared)) => self.call(request, Box::new(prepared)).await,
            Ok(Err((number, failure))) => (number, Err(failure)),
            Err(error) => (live, Err(error.into())),
        }
    }

    async fn all_on_pool(&self, request: &Arc<Request>) -> Result<Outcome, CallError> {
        let (answer, answered) = oneshot::channel();
        let (token, queued) = (CancelToken::default(), Instant::now());
        let (theirs, services, stop) = (request.clone(), self.services.clone(), Stop::Client(token.clone()));
        let work = Box::new(move || {
            let (waited, began) = (queued.elapsed(), Instant::now());
            theirs.served.series.queued(waited);
            theirs.taken.queue.took(waited);
            theirs.track(false).took(StepKind::Queue, queued, waited, None);
            let (outcome, spent) = enter(theirs.context.clone(), || all_stages(&theirs, stop, &services));
            let (is_called, is_answered) = (spent.is_some(), outcome.is_answered());
            drop(answer.send(outcome));
            if let Some((target, spent)) = spent {
                target.restock(spent);
                if is_answered {
                    target.stats.inline().answered(theirs.body.len(), began.elapsed());
                }
            }
            is_called
        });
        let deadline = request.deadline(None);
        let job = Job::Task { deadline, token: token.clone(), run: work };
        let give_up = window(&request.served, &[], deadline).give_up;
        let done = run(&self.pool, &request.served.lane, job, answered, token, give_up).await;
        done.inspect_err(|error| request.track(false).unqueued(queued, error))
    }

    /// Has the version called that is asked.
    async fn call(&self, request: &Arc<Request>, mut prepared: Box<Prepared>) -> Ended {
        let (served, number) = (&request.served, prepared.number);
        let Some(target) = prepared.target.clone() else { return self.bypass(request, prepared).await };
        let window = window(served, served.chain(number), prepared.deadline);
        match self.attempt(request, false, &target, &prepared.checked.batch, window).await {
            Ok((outputs, took)) => {
                answered(request, &prepared, &target, (&outputs, took), &self.services);
                let (before, began) = (prepared.took + took, Instant::now());
                let answer = of_version(&target, prepared.card.clone(), outputs, None);
                match prepared.checked.complete(answer) {
                    Ok(answer) => {
                        let ended = self.write(request, prepared, answer).await;
                        target.stats.inline().answered(request.body.len(), before + began.elapsed());
                        ended
                    }
                    Err(error) => (number, Err(prepared.failure(PredictError::NoAnswer(error)))),
                }
            }
            Err(CallError::InvalidInput(message)) => {
                prepared.unanswered(request, message.clone());
                (number, Err(prepared.failure(PredictError::Refused(message))))
            }
            Err(error) => self.fall_back(request, prepared, error).await,
        }
    }

    /// The version is not asked.
    async fn bypass(&self, request: &Arc<Request>, mut prepared: Box<Prepared>) -> Ended {
        if let Some(target) = prepared.target.as_ref().filter(|_| prepared.checked.is_kept_from_version()) {
            sample_features(target, &self.services.background, &prepared.checked.batch);
        }
        let is_rejected = matches!(prepared.checked.bypass, Some(Bypass::Reject(_)));
        let chain = if is_rejected { &[] } else { request.served.chain(prepared.number) };
        let reason = prepared.checked.bypass.as_ref().map_or("", Bypass::reason);
        prepared.unanswered(request, prepared.checked.why());
        match self.fallback(request, &prepared, chain, reason).await {
            Some(answer) => self.complete(request, prepared, answer).await,
            None => {
                let refused = prepared.checked.refused();
                (prepared.number, Err(prepared.failure(refused.into())))
            }
        }
    }

    /// The version has not answered.
    async fn fall_back(&self, request: &Arc<Request>, prepared: Box<Prepared>, error: CallError) -> Ended {
        let chain = request.served.chain(prepared.number);
        prepared.unanswered(request, error.cause());
        match self.fallback(request, &prepared, chain, error.reason()).await {
            Some(answer) => self.complete(request, prepared, answer).await,
            None => (prepared.number, Err(prepared.failure(PredictError::NoAnswer(error)))),
        }
    }

    /// Asks the fallbacks of a chain, if there are any.
    async fn fallback(
        &self,
        request: &Arc<Request>,
        prepared: &Prepared,
        chain: &[FallbackLink],
        reason: &'static str,
    ) -> Option<Answer> {
        if chain.is_empty() {
            return None;
        }
        self.services.metrics.fell_back(&request.served.name, reason);
        let (track, began) = (request.track(false), request.track(false).now());
        let answer = self.walk(request, prepared, chain, reason).await;
        track.fell_back(began, reason, answer.is_none().then_some(reason));
        answer
    }

    /// Walks a chain until a link answers.
    async fn walk(
        &self,
        request: &Arc<Request>,
        prepared: &Prepared,
        chain: &[FallbackLink],
        reason: &'static str,
    ) -> Option<Answer> {
        let served = &request.served;
        let (inputs, card) = (&prepared.checked.batch, &prepared.card);
        for (i, link) in chain.iter().enumerate() {
            match link {
                FallbackLink::Constant(row) => {
                    let outputs = repeated(row, inputs.rows);
                    return Some(of_constant(&served.name, card.clone(), outputs, reason));
                }
                FallbackLink::Unavailable(_) => {}
                FallbackLink::Version { target, inputs: from, outputs } => {
                    let columns = Arc::new(fallback_inputs(inputs, &target.card.schema.inputs, from));
                    let rest = chain.get(i + 1..).unwrap_or_default();
                    let window = window(served, rest, prepared.deadline);
                    if let Ok((answer, _)) = self.attempt(request, true, target, &columns, window).await {
                        return Some(of_version(
                            target,
                            card.clone(),
                            fallback_outputs(&answer, outputs),
                            Some(reason),
                        ));
                    }
                }
            }
        }
        None
    }

    /// Has one component called on the compute threads, within its own limits.
    async fn attempt(
        &self,
        request: &Arc<Request>,
        is_fallback: bool,
        target: &Arc<ServedVersion>,
        inputs: &Arc<Batch>,
        window: Window,
    ) -> Attempt {
        let queued = Instant::now();
        let left = window.until.saturating_duration_since(queued);
        target.lane.can_meet(left).map_err(CallError::DeadlineTooShort)?;
        let pass: Pass = target.enter()?;
        let ((answer, answered), token) = (oneshot::channel(), CancelToken::default());
        let call = Call {
            request: request.clone(),
            is_fallback,
            pass,
            target: target.clone(),
            inputs: inputs.clone(),
            until: window.until,
            fair: window.fair,
            queued,
            token: token.clone(),
            answer,
            metrics: self.services.metrics.clone(),
        };
        let job = Job::Call(Box::new(call));
        let done = run(&self.pool, &target.lane, job, answered, token, window.give_up).await;
        done.inspect_err(|error| request.track(is_fallback).unqueued(queued, error))?
    }

    async fn complete(&self, request: &Arc<Request>, mut prepared: Box<Prepared>, answer: Answer) -> Ended {
        match prepared.checked.complete(answer) {
            Ok(answer) => self.write(request, prepared, answer).await,
            Err(error) => (prepared.number, Err(prepared.failure(PredictError::NoAnswer(error)))),
        }
    }

    /// Has an answer written.
    async fn write(&self, request: &Arc<Request>, prepared: Box<Prepared>, answer: Answer) -> Ended {
        let bytes_of = |values: &Values| match values {
            Values::Bytes(text) => text.utf8().len() + text.len() * ELEMENT_BYTES,
            numbers => numbers.len() * ELEMENT_BYTES,
        };
        let bytes = answer.outputs.columns.iter().map(|column| bytes_of(&column.values)).sum();
        let (number, deadline, answer) = (prepared.number, prepared.deadline, Arc::new(answer));
        let (theirs, written) = (request.clone(), answer.clone());
        let work = move |interrupt: &mut Interrupt<'_>| write(&theirs, &prepared, &written, interrupt);
        let ended = match offload(&self.pool, &request.served, deadline, bytes, work).await {
            Ok(Ok(written)) => {
                request.noted.answered(|| answer.clone());
                Ok(Reply::new(written, &answer))
            }
            Ok(Err(error)) => Err(PredictError::Unwritten(error).into()),
            Err(error) => Err(error.into()),
        };
        (number, ended)
    }
}
