//! Rows as CSV, as clients of MLflow and SageMaker send them: a line with the columns' names, then a line for each row.
//!
//! Never keeps a cell: once the fields are known, each goes from the body into its column, as those of a file do.

use crate::error::ProtocolError;
use scry_card::{
    Batch, CheckKind, Detail, Field, Gatherer, Interrupt, Interrupted, Invalid, ShownShape, Unfit, places,
};
use scry_tables::CsvText;

/// Steps that reading and appending a cell take.
const CELL_STEPS: usize = 4;

/// A table that is still text, of which each record has as many fields as the header.
#[derive(Debug)]
pub struct Table<'a> {
    columns: Vec<String>,
    rows: usize,
    /// Standing at the header.
    text: CsvText<'a>,
}

impl<'a> Table<'a> {
    /// Looks through a body, until it is interrupted.
    pub(crate) fn read(body: &'a [u8], interrupt: &Interrupt<'_>) -> Result<Self, ProtocolError> {
        let (text, columns) = CsvText::open(body)?;
        let (mut ahead, mut rows, mut interrupt) = (text.clone(), 0, interrupt.fork());
        while ahead.next_row(&mut interrupt)?? {
            rows += 1;
        }
        Ok(Self { columns, rows, text })
    }

    /// Drops columns that are none of these.
    pub(crate) fn keep_only(&mut self, is_known: impl Fn(&str) -> bool) {
        for name in self.columns.iter_mut().filter(|name| !is_known(name)) {
            name.clear();
        }
    }

    /// The columns in the fields' order, or everything that is wrong, row by row. A column without a name, as pandas writes
    /// its index, is left out.
    pub(crate) fn in_order(
        mut self,
        fields: &[Field],
        detail: &Detail,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Result<Batch, Unfit>, Interrupted> {
        let named = self.columns.iter().map(String::as_str).enumerate().filter(|(_, name)| !name.is_empty());
        let found = places(fields, named, interrupt)?.and_then(|places| shaped(fields).map_or(Ok(places), Err));
        let places = match found {
            Ok(places) => places,
            Err(error) => return Ok(Err(Unfit::of(vec![error]))),
        };
        let members = places.iter().flatten().count().saturating_mul(self.rows);
        let mut gatherer = match Gatherer::new(fields, self.rows, members, detail) {
            Ok(gatherer) => gatherer,
            Err(unfit) => return Ok(Err(unfit)),
        };
        let mut row = 0;
        // The form of all rows is known to be right.
        while let Ok(true) = self.text.next_row(interrupt)? {
            let text = &self.text;
            interrupt.spend(fields.len() * CELL_STEPS + text.bytes() / Interrupt::STEP_BYTES)?;
            gatherer.row(row, interrupt, |place, field, column, _| {
                let pushed = match places.get(place).copied().flatten() {
                    Some(at) => text.push(at, field, column),
                    None => column.push_null(),
                };
                let wrong = |found| Invalid::new(CheckKind::Type, &field.name, field.datatype.value(), found);
                Ok(pushed.map_err(wrong))
            })?;
            row += 1;
        }
        Ok(gatherer.finish(row))
    }
}

/// The error of a field that no cell holds.
fn shaped(fields: &[Field]) -> Option<Invalid> {
    let field = fields.iter().find(|field| !field.shape.is_empty())?;
    let expected = format!("values of shape {}, which CSV has no form for: rows in JSON", ShownShape(&field.shape));
    Some(Invalid::new(CheckKind::Shape, &field.name, expected, "CSV"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decoded, Format, Rows};
    use scry_card::{Echo, Records, batch_from_records};
    use serde_json::{Value, json};

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
        let told = |errors: Vec<Invalid>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
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
            ("", &["line 1", "nothing is there", "must name the columns"][..]),
            (",,\n1,2,3\n", &["line 1", "no column has a name"]),
            ("flag;whole\ntrue;1\n", &["line 1", "separated by ';'", "commas"]),
            ("flag,whole\ntrue,1\n\ntrue\n", &["line 4", "expected 2 fields", "found 1"]),
            ("flag\n\"true\n", &["line 2", "never closed"]),
            ("flag,whole\nno,1\ntrue,1.5\n", &["flag", "row 0", "\"no\"", "whole", "row 1", "1.5"]),
            ("flag,flag\ntrue,true\n", &["flag", "the column once", "the column twice"]),
            ("flag,hole\ntrue,1\n", &["hole", "one of"]),
            ("flag,float\ntrue,1e999\n", &["float", "row 0", "1e999"]),
            ("flag,whole\ntrue,9007199254740993.0\n", &["whole", "row 0", "an INT64 value, found 9007199254740993.0"]),
        ] {
            let wrong = read(text).unwrap_err();
            for part in parts {
                assert!(wrong.contains(part), "no {part:?} in {wrong:?}");
            }
        }
    }

