//! What the benchmark shares with the tests of `scry-card`, where whatever fails may panic.

#[path = "../../../guest-sdk/card/tests/stats/agreement.rs"]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's")]
pub(super) mod agreement;
#[path = "../../../guest-sdk/card/tests/stats/simulation.rs"]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's")]
pub(super) mod simulation;
