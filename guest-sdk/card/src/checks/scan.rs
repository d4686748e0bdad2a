//! Where a column's values are not what its field says.
//!
//! Only finds: what is said of it, and what follows, is the caller's. A column
//! that is all right costs a few comparisons a value and no allocation.

use super::CheckKind;
use crate::{Echo, Field, Invalid, Tensor, Values};
use std::fmt::Display;
use std::ops::ControlFlow;

/// A field, and what is checked of it beyond the schema.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'a> {
    pub(crate) field: &'a Field,
    pub(crate) length_max_chars: Option<u64>,
}

/// What is told of each element that is wrong.
pub(crate) trait Report: FnMut(usize, CheckKind) -> ControlFlow<()> {}
impl<F: FnMut(usize, CheckKind) -> ControlFlow<()>> Report for F {}

impl Limits<'_> {
    /// Reports every element that is wrong, until told to stop: first those
    /// that are missing, then the others in order. The column has the field's
    /// form.
    pub(crate) fn scan(&self, tensor: &Tensor, report: &mut impl Report) -> ControlFlow<()> {
        if let Some(flags) = tensor.validity.as_ref().filter(|_| !self.field.nullable)
            && flags.iter().fold(false, |any, present| any | !present)
        {
            let missing = flags.iter().enumerate().filter(|(_, present)| !**present);
            missing.map(|(i, _)| i).try_for_each(|i| report(i, CheckKind::Missing))?;
        }
        match &tensor.values {
            Values::Bool(_) => ControlFlow::Continue(()),
            Values::Bytes(_) => self.scan_text(tensor, report),
            Values::Fp64(list) => self.scan_numbers(tensor, list, |v| v, report),
            Values::Fp32(list) => self.scan_numbers(tensor, list, f64::from, report),
            _ if self.field.minimum.is_none() && self.field.maximum.is_none() => ControlFlow::Continue(()),
            Values::Int8(list) => self.scan_numbers(tensor, list, f64::from, report),
            Values::Int16(list) => self.scan_numbers(tensor, list, f64::from, report),
            Values::Int32(list) => self.scan_numbers(tensor, list, f64::from, report),
            Values::Int64(list) => self.scan_numbers(tensor, list, |v| v as f64, report),
            Values::Uint8(list) => self.scan_numbers(tensor, list, f64::from, report),
            Values::Uint16(list) => self.scan_numbers(tensor, list, f64::from, report),
            Values::Uint32(list) => self.scan_numbers(tensor, list, f64::from, report),
            Values::Uint64(list) => self.scan_numbers(tensor, list, |v| v as f64, report),
        }
    }

    fn scan_numbers<T: Copy>(
        &self,
        tensor: &Tensor,
        list: &[T],
        number: impl Fn(T) -> f64,
        report: &mut impl Report,
    ) -> ControlFlow<()> {
        /// Looked at together, without a branch: hardly ever is one of them wrong.
        const BLOCK: usize = 64;
        let low = self.field.minimum.unwrap_or(f64::NEG_INFINITY);
        let high = self.field.maximum.unwrap_or(f64::INFINITY);
        let allowed = |value: f64| value.is_finite() & (low <= value) & (value <= high);
        for (block, values) in list.chunks(BLOCK).enumerate() {
            if values.iter().fold(true, |all, &value| all & allowed(number(value))) {
                continue;
            }
            for (i, &value) in values.iter().enumerate() {
                let (i, value) = (block * BLOCK + i, number(value));
                if !allowed(value) && tensor.is_valid(i) {
                    report(i, if value.is_finite() { CheckKind::Range } else { CheckKind::Finite })?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn scan_text(&self, tensor: &Tensor, report: &mut impl Report) -> ControlFlow<()> {
        let categories = &self.field.categories;
        let (Values::Bytes(text), true) = (&tensor.values, !categories.is_empty() || self.length_max_chars.is_some())
        else {
            return ControlFlow::Continue(());
        };
        let length_max = self.length_max_chars.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        for (i, value) in text.iter().enumerate() {
            let known = categories.is_empty() || categories.iter().any(|category| category == value);
            // No text has more characters than bytes.
            let short = value.len() <= length_max || value.chars().count() <= length_max;
            if (known && short) || !tensor.is_valid(i) {
                continue;
            }
            if !known {
                report(i, CheckKind::Category)?;
            }
            if !short {
                report(i, CheckKind::Length)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// What is said of element `i`, which was reported as `kind`.
    pub(crate) fn describe(&self, tensor: &Tensor, i: usize, kind: CheckKind, echo: Echo) -> Invalid {
        let field = self.field;
        let per_row = field.elements_per_row().unwrap_or(1).max(1);
        let found = match (&tensor.values, kind) {
            (Values::Bytes(text), CheckKind::Length) => {
                format!("{} characters", text.get(i).unwrap_or_default().chars().count())
            }
            _ => echo.element(tensor, i),
        };
        Invalid {
            row: Some(i / per_row),
            element: (!field.shape.is_empty()).then_some(i % per_row),
            ..Invalid::new(kind, &field.name, self.expected(kind), found)
        }
    }

    fn expected(&self, kind: CheckKind) -> String {
        let field = self.field;
        let unit = field.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
        match (kind, field.minimum, field.maximum) {
            (CheckKind::Missing, ..) => format!("a {} value", field.datatype),
            (CheckKind::Category, ..) => one_of(field.categories.iter().map(|category| format!("{category:?}"))),
            (CheckKind::Length, ..) => format!("at most {} characters", self.length_max_chars.unwrap_or(u64::MAX)),
            (CheckKind::Range, Some(low), Some(high)) => format!("{low} to {high}{unit}"),
            (CheckKind::Range, Some(low), None) => format!("at least {low}{unit}"),
            (CheckKind::Range, None, Some(high)) => format!("at most {high}{unit}"),
            _ => "a finite number".into(),
        }
    }
}

/// What may stand somewhere, as far as it fits in a message.
pub(crate) fn one_of(names: impl Iterator<Item = impl Display>) -> String {
    const SHOWN_MAX: usize = 32;
    let mut names = names.map(|name| name.to_string());
    let shown: Vec<_> = names.by_ref().take(SHOWN_MAX).collect();
    match names.count() {
        0 => format!("one of {}", shown.join(", ")),
        more => format!("one of {} and {more} more", shown.join(", ")),
    }
}
