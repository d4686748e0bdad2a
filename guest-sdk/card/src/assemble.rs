//! From named tensors to a batch in the schema's order.
//!
//! Never looks at values: that is `check`'s.

use crate::fit::fit;
use crate::schema::unknown_field;
use crate::{
    Batch, CheckKind, Detail, Field, Interrupt, Interrupted, Invalid, Misread, Tensor, Unfit, Values, element_count,
};

/// Names that are found one by one as fast as in order.
const FEW_NAMES: usize = 16;
/// Steps that finding one among more takes.
const NAME_STEPS: usize = 16;
/// Elements that a client sent no data for, so that no body limit bounds them.
pub(crate) const MISSING_MAX_ELEMENTS: usize = 1 << 24;
/// The most missing elements of a batch that is only checked for further errors.
pub(crate) const REST_MAX_ELEMENTS: usize = 1 << 20;

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
