//! What training data looked like, on all sides of a model.

use super::tables::{Tables, listed};
use super::{Model, OfflineError, Watch};
use scry_card::Field;
use scry_card::stats::{Profiler, Reference, References};
use std::path::PathBuf;

/// What to profile, and how.
#[derive(Debug, Default)]
pub struct Request {
    /// Tables of one form.
    pub files: Vec<PathBuf>,
    /// Columns to read; none: all that can be read. A model's schema has its own.
    pub columns: Vec<String>,
    /// Columns that a file may lack; their values are then all missing.
    pub allow_missing: Vec<String>,
    /// Values of each column of numbers to keep.
    pub sample_values: usize,
    /// Start of the data; by default the model card's.
    pub data_from: Option<String>,
    /// End of the data; by default the model card's.
    pub data_until: Option<String>,
}

/// Reads tables once (files of text twice, where nothing says their types);
/// with a model, runs it over every row. The statistics say what was assumed.
pub fn profile(
    request: &Request,
    model: Option<&mut Model>,
    watch: &mut Watch<'_>,
) -> Result<References, OfflineError> {
    let mut tables = Tables::open(&request.files, &request.allow_missing)?;
    let (mut from, mut until) = (request.data_from.clone(), request.data_until.clone());
    let mut references = match model {
        None => References { inputs: inputs(&mut tables, request, watch)?, features: None, outputs: None },
        Some(model) => {
            let card = &model.description().card;
            from = from.or_else(|| card.data_from.clone());
            until = until.or_else(|| card.data_until.clone());
            all_sides(&mut tables, request, model, watch)?
        }
    };
    let References { inputs, features, outputs } = &mut references;
    inputs.assumed.extend(tables.assumed);
    for side in [Some(inputs), features.as_mut(), outputs.as_mut()].into_iter().flatten() {
        (side.data_from, side.data_until) = (from.clone(), until.clone());
        side.validate()?;
    }
    Ok(references)
}

fn inputs(tables: &mut Tables, request: &Request, watch: &mut Watch<'_>) -> Result<Reference, OfflineError> {
    let fields = tables.fields(&request.columns, watch)?;
    let mut profiler = profiler(&fields, request);
    tables.each("profiling", &fields, watch, |piece| Ok(profiler.add(piece.batch)?))?;
    Ok(profiler.finish())
}

fn all_sides(
    tables: &mut Tables,
    request: &Request,
    model: &mut Model,
    watch: &mut Watch<'_>,
) -> Result<References, OfflineError> {
    let schema = model.description().card.schema.clone();
    let [mut inputs, mut features, mut outputs] =
        [&schema.inputs, &schema.features, &schema.outputs].map(|fields| profiler(fields, request));
    let ignored = tables.each("profiling", &schema.inputs, watch, |piece| {
        model.check(&piece)?;
        inputs.add(piece.batch)?;
        features.add(&model.transform(&piece)?)?;
        Ok(outputs.add(&model.predict(&piece)?)?)
    })?;
    if !ignored.is_empty() {
        tables.assumed.push(format!("not read, since the model has no such input: {}", listed(ignored.iter())));
    }
    tables.assumed.extend(model.assumed());
    Ok(References { inputs: inputs.finish(), features: Some(features.finish()), outputs: Some(outputs.finish()) })
}

fn profiler(fields: &[Field], request: &Request) -> Profiler {
    Profiler::new(fields).sample_values(request.sample_values)
}
