//! Every write in the data folder, step by step.
//!
//! A file is replaced as a whole: written beside, synced, renamed, its folder
//! synced. Only the journal and the log of errors grow in place. Each step passes a failpoint.
//! Never knows what is in a file.

use super::FileError;
use super::failpoint::step;
use super::kind::{FileKind, Step};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The names of all steps that a host's writes consist of, so that a test can
/// demand that it saw each of them fail. Not of those that no state depends on.
pub fn write_steps() -> Vec<String> {
    use FileKind::{Cache, Checkpoint, Component, Format, Journal, Lock, Quarantine, Secret, Stale};
    use Step::{AppendHalf, AppendRest, AppendSync, Create, Folder, Half, Remove, Rename, Rest, Sync, Truncate};
    let replaced = [Format, Secret, Component, Cache, Journal, Checkpoint, Quarantine]
        .map(|kind| (kind, [Create, Half, Rest, Sync, Rename, Folder].as_slice()));
    let others: [(FileKind, &[Step]); 6] = [
        (Lock, &[Create]),
        (Journal, &[AppendHalf, AppendRest, AppendSync, Truncate]),
        (Component, &[Remove]),
        (Cache, &[Remove]),
        (Quarantine, &[Remove]),
        (Stale, &[Remove]),
    ];
    let all = replaced.into_iter().chain(others);
    all.flat_map(|(kind, steps)| steps.iter().map(move |step| format!("{}.{}", kind.name(), step.name()))).collect()
}

/// Writes a file so that a crash leaves the old one or the new one. The file
/// is readable by its owner alone; what a command writes for its user has the
/// mode that the file had, or else the one that the umask gives.
pub fn write_atomically(kind: FileKind, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(kind, path, bytes).map_err(FileError::at(path))
}

/// The same for a file that is written in parts: what fails in between, as `fill` does, leaves the old one.
pub fn write_parts<T, E: From<FileError>>(
    kind: FileKind,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<T, E> {
    let at = || FileError::at(path);
    let beside = beside(path).map_err(at())?;
    let write = || -> Result<T, E> {
        let mut file = create_beside(kind, path, &beside).map_err(at())?;
        let filled = fill(&mut Parts { kind, path, file: &mut file })?;
        step(kind, Step::Sync, || file.sync_all()).map_err(at())?;
        step(kind, Step::Rename, || fs::rename(&beside, path)).map_err(at())?;
        Ok(filled)
    };
    let written = write();
    if written.is_err() {
        // Best effort: the error that matters is the first.
        let _ = fs::remove_file(&beside);
    }
    let filled = written?;
    step(kind, Step::Folder, || sync_folder(folder_of(path))).map_err(at())?;
    Ok(filled)
}

/// A file on its way; an error names it.
struct Parts<'a> {
    kind: FileKind,
    path: &'a Path,
    file: &'a mut File,
}

impl Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = step(self.kind, Step::Half, || self.file.write(bytes));
        written.map_err(|error| io::Error::new(error.kind(), FileError::at(self.path)(error)))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn replace(kind: FileKind, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path)?;
    let written =
        write_beside(kind, path, &beside, bytes).and_then(|()| step(kind, Step::Rename, || fs::rename(&beside, path)));
    if written.is_err() {
        // Best effort: the error that matters is the first.
        let _ = fs::remove_file(&beside);
    }
    written?;
    step(kind, Step::Folder, || sync_folder(folder_of(path)))
}

/// A name in the same folder that no file has.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(folder_of(path).join(beside_name(u64::from_le_bytes(random))))
}

fn write_beside(kind: FileKind, path: &Path, beside: &Path, bytes: &[u8]) -> io::Result<()> {
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    let mut file = create_beside(kind, path, beside)?;
    step(kind, Step::Half, || file.write_all(half))?;
    step(kind, Step::Rest, || file.write_all(rest))?;
    step(kind, Step::Sync, || file.sync_all())
}

fn create_beside(kind: FileKind, path: &Path, beside: &Path) -> io::Result<File> {
    step(kind, Step::Create, || {
        make_folder(folder_of(beside))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let (file, permissions) = match kind {
            FileKind::Build => (options.open(beside)?, fs::metadata(path).ok().map(|found| found.permissions())),
            // Whatever the umask is.
            _ => (options.mode(0o600).open(beside)?, Some(Permissions::from_mode(0o600))),
        };
        permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions))?;
        Ok(file)
    })
}

fn beside_name(random: u64) -> String {
    format!(".{random:016x}.tmp")
}

/// Whether a file of this name is what a crash left of [`write_atomically`].
pub fn is_beside_name(name: &str) -> bool {
    let random = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    random.and_then(|hex| u64::from_str_radix(hex, 16).ok()).is_some_and(|random| beside_name(random) == name)
}

/// Adds to the end of a file that was opened to append; afterwards the bytes
/// are on the disk.
pub fn append(kind: FileKind, mut file: &File, bytes: &[u8]) -> io::Result<()> {
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    step(kind, Step::AppendHalf, || file.write_all(half))?;
    step(kind, Step::AppendRest, || file.write_all(rest))?;
    step(kind, Step::AppendSync, || file.sync_all())
}

/// Takes away what is behind the first `len_bytes`.
pub fn truncate(kind: FileKind, file: &File, len_bytes: u64) -> io::Result<()> {
    step(kind, Step::Truncate, || {
        file.set_len(len_bytes)?;
        file.sync_all()
    })
}

/// Makes sure of a file that is there already: a crash may have come between
/// its rename and the sync of its folder.
pub fn settle(kind: FileKind, path: &Path) -> Result<(), FileError> {
    step(kind, Step::Folder, || sync_folder(folder_of(path))).map_err(FileError::at(path))
}

/// Moves a file to another folder.
pub fn rename(kind: FileKind, from: &Path, to: &Path) -> Result<(), FileError> {
    let moved = step(kind, Step::Rename, || {
        make_folder(folder_of(to))?;
        fs::rename(from, to)
    });
    let synced = moved.and_then(|()| {
        step(kind, Step::Folder, || {
            sync_folder(folder_of(to))?;
            sync_folder(folder_of(from))
        })
    });
    synced.map_err(FileError::at(to))
}

/// Removes a file, if it is there. Not synced: one that a crash brings back
/// is as dispensable as before.
pub fn remove_file(kind: FileKind, path: &Path) -> Result<(), FileError> {
    let removed = step(kind, Step::Remove, || match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    });
    removed.map_err(FileError::at(path))
}

/// Opens a file whose content does not matter.
pub fn open_empty(kind: FileKind, path: &Path) -> Result<File, FileError> {
    let create = || {
        make_folder(folder_of(path))?;
        File::create(path)
    };
    step(kind, Step::Create, create).map_err(FileError::at(path))
}

/// Makes a folder, and those that it is in, as far as they are not there.
pub fn create_folder(folder: &Path) -> Result<(), FileError> {
    make_folder(folder).map_err(FileError::at(folder))
}

/// A new folder is on the disk only when its parent is synced.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent: PathBuf = folder_of(folder).to_owned();
    make_folder(&parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(&parent),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
