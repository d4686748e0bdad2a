//! The operations of the prediction listener.

use super::operation::{Answer, Body, Operation, Parameter};

pub(super) const ABOUT: &str = "Predictions of the models that this host serves: by the Open Inference Protocol V2, by V1 \
                                as TensorFlow Serving and KServe have it, and as SageMaker, MLflow, and Vertex AI ask \
                                for them.";

/// The schemas that they name.
pub(super) const SCHEMAS: &str = include_str!("prediction.json");

/// Errors of a request to predict.
pub(super) const PREDICTING: &[u16] = &[404, 500, 504];
/// Errors of one with rows.
pub(super) const PREDICTING_ROWS: &[u16] = &[404, 422, 500, 504];

const ASKED: &[Parameter] = &[
    Parameter { name: "X-Request-Timeout-Ms", place: "header", about: "A shorter deadline.", kind: "integer" },
    Parameter {
        name: "Scry-Key",
        place: "header",
        about: "Requests with one key get one version while a canary runs.",
        kind: "string",
    },
];

/// What is read, without a body.
const fn get(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    schema: &'static str,
    errors: &'static [u16],
) -> Operation {
    Operation { method: "get", path, id, summary, parameters: &[], body: None, answer: Answer::Json(schema), errors }
}

/// A request to predict.
const fn predict(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    [asked, answered]: [&'static str; 2],
    errors: &'static [u16],
) -> Operation {
    Operation {
        method: "post",
        path,
        id,
        summary,
        parameters: ASKED,
        body: Some(Body::json(asked)),
        answer: Answer::Prediction(answered),
        errors,
    }
}

const V2: [&str; 2] = ["InferRequest", "InferResponse"];
const V1: [&str; 2] = ["RowsRequest", "Predictions"];

#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    get("/v2", "server", "Name and version of the server", "Server", &[]),
    get("/v2/health/live", "live", "Whether the host answers", "Live", &[]),
    get("/v2/health/ready", "ready", "Whether the host serves what it should", "Ready", &[]),
    get("/v2/models", "models", "The names of all models that are served", "Names", &[]),
    get("/v2/models/stats", "statistics", "Statistics of every version that is loaded", "Statistics", &[]),
    get("/v2/models/{model}", "metadata", "A model's inputs and outputs", "Metadata", &[404]),
    get("/v2/models/{model}/ready", "model_ready", "Whether a model can answer", "ModelReady", &[404]),
    get("/v2/models/{model}/config", "config", "A model's configuration in the form of Triton's", "Config", &[404]),
    get("/v2/models/{model}/stats", "model_statistics", "Statistics of a model's loaded versions", "Statistics", &[404]),
    predict("/v2/models/{model}/infer", "infer", "Predict with the version that is routed", V2, PREDICTING),
    get("/v2/models/{model}/versions/{version}", "version_metadata", "A version's inputs and outputs", "Metadata", &[404]),
    get("/v2/models/{model}/versions/{version}/ready", "version_ready", "Whether a version can answer", "ModelReady", &[404]),
    get("/v2/models/{model}/versions/{version}/config", "version_config", "A version's configuration", "Config", &[404]),
    get("/v2/models/{model}/versions/{version}/stats", "version_statistics", "A version's statistics", "Statistics", &[404]),
    predict("/v2/models/{model}/versions/{version}/infer", "version_infer", "Predict with a version", V2, PREDICTING),
    Operation {
        method: "post",
        path: "/v2/repository/index",
        id: "repository_index",
        summary: "Every version of every model, and whether it is loaded",
        parameters: &[],
        body: Some(Body::json_or_none("IndexRequest")),
        answer: Answer::Json("Index"),
        errors: &[],
    },
    get("/v1/models", "v1_models", "The names of all models that are served", "Names", &[]),
    get("/v1/models/{model}", "v1_status", "Whether a model can answer, and its versions' states", "Status", &[404]),
    get("/v1/models/{model}/versions/{version}", "v1_version_status", "A version's state", "Status", &[404]),
    predict("/v1/models/{model}:predict", "v1_predict", "Predict rows with the version that is routed", V1, PREDICTING_ROWS),
    predict("/v1/models/{model}/versions/{version}:predict", "v1_version_predict", "Predict rows with a version", V1, PREDICTING_ROWS),
    Operation {
        body: Some(Body { text: Some("text/csv"), ..Body::json("Invocation") }),
        ..predict("/invocations", "invocations", "Predict rows with the default model", ["Invocation", "Predictions"], PREDICTING_ROWS)
    },
    get("/ping", "ping", "Whether the host serves what it should", "Ready", &[]),
    Operation {
        parameters: &[Parameter { name: "model", place: "query", about: "The only model to describe.", kind: "string" }],
        ..get("/openapi.json", "openapi", "This document", "Document", &[404])
    },
    Operation { answer: Answer::Text(&["text/html"]), ..get("/docs", "docs", "This document as a page", "", &[]) },
    Operation {
        answer: Answer::Text(&["text/javascript", "text/css"]),
        ..get("/docs/{file}", "docs_file", "A file of that page", "", &[404])
    },
];
