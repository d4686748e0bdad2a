//! The served feature pipeline over a file, so that training runs exactly
//! what serving runs.

use super::tables::{Piece, Tables, listed};
use super::{Model, OfflineError, Watch};
use scry_card::{Batch, Field, Schema};
use scry_tables::{TableError, Writer};
use std::path::Path;

/// What came of it.
#[derive(Debug)]
pub struct Transformed {
    /// Rows of the file, and of the output.
    pub rows: u64,
    /// What was assumed, for people.
    pub assumed: Vec<String>,
}

/// Writes the features of every row, in the file's order, and beside them the
/// file's columns that are to be kept. A column that the file lacks is an error
/// unless it may be missing. The output appears when all rows are in it, or not
/// at all.
pub fn transform(
    model: &mut Model,
    file: &Path,
    output: &Path,
    keep: &[String],
    allow_missing: &[String],
    watch: &mut Watch<'_>,
) -> Result<Transformed, OfflineError> {
    let path = |path: &Path| path.canonicalize().ok();
    if path(file).is_some() && path(file) == path(output) {
        return Err(OfflineError::Itself { path: output.to_owned() });
    }
    let mut tables = Tables::open(&[file], allow_missing)?;
    let schema = model.description().card.schema.clone();
    let others = others(&mut tables, &schema, output, keep, watch)?;
    let read: Vec<_> = schema.inputs.iter().chain(&others).cloned().collect();
    let kept: Vec<_> = keep.iter().filter_map(|name| read.iter().position(|field| field.name == *name)).collect();
    let written: Vec<_> = schema.features.iter().chain(kept.iter().filter_map(|&at| read.get(at))).cloned().collect();
    let mut writer = Writer::create(output, &written)?;
    let ignored = tables.each("transforming", &read, watch, |piece| {
        let Batch { rows, columns } = piece.batch;
        let inputs = Batch { rows: *rows, columns: columns.iter().take(schema.inputs.len()).cloned().collect() };
        let piece = Piece { batch: &inputs, ..piece };
        model.check(&piece)?;
        let mut features = model.transform(&piece)?;
        features.columns.extend(kept.iter().filter_map(|&at| columns.get(at)).cloned());
        Ok(writer.write(&features)?)
    })?;
    let mut assumed = tables.assumed;
    if !ignored.is_empty() {
        assumed.push(format!("not read, since the model has no such input: {}", listed(ignored.iter())));
    }
    assumed.extend(model.assumed());
    Ok(Transformed { rows: writer.finish()?, assumed })
}

/// The fields of kept columns that the model does not read, as the file has them.
fn others(
    tables: &mut Tables,
    schema: &Schema,
    output: &Path,
    keep: &[String],
    watch: &mut Watch<'_>,
) -> Result<Vec<Field>, OfflineError> {
    let is_in = |fields: &[Field], name: &String| fields.iter().any(|field| field.name == *name);
    if let Some(column) = keep.iter().find(|name| is_in(&schema.features, name)).cloned() {
        let why = "is to be kept, and the name of a feature; rename it in the file".to_owned();
        return Err(TableError::Column { path: output.to_owned(), column, why }.into());
    }
    let others: Vec<_> = keep.iter().filter(|name| !is_in(&schema.inputs, name)).cloned().collect();
    // None named would be all of them.
    if others.is_empty() { Ok(Vec::new()) } else { Ok(tables.fields(&others, watch)?) }
}
