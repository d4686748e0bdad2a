//! What columns a model reads and writes, and whether a batch is that.
//!
//! Never decides what to do about a batch that is not: policy is the caller's.

use crate::checks::scan::{Categories, Limits, one_of};
use crate::fit::fit;
use crate::invalid::invalid;
use crate::{
    Batch, CheckKind, Datatype, Detail, Echo, Interrupt, Interrupted, Invalid, Misread, ShownShape, Tensor, Unfit,
    Values, element_count,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Fields on one side of a model.
pub const FIELDS_MAX: usize = 4_096;
/// Dimensions of one row's value.
const DIMENSIONS_MAX: usize = 32;
/// Values that one field may be limited to.
const CATEGORIES_MAX: usize = 10_000;
/// Names that are found one by one as fast as in order.
const FEW_NAMES: usize = 16;
/// Steps that finding one among more takes.
const NAME_STEPS: usize = 16;
/// Rows that are no reason to sort a field's categories.
const FEW_ROWS: usize = 256;
/// More than any image or window of a series needs in one row.
const ROW_MAX_ELEMENTS: usize = 1 << 24;
/// Elements that a client sent no data for: no body limit bounds them.
pub(crate) const MISSING_MAX_ELEMENTS: usize = 1 << 24;

/// One column that a model reads or writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Unique among the fields on its side of the model.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub name: String,
    /// What the field means, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The type of each element.
    pub datatype: Datatype,
    /// Shape of one row's value; empty for a scalar.
    #[cfg_attr(feature = "schema", schemars(length(max = DIMENSIONS_MAX), inner(range(min = 1))))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shape: Vec<u64>,
    /// Whether an element may be missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nullable: bool,
    /// UCUM code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Smallest value allowed, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Largest value allowed, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// All values allowed, for text; empty: any.
    #[cfg_attr(feature = "schema", schemars(length(max = CATEGORIES_MAX)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

impl Field {
    /// Elements in one row's value; `None` when the shape overflows.
    pub fn elements_per_row(&self) -> Option<usize> {
        element_count(&self.shape)
    }

    /// The shape that a batch of `rows` must have.
    pub fn batch_shape(&self, rows: u64) -> Vec<u64> {
        std::iter::once(rows).chain(self.shape.iter().copied()).collect()
    }
}

/// What a model reads, what its pipeline makes of that, what it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Raw columns, as a client sends them.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = FIELDS_MAX)))]
    pub inputs: Vec<Field>,
    /// The columns that the model was trained on.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = FIELDS_MAX)))]
    pub features: Vec<Field>,
    /// What a prediction holds.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = FIELDS_MAX)))]
    pub outputs: Vec<Field>,
}

/// A tensor that names its column and says its type, as clients send it.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Which field it is.
    pub name: String,
    /// The data.
    pub tensor: Tensor,
}

/// Puts named tensors into the schema's order. A nullable column that is not there is all missing.
/// Types, shapes and row counts are checked, unless `fit` can do without; values are `check`'s.
pub fn assemble(fields: &[Field], named: Vec<NamedTensor>) -> Result<Batch, Invalid> {
    let detail = Detail { errors_max: 1, ..Detail::default() };
    assemble_all(fields, named, &[], &detail).map_err(|unfit| unfit.first(("tensors", "none")))
}

/// Puts columns in the schema's order, or lists everything that is wrong, columns
/// that did not read included: between one error and the most that `detail` allows.
pub fn assemble_all(
    fields: &[Field],
    named: Vec<NamedTensor>,
    misread: &[Misread],
    detail: &Detail,
) -> Result<Batch, Unfit> {
    // `Interrupt::never` does not interrupt.
    let batch = assemble_until(fields, named, misread, detail, &mut Interrupt::never());
    batch.unwrap_or(Err(Unfit::of(Vec::new())))
}

