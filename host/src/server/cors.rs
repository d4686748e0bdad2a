//! Which other web sites may have their pages ask this listener (CORS). None by default.
//!
//! Never lets a page send what a browser adds by itself, such as cookies.

use crate::config::ANY_ORIGIN;
use crate::server::edge::{Answering, App};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use std::sync::Arc;

/// How long a browser may remember that a request is allowed, in seconds.
const MAX_AGE_S: &str = "600";
const METHODS: &str = "GET, POST";
const ASKED: &str = "authorization, content-encoding, content-type, inference-header-content-length, scry-key, \
                     traceparent, tracestate, x-request-id, x-request-timeout-ms";
const SHOWN: &str = "inference-header-content-length, retry-after, scry-degraded, scry-digest, scry-error-id, scry-model, \
                     scry-reason, scry-refused-rows, scry-version, scry-warnings, traceparent, tracestate, x-request-id";

/// The sites whose pages may ask.
#[derive(Debug, Clone)]
pub(super) struct Cors(Arc<[String]>);

impl Cors {
    /// These origins, as `https://example.com`; `*` is any.
    pub(super) fn new(origins: &[String]) -> Self {
        Self(origins.into())
    }

    /// The origin of a page that may ask; none where no page asks.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let origin = headers.get(header::ORIGIN)?;
        if self.0.iter().any(|known| known == ANY_ORIGIN) {
            return Some(HeaderValue::from_static(ANY_ORIGIN));
        }
        self.0.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }

    /// The same answers, for pages too; refusals are among them, so that a page can say why it is refused.
    pub(super) fn before(self, app: App) -> App {
        if self.0.is_empty() {
            return app;
        }
        Box::new(move |request| self.answer(request, &app))
    }

    /// Has a request answered, and tells the browser that its page may read the answer.
    fn answer<B>(&self, request: Request<B>, answer: impl FnOnce(Request<B>) -> Answering) -> Answering {
        let Some(origin) = self.allowed(request.headers()) else { return answer(request) };
        let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if asks && request.method() == Method::OPTIONS {
            return Box::pin(std::future::ready(preflight(origin)));
        }
        let answering = answer(request);
        Box::pin(async move {
            let mut response = answering.await;
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(SHOWN));
            permit(headers, origin);
            response
        })
    }
}

/// The answer to a browser that asks whether its page may ask.
fn preflight(origin: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ASKED));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_S));
    permit(headers, origin);
    response
}

fn permit(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(cors: &Cors, method: &str, origin: Option<&str>, preflight: bool) -> (StatusCode, HeaderMap) {
        let mut request = Request::builder().method(method).uri("/v2");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        if preflight {
            request = request.header("access-control-request-method", "POST");
        }
        let answering = cors.answer(request.body(()).unwrap(), |_| Box::pin(std::future::ready(Response::default())));
        let response = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answering);
        (response.status(), response.headers().clone())
    }

    #[test]
    fn nothing_is_said_unless_a_known_page_asks() {
        let (none, one) = (Cors::new(&[]), Cors::new(&["https://a.example".to_owned()]));
        for (cors, origin) in [(&none, Some("https://a.example")), (&one, None), (&one, Some("https://b.example"))] {
            let (status, headers) = asked(cors, "OPTIONS", origin, true);
            assert_eq!((status, headers.len()), (StatusCode::OK, 0), "{origin:?}");
        }
    }

    #[test]
    fn a_known_page_may_ask_and_read() {
        let one = Cors::new(&["https://a.example".to_owned()]);
        let (status, headers) = asked(&one, "OPTIONS", Some("https://a.example"), true);
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert_eq!(
            (&headers["access-control-allow-origin"], &headers["vary"]),
            (&"https://a.example".parse().unwrap(), &"origin".parse().unwrap())
        );
        let (status, headers) = asked(&one, "POST", Some("https://a.example"), false);
        assert_eq!(
            (status, &headers["access-control-allow-origin"]),
            (StatusCode::OK, &"https://a.example".parse().unwrap())
        );
        let (_, headers) = asked(&Cors::new(&["*".to_owned()]), "GET", Some("null"), false);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }
}
