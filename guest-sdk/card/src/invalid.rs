//! One thing that is wrong, and how much of the input saying so may repeat.
//!
//! Never decides what follows from it: that is a policy's to say.

use crate::{Batch, CheckKind, Tensor, for_each_values};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that is wrong with a batch, or with what describes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invalid {
    /// The field at fault; of a rule, its name; of a version, what of it.
    pub field: String,
    /// The row at fault, from 0, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
    /// The element at fault within the row's value, from 0 and row-major,
    /// where the field has a shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<usize>,
    /// Which check found it.
    pub check: CheckKind,
    /// What the schema wants.
    pub expected: String,
    /// What came.
    pub found: String,
}

impl Invalid {
    /// Something wrong with a field as a whole.
    pub fn new(check: CheckKind, field: &str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let (expected, found) = (shortened(expected.into(), TEXT_MAX_BYTES), shortened(found.into(), TEXT_MAX_BYTES));
        Self { field: named(field), row: None, element: None, check, expected, found }
    }

    /// Adds the row.
    pub fn at_row(self, row: usize) -> Self {
        Self { row: Some(row), ..self }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.check {
            CheckKind::Rule => write!(f, "rule `{}`", self.field)?,
            check if check.is_of_version() => f.write_str(&self.field)?,
            _ => write!(f, "field `{}`", self.field)?,
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(element) = self.element {
            write!(f, ", element {element}")?;
        }
        write!(f, ": expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for Invalid {}

pub(crate) fn invalid(
    field: &str,
    row: Option<usize>,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Invalid {
    Invalid { row, ..Invalid::new(CheckKind::Form, field, expected, found) }
}

/// A name that a client made up, never longer than a line.
fn named(name: &str) -> String {
    const NAME_MAX_CHARS: usize = 128;
    match name.char_indices().nth(NAME_MAX_CHARS) {
        None => name.to_owned(),
        Some((at, _)) => name.get(..at).unwrap_or_default().to_owned() + "…",
    }
}

/// The longest `expected` or `found` of one error, in bytes.
const TEXT_MAX_BYTES: usize = 2048;

/// A text, cut where it is longer than an error may be.
pub fn shortened(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes));
        text.shrink_to_fit();
        text.push('…');
    }
    text
}

/// What may stand somewhere, as far as it fits in a message.
pub(crate) fn one_of(names: impl Iterator<Item = impl fmt::Display>) -> String {
    const SHOWN_MAX: usize = 32;
    let mut names = names.map(|name| name.to_string());
    let shown: Vec<_> = names.by_ref().take(SHOWN_MAX).collect();
    match names.count() {
        0 => format!("one of {}", shown.join(", ")),
        more => format!("one of {} and {more} more", shown.join(", ")),
    }
}

/// A shape as an error shows it: a client may send one of millions of dimensions.
#[derive(Debug, Clone, Copy)]
pub struct ShownShape<'a>(pub &'a [u64]);

impl fmt::Display for ShownShape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIMENSIONS_MAX: usize = 16;
        match self.0.get(..DIMENSIONS_MAX) {
            Some(first) if first.len() < self.0.len() => {
                write!(f, "{first:?} and {} dimensions more", self.0.len() - DIMENSIONS_MAX)
            }
            _ => write!(f, "{:?}", self.0),
        }
    }
}

/// What was found in the place of a value, before it is known how much of it may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A number, as it is written.
    Number(String),
    /// A string.
    Text(String),
    /// A truth value.
    Truth(bool),
    /// Text that may always be shown.
    Said(String),
}

/// What is wrong with a column whose data does not fit its type or shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Misread {
    invalid: Box<Invalid>,
    found: Found,
}

impl Misread {
    /// Something wrong with a column as a whole.
    pub fn new(check: CheckKind, field: &str, expected: impl Into<String>, found: Found) -> Self {
        Self { invalid: Box::new(Invalid::new(check, field, expected, String::new())), found }
    }

    /// Adds the row.
    pub fn at_row(self, row: usize) -> Self {
        Self { invalid: Box::new(self.invalid.at_row(row)), ..self }
    }

    /// Adds the element within the row's value.
    pub fn at_element(self, element: usize) -> Self {
        Self { invalid: Box::new(Invalid { element: Some(element), ..*self.invalid }), ..self }
    }

    /// The column.
    pub fn field(&self) -> &str {
        &self.invalid.field
    }

    /// What is wrong, with as much of the input as may be repeated.
    pub fn told(&self, echo: Echo) -> Invalid {
        let found = match &self.found {
            Found::Number(number) => echo.number(number),
            Found::Text(text) => echo.text(text),
            Found::Truth(value) => echo.truth(*value),
            Found::Said(found) => found.clone(),
        };
        Invalid { found, ..Invalid::clone(&self.invalid) }
    }
}

/// Data that does not become a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfit {
    /// What is wrong: one error at least.
    pub errors: Vec<Invalid>,
    /// Errors that are not among them.
    pub unlisted: usize,
    /// Whether an error that names a row leaves the field's other rows as they came.
    pub is_by_row: bool,
    /// What does fit, the rest missing, so that it can be checked as well; none where that would
    /// be large, or where more is wrong than is listed.
    pub rest: Option<Batch>,
}

impl Unfit {
    /// Nothing else is known.
    pub fn of(errors: Vec<Invalid>) -> Self {
        Self { errors, unlisted: 0, is_by_row: false, rest: None }
    }

    /// The first error alone.
    pub(crate) fn first(self, form: (&str, &str)) -> Invalid {
        let (expected, found) = form;
        self.errors.into_iter().next().unwrap_or_else(|| Invalid::new(CheckKind::Form, "*", expected, found))
    }
}

/// How much a list of errors says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detail {
    /// So many errors are described; the others are counted.
    pub errors_max: usize,
    /// How much of the input each may repeat.
    pub echo: Echo,
}

impl Default for Detail {
    fn default() -> Self {
        Self { errors_max: 16, echo: Echo::default() }
    }
}

/// How much of a value an error may repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Echo {
    /// So many characters of each value; 0: only of what type it is.
    pub max_chars: usize,
}

impl Default for Echo {
    fn default() -> Self {
        Self { max_chars: 40 }
    }
}

impl Echo {
    /// A string: quoted.
    pub fn text(self, text: &str) -> String {
        if self.max_chars == 0 {
            return "a string".into();
        }
        match text.char_indices().nth(self.max_chars) {
            None => format!("{text:?}"),
            Some((at, _)) => format!("{:?}…", text.get(..at).unwrap_or_default()),
        }
    }

    /// A number.
    pub fn number(self, number: impl fmt::Display) -> String {
        self.plain(&number.to_string(), "a number")
    }

    /// A truth value.
    pub fn truth(self, value: bool) -> String {
        self.plain(&value.to_string(), "a truth value")
    }

    fn plain(self, text: &str, kind: &str) -> String {
        match text.char_indices().nth(self.max_chars) {
            None => text.to_owned(),
            Some(_) if self.max_chars == 0 => kind.to_owned(),
            Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        }
    }

    /// Element `i` of a tensor. What a value is not, such as finite, is said in
    /// any case.
    pub(crate) fn element(self, tensor: &Tensor, i: usize) -> String {
        use crate::Values;
        if !tensor.is_valid(i) {
            return "null".into();
        }
        match &tensor.values {
            Values::Bool(list) => list.get(i).map(|&value| self.truth(value)),
            Values::Bytes(text) => text.get(i).map(|value| self.text(value)),
            values => for_each_values!(values, list => list.get(i).map(|value| self.number(value)), _text => None),
        }
        .unwrap_or_else(|| "nothing".into())
    }
}
