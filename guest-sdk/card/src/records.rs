//! Rows as JSON objects, one member a field: the form that people write.
//!
//! Never fills in or converts: a missing member is missing, and must be
//! nullable.

use crate::gather::Gatherer;
use crate::schema::unknown_field;
use crate::{
    Batch, CheckKind, ColumnBuilder, Detail, Echo, Field, Interrupt, Interrupted, Invalid, ShownShape, Tensor, Unfit,
    Values,
};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value};

/// Reads rows into a batch in the order of `fields`.
pub fn batch_from_records(fields: &[Field], rows: &[Map<String, Value>]) -> Result<Batch, Invalid> {
    let detail = Detail { errors_max: 1, ..Detail::default() };
    batch_from_records_all(fields, rows, &detail).map_err(|unfit| unfit.first(("rows", "none")))
}

/// The same, with everything that is wrong, row by row: one error at least,
/// and at most as many as `detail` says, but one.
pub fn batch_from_records_all(fields: &[Field], rows: &[Map<String, Value>], detail: &Detail) -> Result<Batch, Unfit> {
    // `Interrupt::never` does not interrupt.
    let batch = batch_from_records_until(fields, rows, detail, &mut Interrupt::never());
    batch.unwrap_or(Err(Unfit::of(Vec::new())))
}

/// Does the same, and stops when it is interrupted.
pub fn batch_from_records_until(
    fields: &[Field],
    rows: &[Map<String, Value>],
    detail: &Detail,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<Batch, Unfit>, Interrupted> {
    batch_of(fields, &rows, detail, interrupt)
}

/// The values of rows, however they are kept.
pub(crate) trait Cells {
    /// How many rows there are.
    fn rows(&self) -> usize;
    /// The value of a field, which has this place in the schema.
    fn value(&self, row: usize, place: usize, field: &Field) -> Option<&Value>;
    /// How many values a row has.
    fn members(&self, row: usize) -> usize;
    /// The names of a row's values.
    fn names(&self, row: usize) -> impl Iterator<Item = &String>;
}

impl Cells for &[Map<String, Value>] {
    fn rows(&self) -> usize {
        self.len()
    }

    fn value(&self, row: usize, _: usize, field: &Field) -> Option<&Value> {
        self.get(row)?.get(&field.name)
    }

    fn members(&self, row: usize) -> usize {
        self.get(row).map_or(0, Map::len)
    }

    fn names(&self, row: usize) -> impl Iterator<Item = &String> {
        self.get(row).into_iter().flat_map(Map::keys)
    }
}

/// Reads cells into a batch in the order of `fields`, or says everything that is wrong, row by row.
pub(crate) fn batch_of(
    fields: &[Field],
    cells: &impl Cells,
    detail: &Detail,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<Batch, Unfit>, Interrupted> {
    let rows = cells.rows();
    let members = (0..rows).map(|row| cells.members(row)).sum();
    let mut gatherer = match Gatherer::new(fields, rows, members, detail) {
        Ok(gatherer) => gatherer,
        Err(unfit) => return Ok(Err(unfit)),
    };
    for row in 0..rows {
        let mut known = 0;
        gatherer.row(row, interrupt, |place, field, column, interrupt| {
            let value = cells.value(row, place, field);
            known += usize::from(value.is_some());
            push_row(column, field, value.unwrap_or(&Value::Null), detail.echo, interrupt)
        })?;
        if known < cells.members(row) {
            interrupt.spend(cells.members(row).saturating_mul(fields.len()))?;
            let unknown = cells.names(row).filter(|name| fields.iter().all(|field| field.name != **name));
            gatherer.wrong(unknown, |name| unknown_field(fields, name).at_row(row));
        }
    }
    Ok(gatherer.finish(rows))
}

/// Steps that finding and appending a value take.
const VALUE_STEPS: usize = 4;

/// Appends one row's value; the error has no row yet.
fn push_row(
    column: &mut ColumnBuilder,
    field: &Field,
    value: &Value,
    echo: Echo,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<(), Invalid>, Interrupted> {
    let start = column.len();
    let (check, found) = match push_value(column, &field.shape, value, echo, interrupt) {
        Ok(()) => return Ok(Ok(())),
        Err(Stop::Interrupted(interrupted)) => return Err(interrupted),
        Err(Stop::Wrong(check, found)) => (check, found),
    };
    let expected = match field.shape.as_slice() {
        [] => field.datatype.value(),
        shape => format!("{} values of shape {}", field.datatype, ShownShape(shape)),
    };
    let element = (check == CheckKind::Type && !field.shape.is_empty()).then(|| column.len() - start);
    Ok(Err(Invalid { element, ..Invalid::new(check, &field.name, expected, found) }))
}

/// Why a value is not appended to its end.
enum Stop {
    /// It is not what the field says: which check says so, and what was found.
    Wrong(CheckKind, String),
    Interrupted(Interrupted),
}

impl From<Interrupted> for Stop {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted)
    }
}

fn push_value(
    builder: &mut ColumnBuilder,
    shape: &[u64],
    value: &Value,
    echo: Echo,
    interrupt: &mut Interrupt<'_>,
) -> Result<(), Stop> {
    interrupt.spend(VALUE_STEPS)?;
    if let Some((&dim, inner)) = shape.split_first() {
        return match value {
            Value::Array(items) if items.len() as u64 == dim => {
                items.iter().try_for_each(|item| push_value(builder, inner, item, echo, interrupt))
            }
            other => Err(Stop::Wrong(CheckKind::Shape, describe(other, echo))),
        };
    }
    let pushed = match value {
        Value::Null => builder.push_null(),
        Value::Bool(value) => builder.push_bool(*value),
        Value::String(value) => {
            interrupt.spend_text(value)?;
            builder.push_str(value)
        }
        Value::Number(number) => builder.push_number(number),
        Value::Array(_) => return Err(Stop::Wrong(CheckKind::Shape, describe(value, echo))),
        Value::Object(_) => Err(describe(value, echo)),
    };
    pushed.map_err(|found| Stop::Wrong(CheckKind::Type, found))
}

fn describe(value: &Value, echo: Echo) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => echo.truth(*value),
        Value::Number(number) => echo.number(number),
        Value::String(text) => echo.text(text),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".into(),
    }
}

