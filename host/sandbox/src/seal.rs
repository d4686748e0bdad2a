//! The host's own mark on files that it trusts blindly when it reads them.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::path::Path;

const TAG_BYTES: usize = 32;

/// The host's own mark on what it wrote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seal([u8; 32]);

impl Seal {
    /// With a key that never leaves the data folder.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// What is written to a file.
    pub(super) fn sealed(&self, path: &Path, content: &[u8]) -> Vec<u8> {
        let tag = self.mac(path, content).finalize().into_bytes();
        [tag.as_slice(), content].concat()
    }

    /// A file's content, if this host wrote it, there.
    pub(super) fn opened<'a>(&self, path: &Path, file: &'a [u8]) -> Option<&'a [u8]> {
        let (tag, content) = file.split_at_checked(TAG_BYTES)?;
        self.mac(path, content).verify_slice(tag).ok()?;
        Some(content)
    }

    /// The tag covers engine, digest and model too, by the file's name: code
    /// cannot be moved to stand for another component.
    fn mac(&self, path: &Path, content: &[u8]) -> Hmac<Sha256> {
        // HMAC pads a short key with zeros to the hash's block.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block);
        for part in [path.parent().and_then(Path::file_name), path.file_name()].into_iter().flatten() {
            mac.update(part.as_encoded_bytes());
            mac.update(b"\0");
        }
        mac.update(content);
        mac
    }
}
