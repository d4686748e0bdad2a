//! What the connections of one listener share, however they speak. Knows no socket.

use crate::server::error::Unread;
use crate::server::tls::Tls;
use crate::server::watchdog::{Phase, Timeouts};
use crate::server::{followed, head, identity};
use crate::telemetry::traces::Sampler;
use crate::telemetry::{AccessLog, Metrics, enter, scope};
use axum::Router;
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service;

/// How long a client has to take notice that its connection ends.
pub(super) const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// An answer on its way: in a box of its own, since an open connection has room for one.
pub(super) type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// What answers a listener's requests.
pub(super) type App = Box<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>;

/// Has a router answer.
pub(super) fn routed(router: &Router, request: Request<Incoming>) -> Answering {
    let answering = router.clone().call(request);
    Box::pin(async {
        let Ok(response) = answering.await;
        response
    })
}

/// What the connections of one listener share.
pub(super) struct Edge {
    /// `prediction` or `admin`.
    pub(super) listener: &'static str,
    pub(super) app: App,
    /// Its certificates, if it speaks TLS.
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) connections_max: usize,
    pub(super) timeouts: Timeouts,
    pub(super) metrics: Arc<Metrics>,
    /// Where requests are logged, if they are.
    pub(super) access_log: Option<Arc<AccessLog>>,
    /// Which requests are traced.
    pub(super) sampler: Sampler,
}

impl Edge {
    /// The answer to a request, whatever it asks for. Both have one identity.
    pub(super) async fn respond(&self, remote: IpAddr, request: Request<Incoming>) -> Response {
        let context = Arc::new(identity::of(request.headers(), self.access_log.is_some(), self.sampler));
        let log = self.access_log.as_ref();
        let entry = log.map(|log| followed::begin(log, self.listener, remote, &context, &request));
        let answering = enter(context.clone(), || -> Answering {
            match head::refuse(&request) {
                Some(refused) => Box::pin(std::future::ready(refused.into_response())),
                None => (self.app)(request),
            }
        });
        let mut response = scope(context.clone(), answering).await;
        if let Some(Unread(Some(refusal))) = response.extensions().get() {
            self.metrics.request_refused(refusal.name());
        }
        identity::tell(&context, response.headers_mut());
        match entry {
            None => response,
            Some(entry) => followed::follow(entry, response),
        }
    }
}

/// Why a connection ended that did not do so by itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    TlsHandshake,
    HeaderTimeout,
    IdleTimeout,
    WriteTimeout,
    HeadTooLarge,
    BadRequest,
    /// In the middle of a request or an answer.
    ClientLeft,
}

impl Ended {
    pub(super) fn of(error: &hyper::Error) -> Option<Self> {
        match error {
            _ if error.is_parse_too_large() => Some(Self::HeadTooLarge),
            _ if error.is_parse() => Some(Self::BadRequest),
            // It was over already.
            _ if error.is_shutdown() => None,
            _ => Some(Self::ClientLeft),
        }
    }

    pub(super) fn overdue(phase: Phase) -> Option<Self> {
        match phase {
            Phase::Head => Some(Self::HeaderTimeout),
            Phase::Idle => Some(Self::IdleTimeout),
            Phase::Answer => Some(Self::WriteTimeout),
            Phase::Request => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TlsHandshake => "tls-handshake",
            Self::HeaderTimeout => "header-timeout",
            Self::IdleTimeout => "idle-timeout",
            Self::WriteTimeout => "write-timeout",
            Self::HeadTooLarge => "head-too-large",
            Self::BadRequest => "bad-request",
            Self::ClientLeft => "client-left",
        }
    }
}
