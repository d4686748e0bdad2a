//! What is recorded of a prediction: plain values, of which spans are made when it is over. Reads no clock.

use crate::telemetry::{Context, Prediction};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A prediction that is over.
#[derive(Debug)]
pub struct Traced {
    /// Whose it is.
    pub context: Arc<Context>,
    /// The model that was asked.
    pub model: String,
    /// What became of it.
    pub prediction: Prediction,
    /// Whether nobody but the host can do something about it.
    pub is_fault: bool,
    /// Whether it came as a call of gRPC.
    pub is_grpc: bool,
    /// When it arrived.
    pub received: Instant,
    /// When it was over.
    pub ended: Instant,
    /// The same by the clock on the wall.
    pub ended_at: SystemTime,
    /// Its body.
    pub request_bytes: usize,
    /// Its answer's body, where it has one.
    pub response_bytes: Option<usize>,
    /// In the order in which they ended.
    pub steps: Vec<Step>,
}

/// One of its steps.
#[derive(Debug)]
pub struct Step {
    /// Which.
    pub kind: StepKind,
    /// Since when.
    pub began: Instant,
    /// For how long.
    pub took: Duration,
    /// Whether a fallback took it.
    pub is_in_fallback: bool,
    /// Why it failed, if it did.
    pub error: Option<&'static str>,
    /// What else is known.
    pub detail: Detail,
}

/// The steps of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Bytes become columns.
    Decode,
    /// Columns are checked.
    Validate,
    /// It waits for a compute thread.
    Queue,
    /// An instance is taken or made.
    Instantiate,
    /// The component runs.
    Call,
    /// The chain of fallbacks is gone along.
    Fallback,
    /// The answer becomes bytes.
    Encode,
}

/// What is known of some steps.
#[derive(Debug)]
pub enum Detail {
    /// Nothing more.
    None,
    /// Of an instance: whether it had answered before, and was put back.
    Instance {
        /// Whether it was.
        was_put_back: bool,
    },
    /// Of a call.
    Call(Box<Called>),
    /// Why fallbacks were asked.
    Fallback(&'static str),
}

/// What ran, and what it took.
#[derive(Debug, Clone)]
pub struct Called {
    /// The model.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// Its digest, as text.
    pub digest: Arc<str>,
    /// Instructions, roughly, where they are counted.
    pub fuel: Option<u64>,
    /// Linear memory at the end.
    pub memory_bytes: u64,
    /// Requests that it answered together.
    pub requests: usize,
}

impl Traced {
    /// How many spans are made of it.
    pub fn spans(&self) -> usize {
        self.steps.len() + 1
    }
}

impl StepKind {
    /// The name of its span.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Validate => "validate",
            Self::Queue => "queue",
            Self::Instantiate => "instantiate",
            Self::Call => "call",
            Self::Fallback => "fallback",
            Self::Encode => "encode",
        }
    }
}

#[cfg(test)]
impl Traced {
    /// One that was answered, and took 10 ms.
    pub(super) fn answered(context: Context, steps: Vec<Step>) -> Self {
        let received = Instant::now();
        let digest = Some("sha256:ab".into());
        let (model, version) = ("churn".to_owned(), "4".to_owned());
        Self {
            context: Arc::new(context),
            model: model.clone(),
            prediction: Prediction { model, version, digest, outcome: "ok", degraded: None },
            is_fault: false,
            is_grpc: false,
            received,
            ended: received + Duration::from_millis(10),
            ended_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000),
            request_bytes: 70,
            response_bytes: Some(90),
            steps,
        }
    }
}

#[cfg(test)]
impl Step {
    /// One that began so many milliseconds after another moment, and took one.
    pub(super) fn after(moment: Instant, milliseconds: u64, kind: StepKind) -> Self {
        let (began, took) = (moment + Duration::from_millis(milliseconds), Duration::from_millis(1));
        Self { kind, began, took, is_in_fallback: false, error: None, detail: Detail::None }
    }
}
