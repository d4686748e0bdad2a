//! Ends at the worst moment: kill -9 at every write, damage to every file, a
//! disk that is full. Afterwards there is the old state or the new one, never a
//! third, and nothing half-written is ever loaded.

mod damage;
mod faults;
mod folder;
mod kills;
mod life;
mod picture;

pub(crate) use folder::{copied, files};

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Every fault at every step, every damage to every file: `SCRY_CRASH_FAULTS=all`.
fn wants_all_faults() -> bool {
    std::env::var("SCRY_CRASH_FAULTS").is_ok_and(|faults| faults == "all")
}

/// Does it with all of them, two at a time, until one fails.
fn each<T: Sync>(all: &[T], act: impl Fn(&T) + Sync) {
    struct Watch<'a>(&'a AtomicBool);

    impl Drop for Watch<'_> {
        fn drop(&mut self) {
            self.0.fetch_or(std::thread::panicking(), Ordering::Relaxed);
        }
    }

    let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || {
        let _watch = Watch(&has_failed);
        while !has_failed.load(Ordering::Relaxed)
            && let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed))
        {
            act(one);
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(worker))));
}
