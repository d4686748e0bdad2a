//! Predictions of rows as JSON records: `POST /v1/models/{model}:predict`, as
//! clients of TensorFlow Serving and KServe V1 send them. Errors are problems of
//! RFC 9457.

use crate::server::error::{HttpError, Parts};
use crate::server::predict::request::{parse_version, predict as answer};
use crate::server::predict::state::App;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use scry_protocol::{Format, Members};

/// What follows a model's or a version's name.
pub(super) const VERB: &str = ":predict";

/// The version that is routed.
pub(in crate::server) async fn predict(
    app: App,
    Parts(Path(name)): Parts<Path<String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let model = verb_of(&name).map_err(HttpError::into_problem)?;
    answer(&app, model, None, &headers, body, Format::Rows(Members::Instances)).await.map_err(HttpError::into_problem)
}

/// A version by number, alias or digest.
pub(in crate::server) async fn predict_version(
    app: App,
    Parts(Path((model, version))): Parts<Path<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let version = verb_of(&version).and_then(|version| parse_version(version).map_err(HttpError::unread));
    let version = version.map_err(HttpError::into_problem)?;
    let answered = answer(&app, &model, Some(version), &headers, body, Format::Rows(Members::Instances)).await;
    answered.map_err(HttpError::into_problem)
}

fn verb_of(name: &str) -> Result<&str, HttpError> {
    let message = "no such path; rows are sent to /v1/models/{model}:predict";
    name.strip_suffix(VERB).ok_or_else(|| HttpError::new(StatusCode::NOT_FOUND, message).unread())
}
