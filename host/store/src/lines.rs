//! The sealed lines of journal and checkpoint, as bytes.
//!
//! ```text
//! <first 16 bytes of the JSON's SHA-256, in hex> <JSON>\n
//! ```
//!
//! Pure, and made for bytes that anything may have happened to. Never looks
//! into the JSON.

use scry_names::Digest;
use std::ops::RangeInclusive;

/// The longest line that is written, or believed.
pub(super) const LINE_MAX_BYTES: usize = 64 << 20;

const TAG_LEN: usize = 32;

/// A record as a line.
pub(super) fn seal(json: &[u8]) -> Result<Vec<u8>, String> {
    if json.contains(&b'\n') {
        return Err("a record is one line, and this one has a line break".into());
    }
    let line = [tag(json).as_bytes(), b" ", json, b"\n"].concat();
    if line.len() > LINE_MAX_BYTES {
        return Err(format!("a record of {} bytes; a line has at most {LINE_MAX_BYTES}", json.len()));
    }
    Ok(line)
}

/// The record of a line (its newline included), if nothing has changed in it.
pub(super) fn unseal(line: &[u8]) -> Option<&[u8]> {
    unseal_open(line.strip_suffix(b"\n")?)
}

/// Checks a line without its newline.
fn unseal_open(line: &[u8]) -> Option<&[u8]> {
    let (given, json) = line.split_at_checked(TAG_LEN + 1)?;
    let expected = [tag(json).as_bytes(), b" "].concat();
    (line.len() < LINE_MAX_BYTES && !json.contains(&b'\n') && given == expected).then_some(json)
}

fn tag(json: &[u8]) -> String {
    let mut hex = Digest::of(json).hex();
    hex.truncate(TAG_LEN);
    hex
}

/// What there is in a file of sealed lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines<'a> {
    /// The records that verify, in order.
    pub records: Vec<&'a [u8]>,
    /// Where others were, or a line break was.
    pub damage: Vec<DamagedLines>,
    /// Where a last line begins that does not end: an append that a crash cut
    /// short. The file's length when there is none.
    pub tail_at: usize,
}

/// Adjoining lines that do not verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedLines {
    /// Which, counted from 1.
    pub numbers: RangeInclusive<usize>,
    /// Where the first of them begins, in bytes.
    pub offset: usize,
}

/// Reads a file of sealed lines, whatever state it is in.
pub fn read_lines(bytes: &[u8]) -> Lines<'_> {
    let mut lines = Lines::default();
    let mut offset = 0;
    for (number, line) in (1..).zip(bytes.split_inclusive(|&byte| byte == b'\n')) {
        if !line.ends_with(b"\n") {
            break;
        }
        if let Some(json) = unseal(line) {
            lines.records.push(json);
        } else {
            match lines.damage.last_mut().filter(|damage| *damage.numbers.end() + 1 == number) {
                Some(damage) => damage.numbers = *damage.numbers.start()..=number,
                None => lines.damage.push(DamagedLines { numbers: number..=number, offset }),
            }
            lines.records.extend(joined(line));
        }
        offset += line.len();
    }
    lines.tail_at = offset;
    lines
}

/// The records of two lines that one damaged line break has made into one.
fn joined(line: &[u8]) -> Vec<&[u8]> {
    /// The most split points that are tried: each hashes the rest of the line.
    const TRIES_MAX: usize = 16;
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let begins = |at: &usize| {
        let tag = line.get(*at..*at + TAG_LEN + 1).and_then(|tag| tag.strip_suffix(b" "));
        let before = line.get(at.wrapping_sub(1));
        tag.is_some_and(|tag| tag.iter().all(is_hex)) && before.is_some_and(|before| !is_hex(before))
    };
    let second = (1..line.len()).filter(begins).take(TRIES_MAX).find_map(|at| Some((at, unseal(line.get(at..)?)?)));
    let Some((at, second)) = second else { return Vec::new() };
    // Without its line break, which is the byte that was damaged.
    let first = line.get(..at - 1).and_then(unseal_open);
    first.into_iter().chain([second]).collect()
}
