//! Ends at the worst moment: kill -9 at every write, damage to every file, a
//! disk that is full. Afterwards there is the old state or the new one, never a
//! third, and nothing half-written is ever loaded.

mod damage;
mod faults;
mod folder;
mod kills;
mod life;
mod picture;

use std::sync::atomic::{AtomicUsize, Ordering};

/// Does it with all of them, two at a time, until one fails.
fn each<T: Sync>(all: &[T], act: impl Fn(&T) + Sync) {
    let (next, failing) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let worker = || {
        while failing.load(Ordering::Relaxed) <= 2
            && let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed))
        {
            // A panic leaves it counted.
            failing.fetch_add(1, Ordering::Relaxed);
            act(one);
            failing.fetch_sub(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(worker))));
}
