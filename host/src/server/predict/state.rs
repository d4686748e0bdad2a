//! What the handlers of predictions share. Decides nothing.

use super::documents::Documents;
use crate::server::shutdown::Stopping;
use crate::serving::Predictor;
use axum::extract::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What the handlers share.
#[derive(Debug)]
pub(in crate::server) struct Shared {
    pub(in crate::server) predictor: Predictor,
    pub(in crate::server) body_max_bytes: usize,
    pub(in crate::server) body_timeout: Duration,
    pub(in crate::server) idle_timeout: Duration,
    pub(in crate::server) is_ready: Arc<AtomicBool>,
    pub(in crate::server) stopping: Stopping,
    /// The model that a path without one means.
    pub(in crate::server) default_model: Option<String>,
    pub(in crate::server) documents: Documents,
    /// Descriptions that may be made at once.
    pub(in crate::server) describing: Arc<Semaphore>,
}

impl Shared {
    /// Whether the host takes predictions: it has what it is to serve, and is not ending.
    pub(in crate::server) fn takes_predictions(&self) -> bool {
        self.stopping.is_serving() && self.is_ready.load(Ordering::Relaxed)
    }
}

pub(in crate::server) type App = State<Arc<Shared>>;
