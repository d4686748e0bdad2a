//! What commands say: the `println!`, `print!` and `eprintln!` of this folder
//! stand in front of std's, which panic where nobody reads any more.
//!
//! Never ends a command: whoever has read enough, as `head` has, keeps it from
//! nothing that it does beside printing.

use crate::text::Escaping;
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
fn escaped(text: Arguments<'_>) -> String {
    let mut shown = String::new();
    // A string takes everything.
    let _ = Escaping::lines(&mut shown).write_fmt(text);
    shown
}

/// Whether all was printed that somebody wanted to read: a full disk is an error.
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
