//! What this process keeps of the machine's memory.
//!
//! Never decides who may have how much: that is the limits' to say.

/// From now on memory comes in small pages, here and in whatever is started: a
/// huge one takes a millisecond to be cleared, on the time of whoever touches it
/// first, and is kept whole for the last of what lies in it.
pub fn small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "memory may come in huge pages");
    }
}

/// Gives back what this thread's work took, and what others have freed of it.
/// The allocator would keep it until the thread works again.
pub(crate) fn give_back() {
    // SAFETY: no arguments to be wrong; frees only what nobody has.
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
