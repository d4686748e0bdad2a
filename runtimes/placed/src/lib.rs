//! The file that `scry import` places in a runtime's memory.
//!
//! The host puts it behind the memory of the module and writes where into the slot. Never reads it.

/// Where the file is. The host finds the slot by its magic, once in the module.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Slot {
    magic: [u8; 8],
    at: u64,
    length: u64,
}

#[used]
static SLOT: Slot = Slot { magic: *b"\x00SCRYat\xff", at: 0, length: 0 };

/// The file, where there is one. To be taken once, by `load`.
pub fn file() -> Option<&'static mut [u8]> {
    // SAFETY: an initialized static. Read this way because its bytes are changed after compilation.
    let slot = unsafe { (&raw const SLOT).read_volatile() };
    let at = usize::try_from(slot.at).ok().filter(|&at| at != 0)?;
    let length = usize::try_from(slot.length).ok()?;
    if !cfg!(target_arch = "wasm32") {
        return None;
    }
    // SAFETY: the host has grown the initial memory by the file and told where it lies. Nothing else
    // is there: what this module was linked with ends before it, and the allocator takes pages that
    // it asks for later.
    Some(unsafe { std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut(at), length) })
}
