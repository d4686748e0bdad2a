//! What this process keeps of the machine's memory.
//!
//! Never decides how much a part may have: the limits do.

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicI32, Ordering};

/// The program's allocator: requests are allocated by one thread and freed by
/// another, which is slow with the system's own allocator. Ends a compile process
/// that runs out of memory.
#[derive(Debug)]
pub struct Allocator;

/// The exit status when there is no more memory; 0 keeps the usual behavior.
static EXIT: AtomicI32 = AtomicI32::new(0);

/// From now on the process exits with this status when an allocation fails, so
/// that its parent can tell.
pub fn exit_without(status: u8) {
    EXIT.store(i32::from(status), Ordering::Relaxed);
}

#[cold]
fn none() -> *mut u8 {
    match EXIT.load(Ordering::Relaxed) {
        0 => std::ptr::null_mut(),
        // SAFETY: ends the process without allocating.
        status => unsafe { libc::_exit(status) },
    }
}

// SAFETY: another allocator does the work; where that has no memory, the
// process ends or gets null.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let got = unsafe { MiMalloc.alloc(layout) };
        if got.is_null() { none() } else { got }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let got = unsafe { MiMalloc.alloc_zeroed(layout) };
        if got.is_null() { none() } else { got }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { MiMalloc.dealloc(at, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's.
        let got = unsafe { MiMalloc.realloc(at, layout, new_size) };
        if got.is_null() { none() } else { got }
    }
}

/// From now on memory comes in small pages, here and in whatever is started: a
/// huge one takes a millisecond to be cleared, on the time of the thread that
/// touches it first, and is kept whole for the last of what lies in it.
pub fn small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "memory may come in huge pages");
    }
}

/// Gives back what this thread's work took, and what others have freed of it.
/// The allocator would keep it until the thread works again.
pub fn give_back() {
    // SAFETY: takes no arguments and frees only unused memory.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

#[cfg(test)]
mod tests {
    #[test]
    fn pages_are_small_once_that_is_said() {
        super::small_pages();
        assert!(rustix::thread::transparent_huge_pages_are_disabled().unwrap());
    }
}
