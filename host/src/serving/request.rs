//! A request to predict and what becomes of it: the types that every stage shares.

use super::routes::Served;
use super::steps::Taken;
use super::trail::{Track, Trail};
use super::validation::{INVALID_INPUT, Refusal, Refused};
use super::version::ServedVersion;
use crate::recording::{Noted, RecordId};
use crate::telemetry::{ANSWERED, Context, NOT_FOUND, Prediction, UNKNOWN};
use bytes::Bytes;
use scry_card::CheckKind;
use scry_catalog::{CatalogError, VersionRef};
use scry_protocol::{Answer, Format, OutputError, ProtocolError, Sent, Written, may_have_timeout};
use scry_sandbox::CallError;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Bodies that are searched for a deadline by the thread that received them.
const SEARCHED_MAX_BYTES: usize = 256 << 10;

/// The outcome of a request that a fallback answered.
const DEGRADED: &str = "degraded";
/// The outcome of a request whose answer cannot be written.
pub(super) const UNWRITTEN: &str = "failed";

/// A request to predict.
#[derive(Debug)]
pub struct Request {
    /// The model, as it was routed when the request came.
    pub served: Arc<Served>,
    /// Which version; the routed one when none is named.
    pub version: Option<VersionRef>,
    /// Requests of one key get one version while a canary runs.
    pub key: Option<String>,
    /// A deadline shorter than the model's.
    pub timeout: Option<Duration>,
    /// When the request arrived.
    pub received: Instant,
    /// As it was sent.
    pub body: Bytes,
    /// How it is read, and its answer written.
    pub format: Format,
    /// The version that was picked for it: once, however often it begins again.
    pub picked: OnceLock<u32>,
    /// What its steps took, as they are taken: of every request, for the counts.
    pub taken: Taken,
    /// What its stages leave for its record: where it fails, or all of it is wanted.
    pub noted: Noted,
    /// Its steps one by one, for its trace: where it is traced.
    pub trail: Trail,
    /// Whose it is, for whatever tells of it.
    pub context: Arc<Context>,
}

/// An answer as it is sent.
#[derive(Debug)]
pub struct Reply {
    /// The bytes.
    pub body: Vec<u8>,
    /// How many of them are JSON, where tensors as bytes come behind it.
    pub json_bytes: Option<usize>,
    /// The model that answered.
    pub model: String,
    /// Its version: a number, or `constant`.
    pub version: String,
    /// Its digest, as text; a constant has none.
    pub digest: Option<Arc<str>>,
    /// Why a fallback answered, when one did.
    pub degraded: Option<&'static str>,
    /// Findings in rows that were answered.
    pub warnings: usize,
    /// Rows that were refused.
    pub refused_rows: usize,
    /// Under which id there is a record of why a fallback answered.
    pub record: Option<RecordId>,
}

/// A request that has no answer.
#[derive(Debug)]
pub struct Failure {
    /// Why it has none.
    pub error: PredictError,
    /// Where things are in it; a short one is read again for its tensors.
    pub sent: Option<Sent>,
    /// Under which id there is a record of it.
    pub record: Option<RecordId>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The body does not read.
    #[error(transparent)]
    Unread(#[from] ProtocolError),
    /// No such model or version.
    #[error(transparent)]
    Unknown(#[from] CatalogError),
    /// An output that cannot be had as it is wanted.
    #[error(transparent)]
    WrongOutput(#[from] OutputError),
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
    /// An answer that cannot be written.
    #[error("{0}")]
    Unwritten(ProtocolError),
}

impl Reply {
    pub(super) fn new(written: Written, answer: &Answer) -> Self {
        Self {
            body: written.bytes,
            json_bytes: written.json_bytes,
            model: answer.model.clone(),
            version: answer.version.clone(),
            digest: answer.digest.clone(),
            degraded: answer.degraded,
            warnings: answer.remarks.warnings.len(),
            refused_rows: answer.remarks.refused_rows.len(),
            record: None,
        }
    }

    /// How the request counts.
    pub(super) fn outcome(&self) -> &'static str {
        if self.degraded.is_some() { DEGRADED } else { ANSWERED }
    }

    /// What the access log says of it.
    pub(super) fn prediction(&self) -> Prediction {
        Prediction {
            model: self.model.clone(),
            version: self.version.clone(),
            digest: self.digest.clone(),
            outcome: self.outcome(),
            degraded: self.degraded,
        }
    }
}

/// What the access log and traces say of a request that nothing answered; the version is the one that was asked.
pub(super) fn unanswered(served: &Served, number: Option<u32>, outcome: &'static str) -> Prediction {
    let target = number.and_then(|number| served.versions.get(&number)?.as_ref().ok());
    Prediction {
        model: served.name.clone(),
        version: number.map_or_else(|| UNKNOWN.to_owned(), |number| number.to_string()),
        digest: target.map(|target| target.digest_text.clone()),
        outcome,
        degraded: None,
    }
}

impl Request {
    /// What became of it; the number is that of the version that was asked.
    pub(super) fn told(&self, number: u32, ended: &Result<Reply, Failure>) -> Prediction {
        match ended {
            Ok(reply) => reply.prediction(),
            Err(Failure { error: PredictError::Unknown(_), .. }) => unanswered(&self.served, None, NOT_FOUND),
            Err(Failure { error, .. }) => unanswered(&self.served, Some(number), error.outcome()),
        }
    }

    /// Until when there is to be an answer; `own` is what its body asks for.
    pub(super) fn deadline(&self, own: Option<Duration>) -> Instant {
        let longest = self.served.limits.deadline;
        let asked = self.timeout.into_iter().chain(own).min();
        self.received + asked.map_or(longest, |timeout| timeout.min(longest))
    }

    /// Where one try of it leaves what it does.
    pub(super) fn track(&self, is_fallback: bool) -> Track<'_> {
        Track::new(&self.noted, &self.trail, is_fallback)
    }

    /// The versions that may be asked: the one that is named, or those that are routed.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &Arc<ServedVersion>> {
        let serving = &self.served.serving;
        let [one, other] = match &self.version {
            Some(version) => [self.served.resolve(version).ok(), None],
            None => [Some(serving.live), serving.canary.as_ref().map(|canary| canary.to)],
        };
        [one, other].into_iter().flatten().filter_map(|number| self.served.target(number).ok())
    }

