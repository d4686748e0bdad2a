//! The end of a request as a record: one place decides whether there is one.
//!
//! Never waits, and changes nothing of an answer but the id that it names.

use super::request::{Failure, PredictError, Reply, Request};
use super::routes::Served;
use super::validation::INVALID_INPUT;
use crate::recording::record::{Answered, Record, Sent, Steps};
use crate::recording::{Kept, Noted, RecordId, Recording};
use crate::telemetry::{Context, unix_ms, with_current};
use bytes::Bytes;
use scry_sandbox::CallError;
use std::sync::Arc;
use std::time::Instant;

/// A prediction that has ended; `number` is the version that was asked. Its answer gets the id of its record, where it
/// failed or is a fallback's.
pub(super) fn ended(recording: &Recording, request: &Request, number: u32, ended: &mut Result<Reply, Failure>) {
    let is_ordinary = matches!(ended, Ok(reply) if reply.degraded.is_none());
    if !recording.wants(&request.noted, !is_ordinary) {
        return;
    }
    let Kept { cause, inputs, answer, calls } = request.noted.take();
    let version = match ended {
        Err(Failure { error: PredictError::Unknown(_), .. }) => None,
        _ => Some(number),
    };
    let record = of(&request.served, request.received, version, Some(&request.context));
    let (outcome, answered, cause) = match ended {
        Ok(reply) => {
            let outcome = if is_ordinary { "ok" } else { "degraded" };
            (outcome, Some(Answered { answer, ..answered(reply) }), cause)
        }
        Err(failure) => (failure.error.outcome(), None, cause.or_else(|| Some(failure.error.cause()))),
    };
    let record = Record {
        outcome,
        is_clients: outcome == INVALID_INPUT || matches!(ended, Ok(reply) if reply.degraded == Some(INVALID_INPUT)),
        cause,
        steps: request.taken.recorded(),
        deadline: request.deadline(None).saturating_duration_since(request.received),
        sent: Sent { body: request.body.clone(), format: Some(request.format) },
        inputs,
        answered,
        calls,
        ..record
    };
    let id = record.id;
    let named = recording.ended(Arc::new(record)).then_some(id);
    match ended {
        Ok(reply) => reply.record = named.filter(|_| !is_ordinary),
        Err(failure) => failure.record = named,
    }
}

/// A request whose client has left. That is no error, unless a guest failed before.
pub(super) fn abandoned(recording: &Recording, request: &Request) {
    let Some(cause) = request.noted.failure().filter(|_| recording.wants(&request.noted, true)) else { return };
    let Kept { inputs, calls, .. } = request.noted.take();
    // The first that was called is the one that was asked.
    let version = calls.first().map(|call| call.version);
    let record = Record {
        outcome: CallError::Abandoned.reason(),
        cause: Some(cause),
        steps: request.taken.recorded(),
        sent: Sent { body: request.body.clone(), format: Some(request.format) },
        inputs,
        calls,
        ..of(&request.served, request.received, version, Some(&request.context))
    };
    recording.ended(Arc::new(record));
}

/// A request that came no further than its head. Under which id there is a record of it.
pub(super) fn unreceived(
    recording: &Recording,
    served: &Served,
    received: Instant,
    error: &CallError,
) -> Option<RecordId> {
    if !recording.wants(&Noted::default(), true) {
        return None;
    }
    let context = with_current(Arc::clone);
    let record = of(served, received, Some(served.serving.live), context.as_deref());
    let record = Record { outcome: error.reason(), cause: Some(error.cause()), ..record };
    let id = record.id;
    recording.ended(Arc::new(record)).then_some(id)
}

/// What every record has.
fn of(served: &Served, received: Instant, version: Option<u32>, context: Option<&Context>) -> Record {
    let (now_ms, took) = (unix_ms(), received.elapsed());
    let at_ms = now_ms.saturating_sub(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let target = version.and_then(|number| served.versions.get(&number)?.as_ref().ok());
    Record {
        id: RecordId::at(at_ms),
        at_ms,
        request_id: context.map(|context| context.request_id().into()),
        trace_id: context.map(|context| context.trace_id().into()),
        model: served.name.as_str().into(),
        version,
        digest: target.map(|target| target.digest_text.clone()),
        outcome: "",
        is_clients: false,
        cause: None,
        took,
        steps: Steps::default(),
        deadline: served.limits.deadline,
        sent: Sent { body: Bytes::new(), format: None },
        inputs: None,
        answered: None,
        calls: Vec::new(),
    }
}

fn answered(reply: &Reply) -> Answered {
    Answered {
        model: reply.model.clone(),
        version: reply.version.clone(),
        digest: reply.digest.clone(),
        degraded: reply.degraded,
        warnings: reply.warnings,
        refused_rows: reply.refused_rows,
        answer: None,
    }
}
