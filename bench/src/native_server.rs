//! The yardstick over HTTP: axum, the same protocol code, the model called
//! inline on the thread that read the request. No limits, no metrics, and checks
//! of values only where a path asks for them.

use crate::error::Error;
use crate::models::{NAMES, Native, native};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::serve::ListenerExt;
use scry_card::stats::{Counter, Counts, Reference, References};
use scry_card::{Batch, Card, Checker, Decision, Detail, Field, Interrupt};
use scry_protocol::{Answer, Format, Remarks, Written};
use std::sync::{Arc, Mutex, PoisonError};

/// The command that starts it.
pub(crate) const NATIVE_SERVER: &str = "native-server";

/// Where the JSON of a request or an answer ends, and bytes begin.
const JSON_BYTES: &str = "inference-header-content-length";

struct Model {
    card: Arc<Card>,
    predict: Native,
    inputs: Side,
    outputs: Side,
}

/// What the host does with the values of one side beside predicting: it checks
/// them, and counts them in the bins of a reference.
struct Side {
    checker: Checker,
    drift: Option<(Counter, Mutex<Counts>)>,
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
        let (fields, outputs) = (&card.schema, Checker::outputs(&card.schema.outputs, &card.checks));
        let inputs = Checker::new(&fields.inputs, &card.checks)?;
        let (of_inputs, of_outputs) =
            references.as_ref().map_or((None, None), |all| (Some(&all.inputs), all.outputs.as_ref()));
        let inputs = Side::new(inputs, of_inputs, &fields.inputs)?;
        let outputs = Side::new(outputs, of_outputs, &fields.outputs)?;
        let model = Arc::new(Model { predict: native(name)?, inputs, outputs, card });
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

async fn infer<const CHECKED: bool>(
    State(model): State<Arc<Model>>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let json_bytes = headers.get(JSON_BYTES).and_then(|value| value.to_str().ok()?.parse().ok());
    let format = json_bytes.map_or(Format::V2, Format::V2Binary);
    match answer(&model, format, &body, CHECKED) {
        Ok(Written { bytes, json_bytes: None }) => {
            ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
        }
        Ok(Written { bytes, json_bytes: Some(json_bytes) }) => {
            let head =
                [(header::CONTENT_TYPE.as_str(), "application/octet-stream"), (JSON_BYTES, &json_bytes.to_string())];
            (head, bytes).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

fn answer(model: &Model, format: Format, body: &[u8], checked: bool) -> Result<Written, Error> {
    let request = format.decode(body, &Interrupt::never())?;
    let inputs = request.rows.in_order(&model.card.schema.inputs, &Detail::default(), &mut Interrupt::never())?;
    let inputs = inputs.map_err(|unfit| format!("{unfit:?}"))?;
    let rows = inputs.rows;
    if checked {
        model.inputs.check(&inputs)?;
    }
    let columns = (model.predict)(inputs.columns).map_err(|failure| failure.to_string())?;
    let outputs = Batch { rows, columns };
    if checked {
        model.outputs.check(&outputs)?;
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
    Ok(format.encode(&model.card.name, &request.reply, &answer, &mut Interrupt::never())?)
}

impl Side {
    fn new(checker: Checker, reference: Option<&Reference>, fields: &[Field]) -> Result<Self, Error> {
        let counter = reference.map(|reference| Counter::new(reference, fields)).transpose()?;
        let drift = counter.map(|counter| {
            let counts = Mutex::new(counter.start());
            (counter, counts)
        });
        Ok(Self { checker, drift })
    }

    fn check(&self, batch: &Batch) -> Result<(), Error> {
        let verdict = self.checker.check(batch, &Detail::default());
        if verdict.decision() > Decision::Warn {
            return Err(verdict.findings.first().map(|finding| finding.invalid.to_string()).unwrap_or_default().into());
        }
        if let Some((counter, counts)) = &self.drift {
            counter.count(&mut counts.lock().unwrap_or_else(PoisonError::into_inner), batch)?;
        }
        Ok(())
    }
}
