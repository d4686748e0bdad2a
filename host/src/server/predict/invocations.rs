//! Predictions as SageMaker, MLflow and Vertex AI ask for them: on a path that names no model.
//!
//! Changes nothing.

use crate::server::error::HttpError;
use crate::server::predict::request::predict;
use crate::server::predict::state::{App, Shared};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use scry_protocol::{Format, Members};

/// Media types of bodies that are JSON; the second is what curl says where it is told nothing.
const JSON: [&str; 2] = ["application/json", "application/x-www-form-urlencoded"];
/// The media type of rows as CSV, and what may stand beside it.
const CSV: &str = "text/csv";
const CSV_PARAMETERS: [&str; 5] = ["", "charset=utf-8", "charset=\"utf-8\"", "charset=us-ascii", "header=present"];
const JSON_ROWS: Format = Format::Rows(Members::Any);
/// Models that an error lists.
const NAMES_MAX: usize = 20;
/// Characters of a header that its refusal repeats.
const SHOWN_MAX_CHARS: usize = 80;

/// Predicts rows with the default model.
pub(super) async fn invoke(app: App, headers: HeaderMap, body: Body) -> Result<Response, Response> {
    let asked = format(&headers).and_then(|format| Ok((format, default_model(&app)?)));
    let (format, model) = asked.map_err(|error| error.unread().into_problem())?;
    let answer = predict(&app, &model, None, &headers, body, format).await;
    answer.map_err(HttpError::into_problem)
}

/// The form of the rows: CSV, or JSON.
fn format(headers: &HeaderMap) -> Result<Format, HttpError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(JSON_ROWS) };
    let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    if JSON.contains(&media_type) || media_type.ends_with("+json") {
        return Ok(JSON_ROWS);
    }
    if media_type == CSV && parts.all(|parameter| CSV_PARAMETERS.contains(&parameter)) {
        return Ok(Format::Csv);
    }
    let expected = "`application/json`, or `text/csv` in UTF-8 whose first line names the columns";
    let found: String = text.chars().take(SHOWN_MAX_CHARS).collect();
    let message = format!("header `content-type`: expected {expected}, found `{found}`");
    Err(HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

/// The model that is configured, else the only one.
fn default_model(app: &Shared) -> Result<String, HttpError> {
    if let Some(model) = &app.default_model {
        return Ok(model.clone());
    }
    let routes = app.predictor.routes();
    let names: Vec<_> = routes.served().map(|served| served.name.as_str()).collect();
    let found = match names.as_slice() {
        [only] => return Ok((*only).to_owned()),
        [] => "no model is served".to_owned(),
        _ => {
            let (shown, more) = (names.iter().take(NAMES_MAX), names.len().saturating_sub(NAMES_MAX));
            let shown = shown.copied().collect::<Vec<_>>().join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("several are served: {shown}{more}")
        }
    };
    let message = format!("the path names no model: expected one model, or one that `--default-model` names; {found}");
    Err(HttpError::new(StatusCode::BAD_REQUEST, message))
}
