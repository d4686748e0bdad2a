//! One line that says what is going on, when a terminal is there.

use crate::offline;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// A spinner on a terminal, a plain line a step elsewhere; always on stderr.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn start() -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        }))
    }

    pub(super) fn step(&self, what: &str) {
        match &self.0 {
            Some(bar) => bar.set_message(what.to_owned()),
            None => eprintln!("{what}"),
        }
    }
}

/// A bar of bytes on a terminal, a plain line a file elsewhere; always on stderr.
pub(super) struct Reading {
    bar: Option<ProgressBar>,
    said: String,
}

impl Reading {
    pub(super) fn start() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let template = "{spinner} {msg} [{bar:30}] {bytes} of {total_bytes} ({elapsed}, {eta} left)";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, said: String::new() }
    }

    pub(super) fn at(&mut self, progress: offline::Progress<'_>) {
        let (path, position) = (progress.path.display(), progress.position);
        let Some(bar) = &self.bar else {
            let line = format!("{} {path} ({} bytes)", progress.doing, position.total_bytes);
            if self.said != line {
                eprintln!("{line}");
                self.said = line;
            }
            return;
        };
        bar.set_message(format!("{} {path}", progress.doing));
        bar.set_length(position.total_bytes);
        bar.set_position(position.done_bytes);
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