/// Does the same, and stops when it is interrupted.
pub fn assemble_until(
    fields: &[Field],
    mut named: Vec<NamedTensor>,
    misread: &[Misread],
    detail: &Detail,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<Batch, Unfit>, Interrupted> {
    let errors_max = detail.errors_max.max(1);
    let names: Vec<_> =
        named.iter().map(|tensor| tensor.name.as_str()).chain(misread.iter().map(Misread::field)).collect();
    interrupt.spend((names.len() + fields.len()).saturating_mul(NAME_STEPS))?;
    let names = Names::of(names);
    let (mut errors, mut unlisted) = misnamed(fields, &names, errors_max);
    let places: Vec<_> = fields.iter().map(|field| names.find(&field.name)).collect();
    let rows = named.first().map(|first| first.tensor.shape.first().copied().unwrap_or(0));
    if rows.is_none() && misread.is_empty() {
        let missing = fields.first().map_or("inputs", |field| field.name.as_str());
        let none = Invalid::new(CheckKind::Missing, missing, "at least one tensor", "none");
        return Ok(Err(Unfit::of(vec![none])));
    }
    let (rows, has_rows) = (rows.unwrap_or(0), rows.is_some());
    let mut columns = Vec::with_capacity(fields.len());
    let (read, empty) =
        (named.len(), || Tensor { shape: Vec::new(), values: Values::Bool(Vec::new()), validity: None });
    for (field, place) in fields.iter().zip(places) {
        let tensor = place.and_then(|at| named.get_mut(at)).map(|named| std::mem::replace(&mut named.tensor, empty()));
        let misread = place.and_then(|at| misread.get(at.checked_sub(read)?));
        let column = match (tensor, misread) {
            (Some(tensor), _) => fit(field, rows, tensor, detail.echo, interrupt)?.map(Some),
            (None, Some(misread)) => Err(misread.told(detail.echo)),
            (None, None) if field.nullable => Ok(None),
            (None, None) => {
                let expected = format!("{} {} tensor", field.datatype.article(), field.datatype);
                Err(Invalid::new(CheckKind::Missing, &field.name, expected, "nothing"))
            }
        };
        columns.push(column.unwrap_or_else(|error| {
            if errors.len() < errors_max {
                errors.push(error)
            } else {
                unlisted += 1
            }
            None
        }));
    }
    if errors.is_empty() {
        let batch = complete(fields, columns, rows, MISSING_MAX_ELEMENTS);
        return Ok(batch.map_err(|error| Unfit::of(vec![error])));
    }
    let has_rest = has_rows && unlisted == 0;
    let rest = has_rest.then(|| complete(fields, columns, rows, REST_MAX_ELEMENTS).ok()).flatten();
    Ok(Err(Unfit { errors, unlisted, is_by_row: false, rest }))
}

/// Names in their order, and where each is.
struct Names<'a> {
    names: Vec<&'a str>,
    /// Their positions in the order of the names, where they are many.
    sorted: Vec<usize>,
}

impl<'a> Names<'a> {
    fn of(names: Vec<&'a str>) -> Self {
        let mut sorted: Vec<_> = if names.len() > FEW_NAMES { (0..names.len()).collect() } else { Vec::new() };
        sorted.sort_by_key(|&at| names.get(at));
        Self { names, sorted }
    }

    /// Where the first of this name is.
    fn find(&self, name: &str) -> Option<usize> {
        if self.sorted.is_empty() {
            return self.names.iter().position(|known| *known == name);
        }
        let place = self.sorted.partition_point(|&at| self.names.get(at).is_some_and(|known| *known < name));
        self.sorted.get(place).copied().filter(|&at| self.names.get(at) == Some(&name))
    }
}

/// Names that are no field's, or come twice: at most so many, and how many others there are.
fn misnamed(fields: &[Field], names: &Names<'_>, errors_max: usize) -> (Vec<Invalid>, usize) {
    let known = Names::of(fields.iter().map(|field| field.name.as_str()).collect());
    let is_known = |name: &str| known.find(name).is_some();
    let mut wrong =
        names.names.iter().enumerate().filter(|(at, name)| !is_known(name) || names.find(name) != Some(*at));
    let told = wrong.by_ref().take(errors_max).map(|(_, name)| match is_known(name) {
        true => Invalid::new(CheckKind::Form, name, "the field once", "the field twice"),
        false => unknown_field(fields, name),
    });
    (told.collect(), wrong.count())
}

/// The most missing elements of a batch that is only checked for further errors.
pub(crate) const REST_MAX_ELEMENTS: usize = 1 << 20;

/// A batch of columns, with those that are not there all missing: at most so many elements in
/// all of these.
fn complete(
    fields: &[Field],
    columns: Vec<Option<Tensor>>,
    rows: u64,
    missing_max_elements: usize,
) -> Result<Batch, Invalid> {
    let mut missing = 0;
    let column = |(field, column): (&Field, Option<Tensor>)| {
        column.map_or_else(|| missing_column(field, rows, &mut missing, missing_max_elements), Ok)
    };
    let columns = fields.iter().zip(columns).map(column).collect::<Result<_, _>>()?;
    match usize::try_from(rows) {
        Ok(rows) => Ok(Batch { rows, columns }),
        Err(_) => Err(Invalid::new(CheckKind::Shape, "inputs", "fewer rows", rows.to_string())),
    }
}

pub(crate) fn unknown_field(fields: &[Field], name: &str) -> Invalid {
    let known = fields.iter().map(|field| field.name.as_str());
    Invalid::new(CheckKind::UnknownField, name, one_of(known), "an unknown field")
}

/// A column without data, beside so many such elements of other columns, of as many as there may be.
fn missing_column(field: &Field, rows: u64, missing: &mut usize, max_elements: usize) -> Result<Tensor, Invalid> {
    let shape = field.batch_shape(rows);
    let left = max_elements.saturating_sub(*missing);
    let count = element_count(&shape).filter(|&count| count <= left).ok_or_else(|| {
        let expected = format!("at most {max_elements} elements");
        Invalid::new(CheckKind::Shape, &field.name, expected, format!("{rows} rows"))
    })?;
    *missing += count;
    Ok(Tensor { shape, values: Values::neutral(field.datatype, count), validity: Some(vec![false; count]) })
}

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

