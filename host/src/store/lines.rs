//! The sealed lines of journal and checkpoint, as bytes.
//!
//! ```text
//! <first 16 bytes of the JSON's SHA-256, in hex> <JSON>\n
//! ```
//!
//! Pure, and made for bytes that anything may have happened to. Never looks
//! into the JSON.

use super::Digest;
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
    let (given, json) = line.strip_suffix(b"\n")?.split_at_checked(TAG_LEN + 1)?;
    let expected = [tag(json).as_bytes(), b" "].concat();
    (line.len() <= LINE_MAX_BYTES && !json.contains(&b'\n') && given == expected).then_some(json)
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
    /// Where others were.
    pub damage: Vec<DamagedLines>,
    /// Where a last line begins that does not verify: an append that a crash
    /// cut short. The file's length when there is none.
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
        let is_last = offset + line.len() == bytes.len();
        match (unseal(line), lines.damage.last_mut()) {
            (Some(json), _) => lines.records.push(json),
            (None, _) if is_last => break,
            (None, Some(damage)) if *damage.numbers.end() + 1 == number => {
                damage.numbers = *damage.numbers.start()..=number;
            }
            (None, _) => lines.damage.push(DamagedLines { numbers: number..=number, offset }),
        }
        offset += line.len();
    }
    lines.tail_at = offset;
    lines
}
