//! Predictions of rows as JSON records: `POST /v1/models/{model}:predict`, as
//! clients of TensorFlow Serving and KServe V1 send them. Errors are problems of
//! RFC 9457.

use super::error::{HttpError, Parts};
use super::prediction::{self, App, Shared, arrive, parse_version, shorter};
use crate::serving::{Call, Rows};
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use scry_catalog::VersionRef;
use scry_protocol::{InvalidRows, RecordsRequest, RecordsResponse, Surface};
use std::sync::Arc;

/// What follows a model's or a version's name.
const VERB: &str = ":predict";

/// The version that is routed.
pub(super) async fn predict(
    app: App,
    Parts(Path(name)): Parts<Path<String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let model = verb_of(&name).map_err(HttpError::into_problem)?.to_owned();
    answer(&app, model, None, &headers, body).await.map_err(HttpError::into_problem)
}

/// A version by number, alias or digest.
pub(super) async fn predict_version(
    app: App,
    Parts(Path((model, version))): Parts<Path<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let version = verb_of(&version).and_then(|version| parse_version(version).map_err(HttpError::unread));
    let version = version.map_err(HttpError::into_problem)?;
    answer(&app, model, Some(version), &headers, body).await.map_err(HttpError::into_problem)
}

fn verb_of(name: &str) -> Result<&str, HttpError> {
    let message = "no such path; rows are sent to /v1/models/{model}:predict";
    name.strip_suffix(VERB).ok_or_else(|| HttpError::new(StatusCode::NOT_FOUND, message).unread())
}

async fn answer(
    app: &Arc<Shared>,
    model: String,
    version: Option<VersionRef>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let arrived = arrive(app, &model, headers, body).await?;
    prediction::answer(arrived, |arrived| async move {
        let request = arrived.read(RecordsRequest::from_json_until).await?;
        let options = request.parameters;
        let call = Call {
            model,
            version,
            key: arrived.key.clone().or(options.key),
            inputs: Rows::Records(request.instances),
            received: arrived.received,
            timeout: shorter(options.timeout, arrived.timeout),
            by_row: options.invalid_rows == InvalidRows::RefuseRow,
        };
        let predicted = arrived.app.predictor.predict(call).await;
        let answered = predicted.map_err(|error| HttpError::predicting(error, Surface::Records))?;
        arrived.respond(answered, |answer, interrupt| RecordsResponse(answer).to_json_until(interrupt)).await
    })
    .await
}
