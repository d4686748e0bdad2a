//! Short columns for people, none of whose lines is longer than [`WIDTH`].

use super::print::{Tone, line};
use scry_names::text::Escaping;
use std::fmt::Write as _;

/// Characters of a line.
pub(super) const WIDTH: usize = 100;
/// Characters of a column that is not the last.
const CELL_MAX_CHARS: usize = 24;
const GAP: &str = "  ";

/// What stands in one column of one row.
pub(super) struct Cell {
    text: String,
    tone: Tone,
    is_number: bool,
}

impl Cell {
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self { text: cut(text.as_ref(), WIDTH), tone: Tone::Plain, is_number: false }
    }

    /// Right-aligned, as numbers are compared.
    pub(super) fn number(text: impl AsRef<str>) -> Self {
        Self { is_number: true, ..Self::new(text) }
    }

    pub(super) fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// Rows under a heading; nothing at all where there are none.
pub(super) fn print(heads: &[&str], rows: &[Vec<Cell>]) {
    if rows.is_empty() {
        return;
    }
    let widths = widths(heads, rows);
    let is_number = |at: usize| rows.iter().all(|row| row.get(at).is_none_or(|cell| cell.is_number));
    let head = heads.iter().zip(&widths).enumerate().map(|(at, (head, width))| {
        let head = if is_number(at) { format!("{head:>width$}") } else { format!("{head:<width$}") };
        (Tone::Head, head)
    });
    print_row(head.collect());
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| {
            let text = cut(&cell.text, width);
            let text = if cell.is_number { format!("{text:>width$}") } else { format!("{text:<width$}") };
            (cell.tone, text)
        });
        print_row(cells.collect());
    }
}

/// As wide as what stands in them, unless that is too much for a line: then the
/// widest give way.
fn widths(heads: &[&str], rows: &[Vec<Cell>]) -> Vec<usize> {
    let last = heads.len().saturating_sub(1);
    let width = |(at, head): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.chars().count());
        let widest = cells.chain([head.len()]).max().unwrap_or_default();
        if at == last { widest } else { widest.min(CELL_MAX_CHARS) }
    };
    let mut widths: Vec<usize> = heads.iter().enumerate().map(width).collect();
    let most = WIDTH.saturating_sub(GAP.len() * last);
    while widths.iter().sum::<usize>() > most {
        match widths.iter_mut().max() {
            Some(widest) if *widest > 0 => *widest -= 1,
            _ => break,
        }
    }
    widths
}

fn print_row(cells: Vec<(Tone, String)>) {
    let mut parts: Vec<(Tone, &str)> = Vec::with_capacity(2 * cells.len());
    for (tone, cell) in &cells {
        if !parts.is_empty() {
            parts.push((Tone::Plain, GAP));
        }
        parts.push((*tone, cell.as_str()));
    }
    // No line ends in spaces.
    while let Some((_, part)) = parts.last_mut() {
        *part = part.trim_end();
        if !part.is_empty() {
            break;
        }
        parts.pop();
    }
    line(&parts);
}

/// What an operator should look at first: what it is about, and what is wrong.
pub(super) fn alarm(subject: &str, what: &str) {
    const LABEL: &str = "ALARM";
    let text = cut(&with_short_digests(&format!("{subject}  {what}")), WIDTH - LABEL.len() - GAP.len());
    line(&[(Tone::Bad, LABEL), (Tone::Plain, GAP), (Tone::Plain, &text)]);
}

/// A text whose digests have as many digits as tell them apart.
fn with_short_digests(text: &str) -> String {
    const START: &str = "sha256:";
    const DIGITS: usize = 12;
    let mut parts = text.split(START);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len());
        let (digest, rest) = part.split_at(digits);
        shown.push_str(START);
        shown.push_str(&cut(digest, DIGITS + 1));
        shown.push_str(rest);
    }
    shown
}

/// A text that fits so many characters of one line, whatever is in it.
pub(super) fn cut(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    // A string takes everything.
    let _ = Escaping::line(&mut shown, 4 * max_chars).write_str(text);
    if shown.chars().count() > max_chars {
        shown = shown.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect();
    }
    shown
}

/// A measure as people read it.
pub(super) fn short(value: f64) -> String {
    let is_plain = value == 0.0 || (1e-3..1e6).contains(&value.abs());
    if is_plain { format!("{value:.4}") } else { format!("{value:.3e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_told_by_its_start() {
        let text = format!("sha256:{} is damaged, sha256:ab too", "0123456789ab".repeat(5));
        assert_eq!(with_short_digests(&text), "sha256:0123456789ab… is damaged, sha256:ab too");
    }

    #[test]
    fn a_text_is_cut_by_characters_and_stays_on_its_line() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(cut("Grüße", 4), "Grü…");
        assert_eq!(cut("a\nb\x1b[31m", 20), r"a\nb\u{1b}[31m");
        assert_eq!(cut("", 0), "");
    }
}
