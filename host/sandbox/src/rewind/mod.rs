//! An instance put back to the snapshot, as if it had never been called.
//!
//! What a module that changes no tables has of state is its memory and its
//! globals. The pages of the memory are read-only until they are written: the
//! first write to one faults, and opens it. So which pages can differ from the
//! snapshot is known without a look at the others, and they are copied back.
//! They stay open, since calls write where others wrote: a usual call neither
//! faults nor enters the system.
//!
//! Never puts back what did not return well, has grown, or wrote where no call
//! of this code had written before: such an instance is dropped.

mod mappings;
mod pages;
#[cfg(test)]
mod tests;

pub use mappings::held_and_max as put_back_mappings;

use super::limits::Context;
use pages::{PAGE_BYTES, Pages, bytes_of};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::unix::StoreExt;
use wasmtime::{Memory, Store};

/// Pages of the snapshot that are held for putting back, a megabyte at most.
const KNOWN_MAX: usize = 256;
/// After this number of instances in a row that could not be put back and taught nothing, putting back is not tried
/// for `UNTRIED` others, then for twice as many, up to a million: each try takes the time of the whole process, since
/// the system tells all its processors which pages are open.
const FAILURES_MAX: u32 = 16;
const UNTRIED: u32 = 1024;
const UNTRIED_MAX: u32 = 1 << 20;
/// Calls after which all pages are closed, where more than `OPEN_FEW` are open:
/// what only some calls need is not copied back for all of them.
const CLOSED_EACH: u32 = 256;
const OPEN_FEW: usize = 16;

/// Which pages the calls of some code write, and what the snapshot has there.
#[derive(Debug, Default)]
pub(super) struct Learned(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: BTreeSet<u32>,
    image: Arc<Image>,
    failures: u32,
    untried: u32,
    /// How many were left untried the last time, since one was put back.
    last_untried: u32,
}

/// Pages of the snapshot, in ascending order.
#[derive(Debug, Default)]
struct Image {
    pages: Vec<u32>,
    contents: Vec<u8>,
}

/// An instance's memory, of which it is known where it was written.
#[derive(Debug)]
pub(super) struct Tracked {
    pages: Arc<Pages>,
    image: Arc<Image>,
    /// Whether any page is open that is not recorded.
    is_lost: bool,
    calls: u32,
}

impl Learned {
    /// Begins to watch the memory of an instance that has run nothing. Nothing
    /// where that does not pay.
    pub(super) fn track(&self, store: &mut Store<Context>, memory: Memory) -> Option<Tracked> {
        let bytes = memory.data_size(&*store);
        if bytes == 0 || !pages::are_the_systems() || !mappings::are_left() {
            return None;
        }
        let image = self.image(memory.data(&*store))?;
        let pages = Arc::new(Pages::new(memory.data_ptr(&*store) as usize, bytes / PAGE_BYTES, &image.pages));
        let is_lost = !pages.close();
        let watch = pages.clone();
        let handler = move |signal, info: *const libc::siginfo_t, _: *const libc::c_void| {
            // SAFETY: the system gives a handler a valid description; of this
            // signal it has an address.
            signal == libc::SIGSEGV && watch.fault(unsafe { (*info).si_addr() } as usize)
        };
        // SAFETY: the handler only does arithmetic, touches atomics and makes one
        // kind of system call, all of which a signal handler may.
        unsafe { store.set_signal_handler(handler) };
        Some(Tracked { pages, image, is_lost, calls: 0 })
    }

    /// The known pages as they are in this memory, which has not been written yet.
    fn image(&self, memory: &[u8]) -> Option<Arc<Image>> {
        let mut state = self.state();
        if state.untried > 0 {
            state.untried -= 1;
            return None;
        }
        if state.image.pages.len() != state.known.len() {
            let pages: Vec<u32> = state.known.iter().copied().collect();
            let contents = pages.iter().filter_map(|&page| memory.get(bytes_of(page))).flatten().copied().collect();
            state.image = Arc::new(Image { pages, contents });
        }
        Some(state.image.clone())
    }

    /// What became of an instance that was to be put back, and where it wrote that was not known. With many threads each
    /// of them learns the same pages anew: that is no failure.
    fn tried(&self, was_put_back: bool, strays: &[u32]) {
        let mut state = self.state();
        for &page in strays {
            if state.known.len() < KNOWN_MAX {
                state.known.insert(page);
            }
        }
        if was_put_back {
            (state.failures, state.last_untried) = (0, 0);
            return;
        }
        let has_taught = !strays.is_empty() && strays.iter().all(|page| state.known.contains(page));
        if has_taught {
            return;
        }
        state.failures += 1;
        if state.failures >= FAILURES_MAX {
            let untried = (state.last_untried * 2).clamp(UNTRIED, UNTRIED_MAX);
            (state.failures, state.untried, state.last_untried) = (0, untried, untried);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tracked {
    /// Puts back the memory of an instance that has returned well and has not
    /// grown; false when it cannot be.
    pub(super) fn put_back(&mut self, memory: &mut [u8], learned: &Learned) -> bool {
        let strays = self.pages.strays();
        let is_known = strays.is_empty() && !self.is_lost;
        if is_known {
            let contents = self.image.contents.chunks_exact(PAGE_BYTES);
            let mut open = 0;
            for (page, content) in self.image.pages.iter().zip(contents).filter(|(page, _)| self.pages.is_open(**page))
            {
                if let Some(to) = memory.get_mut(bytes_of(*page)) {
                    to.copy_from_slice(content);
                    open += 1;
                }
            }
            self.calls += 1;
            if open > OPEN_FEW && self.calls.is_multiple_of(CLOSED_EACH) {
                self.is_lost = !self.pages.close();
            }
        }
        learned.tried(is_known, &strays);
        is_known
    }

    /// One that did not return well, or has grown.
    pub(super) fn give_up(&self, learned: &Learned) {
        learned.tried(false, &[]);
    }

    /// What the host is about to write itself: no handler would catch that.
    /// False when the system does not let it.
    pub(super) fn open(&self, bytes: Range<usize>) -> bool {
        self.pages.open(bytes)
    }

    /// The memory may be written anywhere again, by its next owner. Must
    /// come before the store is dropped, and succeed.
    #[must_use]
    pub(super) fn release(&self) -> bool {
        self.pages.open_all()
    }
}
