//! The one place where a listener asks whether a request may be answered. Decides nothing itself: `access` does.

use crate::access::{Access, Audit, Head, Refusal, Surface};
use crate::server::edge::App;
use crate::server::error::HttpError;
use crate::server::predict::grpc;
use crate::telemetry::{Metrics, unix_ms, with_current};
use axum::http::{HeaderMap, HeaderName, Request, header};
use axum::response::IntoResponse;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the guards of both listeners share.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) access: Arc<Access>,
    /// What the admin listener has refused.
    pub(super) audit: Arc<Audit>,
    pub(super) metrics: Arc<Metrics>,
    /// Lines that the log was spared since its last one.
    pub(super) log: LogPace,
}

impl Guard {
    /// The same answers, for those who may have them. A listener that is open to all is left as it is.
    pub(super) fn before(self: &Arc<Self>, surface: Surface, app: App) -> App {
        if !self.access.guards(surface) {
            return app;
        }
        let guard = self.clone();
        Box::new(move |mut request| match guard.access.admit(surface, head_of(&request)) {
            Ok(admitted) => {
                request.extensions_mut().insert(admitted.clone());
                if let Some(caller) = admitted.0 {
                    with_current(|context| context.note_token(|| caller.name().into()));
                    request.extensions_mut().insert(caller);
                }
                app(request)
            }
            Err(refusal) => {
                guard.note(surface, &request, &refusal);
                let error = HttpError::from(refusal);
                if grpc::is_call(&request) {
                    return grpc::refuse(grpc::status_of(error));
                }
                Box::pin(std::future::ready(error.by_head(request.headers()).into_response()))
            }
        })
    }

    fn note<B>(&self, surface: Surface, request: &Request<B>, refusal: &Refusal) {
        self.metrics.access_refused(surface.name(), refusal.reason());
        if let Some(name) = refusal.by() {
            with_current(|context| context.note_token(|| name.into()));
        }
        if surface == Surface::Prediction {
            return;
        }
        let (method, path) = (request.method().as_str(), request.uri().path());
        let now_ms = unix_ms();
        self.audit.record(now_ms, method, path, refusal);
        if let Some(spared) = self.log.line(now_ms) {
            let (by, reason) = (refusal.by().unwrap_or("-"), refusal.reason());
            tracing::warn!(%method, %path, by, reason, spared, "an operator's request was refused: {refusal}");
        }
    }
}

fn head_of<B>(request: &Request<B>) -> Head<'_> {
    let headers = request.headers();
    let uri = request.uri();
    Head {
        method: request.method().as_str(),
        path: uri.path(),
        authorization: text(headers, &header::AUTHORIZATION),
        host: uri.authority().map(|authority| authority.as_str()).or_else(|| text(headers, &header::HOST)),
        // One that does not read is nobody's.
        origin: headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Keeps whoever is refused again and again from filling the log: ten lines a second.
#[derive(Debug, Default)]
pub(super) struct LogPace {
    second: AtomicU64,
    lines: AtomicU64,
}

impl LogPace {
    const LINES_PER_SECOND: u64 = 10;

    /// Whether there may be a line now; then, how many were left out in the last second that had some.
    fn line(&self, now_ms: u64) -> Option<u64> {
        let second = now_ms / 1000;
        if self.second.swap(second, Ordering::Relaxed) != second {
            let lines = self.lines.swap(1, Ordering::Relaxed);
            return Some(lines.saturating_sub(Self::LINES_PER_SECOND));
        }
        (self.lines.fetch_add(1, Ordering::Relaxed) < Self::LINES_PER_SECOND).then_some(0)
    }
}
