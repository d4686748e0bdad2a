//! The words of a rule: numbers, texts, names and signs.
//!
//! Never knows what they mean together.

/// One word, and the character it begins at, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) column: usize,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Int(i64),
    /// 2 to the power of 63, a whole number only with a minus sign before it.
    Least,
    Float(f64),
    Text(String),
    Name(String),
    Sign(&'static str),
    End,
}

/// Longer ones first: `<=` is not `<`.
const SIGNS: [&str; 28] = [
    "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "**", "<", ">", "&", "|", "^", "+", "-", "*", "/", "%", "!", "?",
    ":", "(", ")", "[", "]", ",", ".",
];
/// Whole numbers are below this.
const LEAST: u64 = i64::MIN.unsigned_abs();
/// They hold the two branches of `if`.
const BRACES: [&str; 2] = ["{", "}"];

/// The words of an expression, an end among them; otherwise what is wrong.
pub(super) fn tokens(expression: &str) -> Result<Vec<Token>, String> {
    let mut scanner = Scanner { text: expression, rest: expression };
    let mut tokens = Vec::new();
    loop {
        scanner.skip_space();
        let column = scanner.column();
        let kind = scanner.next().map_err(|problem| format!("column {column}: {problem}"))?;
        let is_end = kind == Kind::End;
        tokens.push(Token { kind, column });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn column(&self) -> usize {
        let read = self.text.len() - self.rest.len();
        self.text.get(..read).unwrap_or_default().chars().count() + 1
    }

    /// Spaces and comments to the end of a line.
    fn skip_space(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix("//") {
                Some(comment) => self.rest = comment.find('\n').and_then(|at| comment.get(at..)).unwrap_or_default(),
                None => return,
            }
        }
    }

    fn next(&mut self) -> Result<Kind, String> {
        let Some(first) = self.rest.chars().next() else { return Ok(Kind::End) };
        let second = self.rest.chars().nth(1);
        if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
            return self.number();
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Kind::Name(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned()));
        }
        if matches!(first, '"' | '\'') {
            return self.quoted(first).map(Kind::Text);
        }
        if first == '`' {
            return self.verbatim().map(Kind::Text);
        }
        for sign in SIGNS.into_iter().chain(BRACES) {
            if let Some(rest) = self.rest.strip_prefix(sign) {
                self.rest = rest;
                return Ok(Kind::Sign(sign));
            }
        }
        Err(format!("`{first}` is not known here"))
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn comes(&mut self, start: &[char]) -> bool {
        let after = self.rest.strip_prefix(start);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Digits may be grouped by `_`. A whole number that is too large is a real one.
    fn number(&mut self) -> Result<Kind, String> {
        for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0b", 2)] {
            if let Some(rest) = self.rest.strip_prefix(prefix) {
                self.rest = rest;
                let digits = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').replace('_', "");
                let wrong = |_| format!("`{prefix}{digits}` is not a number");
                return u64::from_str_radix(&digits, radix).map(|bits| Kind::Int(bits.cast_signed())).map_err(wrong);
            }
        }
        let mut digits = self.digits();
        let mut is_whole = true;
        let after_point = self.rest.strip_prefix('.').and_then(|rest| rest.chars().next());
        if self.rest.starts_with('.') && !after_point.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') {
            self.comes(&['.']);
            digits = format!("{digits}.{}", self.digits());
            is_whole = false;
        }
        let before_exponent = self.rest;
        if self.comes(&['e', 'E']) {
            let sign = if self.comes(&['-']) { "-" } else { "" };
            let _ = sign.is_empty() && self.comes(&['+']);
            match self.digits() {
                exponent if exponent.is_empty() => self.rest = before_exponent,
                exponent => {
                    digits = format!("{digits}e{sign}{exponent}");
                    is_whole = false;
                }
            }
        }
        if self.rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("`{digits}{}` is not a number", self.rest.chars().take(1).collect::<String>()));
        }
        let wrong = |_| format!("`{digits}` is not a number");
        match digits.parse::<u64>() {
            Ok(LEAST) if is_whole => Ok(Kind::Least),
            Ok(whole) if is_whole && whole < LEAST => Ok(Kind::Int(whole.cast_signed())),
            _ => digits.parse().map(Kind::Float).map_err(wrong),
        }
    }

    fn digits(&mut self) -> String {
        self.take_while(|c| c.is_ascii_digit() || c == '_').replace('_', "")
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        chars.next();
        loop {
            match chars.next() {
                Some(c) if c == quote => break,
                Some('\\') => text.push(escaped(&mut chars)?),
                Some('\n') | None => return Err(format!("a text without its closing {quote}")),
                Some(c) => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }

    /// A text between backticks, as it stands but for a line break at its
    /// beginning; two backticks are one.
    fn verbatim(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut rest = self.rest.strip_prefix('`').unwrap_or_default();
        rest = rest.strip_prefix("\r\n").or(rest.strip_prefix('\n')).unwrap_or(rest);
        loop {
            let Some((part, after)) = rest.split_once('`') else {
                return Err("a text without its closing `".into());
            };
            if part.contains("${") {
                return Err("`${`: an expression within a text".into());
            }
            text.push_str(part);
            match after.strip_prefix('`') {
                Some(after) => {
                    text.push('`');
                    rest = after;
                }
                None => {
                    self.rest = after;
                    return Ok(text);
                }
            }
        }
    }
}

/// What follows a backslash.
fn escaped(chars: &mut std::str::Chars<'_>) -> Result<char, String> {
    let mark = chars.next().ok_or("a text that ends with a backslash")?;
    let digits = match mark {
        '\\' | '"' | '\'' | '`' | '?' => return Ok(mark),
        'n' => return Ok('\n'),
        'r' => return Ok('\r'),
        't' => return Ok('\t'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return Err(format!("`\\{mark}`, which is no escape")),
    };
    let (hex, rest) = chars.as_str().split_at_checked(digits).ok_or("an escape that is cut off")?;
    *chars = rest.chars();
    let code = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
    code.ok_or_else(|| format!("`\\{mark}{hex}`, which is no character"))
}
