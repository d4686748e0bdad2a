//! A request's rows, as they came, and how much there is of them.
//!
//! Never judges a value.

use scry_card::{
    Batch, Detail, Field, Interrupt, Interrupted, Misread, NamedTensor, Unfit, Values, assemble_until,
    batch_from_records_until,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A request's rows, as they came.
#[derive(Debug)]
pub enum Rows {
    /// Columns with their types, and what is wrong with those that did not read.
    Columns(Vec<NamedTensor>, Vec<Misread>),
    /// One object a row.
    Records(Vec<Map<String, Value>>),
}

/// How much of a request there is to check: exact where it is little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) elements: usize,
    pub(super) text_bytes: usize,
}

impl Size {
    /// Above this, the rest is not measured.
    const MEASURED_MAX: usize = 8_192;

    /// Whether reading so much takes tens of microseconds.
    pub(super) fn is_short(self) -> bool {
        self.elements.saturating_add(self.text_bytes / Interrupt::STEP_BYTES) <= Interrupt::STEPS
    }

    fn add(&mut self, value: &Value) {
        self.elements += 1;
        match value {
            Value::String(text) => self.text_bytes += text.len(),
            Value::Array(items) => {
                for item in items {
                    if self.elements > Self::MEASURED_MAX {
                        return;
                    }
                    self.add(item);
                }
            }
            _ => {}
        }
    }
}

impl Rows {
    /// Steps that finding an element of a record takes, beside one of a column.
    const RECORD_STEPS: usize = 8;
    /// Steps that finding a column by its name takes.
    const NAME_STEPS: usize = 16;

    /// How much there is for a model with so many fields. What is missing is
    /// filled in, or said to be missing.
    pub(super) fn size(&self, fields: usize) -> Size {
        let mut size = Size { rows: 0, elements: 0, text_bytes: 0 };
        match self {
            Self::Columns(named, misread) => {
                for NamedTensor { tensor, .. } in named {
                    let rows = tensor.shape.first().copied().unwrap_or(0);
                    size.rows = size.rows.max(usize::try_from(rows).unwrap_or(usize::MAX));
                    size.elements += tensor.values.len();
                    size.text_bytes += if let Values::Bytes(text) = &tensor.values { text.utf8().len() } else { 0 };
                }
                size.elements = size.elements.max(size.rows.saturating_mul(fields));
                size.elements += Self::NAME_STEPS * (named.len() + misread.len());
            }
            Self::Records(rows) => {
                size.rows = rows.len();
                let values = rows.iter().flat_map(Map::values);
                for value in values {
                    if size.elements > Size::MEASURED_MAX {
                        break;
                    }
                    size.add(value);
                }
                size.elements = size.elements.max(size.rows.saturating_mul(fields)).saturating_mul(Self::RECORD_STEPS);
            }
        }
        size
    }

    /// Drops members that are no field.
    pub(super) fn keep_only(&mut self, fields: &[Field]) {
        let known: BTreeSet<_> = fields.iter().map(|field| field.name.as_str()).collect();
        let is_known = |name: &str| known.contains(name);
        match self {
            Self::Columns(named, misread) => {
                named.retain(|column| is_known(&column.name));
                misread.retain(|column| is_known(column.field()));
            }
            Self::Records(rows) => rows.iter_mut().for_each(|row| row.retain(|name, _| is_known(name))),
        }
    }

    /// The columns in the schema's order, or everything that is wrong with their form.
    pub(super) fn in_order(
        self,
        fields: &[Field],
        detail: &Detail,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Result<Batch, Unfit>, Interrupted> {
        match self {
            Self::Columns(named, misread) => assemble_until(fields, named, &misread, detail, interrupt),
            Self::Records(rows) => batch_from_records_until(fields, &rows, detail, interrupt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scry_card::Tensor;
    use serde_json::json;

    fn records(value: Value) -> Size {
        Rows::Records(serde_json::from_value(value).unwrap()).size(3)
    }

    #[test]
    fn what_lies_within_a_value_is_measured_too() {
        let row = json!({"a": 1, "b": "text", "c": [[1, 2], ["three", null]]});
        let size = Size { rows: 2, elements: 18 * Rows::RECORD_STEPS, text_bytes: 18 };
        assert_eq!(records(json!([row, row])), size);
        assert!(size.is_short());
        // One row with one value, and all the same a lot.
        for long in [json!(vec![0; 100_000]), json!([vec![0; 50_000], vec![0; 50_000]]), json!("x".repeat(1 << 20))] {
            let size = records(json!([{ "a": long }]));
            assert!(size.rows == 1 && !size.is_short(), "{size:?}");
        }
        assert!(!records(json!(vec![json!({"a": 1}); 10_000])).is_short());
    }

    #[test]
    fn columns_are_as_large_as_their_elements_and_texts() {
        let mut text = scry_card::Text::default();
        ["ab", "c"].iter().for_each(|value| text.push(value).unwrap());
        let named = |name: &str, values| NamedTensor {
            name: name.into(),
            tensor: Tensor { shape: vec![2], values, validity: None },
        };
        let columns = vec![named("a", Values::Bytes(text)), named("b", Values::Fp32(vec![1.0, 2.0]))];
        let elements = 4 + 2 * Rows::NAME_STEPS;
        assert_eq!(Rows::Columns(columns, Vec::new()).size(2), Size { rows: 2, elements, text_bytes: 3 });
    }

    #[test]
    fn what_holds_no_element_takes_its_time_too() {
        let named = |shape: &[u64]| NamedTensor {
            name: "x".into(),
            tensor: Tensor { shape: shape.to_vec(), values: Values::Fp64(Vec::new()), validity: None },
        };
        assert!(Rows::Columns(vec![named(&[0]); 100], Vec::new()).size(10).is_short());
        assert!(!Rows::Columns(vec![named(&[0]); 4_000], Vec::new()).size(10).is_short());
        assert!(!Rows::Columns(vec![named(&[10_000, 0])], Vec::new()).size(10).is_short());
        assert!(!records(json!(vec![json!({}); 10_000])).is_short());
    }
}
