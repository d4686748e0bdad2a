//! Rows as CSV, as clients of MLflow and SageMaker send them: a line with the columns' names, then a line for each row.
//!
//! Never says what a cell means before there is a schema.

use crate::error::ProtocolError;
use scry_card::{Datatype, Field, Interrupt, Interrupted};
use scry_tables::{CsvError, CsvField, CsvText, limits};
use serde_json::{Number, Value};
use std::collections::BTreeMap;

/// A table whose cells are still text.
#[derive(Debug)]
pub struct Table<'a> {
    columns: Vec<String>,
    /// Row by row, one for each column.
    cells: Vec<CsvField<'a>>,
}

impl<'a> Table<'a> {
    /// Reads a body, until it is interrupted.
    pub(crate) fn read(body: &'a [u8], interrupt: &Interrupt<'_>) -> Result<Self, ProtocolError> {
        let (mut text, mut interrupt) = (CsvText::new(body), interrupt.fork());
        let columns = header(&mut text)?;
        let mut cells = Vec::new();
        while text.advance()? {
            interrupt.spend(text.len() + text.bytes() / Interrupt::STEP_BYTES)?;
            if text.len() == columns.len() {
                for cell in text.fields() {
                    cells.push(cell?);
                }
            } else if !text.is_empty() {
                let why = format!("expected {} fields, as the header has, found {}", columns.len(), text.len());
                return Err(text.wrong(why).into());
            }
        }
        Ok(Self { columns, cells })
    }

    /// Drops columns that are none of these.
    pub(crate) fn keep_only(&mut self, is_known: impl Fn(&str) -> bool) {
        for name in self.columns.iter_mut().filter(|name| !is_known(name)) {
            name.clear();
        }
    }

    /// The columns' names, and the values of each row, as the fields' types read them. A column without a name, as pandas
    /// writes its index, is left out.
    pub(crate) fn values(
        &self,
        fields: &[Field],
        interrupt: &mut Interrupt<'_>,
    ) -> Result<(Vec<String>, Vec<Value>), Interrupted> {
        let types: BTreeMap<_, _> = fields.iter().map(|field| (field.name.as_str(), field.datatype)).collect();
        let types: Vec<_> = self.columns.iter().map(|name| types.get(name.as_str()).copied()).collect();
        let is_named = |name: &&String| !name.is_empty();
        let mut rows = Vec::with_capacity(self.cells.len() / self.columns.len().max(1));
        for cells in self.cells.chunks(self.columns.len().max(1)) {
            let mut row = Vec::with_capacity(cells.len());
            for ((cell, datatype), _) in cells.iter().zip(&types).zip(&self.columns).filter(|(_, name)| is_named(name))
            {
                interrupt.spend_text(&cell.text)?;
                row.push(value(cell, *datatype));
            }
            rows.push(Value::Array(row));
        }
        Ok((self.columns.iter().filter(is_named).cloned().collect(), rows))
    }
}

/// The columns' names.
fn header(text: &mut CsvText<'_>) -> Result<Vec<String>, CsvError> {
    if !text.advance()? {
        return Err(text.wrong("expected the columns' names, found nothing"));
    }
    let names = text.fields().map(|name| Ok(name?.text.into_owned())).collect::<Result<Vec<_>, CsvError>>()?;
    match names.iter().find(|name| name.len() > limits::NAME_MAX_BYTES) {
        Some(long) => {
            let (max, found) = (limits::NAME_MAX_BYTES, long.len());
            Err(text.wrong(format!("expected a column's name of at most {max} bytes, found one of {found}")))
        }
        None if names.iter().all(String::is_empty) => {
            Err(text.wrong("expected the columns' names, found a line without any"))
        }
        None => Ok(names),
    }
}

/// A cell as JSON would say it; text where it is not of the type, which then is what is found.
fn value(cell: &CsvField<'_>, datatype: Option<Datatype>) -> Value {
    let text = || Value::String(cell.text.clone().into_owned());
    match datatype {
        // Of no field: what it says does not matter.
        None => Value::Null,
        Some(Datatype::Bytes) if cell.text.is_empty() && !cell.is_quoted => Value::Null,
        Some(Datatype::Bytes) => text(),
        Some(_) if cell.is_blank() => Value::Null,
        Some(Datatype::Bool) => cell.truth().map_or_else(text, Value::Bool),
        Some(datatype) => match cell.whole() {
            Some(whole) if !is_float(datatype) => whole,
            _ => match cell.float() {
                // Pandas has no other mark for a missing number.
                Some(float) if float.is_nan() => Value::Null,
                Some(float) => number(float, datatype).map_or_else(text, Value::Number),
                None => text(),
            },
        },
    }
}

