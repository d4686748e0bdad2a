//! What the stages of every request share.

use crate::recording::Recording;
use crate::telemetry::Metrics;
use crate::telemetry::traces::Traces;
use scry_scheduler::Background;
use std::sync::Arc;

/// For as long as the predictor, and for the work that outlives a request.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) metrics: Arc<Metrics>,
    pub(super) recording: Arc<Recording>,
    pub(super) background: Background,
    /// Where traced requests are handed over, if any are.
    pub(super) traces: Option<Arc<Traces>>,
}
