//! The thread that writes the access log: to stderr, or to a file that may be moved away at any time.

use super::{Line, format};
use crate::config::AccessFormat;
use crate::telemetry::Metrics;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

/// Written at once.
const CHUNK_BYTES: usize = 64 << 10;
/// How often it is looked whether the file is still where it was.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Between two lines of the log that say the same.
const SAY_PAUSE: Duration = Duration::from_secs(10);
/// Those who may read the log: its owner, and the owner's group.
const FILE_MODE: u32 = 0o640;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Message {
    Line(Box<Line>),
    /// Everything before this is to be written; then, that it is.
    Flush(SyncSender<()>),
}

/// Where lines are written, and how.
pub(super) struct Writer {
    format: AccessFormat,
    file: Option<Followed>,
    metrics: Arc<Metrics>,
    said: Option<Instant>,
}

impl Writer {
    /// To this file, or to stderr.
    pub(super) fn open(path: Option<PathBuf>, format: AccessFormat, metrics: Arc<Metrics>) -> io::Result<Self> {
        Ok(Self { format, file: path.map(Followed::open).transpose()?, metrics, said: None })
    }

    /// Writes what comes, until nothing can come any more.
    pub(super) fn write_all(mut self, messages: &Receiver<Message>) {
        let (mut text, mut flushed) = (String::new(), Vec::new());
        while let Ok(first) = messages.recv() {
            let (mut next, mut lines) = (Some(first), 0);
            while let Some(message) = next {
                match message {
                    Message::Line(line) => {
                        format::write(self.format, &line, &mut text);
                        lines += 1;
                    }
                    Message::Flush(done) => flushed.push(done),
                }
                next = if text.len() < CHUNK_BYTES { messages.try_recv().ok() } else { None };
            }
            if let Err(error) = self.put(text.as_bytes()) {
                self.metrics.access_lines_dropped(lines);
                self.say(&error);
            }
            text.clear();
            for done in flushed.drain(..) {
                // Nobody may wait any more.
                let _ = done.send(());
            }
        }
    }

    fn put(&mut self, text: &[u8]) -> io::Result<()> {
        match &mut self.file {
            None => io::stderr().write_all(text),
            Some(followed) => {
                followed.look()?;
                followed.append(text)
            }
        }
    }

    fn say(&mut self, error: &io::Error) {
        if self.said.is_none_or(|said| said.elapsed() >= SAY_PAUSE) {
            self.said = Some(Instant::now());
            let file = self.file.as_ref().map_or("stderr".into(), |followed| followed.path.display().to_string());
            tracing::error!(%file, %error, "the access log cannot be written; its lines are dropped");
        }
    }
}

/// A file that is made anew once it is no longer where it was: whoever rotates logs moves it.
struct Followed {
    path: PathBuf,
    file: File,
    looked: Instant,
}

impl Followed {
    fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { file: append(&path)?, path, looked: Instant::now() })
    }

    fn look(&mut self) -> io::Result<()> {
        if self.looked.elapsed() < LOOK_PAUSE {
            return Ok(());
        }
        let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let (open, there) = (self.file.metadata().map(place)?, std::fs::metadata(&self.path).map(place));
        if !there.is_ok_and(|there| there == open) {
            self.file = append(&self.path)?;
        }
        self.looked = Instant::now();
        Ok(())
    }

    /// All of a text or nothing: the line after a half one would be lost, too.
    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        let before = self.file.metadata()?.len();
        self.file.write_all(text).inspect_err(|_| {
            // Where that fails as well, or means nothing, there is nothing better.
            let _ = self.file.set_len(before);
        })
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}
