//! Whether columns have the types, shapes and lengths of their fields.
//!
//! Never looks at values: that is `check`'s.

use crate::{Batch, CheckKind, Field, Invalid, ShownShape, Tensor, element_count};

/// The form of a batch: its columns' types, shapes and lengths. Values are
/// `check`'s.
pub fn check_form(fields: &[Field], batch: &Batch) -> Result<(), Invalid> {
    if fields.len() != batch.columns.len() {
        let (expected, found) = (format!("{} columns", fields.len()), batch.columns.len().to_string());
        return Err(Invalid::new(CheckKind::Form, "*", expected, found));
    }
    fields.iter().zip(&batch.columns).try_for_each(|(field, tensor)| check_column(field, batch.rows as u64, tensor))
}

/// Type, shape and lengths of one column.
pub(crate) fn check_column(field: &Field, rows: u64, tensor: &Tensor) -> Result<(), Invalid> {
    let shape = field.batch_shape(rows);
    let wrong = |expected: String, found: String| Err(Invalid::new(CheckKind::Shape, &field.name, expected, found));
    if tensor.values.datatype() != field.datatype {
        let (expected, found) = (field.datatype.name(), tensor.values.datatype().name());
        return Err(Invalid::new(CheckKind::Type, &field.name, expected, found));
    }
    if tensor.shape != shape {
        return wrong(format!("shape {}", ShownShape(&shape)), format!("shape {}", ShownShape(&tensor.shape)));
    }
    let Some(count) = element_count(&shape) else {
        return wrong("a shape that can be counted".into(), format!("shape {}", ShownShape(&shape)));
    };
    if tensor.values.len() != count {
        return wrong(format!("{count} elements for shape {}", ShownShape(&shape)), tensor.values.len().to_string());
    }
    match &tensor.validity {
        Some(flags) if flags.len() != count => wrong(format!("{count} validity flags"), flags.len().to_string()),
        _ => Ok(()),
    }
}
