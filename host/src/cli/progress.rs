//! One line that says what is going on, when a terminal is there.

use crate::offline;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// A spinner on a terminal, a plain line a step elsewhere; always on stderr.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn start() -> Self {
        Self(has_bars().then(|| {
            let bar = ProgressBar::new_spinner();
            spin(&bar);
            bar
        }))
    }

    /// A spinner on a terminal, nothing elsewhere, while a host does what takes time.
    pub(super) fn waiting(for_what: &'static str) -> Self {
        let progress = Self::start();
        if let Some(bar) = &progress.0 {
            bar.set_message(for_what);
        }
        progress
    }

    /// The same, with a bar of the bytes that are sent before.
    pub(super) fn sending(total_bytes: usize) -> Self {
        Self(has_bars().then(|| {
            let bar = ProgressBar::new(total_bytes as u64);
            style(&bar, "{spinner} sending [{bar:30}] {bytes} of {total_bytes} ({elapsed})");
            bar
        }))
    }

    /// So many more bytes are sent; after the last it is the host's turn.
    pub(super) fn sent(&self, bytes: usize, then: &'static str) {
        let Some(bar) = &self.0 else { return };
        bar.inc(bytes as u64);
        if Some(bar.position()) == bar.length() {
            spin(bar);
            bar.set_message(then);
        }
    }

    pub(super) fn step(&self, what: &str) {
        match &self.0 {
            Some(bar) => bar.set_message(what.to_owned()),
            None => eprintln!("{what}"),
        }
    }
}

/// Whether stderr is a terminal that can draw over a line.
fn has_bars() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

fn spin(bar: &ProgressBar) {
    style(bar, "{spinner} {msg} ({elapsed})");
    bar.enable_steady_tick(Duration::from_millis(120));
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// A bar of bytes on a terminal, a plain line a file elsewhere, or nothing; always
/// on stderr.
pub(super) struct Reading {
    bar: Option<ProgressBar>,
    said: String,
    is_quiet: bool,
}

impl Reading {
    pub(super) fn start() -> Self {
        let bar = has_bars().then(|| {
            let bar = ProgressBar::new(0);
            style(&bar, "{spinner} {msg} [{bar:30}] {bytes} of {total_bytes} ({elapsed}, {eta} left)");
            bar
        });
        Self { bar, said: String::new(), is_quiet: false }
    }

    /// Says nothing where there is no terminal.
    pub(super) fn quiet() -> Self {
        let mut reading = Self::start();
        reading.is_quiet = true;
        reading
    }

    pub(super) fn at(&mut self, progress: offline::Progress<'_>) {
        let (path, position) = (progress.path.display(), progress.position);
        let Some(bar) = &self.bar else {
            let line = format!("{} {path} ({} bytes)", progress.doing, position.total_bytes);
            if self.said != line && !self.is_quiet {
                eprintln!("{line}");
                self.said = line;
            }
            return;
        };
        bar.set_length(position.total_bytes);
        bar.set_position(position.done_bytes);
        bar.set_message(format!("{} {path}", progress.doing));
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
