//! The operations of the admin listener.

use super::operation::{Answer, Body, Operation, Parameter};

pub(super) const ABOUT: &str = "Everything that changes what this host serves, and what only operators may see. Every \
                                request but those for this document and for the dashboard's page needs `Authorization: Bearer TOKEN`.";

/// What is open to everyone.
pub(super) const OPEN: [&str; 5] = ["/openapi.json", "/docs", "/docs/{file}", "/dashboard", "/dashboard/{file}"];

/// The schemas that they name.
pub(super) const SCHEMAS: &str = include_str!("admin.json");

/// Errors of what is only looked at.
const LOOK: &[u16] = &[401];
/// Errors of what one model is asked for.
const LOOK_AT_ONE: &[u16] = &[401, 404, 409];
/// Errors of a change.
const CHANGE: &[u16] = &[401, 404, 409, 410, 422, 500, 502, 507];

const fn query(name: &'static str, kind: &'static str, about: &'static str) -> Parameter {
    Parameter { name, place: "query", about, kind }
}

const PUBLISH: &[Parameter] = &[
    query("name", "string", "The model's name; without it the one in its card."),
    Parameter { name: "scry-signature", place: "header", about: "A DSSE envelope in base64.", kind: "string" },
];
const FORMAT: &[Parameter] = &[query("format", "string", "`json` or `text`.")];
const CIRCUIT: &[Parameter] = &[query("version", "string", "A number, an alias, or `sha256:…`; else the live one.")];
const APPLY: &[Parameter] = &[
    query("dry_run", "boolean", "Only say what would change."),
    query("allow_breaking", "boolean", "Let callers of a model be broken."),
];
const HISTOGRAMS: &[Parameter] = &[query("limit", "integer", "The most columns of each side; 24 without it.")];
const HISTORY: &[Parameter] = &[
    query("model", "string", "Only changes of this model."),
    query("limit", "integer", "The most changes; 20 without it, and never more than 1,000."),
];

const REFUSALS: &[Parameter] = &[query("limit", "integer", "The most; 20 without it, and never more than 1,000.")];

const ERRORS: &[Parameter] = &[
    query("model", "string", "Only errors of this model."),
    query("since_ms", "integer", "Only causes with an error since then, in milliseconds of Unix time."),
    query("limit", "integer", "The most causes; 20 without it, and never more than 1,000."),
];

const fn get(path: &'static str, id: &'static str, summary: &'static str, schema: &'static str) -> Operation {
    let answer = Answer::Json(schema);
    Operation { method: "get", path, id, summary, parameters: &[], body: None, answer, errors: LOOK }
}

const fn get_one(path: &'static str, id: &'static str, summary: &'static str, schema: &'static str) -> Operation {
    Operation { errors: LOOK_AT_ONE, ..get(path, id, summary, schema) }
}

/// A change, by a body that may be left out.
const fn post(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    asked: &'static str,
    answered: &'static str,
) -> Operation {
    let (body, answer) = (Some(Body::json_or_none(asked)), Answer::Json(answered));
    Operation { method: "post", path, id, summary, parameters: &[], body, answer, errors: CHANGE }
}

