//! The prediction path: route, check, run, fall back, answer.
//!
//! Never sees HTTP or wasmtime types. Each stage of a request is one function
//! of `predict`; what they decide by is in `routes` and `budget`.

mod admission;
mod aside;
mod attempt;
mod behind;
mod budget;
mod circuit;
mod compute;
mod difference;
mod found;
mod here;
mod job;
mod observed;
mod predict;
mod refusals;
mod routes;
mod rows;
mod run;
mod shadow;
mod standing;
mod target;
mod validation;
mod voice;
mod watch;
mod whole;

pub use admission::{Admission, LaneLimits};
pub use budget::Reserve;
pub use circuit::{Circuit, CircuitState};
pub use compute::threads_max;
pub use difference::{DifferenceReport, Differences, FieldDifference, Pair};
pub use found::{Found, FoundReport};
pub use here::{thread_sleeps, thread_woke};
pub use observed::{LastError, Observed};
pub use predict::{Answered, Call, Due, PredictError, Predictor, Sizes};
pub use routes::{Link, Routes, Served};
pub use rows::Rows;
pub use shadow::{Seen, ShadowArm};
pub use standing::Standing;
pub use target::{EffectiveLimits, FallbackError, Target, correspond};
pub use validation::{Refusal, Validation};
pub use voice::Voice;
pub use watch::{
    Alarm, AlarmColumn, Beside, BesideReport, Counted, Epoch, EpochReport, Epochs, ExportedModel, ExportedVersion,
    Side, SideMoment, SideReport, Skew, SkewReport, Watch,
};
