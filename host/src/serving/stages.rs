//! The stages of a request as plain functions: read, check, call, write. Each runs on the thread
//! that it is called on, until it is interrupted.
//!
//! Never decides where that is, and never waits.

use super::deadline::{Next, Window};
use super::fallback::FallbackLink;
use super::invoke::{Attempt, invoke};
use super::request::{Failure, PredictError, Reply, Request, UNWRITTEN};
use super::routes::Served;
use super::sampling::sample_features;
use super::services::Services;
use super::stats::LastError;
use super::stop::Stop;
use super::validation::{Checked, INVALID_INPUT, by_schema};
use super::version::ServedVersion;
use crate::recording::record::Inputs;
use crate::telemetry::traces::StepKind;
use crate::telemetry::unix_ms;
use scry_card::{Batch, Card, Interrupt, Interrupted};
use scry_catalog::CatalogError;
use scry_protocol::{Answer, Decoded, ProtocolError, Remarks, ReplyForm, Sent, Written};
use scry_sandbox::{CallError, Client, Spent};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request that was read and checked.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) number: u32,
    /// The version that is asked; nothing where it does not load.
    pub(super) target: Option<Arc<ServedVersion>>,
    /// The card whose outputs are answered.
    pub(super) card: Arc<Card>,
    pub(super) checked: Checked,
    pub(super) deadline: Instant,
    reply: ReplyForm,
    sent: Option<Sent>,
    /// What reading and checking has taken.
    pub(super) took: Duration,
}

/// How far one thread has come with a request.
pub(super) enum Outcome {
    /// It is answered, or refused.
    Done(u32, Result<Reply, Failure>),
    /// Stopped before it was checked.
    Unread,
    /// Its call was stopped before it answered.
    Uncalled(Box<Prepared>),
    /// Another is to answer, since the version did not.
    Failed(Box<Prepared>, CallError),
    /// It may not be the version's to answer.
    Bypassed(Box<Prepared>),
    /// It was stopped before its answer was written.
    Unwritten(Box<Prepared>, Answer),
}

impl Outcome {
    /// Whether the version that was asked has answered.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self, Self::Done(_, Ok(_)))
    }
}

/// Reads and checks a request.
pub(super) fn prepare(
    request: &Request,
    services: &Services,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<Prepared, (u32, Failure)>, Interrupted> {
    let (began, served) = (Instant::now(), &request.served);
    let live = served.serving.live;
    let decoded = match request.format.decode(&request.body, interrupt) {
        Err(ProtocolError::Interrupted(interrupted)) => return Err(interrupted),
        decoded => decoded,
    };
    let track = request.track(false);
    let checking = track.lap(StepKind::Decode, began, decoded.is_err().then_some(INVALID_INPUT));
    let Decoded { rows, timeout, key, by_row, reply, sent } = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return Ok(Err((live, PredictError::Unread(error).into()))),
    };
    let number = match version(request, key.as_deref()) {
        Ok(number) => number,
        Err(error) => return Ok(Err((live, PredictError::Unknown(error).into()))),
    };
    let deadline = request.deadline(timeout);
    if let Err(late) = request.in_time(deadline) {
        return Ok(Err((number, late.into())));
    }
    let (target, card, checked) = match served.target(number) {
        Ok(target) => {
            let checked = target.check(rows, by_row, &services.metrics, interrupt)?;
            let checked = checked.inspect_err(|_| mismatch(served, target));
            (Some(target.clone()), target.card.clone(), checked.map_err(PredictError::InvalidInput))
        }
        // Its first fallback knows the form.
        Err(why) => match served.chain(number).iter().find_map(FallbackLink::card) {
            Some(card) => {
                let mut rows = rows;
                rows.keep_only(&card.schema.inputs);
                let checked = by_schema(&card.schema.inputs, rows, interrupt)?;
                let checked = checked.map(|batch| Checked::of_unavailable(batch, why));
                (None, card.clone(), checked.map_err(PredictError::InvalidInput))
            }
            None => return Ok(Err((number, PredictError::Unavailable(why).into()))),
        },
    };
    let checked = checked.and_then(|checked| Ok(reply.outputs.check(&card.schema.outputs).map(|()| checked)?));
    track.lap(StepKind::Validate, checking, checked.as_ref().err().map(PredictError::outcome));
    Ok(match checked {
        Ok(checked) => {
            let took = began.elapsed();
            request.taken.read.took(took);
            request.noted.read(|| Inputs { card: card.clone(), batch: checked.batch.clone() });
            Ok(Prepared { number, target, card, checked, deadline, reply, sent, took })
        }
        Err(error) => Err((number, Failure { sent, ..error.into() })),
    })
}