fn is_float(datatype: Datatype) -> bool {
    matches!(datatype, Datatype::Fp32 | Datatype::Fp64)
}

/// A number; whole where the column is of whole numbers, since pandas writes `3.0` beside missing ones.
fn number(float: f64, datatype: Datatype) -> Option<Number> {
    /// Below this every whole number has a float of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match !is_float(datatype) && float.fract() == 0.0 && float.abs() < EXACT_MAX {
        true => Some((float as i64).into()),
        false => Number::from_f64(float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decoded, Format, Rows};
    use scry_card::{Detail, Records, batch_from_records};
    use serde_json::json;

    fn field(name: &str, datatype: &str, is_nullable: bool) -> Field {
        serde_json::from_value(json!({ "name": name, "datatype": datatype, "nullable": is_nullable })).unwrap()
    }

    fn fields() -> Vec<Field> {
        vec![
            field("whole", "INT64", true),
            field("float", "FP64", true),
            field("flag", "BOOL", false),
            field("text", "BYTES", true),
        ]
    }

    /// The rows as JSON records, or what is wrong.
    fn read(text: &str) -> Result<Value, String> {
        let decoded = Format::Csv.decode(text.as_bytes(), &Interrupt::never()).map_err(|error| error.to_string())?;
        let Decoded { rows, .. } = decoded;
        let batch = rows.in_order(&fields(), &Detail::default(), &mut Interrupt::never()).unwrap();
        let told =
            |errors: Vec<scry_card::Invalid>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let batch = batch.map_err(|unfit| told(unfit.errors))?;
        Ok(serde_json::to_value(Records { fields: &fields(), batch: &batch }).unwrap())
    }

    #[test]
    fn cells_are_what_the_same_rows_are_as_records() {
        let text = "text,flag,whole,float\r\n\
                    a,True,1,0.5\r\n\
                    ,false,,\r\n\
                    \"\",TRUE,-3.0,NaN\r\n\
                    \"x,\"\"y\",False, 9223372036854775807 ,1e-3\r\n";
        let records = json!([
            { "text": "a", "flag": true, "whole": 1, "float": 0.5 },
            { "text": null, "flag": false, "whole": null, "float": null },
            { "text": "", "flag": true, "whole": -3, "float": null },
            { "text": "x,\"y", "flag": false, "whole": i64::MAX, "float": 0.001 },
        ]);
        let objects: Vec<_> = records.as_array().unwrap().iter().map(|row| row.as_object().unwrap().clone()).collect();
        let batch = batch_from_records(&fields(), &objects).unwrap();
        assert_eq!(read(text).unwrap(), serde_json::to_value(Records { fields: &fields(), batch: &batch }).unwrap());
        // An index of pandas has no name; nullable columns may be left out.
        assert_eq!(
            read(",flag\n0,true\n").unwrap(),
            json!([{ "whole": null, "float": null, "flag": true, "text": null }])
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, parts) in [
            ("", &["line 1", "expected the columns' names, found nothing"][..]),
            (",,\n1,2,3\n", &["line 1", "a line without any"]),
            ("flag,whole\ntrue,1\n\ntrue\n", &["line 4", "expected 2 fields", "found 1"]),
            ("flag\n\"true\n", &["line 2", "never closed"]),
            ("flag,whole\nno,1\ntrue,1.5\n", &["flag", "row 0", "\"no\"", "whole", "row 1", "1.5"]),
            ("flag,flag\ntrue,true\n", &["flag", "the column once", "the column twice"]),
            ("flag,hole\ntrue,1\n", &["hole", "one of"]),
            ("flag,float\ntrue,1e999\n", &["float", "row 0", "1e999"]),
        ] {
            let wrong = read(text).unwrap_err();
            for part in parts {
                assert!(wrong.contains(part), "no {part:?} in {wrong:?}");
            }
        }
    }

    #[test]
    fn columns_of_another_schema_are_dropped() {
        let decoded = Format::Csv.decode(b"flag,other\ntrue,1\n", &Interrupt::never()).unwrap();
        let mut rows = decoded.rows;
        rows.keep_only(&fields());
        assert!(matches!(rows, Rows::Csv(_)));
        assert!(rows.in_order(&fields(), &Detail::default(), &mut Interrupt::never()).unwrap().is_ok());
    }
}
