//! The stream that keeps the page current: server-sent events, each with what has changed since the one before.
//!
//! A browser's `EventSource` sends no token, so the page reads the stream by `fetch`. A stream ends after a while, so that a
//! token that is taken away ends with it, and when the host does.

use super::overview::{Overview, ShownHost};
use super::sampler::SAMPLE;
use super::{Dashboard, Result};
use crate::server::error::HttpError;
use crate::server::shutdown::{Stage, Stopping};
use crate::telemetry::unix_ms;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

/// After this a client has to ask, and be asked for its token, again.
const STREAM_MAX: Duration = Duration::from_secs(300);
/// For as long streams tell the same, so that many of them cost little more than one.
const SHARED_MAX: Duration = Duration::from_secs(1);

/// Everything as it is told, made once for all streams.
#[derive(Debug)]
struct Made {
    at: Instant,
    host: ShownHost,
    /// Each with its hash, by its name.
    models: HashMap<String, (u64, Box<RawValue>)>,
}

/// What was made last.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Option<Arc<Made>>>>);

/// One client's stream.
struct Told {
    dashboard: Dashboard,
    stopping: Stopping,
    ticks: Interval,
    until: Instant,
    /// What it was told of each model last.
    models: HashMap<String, u64>,
    _place: OwnedSemaphorePermit,
}

/// What one event has.
#[derive(Serialize)]
struct Change<'a> {
    #[serde(flatten)]
    host: &'a ShownHost,
    /// Whether it has every model.
    whole: bool,
    models: Vec<&'a RawValue>,
    gone: Vec<&'a String>,
}

/// Everything at once, then whatever changes.
pub(super) async fn events(State(dashboard): State<Dashboard>) -> Result<Response> {
    let full = |_| HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "too many dashboards are open; close one");
    let place = dashboard.streams.clone().try_acquire_owned().map_err(full)?;
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (stopping, until) = (dashboard.stopping.clone(), Instant::now() + STREAM_MAX);
    let told = Told { dashboard, stopping, ticks, until, models: HashMap::new(), _place: place };
    let events = unfold(told, |mut told| async move {
        let event = told.next().await?;
        Some((Ok::<_, Infallible>(event), told))
    });
    Ok(Sse::new(events).into_response())
}

impl Shared {
    /// What was made just now, else made anew. Whoever asks meanwhile waits for it.
    async fn get(&self, dashboard: &Dashboard) -> Option<Arc<Made>> {
        let mut last = self.0.lock().await;
        if let Some(made) = last.as_ref().filter(|made| made.at.elapsed() < SHARED_MAX) {
            return Some(made.clone());
        }
        let made = dashboard.aside(|dashboard| Made::of(Overview::of(dashboard, unix_ms()))).await.ok()?;
        Some(last.insert(Arc::new(made.ok()?)).clone())
    }
}

impl Made {
    fn of(overview: Overview) -> serde_json::Result<Self> {
        let models = overview.models.into_iter().map(|model| {
            let json = serde_json::value::to_raw_value(&model)?;
            let mut hasher = DefaultHasher::new();
            json.get().hash(&mut hasher);
            Ok((model.model, (hasher.finish(), json)))
        });
        Ok(Self { at: Instant::now(), host: overview.host, models: models.collect::<serde_json::Result<_>>()? })
    }
}

impl Told {
    async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            _ = self.stopping.after(Stage::Serving) => return None,
            () = sleep_until(self.until) => return None,
            // The first one is at once.
            _ = self.ticks.tick() => {}
        }
        let made = self.dashboard.shared.get(&self.dashboard).await?;
        let json = self.changed(&made).ok()?;
        self.models = made.models.iter().map(|(name, (hash, _))| (name.clone(), *hash)).collect();
        Some(Event::default().event("overview").data(json))
    }

    /// The models that are not as they were told, and the names of those that are gone.
    fn changed(&self, made: &Made) -> serde_json::Result<String> {
        let is_new = |(name, (hash, _)): &(&String, &(u64, Box<RawValue>))| self.models.get(*name) != Some(hash);
        let models = made.models.iter().filter(is_new).map(|(_, (_, json))| &**json).collect();
        let gone = self.models.keys().filter(|name| !made.models.contains_key(*name)).collect();
        serde_json::to_string(&Change { host: &made.host, whole: self.models.is_empty(), models, gone })
    }
}
