//! What `scry_card::stats` promises: the field's definitions, and a rule that
//! holds its rate of false alarms.

mod agreement;
mod comparisons;
mod figures;
mod properties;
mod rules;
mod scipy;
mod shown;
mod simulation;
mod untrusted;

use scry_card::stats::{Profiler, Reference};
use scry_card::{Batch, Datatype, Field, Tensor, Text, Values};

pub(crate) fn field(name: &str, datatype: Datatype) -> Field {
    Field {
        name: name.into(),
        description: String::new(),
        datatype,
        shape: vec![],
        nullable: true,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    }
}

/// `x0`, `x1`, …
pub(crate) fn number_fields(count: usize) -> Vec<Field> {
    (0..count).map(|i| field(&format!("x{i}"), Datatype::Fp64)).collect()
}

pub(crate) fn column(values: Values) -> Tensor {
    Tensor { shape: vec![values.len() as u64], values, validity: None }
}

pub(crate) fn batch(columns: Vec<Tensor>) -> Batch {
    Batch { rows: columns[0].values.len(), columns }
}

/// One column of numbers, `None` where missing.
pub(crate) fn numbers(values: &[Option<f64>]) -> Batch {
    let validity = Some(values.iter().map(Option::is_some).collect());
    let list = values.iter().map(|value| value.unwrap_or_default()).collect();
    batch(vec![Tensor { validity, ..column(Values::Fp64(list)) }])
}

pub(crate) fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> Tensor {
    let mut text = Text::default();
    values.into_iter().for_each(|value| text.push(value).unwrap());
    column(Values::Bytes(text))
}

pub(crate) fn profile(fields: &[Field], batch: &Batch) -> Reference {
    let mut profiler = Profiler::new(fields).sample_values(10_000);
    profiler.add(batch).unwrap();
    let reference = profiler.finish();
    reference.validate().unwrap();
    reference
}
