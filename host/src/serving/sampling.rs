//! Features of a sample of a version's requests, computed in the background.
//!
//! Never on the answer's path.

use super::version::ServedVersion;
use scry_card::Batch;
use scry_scheduler::Background;
use std::sync::Arc;

/// Counts the features of a request, if it is of the sample.
pub(super) fn sample_features(target: &Arc<ServedVersion>, background: &Background, inputs: &Arc<Batch>) {
    let skew = |target: &ServedVersion| target.drift.clone().filter(|drift| drift.features.is_some());
    let Some(drift) = skew(target).filter(|drift| drift.features.as_ref().is_some_and(|skew| skew.takes())) else {
        return;
    };
    let (target, inputs, counted) = (target.clone(), inputs.clone(), drift.clone());
    let count = move || {
        if let Some(skew) = &counted.features {
            let features = target.loaded.apart().transform(&inputs, &target.limits.of_call()).outcome;
            skew.saw(features.ok().as_ref());
        }
    };
    if !background.submit(count)
        && let Some(skew) = &drift.features
    {
        skew.dropped();
    }
}
