//! The stream that keeps the page current: server-sent events, each with what has changed since the one before.
//!
//! A browser's `EventSource` sends no token, so the page reads the stream by `fetch`. A stream ends after a while, so that a
//! token that is taken away ends with it, and when the host does.

use super::overview::Overview;
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
use serde_json::Value;
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

/// After this a client has to ask, and be asked for its token, again.
const STREAM_MAX: Duration = Duration::from_secs(300);

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

impl Told {
    async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            _ = self.stopping.after(Stage::Serving) => return None,
            () = sleep_until(self.until) => return None,
            // The first one is at once.
            _ = self.ticks.tick() => {}
        }
        let made = self.dashboard.aside(|dashboard| serde_json::to_value(Overview::of(dashboard, unix_ms()))).await;
        let json = self.changed(made.ok()?.ok()?);
        Some(Event::default().event("overview").data(json.to_string()))
    }

    /// The same without the models that are as they were, and with the names of those that are gone.
    fn changed(&mut self, mut overview: Value) -> Value {
        let (mut models, is_whole) = (HashMap::new(), self.models.is_empty());
        if let Some(list) = overview.get_mut("models").and_then(Value::as_array_mut) {
            list.retain(|model| {
                let name = model.get("model").and_then(Value::as_str).unwrap_or_default();
                let now = hash(model);
                models.insert(name.to_owned(), now);
                self.models.get(name) != Some(&now)
            });
        }
        let gone: Vec<_> = self.models.keys().filter(|name| !models.contains_key(*name)).cloned().collect();
        if let Some(members) = overview.as_object_mut() {
            members.insert("whole".into(), is_whole.into());
            members.insert("gone".into(), gone.into());
        }
        self.models = models;
        overview
    }
}

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
