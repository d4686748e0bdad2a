//! Further names of paths: Vertex AI says by its environment where it asks.

use crate::config::Listener;
use crate::server::edge::App;
use axum::http::uri::PathAndQuery;
use axum::http::{Request, Uri};

/// Where SageMaker and MLflow ask for predictions, and whether the host is well.
pub(super) const INVOCATIONS: &str = "/invocations";
pub(super) const PING: &str = "/ping";

/// The further names.
#[derive(Debug)]
pub(super) struct Paths {
    predict: Option<String>,
    health: Option<String>,
}

impl Paths {
    pub(super) fn new(settings: &Listener) -> Self {
        Self { predict: settings.predict_path.clone(), health: settings.health_path.clone() }
    }

    /// The same answers under the further names as well.
    pub(super) fn before(self, app: App) -> App {
        if self.predict.is_none() && self.health.is_none() {
            return app;
        }
        Box::new(move |request| app(self.usual(request)))
    }

    /// The request with the usual name of its path.
    fn usual<B>(&self, mut request: Request<B>) -> Request<B> {
        let path = Some(request.uri().path());
        let usual = match path {
            _ if path == self.predict.as_deref() => INVOCATIONS,
            _ if path == self.health.as_deref() => PING,
            _ => return request,
        };
        *request.uri_mut() = Uri::from(PathAndQuery::from_static(usual));
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_name_is_its_path() {
        let settings = Listener { predict_path: Some("/p:predict".into()), ..Listener::default() };
        let named = |path: &str| {
            let request = Request::builder().uri(path).body(()).unwrap();
            Paths::new(&settings).usual(request).uri().to_string()
        };
        assert_eq!(
            ["/p:predict", "/p:predict?x", "/p", "/ping"].map(named),
            ["/invocations", "/invocations", "/p", "/ping"]
        );
    }
}