/// The version that a request means.
fn version(request: &Request, key: Option<&str>) -> Result<u32, CatalogError> {
    match &request.version {
        Some(version) => request.served.resolve(version),
        None => Ok(*request.picked.get_or_init(|| request.served.pick(request.key.as_deref().or(key)))),
    }
}

/// A canary that asks for other inputs than the live version is at fault when
/// a request does not fit it; otherwise the request is.
fn mismatch(served: &Served, target: &ServedVersion) {
    let is_canary = served.serving.canary.as_ref().is_some_and(|canary| canary.to == target.version.number);
    let live = served.target(served.serving.live);
    if is_canary && live.is_ok_and(|live| live.card.schema.inputs != target.card.schema.inputs) {
        let message = "a request does not fit this version's inputs, which differ from the live version's";
        target.stats.record(Duration::ZERO, Some(LastError::new(unix_ms(), "invalid-input", message)));
    }
}

/// The window of a component that `rest` stands behind.
pub(super) fn window(served: &Served, rest: &[FallbackLink], deadline: Instant) -> Window {
    let behind = rest.iter().filter_map(|link| match link {
        FallbackLink::Constant(_) => Some(Next::Constant),
        FallbackLink::Version { target, .. } => Some(Next::Component(target.stats.p99())),
        FallbackLink::Unavailable(_) => None,
    });
    Window::new(Instant::now(), deadline, served.limits.deadline, behind, &served.limits.reserve)
}

/// Calls the version on this thread.
fn call(
    request: &Request,
    target: &ServedVersion,
    prepared: &Prepared,
    stop: &Arc<Stop>,
    services: &Services,
) -> (Attempt, Option<Spent>) {
    let served = &request.served;
    let window = window(served, served.chain(prepared.number), prepared.deadline);
    // On the pool that was asked before it waited.
    if matches!(**stop, Stop::Slice(_)) {
        let left = window.until.saturating_duration_since(Instant::now());
        if let Err(needs) = target.lane.can_meet(left) {
            return (Err(CallError::DeadlineTooShort(needs)), None);
        }
    }
    let pass = match target.enter() {
        Ok(pass) => pass,
        Err(error) => return (Err(error), None),
    };
    let inputs = &prepared.checked.batch;
    let stop: Arc<dyn Client> = stop.clone();
    let (requests, metrics) = ([request.track(false)], &services.metrics);
    let (attempt, spent) = invoke(target, inputs, &requests, window.until, window.fair, Some(stop), metrics);
    pass.tell(&attempt);
    (attempt, Some(spent))
}

/// What follows from a version's answer, beside the reply.
pub(super) fn answered(
    request: &Request,
    prepared: &Prepared,
    target: &Arc<ServedVersion>,
    (outputs, took): (&Batch, Duration),
    services: &Services,
) {
    request.taken.call.took(took);
    let inputs = &prepared.checked.batch;
    sample_features(target, &services.background, inputs);
    let shadow = request.served.shadow.as_ref().filter(|_| prepared.number == request.served.serving.live);
    if let Some(shadow) = shadow {
        shadow.follow(&services.background, &services.metrics, inputs, outputs, took);
    }
}

