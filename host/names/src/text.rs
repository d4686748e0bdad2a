//! Text from outside: how numbers are written in it, how strictly TOML is read, and
//! what may be shown on a line. Never decides where it is shown.

use scry_card::strict;
use serde::de::DeserializeOwned;
use std::fmt::{self, Write};
use std::str::FromStr;

/// A whole number as it is written in paths, headers, queries and references:
/// digits alone, without a sign and without a leading zero, so that a number has one form.
pub fn whole_number<T: FromStr>(text: &str) -> Option<T> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// Checks that a TOML document which reads as a type has no list where the type
/// has a table: the reader of TOML takes one for the other.
pub fn check_tables<T: DeserializeOwned>(document: serde_json::Value) -> Result<(), String> {
    strict::from_value::<T>(document).map(drop).map_err(|e| e.to_string())
}

/// Passes text on with everything escaped that would forge a line, steer a terminal,
/// or turn the order of characters round.
#[derive(Debug)]
pub struct Escaping<W> {
    to: W,
    left_bytes: usize,
    keeps: &'static [char],
}

impl<W: Write> Escaping<W> {
    /// For one line of at most `max_bytes` bytes, with a mark where there were more.
    pub fn line(to: W, max_bytes: usize) -> Self {
        Self { to, left_bytes: max_bytes, keeps: &[] }
    }

    /// For lines as they are.
    pub fn lines(to: W) -> Self {
        Self { to, left_bytes: usize::MAX, keeps: &['\n', '\t'] }
    }

    fn put(&mut self, shown: &str) -> fmt::Result {
        if self.left_bytes == 0 {
            return Ok(());
        }
        if let Some(left_bytes) = self.left_bytes.checked_sub(shown.len()) {
            self.left_bytes = left_bytes;
            return self.to.write_str(shown);
        }
        let end = shown.floor_char_boundary(std::mem::take(&mut self.left_bytes));
        self.to.write_str(shown.get(..end).unwrap_or_default())?;
        self.to.write_char('…')
    }
}

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let keeps = self.keeps;
        let is_escaped = |c: char| steers(c) && !keeps.contains(&c);
        for part in text.split_inclusive(is_escaped) {
            let mut plain = part.chars();
            match plain.next_back() {
                Some(last) if is_escaped(last) => {
                    self.put(plain.as_str())?;
                    self.put(&last.escape_default().to_string())?;
                }
                _ => self.put(part)?,
            }
        }
        Ok(())
    }
}

/// Control characters, line and paragraph separators, and what sets the direction of text.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one_line(text: &str, max_bytes: usize) -> String {
        let mut shown = String::new();
        Escaping::line(&mut shown, max_bytes).write_str(text).unwrap();
        shown
    }

    #[test]
    fn a_number_has_one_form() {
        for (text, number) in [("0", 0), ("1", 1), ("10", 10), ("4294967295", u32::MAX)] {
            assert_eq!(whole_number::<u32>(text), Some(number));
        }
        for text in ["", "+1", "-1", "01", "00", " 1", "1 ", "1.0", "1e0", "0x1", "4294967296", "١"] {
            assert_eq!(whole_number::<u32>(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_would_forge_a_line_is_escaped_and_other_text_is_not() {
        for (text, shown) in [
            ("a\nb\r\n", r"a\nb\r\n"),
            ("\0\t\x1b[31m\x7f\u{9b}", r"\u{0}\t\u{1b}[31m\u{7f}\u{9b}"),
            ("\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}", r"\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}"),
            ("Grüße, नमस्ते \\ \"x\" 🦀", "Grüße, नमस्ते \\ \"x\" 🦀"),
        ] {
            assert_eq!(one_line(text, 1000), shown);
        }
    }

    #[test]
    fn lines_stay_lines_where_they_may() {
        let mut shown = String::new();
        Escaping::lines(&mut shown).write_str("a\tb\nc\r\x1b[2J\n").unwrap();
        assert_eq!(shown, "a\tb\nc\\r\\u{1b}[2J\n");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_line_and_bounded(text: String, max_bytes in 0..80usize) {
            let shown = one_line(&text, max_bytes);
            prop_assert!(shown.len() <= max_bytes + '…'.len_utf8());
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(shown.lines().count() <= 1);
        }
    }
}
