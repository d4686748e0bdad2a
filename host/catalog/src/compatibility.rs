//! Whether a version can take another one's place without its callers knowing.
//!
//! Compares what two schemas promise, nothing else: never what the models
//! answer. The operator decides whether a break is acceptable.

use scry_card::{Field, Schema, ShownShape};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;

/// Which columns a break is among.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What callers send.
    Inputs,
    /// What callers read.
    Outputs,
}

/// One promise of the old schema that the new one does not keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Breaking {
    /// Where.
    pub side: Side,
    /// The field, by the name that callers use.
    pub field: String,
    /// What callers rely on.
    pub expected: String,
    /// What they would meet.
    pub found: String,
}

impl fmt::Display for Breaking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Inputs => "input",
            Side::Outputs => "output",
        };
        write!(f, "{side} `{}`: expected {}, found {}", self.field, self.expected, self.found)
    }
}

/// Everything that a caller of `old` would notice of `new`: inputs that are
/// accepted now and would not be, answers that could not be read any more.
pub fn breaking(old: &Schema, new: &Schema) -> Vec<Breaking> {
    let mut breaks = side(Side::Inputs, &old.inputs, &new.inputs);
    breaks.extend(side(Side::Outputs, &old.outputs, &new.outputs));
    breaks
}

fn side(side: Side, old: &[Field], new: &[Field]) -> Vec<Breaking> {
    let named = |field: &Field, (expected, found)| Breaking { side, field: field.name.clone(), expected, found };
    let mut breaks = Vec::new();
    for before in old {
        match new.iter().find(|field| field.name == before.name) {
            Some(after) => breaks.extend(compare(side, before, after).into_iter().map(|what| named(before, what))),
            None => breaks.push(named(before, ("the field".into(), "none".into()))),
        }
    }
    let unheard_of = |field: &&Field| old.iter().all(|before| before.name != field.name);
    if side == Side::Inputs {
        let required = new.iter().filter(unheard_of).filter(|field| !field.nullable);
        breaks.extend(required.map(|field| named(field, ("nothing, or a nullable field".into(), "required".into()))));
    }
    breaks
}

/// What is expected and found, for each difference that matters. Values go
/// from callers to the new inputs, and from the new outputs to callers: one
/// side gives them, and the other must take them all.
fn compare(side: Side, old: &Field, new: &Field) -> Vec<(String, String)> {
    let (gives, takes) = match side {
        Side::Inputs => (old, new),
        Side::Outputs => (new, old),
    };
    let mut found = Vec::new();
    let mut report = |breaks: bool, what: &dyn Fn(&Field) -> String| {
        if breaks {
            found.push((what(old), what(new)));
        }
    };
    report(old.datatype != new.datatype, &|field| field.datatype.to_string());
    report(old.shape != new.shape, &|field| format!("shape {}", ShownShape(&field.shape)));
    report(old.unit != new.unit, &|field| match &field.unit {
        Some(unit) => format!("unit {unit}"),
        None => "no unit".into(),
    });
    report(gives.nullable && !takes.nullable, &|field| if field.nullable { "nullable" } else { "required" }.into());
    let low = |field: &Field| field.minimum.unwrap_or(f64::NEG_INFINITY);
    report(low(gives) < low(takes), &|field| bound("minimum", field.minimum));
    let high = |field: &Field| field.maximum.unwrap_or(f64::INFINITY);
    report(high(gives) > high(takes), &|field| bound("maximum", field.maximum));
    found.extend(categories(side, gives, takes));
    found
}

fn bound(name: &str, value: Option<f64>) -> String {
    value.map_or_else(|| format!("no {name}"), |value| format!("{name} {value}"))
}

/// The categories that one side gives and the other does not take.
fn categories(side: Side, gives: &Field, takes: &Field) -> Option<(String, String)> {
    if takes.categories.is_empty() || gives.datatype != takes.datatype {
        return None;
    }
    let taken: HashSet<&str> = takes.categories.iter().map(String::as_str).collect();
    let extra: Vec<&str> = gives.categories.iter().map(String::as_str).filter(|text| !taken.contains(text)).collect();
    let (any, listed) = (gives.categories.is_empty(), "a list of categories".to_owned());
    match side {
        Side::Inputs if any => Some(("any text".into(), listed)),
        Side::Outputs if any => Some((listed, "any text".into())),
        _ if extra.is_empty() => None,
        Side::Inputs => Some((format!("{} accepted", some(&extra)), "it refused".into())),
        Side::Outputs => Some(("the categories known".into(), format!("also {}", some(&extra)))),
    }
}

/// A few of them: a list may be as long as its author likes.
fn some(texts: &[&str]) -> String {
    const SHOWN_MAX: usize = 5;
    const TEXT_MAX_CHARS: usize = 40;
    let shown: Vec<_> = texts
        .iter()
        .take(SHOWN_MAX)
        .map(|text| format!("{:?}", text.chars().take(TEXT_MAX_CHARS).collect::<String>()))
        .collect();
    match texts.len().saturating_sub(SHOWN_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
