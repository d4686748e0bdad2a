//! What causes have in common: a cause without what differs from request to request.
//!
//! Pure. Whatever a client sends, a pattern is short and on one line.

/// Characters of a pattern.
const PATTERN_MAX_CHARS: usize = 240;
/// What is looked at of a cause.
const CAUSE_MAX_CHARS: usize = 2048;
/// What an error repeats of a request follows this word.
const FOUND: &str = "found";
const NUMBER: char = '#';
const VALUE: char = '…';

/// A cause with `#` for each word with a digit that is not in backticks, and `…` for what was found.
pub(super) fn pattern(cause: &str) -> String {
    let cause: String = cause.chars().take(CAUSE_MAX_CHARS).collect();
    let mut pattern = Pattern::default();
    let mut rest = cause.as_str();
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at(token_len(rest, first));
        rest = after;
        pattern.push(token);
        if token == FOUND && rest.starts_with(' ') {
            rest = rest.get(value_len(rest)..).unwrap_or_default();
            pattern.push(" ");
            pattern.push("…");
        }
    }
    pattern.text.trim_end().chars().take(PATTERN_MAX_CHARS).collect()
}

/// Where the first token of a text ends: a word, what stands in backticks, or one character.
fn token_len(text: &str, first: char) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if first == '`'
        && let Some(end) = text.get(1..).and_then(|inner| inner.find('`'))
    {
        return end + 2;
    }
    match is_word(first) {
        true => text.find(|c| !is_word(c)).unwrap_or(text.len()),
        false => first.len_utf8(),
    }
}

/// How long what follows `found` is: up to the next sentence, which begins behind `;`, `:` or a line's end. What is in
/// backticks or quotes has none of these.
fn value_len(text: &str) -> usize {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '`' | '"') => quote = Some(c),
            None if matches!(c, ';' | ':' | '\n') => return at,
            None => {}
        }
    }
    text.len()
}

#[derive(Default)]
struct Pattern {
    text: String,
}

impl Pattern {
    fn push(&mut self, token: &str) {
        let has_digit = !token.starts_with('`') && token.contains(|c: char| c.is_ascii_digit());
        if token.starts_with(char::is_whitespace) {
            if !self.text.is_empty() && !self.text.ends_with(' ') {
                self.text.push(' ');
            }
        } else if has_digit {
            // `1.5` and `0x1f/0x20` are one number each.
            let is_joined = self.text.ends_with([NUMBER]) || self.text.ends_with("#.");
            if self.text.ends_with("#.") {
                self.text.pop();
            }
            if !is_joined {
                self.text.push(NUMBER);
            }
        } else if token.starts_with(VALUE) && self.text.ends_with(VALUE) {
            // Said already.
        } else {
            self.text.push_str(&token.replace(char::is_control, " "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_differs_from_request_to_request_is_left_out() {
        for (cause, expected) in [
            ("row 3, input `x1`: expected FP64, found `abc`", "row #, input `x1`: expected #, found …"),
            (
                "input `a`: expected INT64, found text `1;2`; input `b`: expected at most 10, found 11",
                "input `a`: expected #, found …; input `b`: expected at most #, found …",
            ),
            (
                "index out of bounds: the len is 3 but the index is 17\nwasm trap: unreachable",
                "index out of bounds: the len is # but the index is # wasm trap: unreachable",
            ),
            ("memory fault at wasm address 0x1fff0", "memory fault at wasm address #"),
            ("took 1.5 ms of 0.25", "took # ms of #"),
            ("the component used up its fuel", "the component used up its fuel"),
            ("", ""),
            ("a\r\n\tb  c", "a b c"),
        ] {
            assert_eq!(pattern(cause), expected, "{cause:?}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_is_one_short_line(cause: String) {
            let pattern = pattern(&cause);
            prop_assert!(pattern.chars().count() <= PATTERN_MAX_CHARS);
            prop_assert!(!pattern.contains(char::is_control), "{pattern:?}");
        }

        #[test]
        fn other_numbers_are_the_same_pattern(a: u64, b: u64, c: f64, d: f64) {
            let cause = |whole: u64, real: f64| format!("row {whole}: expected at most 7, found {real}");
            prop_assert_eq!(pattern(&cause(a, c)), pattern(&cause(b, d)));
        }
    }
}
