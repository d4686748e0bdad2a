//! What records of CSV mean, in files and in memory: the names of columns, which records are rows, the value of a field.
//!
//! An empty field is a missing value, in a column of text only if it is not in
//! quotes; in a column of numbers NaN is missing, too. Never knows where a
//! record came from.

use super::csv_records::{Broken, Raw, Record};
use crate::collect::push_float;
use crate::limits::NAME_MAX_BYTES;
use scry_card::{ColumnBuilder, Datatype};

/// The columns' names, which the first record has; a column without one has an empty name.
pub(super) fn names(record: Record<'_>) -> Result<Vec<String>, Broken> {
    let mut names = Vec::with_capacity(record.len());
    for raw in (0..record.len()).filter_map(|at| record.field(at)) {
        let name = raw.text().map_err(|found| Broken::form(format!("found {found}; write the text in UTF-8")))?;
        if name.len() > NAME_MAX_BYTES {
            return Err(Broken::Limit { what: "a column's name of bytes", limit: NAME_MAX_BYTES });
        }
        names.push(name.into_owned());
    }
    if names.iter().all(String::is_empty) {
        return Err(Broken::form("no column has a name; the first line must name the columns"));
    }
    if let [only] = names.as_slice()
        && record.field(0).is_some_and(|raw| !raw.quoted)
        && let Some(other) = only.chars().find(|c| [';', '\t', '|'].contains(c))
    {
        return Err(Broken::form(format!("the columns are separated by {other:?}; separate them with commas")));
    }
    Ok(names)
}

/// Whether a record is a row of so many columns, and no blank line between rows.
pub(super) fn is_row(record: Record<'_>, columns: usize) -> Result<bool, Broken> {
    match record.len() {
        len if len == columns => Ok(true),
        _ if record.is_blank() => Ok(false),
        len => Err(Broken::form(format!("expected {columns} fields, as the header has, found {len}"))),
    }
}

/// Pushes one field; the error says what was found.
pub(super) fn push(builder: &mut ColumnBuilder, raw: Raw<'_>) -> Result<(), String> {
    let text = raw.text()?;
    let datatype = builder.datatype();
    if datatype == Datatype::Bytes {
        return if text.is_empty() && !raw.quoted { builder.push_null() } else { builder.push_str(&text) };
    }
    let text = trim(&text);
    if text.is_empty() {
        return builder.push_null();
    }
    let echo = builder.echo();
    let wrong = || echo.text(text);
    match datatype {
        Datatype::Bool => builder.push_bool(parse_bool(text).ok_or_else(wrong)?),
        Datatype::Fp64 => push_float(builder, parse_f64(text).ok_or_else(wrong)?),
        Datatype::Fp32 => push_float(builder, parse_f32(text).ok_or_else(wrong)?),
        _ => match (text.parse(), text.parse()) {
            (Ok(value), _) => builder.push_i64(value),
            (_, Ok(value)) => builder.push_u64(value),
            // As it is written: a large one has another form as a float.
            _ => push_float(builder, parse_f64(text).ok_or_else(wrong)?).map_err(|_| echo.number(text)),
        },
    }
}

pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A number that is too large is not infinite.
pub(super) fn parse_f64(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| !value.is_infinite() || says_infinite(text))
}

/// Not by way of a 64-bit float, which could round twice.
fn parse_f32(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f32| !value.is_infinite() || says_infinite(text)).map(f64::from)
}

fn says_infinite(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_digit())
}
