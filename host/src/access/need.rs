//! What each path asks of a token. A path that is not listed asks for the most that its listener knows, so that a new
//! route is closed until it has a line here.

use percent_encoding::percent_decode_str;
use std::fmt;

/// Which listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// The one that answers predictions.
    Prediction,
    /// The one that changes what is served.
    Admin,
}

impl Surface {
    /// As metrics and the log name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            Self::Admin => "admin",
        }
    }
}

/// What a request needs to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// No token: probes carry none.
    Nothing,
    /// Any token that is known.
    Token,
    /// Predictions of this model.
    Predict(String),
    /// Predictions of every model, since the path does not say which.
    PredictAll,
    /// What is said of this model.
    Describe(String),
    /// What is said of everything.
    Read,
    /// The metrics.
    Metrics,
    /// Giving the host a component.
    Publish,
    /// Changing what is served.
    Deploy,
    /// Everything.
    Admin,
}

/// The scope that is missing, for messages.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing | Self::Token => f.write_str("none"),
            Self::Predict(model) => write!(f, "`predict:{model}`"),
            Self::PredictAll => f.write_str("`predict`"),
            Self::Describe(model) => write!(f, "`predict:{model}` or `read`"),
            Self::Read => f.write_str("`read`"),
            Self::Metrics => f.write_str("`metrics`"),
            Self::Publish => f.write_str("`publish`"),
            Self::Deploy => f.write_str("`deploy`"),
            Self::Admin => f.write_str("`admin`"),
        }
    }
}

impl Need {
    /// What a request to this path needs.
    pub fn of(surface: Surface, method: &str, path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        // A route that takes GET takes HEAD.
        let method = if method == "HEAD" { "GET" } else { method };
        match surface {
            Surface::Prediction => prediction(method, &segments),
            Surface::Admin => admin(method, &segments),
        }
    }

    /// Of a path's segment that names a model; routes see it without its escapes and its verb (`fraud:predict`).
    fn of_model(segment: &str, need: impl FnOnce(String) -> Self) -> Self {
        match percent_decode_str(segment).decode_utf8() {
            Ok(name) => need(name.split(':').next().unwrap_or_default().to_owned()),
            Err(_) => Self::PredictAll,
        }
    }
}

/// Calls whose message names a model.
const OF_MODELS: [&str; 6] =
    ["ModelInfer", "ModelStreamInfer", "ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"];

fn prediction(method: &str, path: &[&str]) -> Need {
    match (method, path) {
        // A browser asks without a token what it may send; the answer is about the listener alone.
        ("OPTIONS", _) | ("GET", ["ping"] | ["v2", "health", "live" | "ready"]) => Need::Nothing,
        ("POST", ["grpc.health.v1.Health", _]) => Need::Nothing,
        ("POST", ["inference.GRPCInferenceService", "ServerLive" | "ServerReady"]) => Need::Nothing,
        ("GET", ["v2"]) | ("POST", ["inference.GRPCInferenceService", "ServerMetadata"]) => Need::Token,
        ("POST", ["grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection", _]) => {
            Need::Token
        }
        // The message says which model is meant: who reads it asks `Caller::check`.
        ("POST", ["inference.GRPCInferenceService", call]) if OF_MODELS.contains(call) => Need::Token,
        ("POST", ["inference.GRPCInferenceService", "RepositoryIndex"]) => Need::Read,
        ("GET", ["v2", "models", "stats"]) | ("POST", ["v2", "repository", "index"]) => Need::Read,
        ("GET", ["v1" | "v2", "models", model, ..]) if !model.is_empty() => Need::of_model(model, Need::Describe),
        ("GET", _) => Need::Read,
        (_, ["v1" | "v2", "models", model, ..]) => Need::of_model(model, Need::Predict),
        _ => Need::PredictAll,
    }
}

fn admin(method: &str, path: &[&str]) -> Need {
    match (method, path) {
        // They are the same on every host, and a browser that shows the page has no token yet.
        ("GET", ["openapi.json" | "docs"] | ["docs", _]) => Need::Nothing,
        ("GET", [""] | ["dashboard"] | ["dashboard", _]) => Need::Nothing,
        ("GET", ["metrics"]) => Need::Metrics,
        ("GET", ["v1", "models" | "history" | "desired" | "state" | "errors" | "overview" | "events"]) => Need::Read,
        ("GET", ["v1", "errors", _]) => Need::Read,
        ("GET", ["v1", "models", _] | ["v1", "models", _, "circuit" | "validation" | "drift" | "hour"]) => Need::Read,
        ("GET", ["v1", "models", _, "drift", "counts" | "histograms"]) | ("POST", ["v2", "repository", "index"]) => {
            Need::Read
        }
        ("POST", ["v1", "models"]) => Need::Publish,
        ("POST", ["v1", "models", _, "deploy" | "rollback" | "withdraw" | "circuit"]) => Need::Deploy,
        ("POST", ["v2", "repository", "models", _, "load" | "unload"]) => Need::Deploy,
        ("POST", ["v1", "rollback"]) | ("PUT", ["v1", "desired"]) => Need::Deploy,
        _ => Need::Admin,
    }
}
