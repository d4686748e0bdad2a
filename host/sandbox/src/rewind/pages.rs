//! The pages of one memory: which of them can be written, and who opened them.
//!
//! Reached from a signal handler: no locks, no allocation there, and no way to
//! fail but to say so. Never looks into a page.

use super::mappings;
use rustix::mm::{MprotectFlags, mprotect};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

pub(super) const PAGE_BYTES: usize = 4096;
/// Unknown pages that are opened one by one; then all are.
pub(super) const STRAYS_MAX: usize = 64;

/// The pages of a memory. Only the thread that has its instance changes them.
#[derive(Debug)]
pub(super) struct Pages {
    base: usize,
    count: usize,
    known: Box<[u64]>,
    open: Box<[AtomicU64]>,
    /// Opened though they are not known: how many, and the first of them.
    strayed: AtomicUsize,
    strays: [AtomicU32; STRAYS_MAX],
    /// Pages that were opened one by one since all were closed: each may have split a mapping in three.
    split: AtomicUsize,
}

/// Mappings that a page which is opened alone adds at most.
const MAPPINGS_A_PAGE: usize = 2;

impl Pages {
    /// Of `count` pages from `base` on, these are known to be written.
    pub(super) fn new(base: usize, count: usize, known: &[u32]) -> Self {
        let words = count.div_ceil(64);
        let mut bits = vec![0; words].into_boxed_slice();
        for &page in known {
            if let Some(word) = bits.get_mut(page as usize / 64) {
                *word |= bit(page as usize);
            }
        }
        let open = std::iter::repeat_with(AtomicU64::default).take(words).collect();
        let strays = [const { AtomicU32::new(0) }; STRAYS_MAX];
        Self { base, count, known: bits, open, strayed: AtomicUsize::new(0), strays, split: AtomicUsize::new(0) }
    }

    /// Makes all of them read-only. False when not all are: then what is written
    /// is not known any more.
    pub(super) fn close(&self) -> bool {
        self.open.iter().for_each(|word| word.store(0, Relaxed));
        self.are_joined();
        self.protect(0..self.count, MprotectFlags::READ)
    }

    /// A write that the system refused; whether it may be tried again.
    pub(super) fn fault(&self, address: usize) -> bool {
        let page = address.wrapping_sub(self.base) / PAGE_BYTES;
        // In an open page it is no fault of ours.
        page < self.count && !self.is_open_at(page) && self.open_one(page)
    }

    /// Opens all pages that such bytes are in.
    pub(super) fn open(&self, bytes: Range<usize>) -> bool {
        let pages = bytes.start / PAGE_BYTES..bytes.end.div_ceil(PAGE_BYTES).min(self.count);
        pages.into_iter().all(|page| self.is_open_at(page) || self.open_one(page))
    }

    pub(super) fn open_all(&self) -> bool {
        let are_open = self.protect(0..self.count, MprotectFlags::READ | MprotectFlags::WRITE);
        if are_open {
            self.open.iter().for_each(|word| word.store(u64::MAX, Relaxed));
            self.are_joined();
        }
        are_open
    }

    #[cfg(test)]
    pub(super) fn split(&self) -> usize {
        self.split.load(Relaxed)
    }

    /// All pages are one mapping again.
    fn are_joined(&self) {
        mappings::give_back(MAPPINGS_A_PAGE * self.split.swap(0, Relaxed));
    }

    pub(super) fn is_open(&self, page: u32) -> bool {
        self.is_open_at(page as usize)
    }

    /// The first of the pages that were opened though they are not known.
    pub(super) fn strays(&self) -> Vec<u32> {
        self.strays.iter().take(self.strayed.load(Relaxed)).map(|page| page.load(Relaxed)).collect()
    }

    fn open_one(&self, page: usize) -> bool {
        let is_known = self.known.get(page / 64).is_some_and(|word| word & bit(page) != 0);
        if !is_known {
            let before = self.strayed.fetch_add(1, Relaxed);
            let Some(stray) = self.strays.get(before) else { return self.open_all() };
            stray.store(u32::try_from(page).unwrap_or(u32::MAX), Relaxed);
        }
        if self.protect(page..page + 1, MprotectFlags::READ | MprotectFlags::WRITE) {
            if let Some(word) = self.open.get(page / 64) {
                word.fetch_or(bit(page), Relaxed);
            }
            self.split.fetch_add(1, Relaxed);
            mappings::take(MAPPINGS_A_PAGE);
            return true;
        }
        // The system has a limit on how many pieces a memory is in. Nothing tells
        // then what else will be written.
        self.strayed.fetch_max(1, Relaxed);
        self.open_all()
    }

    fn is_open_at(&self, page: usize) -> bool {
        self.open.get(page / 64).is_some_and(|word| word.load(Relaxed) & bit(page) != 0)
    }

    fn protect(&self, pages: Range<usize>, flags: MprotectFlags) -> bool {
        let (start, bytes) = (self.base + pages.start * PAGE_BYTES, pages.len() * PAGE_BYTES);
        // SAFETY: within the memory of an instance that is alive, since the owner of
        // its store has this. Reading stays allowed, and each writer has opened
        // the page or runs under the handler.
        unsafe { mprotect(start as *mut _, bytes, flags) }.is_ok()
    }
}

/// Whether the system's pages are such pages: of larger ones it would open several.
pub(super) fn are_the_systems() -> bool {
    // SAFETY: no arguments to be wrong, and no memory of ours.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes) == Ok(PAGE_BYTES)
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.are_joined();
    }
}

fn bit(page: usize) -> u64 {
    1 << (page % 64)
}

/// Where a page lies in its memory.
pub(super) fn bytes_of(page: u32) -> Range<usize> {
    let start = page as usize * PAGE_BYTES;
    start..start + PAGE_BYTES
}
