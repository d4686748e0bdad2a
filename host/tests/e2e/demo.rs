//! The README's first command, as a newcomer runs it.

use crate::support::{Ran, root, scry};

#[test]
fn the_demo_builds_serves_breaks_falls_back_and_swaps_without_a_failed_request() {
    // Kept between runs: its sources are compiled once.
    let data = root().join("target/demo");
    let ran = Ran::of(scry().args(["demo", "--once", "--data"]).arg(&data)).ok();
    let said = &ran.stdout;
    for line in [
        "digits: digit = 0  from digits@1",
        "from bikeshare@1",
        "published bikeshare@2",
        "from bikeshare-linear@1  DEGRADED (trap)",
        "published bikeshare@3",
        "from bikeshare-linear@1  DEGRADED (timeout)",
        "failed requests: 0",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    // Versions 1 and 2 both answered while they were swapped.
    let swapped = said.lines().last().unwrap_or_default();
    assert!(swapped.contains("by version 1") && swapped.contains("by version 2"), "{swapped}");
}
