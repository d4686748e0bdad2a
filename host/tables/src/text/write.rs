//! Writing CSV and NDJSON.
//!
//! Floats are written as the shortest text that reads back as themselves.
//! Never checks a batch: its form is the writer's to check.

use scry_card::{Batch, Field, Tensor, Values, element_count, for_each_values};
use std::io::{Result, Write};

/// The line that names the columns.
pub(crate) fn header(to: &mut impl Write, fields: &[Field]) -> Result<()> {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            to.write_all(b",")?;
        }
        // What could be mistaken for another separator, or for a mark of UTF-8, is quoted too.
        match field.name.contains([';', '\t', '|', '\u{feff}']) {
            true => quoted(to, &field.name)?,
            false => text(to, &field.name)?,
        }
    }
    to.write_all(b"\n")
}

/// Each row as a record. A missing value is nothing; empty text is `""`.
pub(crate) fn csv(to: &mut impl Write, batch: &Batch) -> Result<()> {
    for row in 0..batch.rows {
        for (at, tensor) in batch.columns.iter().enumerate() {
            if at > 0 {
                to.write_all(b",")?;
            }
            if tensor.is_valid(row) {
                csv_value(to, &tensor.values, row)?;
            }
        }
        to.write_all(b"\n")?;
    }
    Ok(())
}

fn csv_value(to: &mut impl Write, values: &Values, at: usize) -> Result<()> {
    match values {
        Values::Bytes(list) => text(to, list.get(at).unwrap_or_default()),
        Values::Fp64(list) => csv_float(to, list.get(at).copied().unwrap_or_default(), values, at),
        Values::Fp32(list) => csv_float(to, f64::from(list.get(at).copied().unwrap_or_default()), values, at),
        _ => plain(to, values, at),
    }
}

fn csv_float(to: &mut impl Write, value: f64, values: &Values, at: usize) -> Result<()> {
    if value.is_nan() {
        to.write_all(b"NaN")
    } else if value.is_infinite() {
        to.write_all(if value > 0.0 { b"inf" } else { b"-inf" })
    } else {
        plain(to, values, at)
    }
}

/// As JSON has it: finite numbers and truth values are the same in CSV.
fn plain(to: &mut impl Write, values: &Values, at: usize) -> Result<()> {
    for_each_values!(
        values,
        list => serde_json::to_writer(to, &list.get(at))?,
        list => serde_json::to_writer(to, &list.get(at))?
    );
    Ok(())
}

fn text(to: &mut impl Write, text: &str) -> Result<()> {
    match text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        true => quoted(to, text),
        false => to.write_all(text.as_bytes()),
    }
}

fn quoted(to: &mut impl Write, text: &str) -> Result<()> {
    write!(to, "\"{}\"", text.replace('"', "\"\""))
}

/// Each row as an object, in the order of the fields.
pub(crate) fn ndjson(to: &mut impl Write, fields: &[Field], batch: &Batch) -> Result<()> {
    let keys = fields.iter().map(|field| serde_json::to_string(&field.name));
    let keys = keys.collect::<std::result::Result<Vec<_>, _>>()?;
    for row in 0..batch.rows {
        for (at, ((field, key), tensor)) in fields.iter().zip(&keys).zip(&batch.columns).enumerate() {
            to.write_all(if at == 0 { b"{" } else { b"," })?;
            to.write_all(key.as_bytes())?;
            to.write_all(b":")?;
            nested(to, tensor, &field.shape, row * field.elements_per_row().unwrap_or(1))?;
        }
        to.write_all(b"}\n")?;
    }
    Ok(())
}

fn nested(to: &mut impl Write, tensor: &Tensor, shape: &[u64], start: usize) -> Result<()> {
    let Some((&dim, inner)) = shape.split_first() else {
        return match tensor.is_valid(start) {
            true => plain(to, &tensor.values, start),
            false => to.write_all(b"null"),
        };
    };
    let step = element_count(inner).unwrap_or(1);
    for i in 0..usize::try_from(dim).unwrap_or(0) {
        to.write_all(if i == 0 { b"[" } else { b"," })?;
        nested(to, tensor, inner, start + i * step)?;
    }
    to.write_all(b"]")
}

/// The first float that JSON has no form for, and where it is. NaN is `null`
/// there, as any missing value.
pub(crate) fn infinite(tensor: &Tensor) -> Option<(usize, f64)> {
    let odd = |(at, value): &(usize, f64)| value.is_infinite() && tensor.is_valid(*at);
    match &tensor.values {
        Values::Fp64(list) => list.iter().copied().enumerate().find(odd),
        Values::Fp32(list) => list.iter().map(|&value| f64::from(value)).enumerate().find(odd),
        _ => None,
    }
}
