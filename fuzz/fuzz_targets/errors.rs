//! The log of errors: whatever its lines say, what is kept of them is within its bounds, and is the same once it is
//! written and read again. `.ci/fuzz 60 errors`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry::recording::errors::{Bounds, Groups, ShownGroup};

const BOUNDS: Bounds = Bounds { groups_max: 8, records_max: 4, bytes_max: 64 << 10, age_max_ms: 1000 };

/// What is kept, group by group.
fn told(groups: &Groups) -> Vec<String> {
    let told = |shown: &ShownGroup| {
        let records: Vec<_> = groups.records(shown.group).collect();
        for (id, _) in &records {
            let (json, _) = groups.find(*id).expect("a record that is listed is there");
            assert!(json.get().contains(&id.to_string()));
        }
        format!("{shown:?} {records:?}")
    };
    groups.shown().into_iter().map(told).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let mut groups = Groups::new(BOUNDS);
    // Without their seals, which no bytes would have.
    for line in bytes.split(|&byte| byte == b'\n') {
        groups.replay(line);
    }
    assert!(groups.shown().len() <= BOUNDS.groups_max);
    assert!(groups.shown().iter().all(|group| groups.records(group.group).count() <= BOUNDS.records_max));
    let mut again = Groups::new(BOUNDS);
    assert!(groups.lines(true).iter().all(|line| again.replay(line)));
    assert_eq!(told(&again), told(&groups));
    groups.expire(u64::MAX);
    assert!(groups.shown().iter().all(|group| group.last_ms >= u64::MAX - BOUNDS.age_max_ms));
});
