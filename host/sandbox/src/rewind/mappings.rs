//! How many memory mappings putting back may take of the process: each page that is opened alone splits one.
//!
//! The system has a limit for a process, and whatever else maps memory (threads, the allocator, compiled code) fails
//! beyond it, too. So half of it is for putting back; an instance for which nothing is left is not watched, and the next
//! call makes a new one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Linux's default of `vm.max_map_count`.
const USUAL_MAX: usize = 65_530;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Whether one more memory may be watched.
pub(super) fn are_left() -> bool {
    HELD.load(Relaxed) < max()
}

/// Mappings that putting back holds, as an estimate, and may hold.
pub fn held_and_max() -> (usize, usize) {
    (HELD.load(Relaxed), max())
}

pub(super) fn take(mappings: usize) {
    HELD.fetch_add(mappings, Relaxed);
}

pub(super) fn give_back(mappings: usize) {
    HELD.fetch_sub(mappings, Relaxed);
}

fn max() -> usize {
    static MAX: OnceLock<usize> = OnceLock::new();
    *MAX.get_or_init(|| {
        let said = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
        said.and_then(|max| max.trim().parse().ok()).unwrap_or(USUAL_MAX) / 2
    })
}
