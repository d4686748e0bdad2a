//! Where a column's values are not what its field says.
//!
//! Only finds: what is said of it, and what follows, is the caller's. A column
//! that is all right costs a few comparisons a value and no allocation.

use super::CheckKind;
use crate::invalid::one_of;
use crate::{Echo, Field, Interrupt, Invalid, Tensor, Values};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Up to so many categories are compared one by one.
const FEW_CATEGORIES: usize = 8;

/// A field, and what is checked of it beyond the schema.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'a> {
    pub(crate) field: &'a Field,
    pub(crate) length_max_chars: Option<u64>,
    /// The field's categories, where they are many.
    pub(crate) categories: Option<&'a Categories>,
}

/// Many categories, to look a text up among them.
#[derive(Debug)]
pub(crate) struct Categories {
    texts: BTreeSet<Box<str>>,
    bytes_max: usize,
}

impl Categories {
    /// Those of a field that has many.
    pub(crate) fn many(field: &Field) -> Option<Self> {
        (field.categories.len() > FEW_CATEGORIES).then(|| Self {
            texts: field.categories.iter().map(|category| category.as_str().into()).collect(),
            bytes_max: field.categories.iter().map(String::len).max().unwrap_or(0),
        })
    }

    fn has(&self, text: &str) -> bool {
        // A text longer than every category is none of them.
        text.len() <= self.bytes_max && self.texts.contains(text)
    }
}

/// Called for each element that is wrong.
pub(crate) trait Report: FnMut(usize, CheckKind) -> ControlFlow<()> {}
impl<F: FnMut(usize, CheckKind) -> ControlFlow<()>> Report for F {}

/// Reports wrong elements, and stops when interrupted.
struct Teller<'r, 'i, R> {
    report: &'r mut R,
    interrupt: &'r mut Interrupt<'i>,
}

impl<R: Report> Teller<'_, '_, R> {
    fn go_on(&mut self, steps: usize) -> ControlFlow<()> {
        self.interrupt.spend(steps).map_or(ControlFlow::Break(()), ControlFlow::Continue)
    }

    fn tell(&mut self, i: usize, kind: CheckKind) -> ControlFlow<()> {
        self.go_on(4)?;
        (self.report)(i, kind)
    }
}

impl Limits<'_> {
    /// Reports every element that is wrong, until told to stop or interrupted:
    /// first those that are missing, then the others in order. The column has
    /// the field's form.
    pub(crate) fn scan(
        &self,
        tensor: &Tensor,
        interrupt: &mut Interrupt<'_>,
        report: &mut impl Report,
    ) -> ControlFlow<()> {
        let report = &mut Teller { report, interrupt };
        if let Some(flags) = tensor.validity.as_ref().filter(|_| !self.field.nullable)
            && flags.iter().fold(false, |any, present| any | !present)
        {
            let missing = flags.iter().enumerate().filter(|(_, present)| !**present);
            missing.map(|(i, _)| i).try_for_each(|i| report.tell(i, CheckKind::Missing))?;
        }
        let low = self.field.minimum.unwrap_or(f64::NEG_INFINITY);
        let high = self.field.maximum.unwrap_or(f64::INFINITY);
        let allowed = |value: f64| value.is_finite() & (low <= value) & (value <= high);
        // Exact for 64-bit values, which an f64 would round.
        let (lowest, highest) = (low.ceil() as i128, high.floor() as i128);
        let large = |value: i128| (lowest <= value) & (value <= highest);
        match &tensor.values {
            Values::Bool(_) => ControlFlow::Continue(()),
            Values::Bytes(_) => self.scan_text(tensor, report),
            Values::Fp64(list) => scan_numbers(tensor, list, allowed, f64::is_finite, report),
            Values::Fp32(list) => scan_numbers(tensor, list, |v| allowed(v.into()), f32::is_finite, report),
            _ if self.field.minimum.is_none() && self.field.maximum.is_none() => ControlFlow::Continue(()),
            Values::Int8(list) => scan_numbers(tensor, list, |v| allowed(v.into()), |_| true, report),
            Values::Int16(list) => scan_numbers(tensor, list, |v| allowed(v.into()), |_| true, report),
            Values::Int32(list) => scan_numbers(tensor, list, |v| allowed(v.into()), |_| true, report),
            Values::Int64(list) => scan_numbers(tensor, list, |v| large(v.into()), |_| true, report),
            Values::Uint8(list) => scan_numbers(tensor, list, |v| allowed(v.into()), |_| true, report),
            Values::Uint16(list) => scan_numbers(tensor, list, |v| allowed(v.into()), |_| true, report),
            Values::Uint32(list) => scan_numbers(tensor, list, |v| allowed(v.into()), |_| true, report),
            Values::Uint64(list) => scan_numbers(tensor, list, |v| large(v.into()), |_| true, report),
        }
    }

    fn scan_text(&self, tensor: &Tensor, report: &mut Teller<'_, '_, impl Report>) -> ControlFlow<()> {
        let categories = &self.field.categories;
        let (Values::Bytes(text), true) = (&tensor.values, !categories.is_empty() || self.length_max_chars.is_some())
        else {
            return ControlFlow::Continue(());
        };
        let length_max = self.length_max_chars.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        for (i, value) in text.iter().enumerate() {
            report.go_on(1 + value.len() / Interrupt::STEP_BYTES)?;
            let known = match self.categories {
                Some(categories) => categories.has(value),
                None => categories.is_empty() || categories.iter().any(|category| category == value),
            };
            // No text has more characters than bytes.
            let short = value.len() <= length_max || value.chars().count() <= length_max;
            if (known && short) || !tensor.is_valid(i) {
                continue;
            }
            if !known {
                report.tell(i, CheckKind::Category)?;
            }
            if !short {
                report.tell(i, CheckKind::Length)?;
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
            (CheckKind::Missing, ..) => field.datatype.value(),
            (CheckKind::Category, ..) => one_of(field.categories.iter().map(|category| format!("{category:?}"))),
            (CheckKind::Length, ..) => format!("at most {} characters", self.length_max_chars.unwrap_or(u64::MAX)),
            (CheckKind::Range, Some(low), Some(high)) => format!("{low} to {high}{unit}"),
            (CheckKind::Range, Some(low), None) => format!("at least {low}{unit}"),
            (CheckKind::Range, None, Some(high)) => format!("at most {high}{unit}"),
            _ => "a finite number".into(),
        }
    }
}

fn scan_numbers<T: Copy>(
    tensor: &Tensor,
    list: &[T],
    allowed: impl Fn(T) -> bool,
    is_finite: impl Fn(T) -> bool,
    report: &mut Teller<'_, '_, impl Report>,
) -> ControlFlow<()> {
    /// Elements that are compared together, without a branch: wrong ones are rare.
    const BLOCK: usize = 64;
    for (block, values) in list.chunks(BLOCK).enumerate() {
        report.go_on(BLOCK / 8)?;
        if values.iter().fold(true, |all, &value| all & allowed(value)) {
            continue;
        }
        for (i, &value) in values.iter().enumerate() {
            let i = block * BLOCK + i;
            if !allowed(value) && tensor.is_valid(i) {
                report.tell(i, if is_finite(value) { CheckKind::Range } else { CheckKind::Finite })?;
            }
        }
    }
    ControlFlow::Continue(())
}
