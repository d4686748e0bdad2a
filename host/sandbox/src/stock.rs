//! Instances that are ready ahead of need, so that a call finds its sandbox.
//!
//! Each is as the snapshot is: made anew, or put back. The stock of a component
//! is as old as its code and goes with it; all stocks together are bounded, so
//! that the pool always has room for calls.

use super::instance::Instance;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many instances all stocks may hold, and do.
#[derive(Debug)]
pub(super) struct Shelf {
    held: AtomicUsize,
    max: usize,
}

/// One component's instances.
pub(super) struct Stock {
    ready: Mutex<Vec<Instance>>,
    shelf: Arc<Shelf>,
}

impl Shelf {
    pub(super) fn new(max: usize) -> Self {
        Self { held: AtomicUsize::new(0), max }
    }
}

impl Stock {
    pub(super) fn new(shelf: Arc<Shelf>) -> Self {
        Self { ready: Mutex::default(), shelf }
    }

    pub(super) fn take(&self) -> Option<Instance> {
        let ready = self.lock().pop()?;
        self.shelf.held.fetch_sub(1, Ordering::Relaxed);
        Some(ready)
    }

    pub(super) fn put(&self, instance: Instance) {
        self.shelf.held.fetch_add(1, Ordering::Relaxed);
        self.lock().push(instance);
    }

    /// Whether there will ever be an instance here.
    pub(super) fn keeps(&self) -> bool {
        self.shelf.max > 0
    }

    /// Whether one more has room here, beside the other components'.
    pub(super) fn has_room(&self, each: usize) -> bool {
        self.shelf.held.load(Ordering::Relaxed) < self.shelf.max && self.lock().len() < each
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        self.shelf.held.fetch_sub(self.lock().len(), Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stock").field("ready", &self.lock().len()).finish_non_exhaustive()
    }
}
