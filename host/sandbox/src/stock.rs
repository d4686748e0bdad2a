//! Instances that are ready ahead of need, so that a call finds its sandbox.
//!
//! Each is as the snapshot is: made anew, or put back. The stock of a component
//! is as old as its code and goes with it; all stocks together are bounded, so
//! that the pool always has room for calls.

use super::call::{CallError, Spent};
use super::engine::Loaded;
use super::instance::Instance;
use super::limits::CallLimits;
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

    fn put(&self, instance: Instance) {
        self.shelf.held.fetch_add(1, Ordering::Relaxed);
        self.lock().push(instance);
    }

    /// Whether there will ever be an instance here.
    pub(super) fn keeps(&self) -> bool {
        self.shelf.max > 0
    }

    /// Whether one more has room here, beside the other components'.
    fn has_room(&self, each: usize) -> bool {
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

impl Loaded {
    /// The same code with new instances only: whoever waits for nobody's call
    /// takes none from those who wait, and has no lock in common with them.
    pub fn apart(&self) -> Self {
        Self { stock: Arc::new(Stock::new(Arc::new(Shelf::new(0)))), ..self.clone() }
    }

    /// Has an instance ready for the next call, where fewer than `each` wait for
    /// one: what is left of the last call, put back to the snapshot, or a new
    /// one. Best done when no call waits for this thread.
    pub fn restock(&self, spent: Spent, each: usize, limits: &CallLimits) -> Result<(), CallError> {
        if self.stock.has_room(each) {
            let instance = spent.put_back(&self.learned).map_or_else(|| self.instantiate(limits), Ok)?;
            self.stock.put(instance);
        }
        Ok(())
    }
}
