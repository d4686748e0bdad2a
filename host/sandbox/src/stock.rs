//! Instances that are ready ahead of need, so that a call finds its sandbox.
//!
//! Each is as the snapshot is: made anew, or put back. The stock of a component
//! is as old as its code and goes with it; all stocks together are bounded, so
//! that the pool always has room for calls. Stocks that are not used give way to
//! those that are.

use super::instance::Instance;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// How many instances all stocks may hold, and do.
#[derive(Debug)]
pub(super) struct Shelf {
    held: AtomicUsize,
    max: usize,
    /// Instances for which there was no room since the last sweep.
    refused: AtomicUsize,
    stocks: Mutex<Vec<Weak<Stock>>>,
}

/// One component's instances.
pub(super) struct Stock {
    ready: Mutex<Vec<Instance>>,
    /// Whether a call has asked for one since the last sweep.
    is_used: AtomicBool,
    shelf: Arc<Shelf>,
}

impl Shelf {
    /// A sweep looks at every stock, so it waits for so many instances without room.
    const SWEEP_AFTER: usize = 256;

    pub(super) fn new(max: usize) -> Self {
        Self { held: AtomicUsize::new(0), max, refused: AtomicUsize::new(0), stocks: Mutex::default() }
    }

    /// A stock on this shelf.
    pub(super) fn stock(self: &Arc<Self>) -> Arc<Stock> {
        let (ready, is_used) = (Mutex::default(), AtomicBool::new(true));
        let stock = Arc::new(Stock { ready, is_used, shelf: self.clone() });
        if self.max > 0 {
            let mut stocks = self.stocks.lock().unwrap_or_else(PoisonError::into_inner);
            // As few as are alive, without a look at all of them each time.
            if stocks.len() == stocks.capacity() {
                stocks.retain(|stock| stock.strong_count() > 0);
            }
            stocks.push(Arc::downgrade(&stock));
        }
        stock
    }

    fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.max
    }

    /// There was no room: now and then, empties the stocks that no call has asked since the last sweep.
    fn refuse(&self) {
        if self.max == 0 || self.refused.fetch_add(1, Ordering::Relaxed) + 1 != Self::SWEEP_AFTER {
            return;
        }
        let stocks: Vec<Arc<Stock>> = {
            let stocks = self.stocks.lock().unwrap_or_else(PoisonError::into_inner);
            stocks.iter().filter_map(Weak::upgrade).collect()
        };
        stocks.iter().filter(|stock| !stock.is_used.swap(false, Ordering::Relaxed)).for_each(|stock| stock.empty());
        self.refused.store(0, Ordering::Relaxed);
    }
}

impl Stock {
    pub(super) fn take(&self) -> Option<Instance> {
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
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
        if self.shelf.is_full() {
            self.shelf.refuse();
            return false;
        }
        self.lock().len() < each
    }

    /// Drops what is ready.
    fn empty(&self) {
        let ready = std::mem::take(&mut *self.lock());
        self.shelf.held.fetch_sub(ready.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        self.empty();
    }
}

impl std::fmt::Debug for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stock").field("ready", &self.lock().len()).finish_non_exhaustive()
    }
}