/// A batch that serialises as a list of JSON objects.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    /// The columns' names and shapes.
    pub fields: &'a [Field],
    /// The data, in the order of `fields`.
    pub batch: &'a Batch,
}

impl Records<'_> {
    /// One row, as one object.
    pub fn row(&self, row: usize) -> impl Serialize + '_ {
        Record { records: self, row }
    }
}

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.batch.rows))?;
        for row in 0..self.batch.rows {
            list.serialize_element(&Record { records: self, row })?;
        }
        list.end()
    }
}

struct Record<'a> {
    records: &'a Records<'a>,
    row: usize,
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.records.fields.len()))?;
        for (field, tensor) in self.records.fields.iter().zip(&self.records.batch.columns) {
            let start = self.row * field.elements_per_row().unwrap_or(1);
            map.serialize_entry(&field.name, &Nested { tensor, shape: &field.shape, start })?;
        }
        map.end()
    }
}

struct Nested<'a> {
    tensor: &'a Tensor,
    shape: &'a [u64],
    start: usize,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((&dim, inner)) = self.shape.split_first() else {
            return serialize_element(self.tensor, self.start, serializer);
        };
        let step = crate::element_count(inner).unwrap_or(1);
        let mut list = serializer.serialize_seq(usize::try_from(dim).ok())?;
        for i in 0..usize::try_from(dim).unwrap_or(0) {
            list.serialize_element(&Nested { tensor: self.tensor, shape: inner, start: self.start + i * step })?;
        }
        list.end()
    }
}

fn serialize_element<S: Serializer>(tensor: &Tensor, i: usize, serializer: S) -> Result<S::Ok, S::Error> {
    if !tensor.is_valid(i) {
        return serializer.serialize_none();
    }
    let values: &Values = &tensor.values;
    crate::for_each_values!(values, list => list.get(i).serialize(serializer), text => text.get(i).serialize(serializer))
}
