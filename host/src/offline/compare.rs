//! Two sets of data, each a table, a reference or a component, compared with
//! the rule for fixed windows.

use super::tables::{Tables, listed};
use super::{OfflineError, Watch};
use scry_card::Field;
use scry_card::stats::{self, DriftReport, Profiler, Reference, References, SAMPLE_MAX_VALUES, belongs_to};
use scry_component::Description;
use scry_tables::TableError;
use std::path::Path;

/// What came of it.
#[derive(Debug)]
pub struct Compared {
    /// The comparison. What was assumed of the older data is in it.
    pub report: DriftReport,
    /// What was assumed of the newer data, and of both.
    pub assumed: Vec<String>,
}

/// One of the two.
enum Side {
    /// Statistics of inputs, and their fields where a component has them.
    Known(Reference, Option<Vec<Field>>),
    Table,
}

/// Judges the newer data by the older, column by column: by the columns named,
/// else those of whichever has statistics already, else those of the older table.
pub fn compare(
    old: &Path,
    new: &Path,
    columns: &[String],
    alpha: f64,
    allow_missing: &[String],
    watch: &mut Watch<'_>,
) -> Result<Compared, OfflineError> {
    let (old_reference, new_reference, mut assumed) = match (Side::read(old, columns)?, Side::read(new, columns)?) {
        (Side::Known(known_old, _), Side::Known(known_new, _)) => (known_old, known_new, Vec::new()),
        (Side::Known(known, fields), Side::Table) => {
            let (read, notes) = profiled_like(&known, new, fields, allow_missing, watch)?;
            (known, read, notes)
        }
        (Side::Table, Side::Known(known, fields)) => {
            let (read, notes) = profiled_like(&known, old, fields, allow_missing, watch)?;
            (read, known, notes)
        }
        (Side::Table, Side::Table) => {
            let begin = |profiler| profiler;
            let ([read_old, read_new], notes) = profiled([old, new], None, columns, allow_missing, watch, begin)?;
            let (mut read_old, mut read_new) = read_old.finish_both(read_new);
            [&mut read_old, &mut read_new].into_iter().for_each(|read| keep(read, columns));
            (read_old, read_new, notes)
        }
    };
    let report = stats::compare(&old_reference, &new_reference, alpha)?;
    assumed.extend(new_reference.assumed);
    Ok(Compared { report, assumed })
}

impl Side {
    /// What a file is, by its name; of statistics only these columns, if any are named.
    fn read(path: &Path, columns: &[String]) -> Result<Self, OfflineError> {
        let here = || path.to_owned();
        let bytes = || std::fs::read(path).map_err(|error| OfflineError::Io { path: here(), error });
        let (references, fields) = match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => {
                let references = References::from_file(&bytes()?);
                (references.map_err(|error| OfflineError::References { path: here(), error: error.into() })?, None)
            }
            Some("wasm") => {
                let component = Description::read(&bytes()?);
                let component =
                    component.map_err(|error| OfflineError::Component { path: here(), error: error.into() })?;
                let references = component.references.ok_or_else(|| OfflineError::NoReferences { path: here() })?;
                (references, Some(component.card.schema.inputs))
            }
            _ => return Ok(Self::Table),
        };
        let mut reference = references.inputs;
        let known = names(&reference);
        if let Some(column) = columns.iter().find(|name| !known.iter().any(|column| belongs_to(column, name))).cloned()
        {
            let why = format!("is not there; the statistics are of {}", listed(known.iter()));
            return Err(TableError::Column { path: here(), column, why }.into());
        }
        keep(&mut reference, columns);
        Ok(Self::Known(reference, fields))
    }
}

/// Only these columns, if any are named; a field with a shape stands for its elements.
fn keep(reference: &mut Reference, only: &[String]) {
    let is_wanted = |column: &str| only.is_empty() || only.iter().any(|name| belongs_to(column, name));
    reference.columns.retain(|column| is_wanted(&column.name));
}

fn names(reference: &Reference) -> Vec<String> {
    reference.columns.iter().map(|column| column.name.clone()).collect()
}

/// The statistics of a table, to be compared with these.
fn profiled_like(
    known: &Reference,
    path: &Path,
    fields: Option<Vec<Field>>,
    allow_missing: &[String],
    watch: &mut Watch<'_>,
) -> Result<(Reference, Vec<String>), OfflineError> {
    let only = names(known);
    let ([read], notes) = profiled([path], fields, &only, allow_missing, watch, |profiler| profiler.naming(known))?;
    let mut read = read.finish();
    keep(&mut read, &only);
    Ok((read, notes))
}

/// What was read of some tables, by the same fields: these, or what the tables
/// hold. With as many values as are kept at most, since the statistics are not stored.
fn profiled<const N: usize>(
    paths: [&Path; N],
    fields: Option<Vec<Field>>,
    only: &[String],
    allow_missing: &[String],
    watch: &mut Watch<'_>,
    begin: impl Fn(Profiler) -> Profiler,
) -> Result<([Profiler; N], Vec<String>), OfflineError> {
    let mut tables = Tables::open(&paths, allow_missing)?;
    let fields = match fields {
        Some(fields) => {
            let is_wanted = |field: &Field| only.iter().any(|name| belongs_to(name, &field.name));
            fields.into_iter().filter(is_wanted).collect()
        }
        None => tables.fields(only, watch)?,
    };
    let mut profilers = paths.map(|_| begin(Profiler::new(&fields).sample_values(SAMPLE_MAX_VALUES)));
    let ignored = tables.each("profiling", &fields, watch, |piece| {
        profilers.get_mut(piece.file).map_or(Ok(()), |profiler| Ok(profiler.add(piece.batch)?))
    })?;
    let mut assumed = tables.assumed;
    if !ignored.is_empty() {
        assumed.push(format!("not compared: {}", listed(ignored.iter())));
    }
    Ok((profilers, assumed))
}
