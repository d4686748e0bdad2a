//! Bytes that are hashed as they are read.

use scry_names::{Digest, Hasher};
use std::io::{self, Read};

pub(super) struct Hashed<R> {
    from: R,
    hasher: Hasher,
    read_bytes: u64,
}

impl<R: Read> Hashed<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, hasher: Hasher::default(), read_bytes: 0 }
    }

    /// How many there were, and their digest.
    pub(super) fn finish(self) -> (u64, Digest) {
        (self.read_bytes, self.hasher.finish())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.read_bytes += count as u64;
        Ok(count)
    }
}
