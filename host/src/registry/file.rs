//! The watched file: reading what is at its path, and when its content is
//! applied.
//!
//! Never waits for a file to give something, and never applies what it reads.

use scry_names::Digest;
use std::fs::{FileType, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The longest document, in bytes.
const FILE_MAX_BYTES: u64 = 16 << 20;

/// The file's text. What is no regular file is refused without being read: a
/// FIFO would keep its reader waiting, a device might never end.
pub(crate) fn read(file: &Path) -> Result<String, String> {
    let wrong = |what: String| format!("{}: {what}", file.display());
    let io = |error: std::io::Error| wrong(error.to_string());
    let refuse = |kind: FileType| match kind.is_file() {
        true => Ok(()),
        false => Err(wrong(format!("expected a file, found {}", kind_of(kind)))),
    };
    refuse(std::fs::metadata(file).map_err(io)?.file_type())?;
    // The file may have been replaced since.
    let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(file).map_err(io)?;
    refuse(open.metadata().map_err(io)?.file_type())?;
    let mut bytes = Vec::new();
    open.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(wrong(format!("expected at most {FILE_MAX_BYTES} bytes, found more")));
    }
    String::from_utf8(bytes).map_err(|_| wrong("expected UTF-8, found other bytes".into()))
}

fn kind_of(kind: FileType) -> &'static str {
    match kind {
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a FIFO",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// What the looks at the file have shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// The content of the last look.
    last: Option<Digest>,
    /// The content that was taken last.
    taken: Option<Digest>,
}

/// What follows from a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The content was taken before.
    Known,
    /// The content is new: the next look decides.
    New,
    /// The content is new again: it is still being written.
    Unsettled,
    /// Two looks have read the same content: it is taken.
    Settled,
}

impl Looks {
    /// One more look, which read this content.
    pub(crate) fn see(&mut self, content: Digest) -> Look {
        let last = self.last.replace(content);
        if self.taken == Some(content) {
            return Look::Known;
        }
        if last == Some(content) {
            self.taken = Some(content);
            return Look::Settled;
        }
        let was_new = last.is_some() && last != self.taken;
        if was_new {
            // The applied content is no longer there: should it return, it has to settle, too.
            self.taken = None;
            return Look::Unsettled;
        }
        Look::New
    }

    /// A look that could not read anything, or a content to be tried again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_content_is_taken_by_its_second_look() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| Digest::of(bytes));
        let mut looks = Looks::default();
        let seen = [a, a, a, b, c, a, a, b, a, b, b].map(|content| looks.see(content));
        use Look::{Known, New, Settled, Unsettled};
        let expected = [New, Settled, Known, New, Unsettled, Unsettled, Settled, New, Known, New, Settled];
        assert_eq!(seen, expected);
        looks.forget();
        assert_eq!([looks.see(b), looks.see(b)], [New, Settled], "what is gone and comes back is new");
    }

    proptest! {
        #[test]
        fn whatever_is_taken_was_read_twice_in_a_row(contents in prop::collection::vec(0..3u8, 0..40)) {
            let (mut looks, mut taken) = (Looks::default(), None);
            for (at, content) in contents.iter().enumerate() {
                match looks.see(Digest::of(&[*content])) {
                    Look::Settled => {
                        prop_assert!(at > 0 && contents[at - 1] == *content);
                        taken = Some(*content);
                    }
                    Look::Known => prop_assert_eq!(taken, Some(*content)),
                    Look::New | Look::Unsettled => prop_assert!(at == 0 || contents[at - 1] != *content),
                }
            }
        }
    }

    #[test]
    fn what_is_no_file_of_text_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("folder")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap();
        assert!(made.success());
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("device")).unwrap();
        std::os::unix::fs::symlink("link", path("link")).unwrap();
        std::fs::write(path("bytes"), b"\xff").unwrap();
        // Sparse: it takes no room.
        std::fs::File::create(path("long")).unwrap().set_len(FILE_MAX_BYTES + 1).unwrap();
        for (name, says) in [
            ("folder", "found a directory"),
            ("fifo", "found a FIFO"),
            ("socket", "found a socket"),
            ("device", "found a device"),
            ("link", "symbolic links"),
            ("bytes", "expected UTF-8"),
            ("long", "at most 16777216 bytes"),
            ("missing", "No such file"),
        ] {
            let error = read(&path(name)).unwrap_err();
            assert!(error.contains(says) && error.contains(name), "{name}: {error}");
        }
        std::fs::write(path("text"), "[models]\n").unwrap();
        std::os::unix::fs::symlink("text", path("linked")).unwrap();
        assert_eq!(read(&path("linked")).unwrap(), "[models]\n");
    }
}
