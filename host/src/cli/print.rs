//! What commands say: the `println!`, `print!` and `eprintln!` of this folder
//! stand in front of std's, which panic where nobody reads any more.
//!
//! Never ends a command: whoever has read enough, as `head` has, keeps it from
//! nothing that it does beside printing.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use scry_names::text::Escaping;
use std::fmt::{Arguments, Write as _};
use std::io::{Error, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::sync::OnceLock;

/// Why nothing more is printed.
static STOPPED: OnceLock<Error> = OnceLock::new();

macro_rules! print {
    ($($text:tt)*) => { $crate::cli::print::out(format_args!($($text)*)) };
}

macro_rules! println {
    () => { $crate::cli::print::out(format_args!("\n")) };
    ($($text:tt)*) => { $crate::cli::print::out(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::cli::print::err(format_args!("{}\n", format_args!($($text)*))) };
}

/// How a part of a line looks, where the terminal has colors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Head,
    Good,
    Warn,
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Head => Style::new().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// Prints a line on stdout, in colors where it is a terminal that has them and
/// neither `NO_COLOR` nor `TERM=dumb` says otherwise.
pub(super) fn line(parts: &[(Tone, &str)]) {
    if STOPPED.get().is_none() {
        let is_colored = AutoStream::choice(&stdout()) != ColorChoice::Never;
        let is_shown = is_colored || stdout().is_terminal();
        let mut line = String::new();
        for &(tone, part) in parts {
            let part = if is_shown { escaped(format_args!("{part}")) } else { part.to_owned() };
            styled(&mut line, if is_colored { tone } else { Tone::Plain }, &part);
        }
        line.push('\n');
        keep(stdout().write_all(line.as_bytes()));
    }
}

/// Prints a line on stderr whose first word says what kind of line it is.
pub(super) fn labelled(tone: Tone, label: &str, text: Arguments<'_>) {
    let is_colored = AutoStream::choice(&stderr()) != ColorChoice::Never;
    let mut line = String::new();
    styled(&mut line, if is_colored { tone } else { Tone::Plain }, label);
    line.push_str(&escaped(format_args!(" {text}\n")));
    // As in `err`.
    let _ = stderr().write_all(line.as_bytes());
}

fn styled(line: &mut String, tone: Tone, part: &str) {
    let style = tone.style();
    // A string takes everything.
    let _ = write!(line, "{style}{part}{style:#}");
}

/// Prints on stdout.
pub(super) fn out(text: Arguments<'_>) {
    if STOPPED.get().is_none() {
        // What a program reads stays as it is; a terminal would obey it.
        keep(if stdout().is_terminal() {
            stdout().write_all(escaped(text).as_bytes())
        } else {
            stdout().write_fmt(text)
        });
    }
}

/// Prints on stderr. Where that fails there is nowhere to say so.
pub(super) fn err(text: Arguments<'_>) {
    let _ = stderr().write_all(escaped(text).as_bytes());
}

/// Text with what hosts, components and files may have put into it.
/// A count with its noun: `1 row`, `2 rows`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn escaped(text: Arguments<'_>) -> String {
    let mut shown = String::new();
    // A string takes everything.
    let _ = Escaping::lines(&mut shown).write_fmt(text);
    shown
}

/// Whether all was printed that is still read: a full disk is an error.
pub(super) fn finish() -> Result<(), super::CliError> {
    if STOPPED.get().is_none() {
        keep(stdout().flush());
    }
    match STOPPED.get() {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("stdout: {error}").into()),
        _ => Ok(()),
    }
}

fn keep(printed: Result<(), Error>) {
    if let Err(error) = printed {
        // Another thread may have been first.
        let _ = STOPPED.set(error);
    }
}