    #[test]
    fn in_the_only_column_nothing_is_missing_with_quotes_and_without() {
        // As pandas writes a table with one column of texts, some of them missing.
        let read = |text: &str, is_nullable| {
            let fields = [field("a", "BYTES", is_nullable)];
            let rows = Format::Csv.decode(text.as_bytes(), &Interrupt::never()).unwrap().rows;
            let batch = rows.in_order(&fields, &Detail::default(), &mut Interrupt::never()).unwrap().unwrap();
            serde_json::to_value(Records { fields: &fields, batch: &batch }).unwrap()
        };
        assert_eq!(read("a\n\"\"\nx\n\n", true), json!([{ "a": null }, { "a": "x" }, { "a": null }]));
        assert_eq!(read("a\n\"\"\nx\n", false), json!([{ "a": "" }, { "a": "x" }]));
        // With an index beside it, or any column, nothing has no quotes.
        assert_eq!(read(",a\n0,\n1,\"\"\n", true), json!([{ "a": null }, { "a": "" }]));
    }

    #[test]
    fn an_error_repeats_no_more_than_it_may() {
        let rows = Format::Csv.decode(b"flag,whole\nsecret,1234.5\n", &Interrupt::never()).unwrap().rows;
        let detail = Detail { echo: Echo { max_chars: 0 }, ..Detail::default() };
        let unfit = rows.in_order(&fields(), &detail, &mut Interrupt::never()).unwrap().unwrap_err();
        let found: Vec<_> = unfit.errors.into_iter().map(|error| error.found).collect();
        assert_eq!(found, ["a number", "a string"]);
    }

    #[test]
    fn text_in_another_encoding_is_named_with_its_place() {
        let rows = Format::Csv.decode(b"flag,text\ntrue,caf\xe9\n", &Interrupt::never()).unwrap().rows;
        let unfit = rows.in_order(&fields(), &Detail::default(), &mut Interrupt::never()).unwrap().unwrap_err();
        assert_eq!(
            unfit.errors[0].to_string(),
            "field `text`, row 0: expected a BYTES value, found bytes that are not UTF-8"
        );
        let header = Format::Csv.decode(b"caf\xe9\n1\n", &Interrupt::never()).unwrap_err().to_string();
        assert!(header.contains("line 1: found bytes that are not UTF-8"), "{header}");
    }

    #[test]
    fn fields_with_a_shape_have_no_form() {
        let fields = [Field { shape: vec![2], ..field("x", "FP64", true) }];
        let rows = Format::Csv.decode(b"x\n1\n", &Interrupt::never()).unwrap().rows;
        let unfit = rows.in_order(&fields, &Detail::default(), &mut Interrupt::never()).unwrap().unwrap_err();
        assert!(unfit.errors[0].to_string().contains("field `x`: expected values of shape [2], which CSV has no form"));
    }

    #[test]
    fn reading_stops_when_it_is_interrupted() {
        let body = "flag,whole\n".to_owned() + &"true,1\n".repeat(Interrupt::STEPS);
        let over = Interrupt::when(&|| true);
        assert!(matches!(Format::Csv.decode(body.as_bytes(), &over), Err(ProtocolError::Interrupted(Interrupted))));
        let rows = Format::Csv.decode(body.as_bytes(), &Interrupt::never()).unwrap().rows;
        let read = rows.in_order(&fields(), &Detail::default(), &mut Interrupt::when(&|| true));
        assert_eq!(read, Err(Interrupted));
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