    /// The version that is asked, where that is certain before the body is read.
    fn certain(&self) -> Option<&Arc<ServedVersion>> {
        let mut candidates = self.candidates();
        candidates.next().filter(|_| candidates.next().is_none())
    }

    /// Why it is refused before it waits, whatever its body: where one version is asked for certain, whose circuit is open,
    /// or which is known to need more time than there is.
    pub(super) fn refused_at_once(&self) -> Option<CallError> {
        let target = self.certain()?;
        let left = self.deadline(None).saturating_duration_since(Instant::now());
        target.refuses().or_else(|| target.lane.can_meet(left).map_err(CallError::DeadlineTooShort).err())
    }

    /// Whether there is time left of a deadline.
    pub(super) fn in_time(&self, deadline: Instant) -> Result<(), CallError> {
        match Instant::now() >= deadline {
            true => Err(CallError::Late { deadline: deadline.saturating_duration_since(self.received) }),
            false => Ok(()),
        }
    }

    /// Whether one call makes all of it: no fallback stands behind the model, no other request joins
    /// it, and its body says no deadline that bounds how long it waits.
    pub(super) fn is_alone(&self) -> bool {
        let Served { fallback, canary_fallback, limits, .. } = &*self.served;
        let has_fallback = !fallback.is_empty() || !canary_fallback.is_empty();
        let json = self.format.json(&self.body);
        let may_be_searched = json.len() <= SEARCHED_MAX_BYTES;
        !has_fallback && limits.batch_max_rows < 2 && may_be_searched && !may_have_timeout(json)
    }
}

impl PredictError {
    /// Whether it says which inputs are wrong.
    pub fn has_findings(&self) -> bool {
        matches!(self, Self::InvalidInput(_) | Self::Untrusted(..))
    }

    /// Whether its caller can do nothing about it.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            Self::Unread(_) | Self::Unknown(_) | Self::WrongOutput(_) | Self::InvalidInput(_) | Self::Refused(_) => {
                false
            }
            Self::NoAnswer(error) => !matches!(error, CallError::InvalidInput(_) | CallError::Abandoned),
            Self::Untrusted(..) | Self::Unavailable(_) | Self::Unwritten(_) => true,
        }
    }

    /// Why, as operators see it.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::NoAnswer(error) => error.cause(),
            other => other.to_string(),
        }
    }

    /// How the request counts.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Unread(_) | Self::Unknown(_) | Self::WrongOutput(_) => INVALID_INPUT,
            Self::InvalidInput(_) | Self::Refused(_) => INVALID_INPUT,
            Self::Untrusted(check, _) => check.name(),
            Self::NoAnswer(error) => error.reason(),
            Self::Unavailable(_) => "unavailable",
            Self::Unwritten(_) => UNWRITTEN,
        }
    }
}

impl From<Refused> for PredictError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Rows(refusal) => Self::InvalidInput(refusal),
            Refused::Version(check, refusal) => Self::Untrusted(check, refusal),
            Refused::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<PredictError> for Failure {
    fn from(error: PredictError) -> Self {
        Self { error, sent: None, record: None }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        PredictError::NoAnswer(error).into()
    }
}
