//! The allocator of this runtime: until the model is loaded, what is freed is wiped, so that the
//! snapshot has nothing but the model, and counted, so that a call finds memory enough.
//!
//! It also takes back what it has not given: the weights lie in the file that the host has placed,
//! and a tensor owns them as it would own memory of the heap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

#[global_allocator]
static MEMORY: Memory = Memory {
    is_loaded: AtomicBool::new(false),
    used: AtomicUsize::new(0),
    peak: AtomicUsize::new(0),
    lent: [AtomicUsize::new(0), AtomicUsize::new(0)],
};

/// A module has one thread: what is atomic here only need not be `mut`.
struct Memory {
    is_loaded: AtomicBool,
    used: AtomicUsize,
    peak: AtomicUsize,
    /// First and last address of what was not allocated here.
    lent: [AtomicUsize; 2],
}

impl Memory {
    fn is_lent(&self, pointer: *const u8) -> bool {
        (self.lent[0].load(Relaxed)..self.lent[1].load(Relaxed)).contains(&pointer.addr())
    }

    fn count(&self, bytes: usize) {
        let used = self.used.load(Relaxed).wrapping_add(bytes);
        self.used.store(used, Relaxed);
        self.peak.store(self.peak.load(Relaxed).max(used), Relaxed);
    }
}

// SAFETY: everything is the system's, but for what is wiped before it is freed, and what is lent,
// which is never allocated again.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.used.store(self.used.load(Relaxed).wrapping_sub(layout.size()), Relaxed);
        if !self.is_loaded.load(Relaxed) {
            // SAFETY: the caller gives up these bytes. The compiler must not see that nothing reads
            // them any more.
            unsafe { black_box(pointer).write_bytes(0, layout.size()) };
            black_box(pointer);
        }
        if !self.is_lent(pointer) {
            // SAFETY: as the caller promises.
            unsafe { System.dealloc(pointer, layout) }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if self.is_loaded.load(Relaxed) && !self.is_lent(pointer) {
            self.count(bytes.wrapping_sub(layout.size()));
            // SAFETY: as the caller promises.
            return unsafe { System.realloc(pointer, layout, bytes) };
        }
        // SAFETY: as the caller promises: the alignment is valid, and so is the new size.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(bytes, layout.align())) };
        if !new.is_null() {
            // SAFETY: both are that long, and one of them is new.
            unsafe { new.copy_from_nonoverlapping(pointer, layout.size().min(bytes)) };
            // SAFETY: as the caller promises.
            unsafe { self.dealloc(pointer, layout) };
        }
        new
    }
}

/// Lets parts of this memory be owned like parts of the heap: they are wiped where they are dropped.
pub(crate) struct Lent(&'static mut [u8]);

impl Lent {
    /// Only one memory may be lent.
    pub(crate) fn new(memory: &'static mut [u8]) -> Self {
        let Range { start, end } = memory.as_ptr_range();
        MEMORY.lent[0].store(start.addr(), Relaxed);
        MEMORY.lent[1].store(end.addr(), Relaxed);
        Self(memory)
    }

    /// The first bytes, as a vector.
    pub(crate) fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let (taken, rest) = std::mem::take(&mut self.0).split_at_mut_checked(length)?;
        self.0 = rest;
        // SAFETY: no other value owns these bytes, and the allocator knows that they are lent.
        Some(unsafe { Vec::from_raw_parts(taken.as_mut_ptr(), length, length) })
    }
}

/// The most memory that is used at once in this work, beyond what is used before it.
pub(crate) fn peak_of<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = MEMORY.used.load(Relaxed);
    MEMORY.peak.store(before, Relaxed);
    let outcome = work();
    (MEMORY.peak.load(Relaxed).saturating_sub(before), outcome)
}

/// Says that the model is loaded, and that calls need so much memory.
pub(crate) fn is_loaded(headroom_bytes: usize) {
    drop(black_box(Vec::<u8>::with_capacity(headroom_bytes)));
    MEMORY.is_loaded.store(true, Relaxed);
}
