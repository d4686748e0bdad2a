//! A request's rows, as they came, and how much there is of them.
//!
//! Never judges a value.

use scry_card::{
    Batch, Detail, Field, Interrupt, Interrupted, Misread, NamedTensor, Unfit, Values, assemble_until,
    batch_from_records_until,
};
use serde_json::{Map, Value};

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
    /// What is larger is not measured to its end.
    const MEASURED_MAX: usize = 8_192;

    /// Whether reading so much takes some tens of microseconds.
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

    /// How much there is.
    pub(super) fn size(&self) -> Size {
        let mut size = Size { rows: 0, elements: 0, text_bytes: 0 };
        match self {
            Self::Columns(named, _) => {
                for NamedTensor { tensor, .. } in named {
                    let rows = tensor.shape.first().copied().unwrap_or(0);
                    size.rows = size.rows.max(usize::try_from(rows).unwrap_or(usize::MAX));
                    size.elements += tensor.values.len();
                    size.text_bytes += if let Values::Bytes(text) = &tensor.values { text.utf8().len() } else { 0 };
                }
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
                size.elements = size.elements.saturating_mul(Self::RECORD_STEPS);
            }
        }
        size
    }

    /// Leaves out what is no such field.
    pub(super) fn keep_only(&mut self, fields: &[Field]) {
        let is_known = |name: &str| fields.iter().any(|field| field.name == name);
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
        Rows::Records(serde_json::from_value(value).unwrap()).size()
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
        assert_eq!(Rows::Columns(columns, Vec::new()).size(), Size { rows: 2, elements: 4, text_bytes: 3 });
    }
}
