//! The prediction path: read, check, call, fall back, write.
//!
//! Never sees HTTP or wasmtime types. `pipeline` is a request's way; its stages are plain functions
//! in `stages`, and `placement` says where they run.

mod circuit;
mod deadline;
mod difference;
mod fallback;
mod found;
mod invoke;
mod job;
mod limits;
mod observed;
mod pipeline;
mod placement;
mod request;
mod routes;
mod shadow;
mod stages;
mod standing;
mod target;
mod validation;
mod voice;
mod watch;

use pipeline::Services;

pub use circuit::{Circuit, CircuitState};
pub use deadline::Reserve;
pub use difference::{DifferenceReport, Differences, FieldDifference, Pair};
pub use fallback::{FallbackError, FallbackLink, correspond};
pub use found::{Found, FoundReport};
pub use limits::EffectiveLimits;
pub use observed::{LastError, Observed};
pub use pipeline::Predictor;
pub use request::{Failure, PredictError, Reply, Request};
pub use routes::{Routes, Served};
pub use shadow::{Seen, ShadowArm};
pub use standing::Standing;
pub use target::Target;
pub use validation::{Refusal, Validation};
pub use voice::Voice;
pub use watch::{
    Alarm, AlarmColumn, Beside, BesideReport, Counted, Epoch, EpochReport, Epochs, ExportedModel, ExportedVersion,
    Side, SideMoment, SideReport, Skew, SkewReport, Watch,
};