#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    get("/v1/models", "list", "Every model, with its versions and how it is served", "Models"),
    Operation {
        parameters: PUBLISH,
        body: Some(Body { media_type: "application/octet-stream", ..Body::json("") }),
        ..post("/v1/models", "publish", "Publish a component", "", "Changed")
    },
    get_one("/v1/models/{model}", "show", "A model, with its card", "Model"),
    post("/v1/models/{model}/deploy", "deploy", "Change how a model is served", "Deployment", "Changed"),
    post("/v1/models/{model}/rollback", "roll_back", "Serve a model as before, or as at a state", "State", "Changed"),
    post("/v1/models/{model}/withdraw", "withdraw", "Stop serving a model", "Nothing", "Withdrawn"),
    Operation { parameters: CIRCUIT, ..get_one("/v1/models/{model}/circuit", "circuit", "A version's circuit", "Circuit") },
    post("/v1/models/{model}/circuit", "force", "Hold a circuit open or closed, or release it", "Force", "Circuit"),
    Operation {
        parameters: FORMAT,
        answer: Answer::JsonOrText("Validation"),
        ..get_one("/v1/models/{model}/validation", "validation", "Checks in force and what they found", "Validation")
    },
    Operation {
        parameters: FORMAT,
        answer: Answer::JsonOrText("Drift"),
        ..get_one("/v1/models/{model}/drift", "drift", "Live rows beside the training data", "Drift")
    },
    Operation {
        parameters: HISTOGRAMS,
        ..get_one("/v1/models/{model}/drift/histograms", "histograms", "Where live values and the training data fall", "Histograms")
    },
    get_one("/v1/models/{model}/hour", "hour", "What became of a model's requests in the last hour", "Hour"),
    get_one("/v1/models/{model}/drift/counts", "drift_counts", "The counts themselves", "Counts"),
    post("/v1/rollback", "restore", "Serve everything as at a state", "State", "Restored"),
    Operation { parameters: HISTORY, errors: LOOK_AT_ONE, ..get("/v1/history", "history", "Who changed what", "History") },
    Operation { parameters: REFUSALS, ..get("/v1/refusals", "refusals", "What this listener has refused lately", "Refusals") },
    Operation { parameters: ERRORS, errors: LOOK_AT_ONE, ..get("/v1/errors", "errors", "Predictions that failed, by cause", "Errors") },
    get_one("/v1/errors/{id}", "error", "A prediction that failed", "KeptError"),
    Operation {
        answer: Answer::Text(&["application/toml"]),
        errors: CHANGE,
        ..get("/v1/desired", "export", "What runs, as a document", "")
    },
    Operation {
        method: "put",
        parameters: APPLY,
        body: Some(Body { media_type: "application/toml", ..Body::json("") }),
        ..post("/v1/desired", "apply", "Bring the host to a desired state", "", "Applied")
    },
    Operation { answer: Answer::File("application/x-tar"), ..get("/v1/backup", "backup", "The state with all that it needs, for another machine", "") },
    post("/v1/gc", "clean", "Remove what nothing refers to", "Clean", "Cleaned"),
    get("/v1/state", "state", "The state, the watched file, damage", "HostState"),
    Operation { answer: Answer::Text(&["text/plain", "application/openmetrics-text"]), ..get("/metrics", "metrics", "Metrics for Prometheus", "") },
    post("/v2/repository/index", "repository_index", "Every version of every model, and whether it is loaded", "IndexRequest", "Index"),
    Operation {
        answer: Answer::Empty,
        ..post("/v2/repository/models/{model}/load", "load", "Deploy a model's newest version", "Load", "")
    },
    Operation {
        answer: Answer::Empty,
        ..post("/v2/repository/models/{model}/unload", "unload", "Withdraw a model", "Unload", "")
    },
    get("/v1/overview", "overview", "Every model in brief", "Overview"),
    Operation {
        answer: Answer::Text(&["text/event-stream"]),
        ..get("/v1/events", "events", "The same as a stream: events `overview`, each with the models that changed", "")
    },
    get("/openapi.json", "openapi", "This document", "Document"),
    Operation { answer: Answer::Text(&["text/html"]), ..get("/docs", "docs", "This document as a page", "") },
    Operation { answer: Answer::Text(&["text/html"]), ..get("/dashboard", "dashboard", "The dashboard; the same as `/`", "") },
    Operation {
        answer: Answer::Text(&["text/javascript", "text/css"]),
        errors: LOOK_AT_ONE,
        ..get("/dashboard/{file}", "dashboard_file", "A file of the dashboard", "")
    },
    Operation {
        answer: Answer::Text(&["text/javascript", "text/css"]),
        errors: LOOK_AT_ONE,
        ..get("/docs/{file}", "docs_file", "A file of that page", "")
    },
];
