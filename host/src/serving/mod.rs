//! The prediction path: read, check, call, fall back, write.
//!
//! Never sees HTTP or wasmtime types. `pipeline` is a request's way; its stages are plain functions
//! in `stages`, and `placement` says where they run.

mod asked;
mod circuit;
mod deadline;
mod fallback;
mod findings;
mod health;
mod inline_policy;
mod invoke;
mod job;
mod limits;
mod log_limits;
mod pipeline;
mod placement;
mod recorded;
mod request;
mod routes;
mod sampling;
mod services;
mod shadow;
mod stages;
mod stats;
mod steps;
mod stop;
mod traced;
mod trail;
mod validation;
mod version;

pub use circuit::{Circuit, CircuitState};
pub use deadline::Reserve;
pub use fallback::{FallbackError, FallbackLink, correspond};
pub use findings::{Findings, FindingsReport};
pub use health::Health;
pub use limits::EffectiveLimits;
pub use log_limits::LogLimits;
pub use pipeline::Predictor;
pub use request::{Failure, PredictError, Reply, Request};
pub use routes::{CalledVersion, Routes, Served};
pub use shadow::{DifferenceReport, Differences, FieldDifference, Pair, ShadowArm, ShadowRecord};
pub use stats::{LastError, Stats};
pub use steps::{Sums, Taken, Timed};
pub use trail::Trail;
pub use validation::{Refusal, Validation};
pub use version::ServedVersion;
