//! What is wrong with a document, and where.

use crate::Interrupted;
use serde::de::{Expected, Unexpected};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Characters of a name or a value that an error shows.
const SHOWN_MAX_CHARS: usize = 40;
/// Steps of a path that an error shows.
const STEPS_MAX: usize = 16;

/// Why a document does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    /// The path to the value, innermost step first.
    path: Vec<Step>,
    what: What,
    /// Line and column, where the text is not JSON.
    place: Option<(usize, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Wrong { expected: Cow<'static, str>, found: Cow<'static, str> },
    Said(String),
    Interrupted,
}

impl Error {
    /// Something other than what should be there.
    pub fn wrong(expected: impl Into<Cow<'static, str>>, found: impl Into<Cow<'static, str>>) -> Self {
        let what = What::Wrong { expected: expected.into(), found: found.into() };
        Self(Box::new(Inner { path: Vec::new(), what, place: None }))
    }

    /// A member that has to be there and is not.
    pub fn missing(member: &str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self::wrong(expected, "nothing").within(member)
    }

    /// Whether reading was given up, and nothing is wrong with the document.
    pub fn is_interrupted(&self) -> bool {
        self.0.what == What::Interrupted
    }

    /// The error within an object's member.
    pub fn within(mut self, member: &str) -> Self {
        self.0.path.push(Step::Member(cut(member)));
        self
    }

    /// The error within a list's element.
    pub fn at(mut self, element: usize) -> Self {
        self.0.path.push(Step::Element(element));
        self
    }

    /// The error at a place in a text.
    pub(super) fn in_text(mut self, text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count() + 1;
        self.0.place = Some((line, column));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { path, what, place } = &*self.0;
        if !path.is_empty() {
            f.write_str("`")?;
            for (i, step) in path.iter().rev().take(STEPS_MAX).enumerate() {
                match step {
                    Step::Member(name) if i == 0 => f.write_str(name)?,
                    Step::Member(name) => write!(f, ".{name}")?,
                    Step::Element(at) => write!(f, "[{at}]")?,
                }
            }
            f.write_str(if path.len() > STEPS_MAX { "…`: " } else { "`: " })?;
        }
        match what {
            What::Wrong { expected, found } => write!(f, "expected {expected}, found {found}")?,
            What::Said(text) => f.write_str(text)?,
            What::Interrupted => Interrupted.fmt(f)?,
        }
        match place {
            Some((line, column)) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<Interrupted> for Error {
    fn from(_: Interrupted) -> Self {
        Self(Box::new(Inner { path: Vec::new(), what: What::Interrupted, place: None }))
    }
}

/// As serde's derived readers report, in this crate's words.
impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new(Inner { path: Vec::new(), what: What::Said(message.to_string()), place: None }))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wrong(expected.to_string(), unexpected_found(unexpected))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wrong(expected.to_string(), unexpected_found(unexpected))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::wrong(expected.to_string(), format!("a list of {length}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::wrong(one_of(expected), quoted(variant))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::wrong(one_of(expected), "an unknown member").within(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::missing(field, "a value")
    }
}

fn unexpected_found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => format!("{value:?}"),
        Unexpected::Char(value) => quoted(value.encode_utf8(&mut [0; 4])),
        Unexpected::Str(text) => quoted(text),
        Unexpected::Bytes(_) => "bytes".into(),
        Unexpected::Unit | Unexpected::Option => "null".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "an object".into(),
        _ => "something else".into(),
    }
}

/// The names that are known.
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [] => "no members".into(),
        names => format!("one of {}", names.join(", ")),
    }
}

/// A value as an error shows it.
pub fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// A text in quotation marks, never longer than a line.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", cut(text))
}

/// A text in backquotes, never longer than a line.
pub(super) fn quoted_plain(text: &str) -> String {
    format!("`{}`", cut(text))
}

/// A text, never longer than a line.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX_CHARS) {
        None => text.to_owned(),
        Some((at, _)) => text.get(..at).unwrap_or_default().to_owned() + "…",
    }
}
