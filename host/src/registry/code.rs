//! Compiled components, and what they are known by.

use crate::serving::EffectiveLimits;
use scry_card::stats::References;
use scry_card::{Card, Golden};
use scry_names::Digest;
use scry_sandbox::{Loaded, Metering};
use std::sync::Arc;

/// A model's name and a version's number.
pub(super) type Key = (String, u32);

/// The model, digest and kind of some code. No two models share code: functions
/// of a model's other versions may be part of it.
pub(super) type CodeKey = (String, Digest, Metering);

/// What of a model has passed its golden examples, and under which limits.
pub(super) type Proof = (String, Digest, EffectiveLimits);

/// A component's card and code.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) card: Arc<Card>,
    pub(super) golden: Arc<Golden>,
    pub(super) references: Option<Arc<References>>,
    pub(super) loaded: Loaded,
}
