//! What clients of other servers ask for and this one does not have: each is refused by its name.

use crate::server::error::HttpError;
use axum::Router;
use axum::http::HeaderMap;
use axum::routing::any;

const LOADING: &str = "models are loaded and unloaded on the admin listener, with its token: this one changes nothing";
const TRACING: &str = "there are no trace settings: this server takes none over the network";
const LOGGING: &str = "there are no log settings here: the host's configuration has them, under `[log]`";
const SHARED_MEMORY: &str = "there is no shared memory: tensors are sent in the request's body";

pub(super) const PATHS: [(&str, &str); 8] = [
    ("/v2/repository/models/{model}/load", LOADING),
    ("/v2/repository/models/{model}/unload", LOADING),
    ("/v2/trace/setting", TRACING),
    ("/v2/models/{model}/trace/setting", TRACING),
    ("/v2/logging", LOGGING),
    ("/v2/systemsharedmemory/{*path}", SHARED_MEMORY),
    ("/v2/cudasharedmemory/{*path}", SHARED_MEMORY),
    ("/v2/xpusharedmemory/{*path}", SHARED_MEMORY),
];

/// The paths, whatever the method.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    PATHS.into_iter().fold(Router::new(), |router, (path, message)| {
        router.route(path, any(move |headers: HeaderMap| async move { HttpError::no_path(&headers, message) }))
    })
}