/// Everything that is wrong with a batch, up to `errors_max` errors: form,
/// missing values, ranges, categories, numbers that are not finite.
pub fn check(fields: &[Field], batch: &Batch, errors_max: usize) -> Vec<Invalid> {
    // `Interrupt::never` does not interrupt.
    check_until(fields, batch, errors_max, &mut Interrupt::never()).unwrap_or_default()
}

/// Does the same, and stops when it is interrupted.
pub fn check_until(
    fields: &[Field],
    batch: &Batch,
    errors_max: usize,
    interrupt: &mut Interrupt<'_>,
) -> Result<Vec<Invalid>, Interrupted> {
    if fields.len() != batch.columns.len() {
        let found = batch.columns.len().to_string();
        return Ok(vec![invalid("*", None, format!("{} columns", fields.len()), found)]);
    }
    let mut errors = Vec::new();
    for (field, tensor) in fields.iter().zip(&batch.columns) {
        if errors.len() >= errors_max {
            break;
        }
        if let Err(error) = check_column(field, batch.rows as u64, tensor) {
            errors.push(error);
            continue;
        }
        // For a few rows, sorting takes longer than a linear search.
        let categories = (batch.rows > FEW_ROWS).then(|| Categories::many(field)).flatten();
        let limits = Limits { field, length_max_chars: None, categories: categories.as_ref() };
        let _ = limits.scan(tensor, interrupt, &mut |i, kind| {
            errors.push(limits.describe(tensor, i, kind, Echo::default()));
            if errors.len() < errors_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        interrupt.check()?;
    }
    Ok(errors)
}

impl Schema {
    fn sides(&self) -> [(&'static str, &[Field]); 3] {
        [("inputs", &self.inputs), ("features", &self.features), ("outputs", &self.outputs)]
    }

    /// Checks the schema itself; the error names the field and what is wrong.
    pub fn validate(&self) -> Result<(), Invalid> {
        for (side, fields) in self.sides() {
            if fields.is_empty() {
                return Err(invalid(side, None, "at least one field", "none"));
            }
            let mut names = BTreeSet::new();
            for field in fields {
                field.validate()?;
                if !names.insert(&field.name) {
                    return Err(invalid(&field.name, None, format!("unique names in {side}"), "the name twice"));
                }
            }
        }
        Ok(())
    }

    /// Checks that the schema is no larger than a new component's may be.
    pub fn check_size(&self) -> Result<(), Invalid> {
        for (side, fields) in self.sides() {
            if fields.len() > FIELDS_MAX {
                return Err(invalid(side, None, format!("at most {FIELDS_MAX} fields"), fields.len().to_string()));
            }
            fields.iter().try_for_each(Field::check_size)?;
            let elements = |field: &Field| field.elements_per_row().unwrap_or(usize::MAX);
            let row_elements = fields.iter().map(elements).fold(0, usize::saturating_add);
            if row_elements > ROW_MAX_ELEMENTS {
                let expected = format!("at most {ROW_MAX_ELEMENTS} elements a row, all fields together");
                return Err(invalid(side, None, expected, row_elements.to_string()));
            }
        }
        Ok(())
    }
}

impl Field {
    fn validate(&self) -> Result<(), Invalid> {
        let wrong = |expected: &str, found: String| Err(invalid(&self.name, None, expected, found));
        if self.name.is_empty() || self.name.len() > 128 {
            return wrong("a name of 1 to 128 bytes", format!("{} bytes", self.name.len()));
        }
        if self.elements_per_row().is_none_or(|count| count == 0 || count > ROW_MAX_ELEMENTS) {
            return wrong("a shape of 1 to 16777216 elements a row", ShownShape(&self.shape).to_string());
        }
        let ranged = self.minimum.is_some() || self.maximum.is_some();
        if ranged && !self.datatype.is_numeric() {
            return wrong("a range on a numeric field only", self.datatype.to_string());
        }
        if let (Some(low), Some(high)) = (self.minimum, self.maximum)
            && low > high
        {
            return wrong("minimum at most maximum", format!("{low} > {high}"));
        }
        if !self.categories.is_empty() && self.datatype != Datatype::Bytes {
            return wrong("categories on a BYTES field only", self.datatype.to_string());
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), Invalid> {
        let wrong = |most: String, found: usize| Err(invalid(&self.name, None, most, found.to_string()));
        if self.shape.len() > DIMENSIONS_MAX {
            return wrong(format!("at most {DIMENSIONS_MAX} dimensions"), self.shape.len());
        }
        if self.categories.len() > CATEGORIES_MAX {
            return wrong(format!("at most {CATEGORIES_MAX} categories"), self.categories.len());
        }
        Ok(())
    }
}
