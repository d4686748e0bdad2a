//! The served feature pipeline over a file, so that training runs exactly
//! what serving runs.

use super::tables::{Tables, listed};
use super::{Model, OfflineError, Watch};
use scry_tables::Writer;
use std::path::Path;

/// What came of it.
#[derive(Debug)]
pub struct Transformed {
    /// Rows of the file, and of the output.
    pub rows: u64,
    /// What was assumed, for people.
    pub assumed: Vec<String>,
}

/// Writes the features of every row, in the file's order. The output appears
/// when all rows are in it, or not at all.
pub fn transform(
    model: &mut Model,
    file: &Path,
    output: &Path,
    watch: &mut Watch<'_>,
) -> Result<Transformed, OfflineError> {
    let path = |path: &Path| path.canonicalize().ok();
    if path(file).is_some() && path(file) == path(output) {
        return Err(OfflineError::Itself { path: output.to_owned() });
    }
    let mut tables = Tables::open(&[file])?;
    let schema = model.description.card.schema.clone();
    let mut writer = Writer::create(output, &schema.features)?;
    let ignored = tables.each("transforming", &schema.inputs, watch, |piece| {
        model.check(&piece)?;
        Ok(writer.write(&model.transform(&piece)?)?)
    })?;
    let mut assumed = tables.assumed;
    if !ignored.is_empty() {
        assumed.push(format!("not read, since the model has no such input: {}", listed(ignored.iter())));
    }
    assumed.extend(model.assumed());
    Ok(Transformed { rows: writer.finish()?, assumed })
}
