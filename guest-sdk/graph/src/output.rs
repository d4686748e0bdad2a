//! Outputs: a node's numbers as a typed column, or the classes that they stand for.

use crate::arrays::Arrays;
use crate::error::{EvaluateError, FileError, Wrong, wrong};
use crate::format::{Kind, OutputSpec};
use crate::value::Shape;
use scry_card::{Datatype, Field, Tensor, Text, Values};

/// One output.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) field: Field,
    pub(crate) node: usize,
    classes: Classes,
}

/// What a number of the node stands for.
#[derive(Debug)]
enum Classes {
    /// Itself.
    None,
    Text(Text),
    Whole(Vec<i64>),
    Real(Vec<f64>),
    Truth(Vec<bool>),
}

impl Output {
    pub(crate) fn read(spec: OutputSpec, arrays: &Arrays<'_>, shapes: &[Shape]) -> Result<Self, FileError> {
        let name = spec.name.clone();
        Self::read_named(spec, arrays, shapes).map_err(|Wrong { expected, found }| FileError::Output {
            name: scry_card::shortened(name, 40),
            expected,
            found,
        })
    }

    fn read_named(spec: OutputSpec, arrays: &Arrays<'_>, shapes: &[Shape]) -> Result<Self, Wrong> {
        let classes = match spec.classes.map(u64::from) {
            None => Classes::None,
            Some(index) => match arrays.kind(index) {
                Some(Kind::Text) => Classes::Text(arrays.texts(index)?),
                Some(Kind::I64) => Classes::Whole(arrays.i64s(index)?),
                Some(Kind::U8) => Classes::Truth(arrays.u8s(index)?.into_iter().map(|byte| byte != 0).collect()),
                Some(Kind::F64) => Classes::Real(arrays.table(index)?.values),
                _ => return wrong("`classes`: an array of text, i64, u8 or f64", index),
            },
        };
        let datatypes: &[Datatype] = match classes {
            Classes::None => &[Datatype::Fp64, Datatype::Int64, Datatype::Bool],
            Classes::Text(_) => &[Datatype::Bytes],
            Classes::Whole(_) => &[Datatype::Int64],
            Classes::Real(_) => &[Datatype::Fp64],
            Classes::Truth(_) => &[Datatype::Bool],
        };
        if !datatypes.contains(&spec.datatype) {
            let names: Vec<_> = datatypes.iter().map(|datatype| datatype.name()).collect();
            return wrong(format!("`datatype`: {}", names.join(" or ")), spec.datatype);
        }
        if spec.nullable && !(matches!(classes, Classes::None) && spec.datatype == Datatype::Fp64) {
            return wrong("`nullable` for FP64 without `classes` only", spec.datatype);
        }
        let field = Field {
            name: spec.name,
            description: spec.description,
            datatype: spec.datatype,
            shape: spec.shape,
            nullable: spec.nullable,
            unit: spec.unit,
            minimum: spec.minimum,
            maximum: spec.maximum,
            categories: Vec::new(),
        };
        let width = match shapes.get(spec.node) {
            Some(&Shape::Matrix(width)) => width,
            Some(Shape::Text) => return wrong("a node of numbers", "text"),
            None => return wrong(format!("one of {} nodes", shapes.len()), spec.node),
        };
        if field.elements_per_row() != Some(width) {
            return wrong(format!("a shape of {width} values a row, as the node"), format!("{:?}", field.shape));
        }
        Ok(Self { field, node: spec.node, classes })
    }

    /// An empty column.
    pub(crate) fn start(&self, rows: usize) -> Values {
        let count = rows.saturating_mul(self.field.elements_per_row().unwrap_or(1));
        match self.field.datatype {
            Datatype::Int64 => Values::Int64(Vec::with_capacity(count)),
            Datatype::Bool => Values::Bool(Vec::with_capacity(count)),
            Datatype::Bytes => Values::Bytes(Text::default()),
            _ => Values::Fp64(Vec::with_capacity(count)),
        }
    }

    /// Appends a block of the node's numbers, of which the first row is `first`.
    pub(crate) fn append(&self, numbers: &[f64], first: usize, column: &mut Values) -> Result<(), EvaluateError> {
        let width = self.field.elements_per_row().unwrap_or(1).max(1);
        numbers.iter().enumerate().try_for_each(|(at, &x)| {
            self.push(x, column).map_err(|Wrong { expected, found }| EvaluateError::Output {
                output: self.field.name.clone(),
                row: (first + at / width) as u64,
                message: format!("expected {expected}, found {found}"),
            })
        })
    }

    #[inline]
    fn push(&self, x: f64, column: &mut Values) -> Result<(), Wrong> {
        /// Whole numbers are exact below it.
        const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
        match (&self.classes, column) {
            (Classes::None, Values::Fp64(list)) if x.is_finite() || (self.field.nullable && x.is_nan()) => list.push(x),
            (Classes::None, Values::Int64(list)) if x.fract() == 0.0 && x.abs() <= WHOLE_MAX => list.push(x as i64),
            (Classes::None, Values::Bool(list)) if x == 0.0 || x == 1.0 => list.push(x == 1.0),
            (Classes::None, column) => return wrong(column.datatype().value(), x),
            (Classes::Text(classes), Values::Bytes(text)) => {
                let class = class(x, classes.len(), |at| classes.get(at))?;
                return text.push(class).or_else(|full| wrong("less text", full));
            }
            (Classes::Whole(classes), Values::Int64(list)) => {
                list.push(class(x, classes.len(), |at| classes.get(at).copied())?)
            }
            (Classes::Real(classes), Values::Fp64(list)) => {
                list.push(class(x, classes.len(), |at| classes.get(at).copied())?)
            }
            (Classes::Truth(classes), Values::Bool(list)) => {
                list.push(class(x, classes.len(), |at| classes.get(at).copied())?)
            }
            (_, column) => return wrong("a column of classes", column.datatype()),
        }
        Ok(())
    }

    /// The column as a tensor.
    pub(crate) fn end(&self, values: Values, rows: usize) -> Tensor {
        let shape = self.field.batch_shape(rows as u64);
        match values {
            Values::Fp64(numbers) if self.field.nullable => with_missing(shape, numbers),
            values => Tensor { shape, values, validity: None },
        }
    }
}

/// Numbers of which NaN is missing.
pub(crate) fn with_missing(shape: Vec<u64>, mut numbers: Vec<f64>) -> Tensor {
    let validity = numbers.iter().any(|x| x.is_nan()).then(|| numbers.iter().map(|x| !x.is_nan()).collect());
    numbers.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = 0.0);
    Tensor { shape, values: Values::Fp64(numbers), validity }
}

fn class<T>(x: f64, count: usize, get: impl Fn(usize) -> Option<T>) -> Result<T, Wrong> {
    // What is no index is refused with those that are too large.
    let at = if x >= 0.0 && x.fract() == 0.0 { x as usize } else { usize::MAX };
    get(at).map_or_else(|| wrong(format!("the index of one of {count} classes"), x), Ok)
}
