//! Metrics and logs. Observes, never decides; label values are bounded by the
//! catalog's own limits.

mod log;
mod metrics;

pub use log::init as init_log;
pub use metrics::Metrics;