/// Everything that a request needs, on one thread, and what is left of the call.
pub(super) fn all_stages(
    request: &Request,
    stop: Stop,
    services: &Services,
) -> (Outcome, Option<(Arc<ServedVersion>, Spent)>) {
    let (live, longest) = (request.served.serving.live, request.deadline(None));
    let stop = Arc::new(stop);
    let is_slice = matches!(*stop, Stop::Slice(_));
    let is_over = || stop.has_gone() || Instant::now() >= longest;
    let prepared = match prepare(request, services, &mut Interrupt::when(&is_over)) {
        Ok(Ok(prepared)) => Box::new(prepared),
        Ok(Err((number, failure))) => return (Outcome::Done(number, Err(failure)), None),
        Err(Interrupted) if is_slice && Instant::now() < longest => return (Outcome::Unread, None),
        Err(Interrupted) => return (Outcome::Done(live, Err(CallError::Overdue.into())), None),
    };
    let number = prepared.number;
    let target = match &prepared.target {
        Some(target) if !prepared.checked.is_bypassed() => target.clone(),
        _ => return (Outcome::Bypassed(prepared), None),
    };
    let (attempt, spent) = call(request, &target, &prepared, &stop, services);
    let spent = spent.map(|spent| (target.clone(), spent));
    let outcome = match attempt {
        Ok((outputs, took)) => {
            answered(request, &prepared, &target, (&outputs, took), services);
            let answer = of_version(&target, prepared.card.clone(), outputs, None);
            written(request, prepared, answer, &stop)
        }
        Err(CallError::Abandoned) if is_slice => Outcome::Uncalled(prepared),
        Err(CallError::InvalidInput(message)) => {
            prepared.unanswered(request, message.clone());
            Outcome::Done(number, Err(PredictError::Refused(message).into()))
        }
        Err(error) if request.served.chain(number).is_empty() => {
            prepared.unanswered(request, error.cause());
            Outcome::Done(number, Err(error.into()))
        }
        Err(error) => Outcome::Failed(prepared, error),
    };
    (outcome, spent)
}

/// Writes the answer of the version that was asked, on this thread.
fn written(request: &Request, mut prepared: Box<Prepared>, answer: Answer, stop: &Stop) -> Outcome {
    let number = prepared.number;
    let is_over = || stop.has_gone() || Instant::now() >= prepared.deadline;
    let answer = match prepared.checked.complete(answer) {
        Ok(answer) => answer,
        Err(error) => return Outcome::Done(number, Err(error.into())),
    };
    match write(request, &prepared, &answer, &mut Interrupt::when(&is_over)) {
        Ok(Ok(written)) => {
            let reply = Reply::new(written, &answer);
            request.noted.answered(|| Arc::new(answer));
            Outcome::Done(number, Ok(reply))
        }
        Ok(Err(error)) => Outcome::Done(number, Err(PredictError::Unwritten(error).into())),
        Err(Interrupted) if matches!(stop, Stop::Slice(_)) => Outcome::Unwritten(prepared, answer),
        Err(Interrupted) => Outcome::Done(number, Err(CallError::Overdue.into())),
    }
}

/// An answer's bytes.
pub(super) fn write(
    request: &Request,
    prepared: &Prepared,
    answer: &Answer,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<Written, ProtocolError>, Interrupted> {
    let began = Instant::now();
    let written = match request.format.encode(&request.served.name, &prepared.reply, answer, interrupt) {
        Err(ProtocolError::Interrupted(interrupted)) => return Err(interrupted),
        written => written,
    };
    let took = began.elapsed();
    request.taken.write.took(took);
    let error = written.is_err().then_some(UNWRITTEN);
    request.track(false).took(StepKind::Encode, began, took, error);
    Ok(written)
}

impl Prepared {
    /// No answer, though it could be read.
    pub(super) fn failure(self, error: PredictError) -> Failure {
        Failure { sent: self.sent, ..error.into() }
    }

    /// Leaves for the record why the version does not answer.
    pub(super) fn unanswered(&self, request: &Request, cause: String) {
        request.noted.unanswered(cause, Inputs { card: self.card.clone(), batch: self.checked.batch.clone() });
    }
}

/// A version's answer, in the form of a card's outputs.
pub(super) fn of_version(
    target: &ServedVersion,
    card: Arc<Card>,
    outputs: Batch,
    degraded: Option<&'static str>,
) -> Answer {
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

/// A constant's answer.
pub(super) fn of_constant(model: &str, card: Arc<Card>, outputs: Batch, reason: &'static str) -> Answer {
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
