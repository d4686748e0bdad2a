//! The yardstick over HTTP: axum, the same protocol code, the model called
//! inline on the thread that read the request. No limits, no metrics, and checks
//! of values only where a path asks for them.

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
use scry_card::stats::{Counter, Counts, Reference, References};
use scry_card::{Batch, Card, Checker, Decision, Detail, Field, assemble};
use std::sync::{Arc, Mutex, PoisonError};

struct Model {
    card: Arc<Card>,
    predict: Native,
    checks: Checks,
}

/// What the host does with values beside predicting from them.
struct Checks {
    inputs: Checker,
    outputs: Checker,
    drift: Vec<Drift>,
}

/// Rows counted in the bins of a reference.
struct Drift {
    of_outputs: bool,
    counter: Counter,
    counts: Mutex<Counts>,
}

/// Serves until the process is ended. Reads the models' cards and references as
/// JSON, those of one a line, from stdin; says its address on stdout.
pub(crate) fn run() -> Result<(), Error> {
    let mut app = Router::new();
    for name in NAMES {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        let (card, references): (serde_json::Value, Option<References>) = serde_json::from_str(&line)?;
        let card = Arc::new(Card::from_json(card.to_string().as_bytes())?);
        let model = Arc::new(Model { predict: native(name)?, checks: Checks::new(&card, references)?, card });
        let path = format!("/v2/models/{name}/infer");
        app = app.route(&path, post(infer::<false>).with_state(model.clone()));
        app = app.route(&format!("/checked{path}"), post(infer::<true>).with_state(model));
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

async fn infer<const CHECKED: bool>(State(model): State<Arc<Model>>, body: Bytes) -> impl IntoResponse {
    match answer(&model, &body, CHECKED) {
        Ok(json) => (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], json),
        Err(error) => (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "text/plain")], error.to_string().into_bytes()),
    }
}

fn answer(model: &Model, body: &[u8], checked: bool) -> Result<Vec<u8>, Error> {
    let request = InferRequest::from_json(body)?;
    let inputs = assemble(&model.card.schema.inputs, request.inputs)?;
    let rows = inputs.rows;
    if checked {
        model.checks.check(&inputs, false)?;
    }
    let columns = (model.predict)(inputs.columns).map_err(|failure| failure.to_string())?;
    let outputs = Batch { rows, columns };
    if checked {
        model.checks.check(&outputs, true)?;
    }
    let answer = Answer {
        card: model.card.clone(),
        outputs,
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

impl Checks {
    fn new(card: &Card, references: Option<References>) -> Result<Self, Error> {
        let drift = |of_outputs, reference: &Reference, fields: &[Field]| -> Result<Drift, Error> {
            let counter = Counter::new(reference, fields)?;
            Ok(Drift { of_outputs, counts: Mutex::new(counter.start()), counter })
        };
        let mut drifts = Vec::new();
        if let Some(references) = references {
            drifts.push(drift(false, &references.inputs, &card.schema.inputs)?);
            if let Some(outputs) = references.outputs {
                drifts.push(drift(true, &outputs, &card.schema.outputs)?);
            }
        }
        let inputs = Checker::new(&card.schema.inputs, &card.checks)?;
        Ok(Self { inputs, outputs: Checker::outputs(&card.schema.outputs, &card.checks), drift: drifts })
    }

    fn check(&self, batch: &Batch, of_outputs: bool) -> Result<(), Error> {
        let checker = if of_outputs { &self.outputs } else { &self.inputs };
        let verdict = checker.check(batch, &Detail::default());
        if verdict.decision() > Decision::Warn {
            return Err(verdict.findings.first().map(|finding| finding.invalid.to_string()).unwrap_or_default().into());
        }
        for drift in self.drift.iter().filter(|drift| drift.of_outputs == of_outputs) {
            drift.counter.count(&mut drift.counts.lock().unwrap_or_else(PoisonError::into_inner), batch)?;
        }
        Ok(())
    }
}
