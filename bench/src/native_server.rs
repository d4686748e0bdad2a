//! The yardstick over HTTP: axum, the same protocol code, the model called
//! inline on the thread that read the request. No limits, no checks of values,
//! no metrics.

use crate::Error;
use crate::models::{NAMES, Native, native};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::serve::ListenerExt;
use scry::protocol::{InferRequest, InferResponse};
use scry::serving::{Answer, Remarks};
use scry_card::{Batch, Card, assemble};
use std::sync::Arc;

struct Model {
    card: Arc<Card>,
    predict: Native,
}

/// Serves until the process is ended. Reads the models' cards as JSON, one a
/// line, from stdin; says its address on stdout.
pub(crate) fn run() -> Result<(), Error> {
    let mut app = Router::new();
    for name in NAMES {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        let model = Model { card: Arc::new(Card::from_json(line.as_bytes())?), predict: native(name)? };
        app = app.route(&format!("/v2/models/{name}/infer"), post(infer).with_state(Arc::new(model)));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("ready prediction=http://{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            // As the host does; slower answers are the only harm.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, app).await
    })?;
    Ok(())
}

async fn infer(State(model): State<Arc<Model>>, body: Bytes) -> impl IntoResponse {
    match answer(&model, &body) {
        Ok(json) => (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], json),
        Err(error) => (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "text/plain")], error.to_string().into_bytes()),
    }
}

fn answer(model: &Model, body: &[u8]) -> Result<Vec<u8>, Error> {
    let request = InferRequest::from_json(body)?;
    let inputs = assemble(&model.card.schema.inputs, request.inputs)?;
    let columns = (model.predict)(inputs.columns).map_err(|failure| failure.to_string())?;
    let answer = Answer {
        card: model.card.clone(),
        outputs: Batch { rows: inputs.rows, columns },
        model: model.card.name.clone(),
        version: "1".into(),
        digest: None,
        degraded: None,
        remarks: Remarks::default(),
    };
    let id = request.id.as_deref();
    let response = InferResponse { model_name: &model.card.name, id, answer: &answer, outputs: &request.outputs };
    Ok(response.to_json()?)
}
