//! Computing: blocks of rows through the nodes, in their order.

use crate::error::EvaluateError;
use crate::model::{Model, Step};
use crate::ops::Stop;
use crate::output::with_missing;
use crate::value::{Operands, Shape, TextColumn, Value};
use scry_card::{Batch, Tensor, Values, check_form, for_each_values};

impl Model {
    /// Answers to rows: one column an output. The inputs are columns in the order of the schema.
    pub fn predict(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, EvaluateError> {
        let batch = self.batch(inputs)?;
        let mut columns: Vec<Values> = self.outputs.iter().map(|output| output.start(batch.rows)).collect();
        self.run(&batch, &self.for_outputs, |values, first| {
            self.outputs
                .iter()
                .zip(&mut columns)
                .try_for_each(|(output, column)| output.append(numbers(values, output.node), first, column))
        })?;
        Ok(self.outputs.iter().zip(columns).map(|(output, values)| output.end(values, batch.rows)).collect())
    }

    /// The features of rows: one column of so many values a row, NaN as missing.
    pub fn transform(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, EvaluateError> {
        let batch = self.batch(inputs)?;
        let Some(field) = self.schema.features.first() else { return Ok(Vec::new()) };
        let shape = field.batch_shape(batch.rows as u64);
        let mut features = Vec::with_capacity(scry_card::element_count(&shape).unwrap_or(0));
        self.run(&batch, &self.for_features, |values, _| {
            features.extend_from_slice(numbers(values, self.features));
            Ok(())
        })?;
        Ok(vec![with_missing(shape, features)])
    }

    fn batch(&self, columns: Vec<Tensor>) -> Result<Batch, EvaluateError> {
        let rows = columns.first().and_then(|column| column.shape.first()).copied().unwrap_or(0);
        // A count that memory cannot hold fits no column's length.
        let batch = Batch { rows: usize::try_from(rows).unwrap_or(usize::MAX), columns };
        check_form(&self.schema.inputs, &batch).map_err(|error| EvaluateError::Columns(Box::new(error)))?;
        Ok(batch)
    }

    /// Computes the nodes that are needed, a block of rows at a time, and hands them over with the
    /// number of the block's first row.
    fn run<'a>(
        &'a self,
        batch: &'a Batch,
        needed: &[bool],
        mut done: impl FnMut(&[Value<'a>], usize) -> Result<(), EvaluateError>,
    ) -> Result<(), EvaluateError> {
        let mut values: Vec<Value<'a>> = self.nodes.iter().map(|_| Value::Matrix(Vec::new())).collect();
        let rows = self.block_rows.min(batch.rows).max(1);
        for ((value, shape), _) in values.iter_mut().zip(&self.shapes).zip(needed).filter(|(_, needed)| **needed) {
            if let Shape::Matrix(width) = shape {
                *value = Value::Matrix(Vec::with_capacity(rows * width));
            }
        }
        for first in (0..batch.rows).step_by(rows) {
            let rows = rows.min(batch.rows - first);
            for node in needed.iter().enumerate().filter(|(_, needed)| **needed).map(|(node, _)| node) {
                self.step(node, &mut values, batch, first, rows)?;
            }
            done(&values, first)?;
        }
        Ok(())
    }

    /// One node, for one block.
    fn step<'a>(
        &'a self,
        node: usize,
        values: &mut [Value<'a>],
        batch: &'a Batch,
        first: usize,
        rows: usize,
    ) -> Result<(), EvaluateError> {
        let Some((before, [value, ..])) = values.split_at_mut_checked(node) else { return Ok(()) };
        let Some(this) = self.nodes.get(node) else { return Ok(()) };
        let mut out = match value {
            Value::Matrix(out) => std::mem::take(out),
            Value::Text(_) => Vec::new(),
        };
        out.clear();
        let of = Operands { values: before, shapes: &self.shapes, of: &this.of, rows };
        *value = match &this.step {
            Step::Input(input) => match batch.columns.get(*input) {
                Some(column) => read(column, first, rows, out),
                None => Value::Matrix(out),
            },
            Step::TextFill(fill) => match of.text() {
                Some(column) => Value::Text(TextColumn { fill: column.fill.or(Some(fill)), ..column }),
                None => Value::Matrix(out),
            },
            Step::Numbers(op) => {
                op.run(&of, &mut out).map_err(|stop| self.stopped(stop, this.origin, first))?;
                debug_assert_eq!(Some(&Shape::Matrix(out.len() / rows)), self.shapes.get(node));
                Value::Matrix(out)
            }
        };
        Ok(())
    }

    fn stopped(&self, stop: Stop, origin: Option<usize>, first: usize) -> EvaluateError {
        let input = origin.and_then(|input| self.schema.inputs.get(input)).map(|field| field.name.clone());
        EvaluateError::Input {
            // Several, of which any may be at fault.
            input: input.unwrap_or_else(|| "*".into()),
            row: (first + stop.row) as u64,
            message: stop.message,
        }
    }
}

/// A node's numbers.
fn numbers<'v>(values: &'v [Value<'_>], node: usize) -> &'v [f64] {
    match values.get(node) {
        Some(Value::Matrix(values)) => values,
        _ => &[],
    }
}

/// A block of an input.
fn read<'a>(column: &'a Tensor, first: usize, rows: usize, mut out: Vec<f64>) -> Value<'a> {
    let validity = column.validity.as_deref();
    let range = first..first + rows;
    if let Values::Bytes(text) = &column.values {
        return Value::Text(TextColumn { text, validity, start: first, fill: None });
    }
    for_each_values!(&column.values, list => {
        out.extend(list.get(range.clone()).unwrap_or_default().iter().map(|&x| x.number()));
    }, _text => {});
    let flags = validity.and_then(|flags| flags.get(range)).unwrap_or_default();
    out.iter_mut().zip(flags).filter(|(_, is_valid)| !**is_valid).for_each(|(x, _)| *x = f64::NAN);
    Value::Matrix(out)
}

/// An element as a float, rounded where it is larger than floats count.
trait Number: Copy {
    fn number(self) -> f64;
}

macro_rules! numbers {
    ($($rust:ty)*) => {$(
        impl Number for $rust {
            #[inline(always)]
            fn number(self) -> f64 {
                self as f64
            }
        }
    )*};
}
numbers!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);

impl Number for bool {
    fn number(self) -> f64 {
        f64::from(u8::from(self))
    }
}
