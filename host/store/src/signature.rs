//! The signature beside a component: an envelope as it came.
//!
//! Never says whether it is true: a signature proves itself each time that it is read.

use super::read::{if_there, read_at_most};
use super::{Store, StoreError};
use scry_files::{FileKind, write_atomically};
use scry_names::Digest;
use scry_signatures::{ENVELOPE_MAX_BYTES, ENVELOPE_SUFFIX};
use std::path::PathBuf;

impl Store {
    /// Keeps a component's envelope instead of the one from before.
    pub fn put_signature(&self, digest: &Digest, envelope: &[u8]) -> Result<(), StoreError> {
        Ok(write_atomically(FileKind::Component, &self.signature_path(digest), envelope)?)
    }

    /// A component's envelope, if there is one; of one that is too long, one byte too many.
    pub fn signature(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.signature_path(digest);
        if_there(&path, read_at_most(&path, ENVELOPE_MAX_BYTES as u64))
    }

    /// Removes a component's envelope, if there is one.
    pub(super) fn remove_signature(&self, digest: &Digest) -> Result<(), StoreError> {
        Ok(scry_files::remove_file(FileKind::Component, &self.signature_path(digest))?)
    }

    fn signature_path(&self, digest: &Digest) -> PathBuf {
        let mut name = self.component_path(digest).into_os_string();
        name.push(ENVELOPE_SUFFIX);
        name.into()
    }
}
