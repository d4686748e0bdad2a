//! Rows as clients of other servers send them: `instances` of TensorFlow Serving and KServe V1, and the forms of
//! MLflow's scoring protocol.
//!
//! Never interprets a value: the schema says what it means.

use crate::error::ProtocolError;
use crate::options::Options;
use crate::rows::Rows;
use scry_card::Interrupt;
use scry_card::strict::{Error, Walker};
use serde_json::{Map, Value};

/// Which members of a request hold rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// `instances` alone.
    Instances,
    /// One of `instances`, `dataframe_split`, `dataframe_records` and `inputs`.
    Any,
}

impl Members {
    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Instances => &["parameters", "instances"],
            Self::Any => &["parameters", "instances", "dataframe_split", "dataframe_records", "inputs"],
        }
    }
}

/// Where rows are in a request, for pointers into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowsAt {
    /// Objects in the list with this name.
    Objects(&'static str),
    /// Lists or values in the list with this name.
    Values(&'static str),
    /// Lists in `dataframe_split.data`, in the order of these columns.
    Split(Vec<String>),
    /// A list for each field in `inputs`.
    Columns,
    /// Lines of CSV, into which no pointer leads.
    Lines,
}

impl Default for RowsAt {
    fn default() -> Self {
        Self::Objects("instances")
    }
}

/// A request with rows.
#[derive(Debug)]
pub struct RowsRequest {
    /// The rows.
    pub rows: Rows<'static>,
    /// Where they are.
    pub at: RowsAt,
    /// What else the client wants.
    pub parameters: Options,
}

impl RowsRequest {
    /// Reads a request. Members that Scry does not know are skipped.
    pub fn from_json(body: &[u8], members: Members) -> Result<Self, ProtocolError> {
        Self::from_json_until(body, members, &Interrupt::never())
    }

    /// Does the same, and stops when it is interrupted.
    pub fn from_json_until(body: &[u8], members: Members, interrupt: &Interrupt<'_>) -> Result<Self, ProtocolError> {
        Self::read(body, members, interrupt).map_err(|error| ProtocolError::reading(error, ProtocolError::Records))
    }

    fn read(body: &[u8], members: Members, interrupt: &Interrupt<'_>) -> Result<Self, Error> {
        let mut walker = Walker::new(body)?.until(interrupt);
        let (mut sent, mut parameters) = (None, Options::default());
        walker.object(members.known(), |walker, member| {
            if member == "parameters" {
                parameters = Options::read(walker)?;
                return Ok(());
            }
            if sent.is_some() {
                return Err(Error::wrong("rows in one form", "rows in a second form"));
            }
            sent = Some(match member {
                "dataframe_split" => split(walker)?,
                "inputs" if walker.peek() == Some(b'{') => columns(walker)?,
                _ => listed(walker, member)?,
            });
            Ok(())
        })?;
        walker.end()?;
        let (rows, at) = sent.ok_or_else(|| match members {
            Members::Instances => Error::missing("instances", "a list of rows"),
            Members::Any => Error::wrong(
                "one of the members `instances`, `dataframe_split`, `dataframe_records` and `inputs`",
                "none of them",
            ),
        })?;
        Ok(Self { rows, at, parameters })
    }
}

/// Rows one after the other: all of them objects, or none.
fn listed(walker: &mut Walker<'_>, member: &'static str) -> Result<(Rows<'static>, RowsAt), Error> {
    let (mut objects, mut values) = (Vec::new(), Vec::new());
    walker.list(|walker, at| {
        match walker.peek() {
            Some(b'{') if values.is_empty() => objects.push(walker.map()?),
            Some(b'{') => return Err(walker.other("a list or a value, like the rows before")),
            _ if objects.is_empty() && at == values.len() => values.push(walker.value()?),
            _ => return Err(walker.other("an object with a member for each field, like the rows before")),
        }
        Ok(())
    })?;
    Ok(match values.is_empty() {
        true => (Rows::Records(objects), RowsAt::Objects(member)),
        false => (Rows::Lists(values), RowsAt::Values(member)),
    })
}

/// Pandas' `orient="split"`: the names once, and each row a list.
fn split(walker: &mut Walker<'_>) -> Result<(Rows<'static>, RowsAt), Error> {
    let (mut names, mut rows) = (None, None);
    walker.object(&["columns", "data"], |walker, member| {
        match member {
            "columns" => {
                let mut list = Vec::new();
                walker.list(|walker, _| {
                    list.push(walker.text()?.into_owned());
                    Ok::<_, Error>(())
                })?;
                names = Some(list);
            }
            _ => {
                let mut list = Vec::new();
                walker.list(|walker, _| {
                    list.push(walker.value()?);
                    Ok::<_, Error>(())
                })?;
                rows = Some(list);
            }
        }
        Ok::<_, Error>(())
    })?;
    let names = names.ok_or_else(|| Error::missing("columns", "a list of the columns' names"))?;
    let rows = rows.ok_or_else(|| Error::missing("data", "a list of rows"))?;
    let at = RowsAt::Split(names.clone());
    Ok((Rows::Split(names, rows), at))
}

/// A list for each field.
fn columns(walker: &mut Walker<'_>) -> Result<(Rows<'static>, RowsAt), Error> {
    let listed = |(name, values): (String, Value)| match values {
        Value::Array(values) => Ok((name, values)),
        _ => Err(Error::wrong("a list of values, one for each row", "another value").within(&name)),
    };
    let columns: Map<String, Value> = walker.map()?;
    Ok((Rows::Named(columns.into_iter().map(listed).collect::<Result<_, _>>()?), RowsAt::Columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scry_card::{Batch, Datatype, Detail, Field, Values, batch_from_records};
    use serde_json::json;

    fn field(name: &str, datatype: Datatype, shape: &[u64]) -> Field {
        let text = json!({ "name": name, "datatype": datatype, "shape": shape });
        serde_json::from_value(text).unwrap()
    }

    fn table() -> Vec<Field> {
        vec![field("a", Datatype::Int64, &[]), field("b", Datatype::Bytes, &[]), field("c", Datatype::Fp64, &[2])]
    }

    fn batch(fields: &[Field], body: &Value) -> Result<Batch, String> {
        let request = RowsRequest::from_json(body.to_string().as_bytes(), Members::Any).map_err(|e| e.to_string())?;
        let read = request.rows.in_order(fields, &Detail::default(), &mut Interrupt::never()).unwrap();
        read.map_err(|unfit| unfit.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn every_form_of_the_same_rows_is_the_same_batch() {
        let records = json!([{ "a": 1, "b": "x", "c": [0.5, 1] }, { "a": 2, "b": "y", "c": [2, 3] }]);
        let lists = json!([[1, "x", [0.5, 1]], [2, "y", [2, 3]]]);
        let rows: Vec<Map<String, Value>> = serde_json::from_value(records.clone()).unwrap();
        let expected = batch_from_records(&table(), &rows).unwrap();
        for body in [
            json!({ "instances": records }),
            json!({ "instances": lists }),
            json!({ "dataframe_records": records }),
            json!({ "dataframe_split": { "columns": ["a", "b", "c"], "index": [0, 1], "data": lists } }),
            json!({ "dataframe_split": { "data": [["x", [0.5, 1], 1], ["y", [2, 3], 2]], "columns": ["b", "c", "a"] } }),
            json!({ "inputs": { "b": ["x", "y"], "a": [1, 2], "c": [[0.5, 1], [2, 3]] } }),
            json!({ "inputs": lists }),
        ] {
            assert_eq!(batch(&table(), &body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn of_one_field_a_row_is_its_value() {
        let image = [field("image", Datatype::Int64, &[2, 2])];
        let read = batch(&image, &json!({ "instances": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]] })).unwrap();
        assert_eq!((read.rows, &read.columns[0].values), (2, &Values::Int64(vec![1, 2, 3, 4, 5, 6, 7, 8])));
        let number = [field("x", Datatype::Int64, &[])];
        for rows in [json!([1, 2]), json!([[1], [2]])] {
            let read = batch(&number, &json!({ "instances": rows })).unwrap();
            assert_eq!(read.columns[0].values, Values::Int64(vec![1, 2]));
        }
        assert!(batch(&number, &json!({ "instances": [[1, 2]] })).is_err());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (body, says) in [
            (json!({}), "expected one of the members"),
            (json!({ "instances": [], "inputs": [] }), ": expected rows in one form, found rows in a second form"),
            (json!({ "instances": [{}, []] }), "`instances[1]`: expected an object"),
            (json!({ "instances": [[], {}] }), "`instances[1]`: expected a list or a value"),
            (
                json!({ "instances": [[1, "x"]] }),
                "row 0: expected an object, or a list of 3 values in this order: a, b, c",
            ),
            (json!({ "dataframe_split": { "data": [] } }), "`dataframe_split.columns`: expected a list"),
            (json!({ "dataframe_split": { "columns": ["a", "a"], "data": [] } }), "the column twice"),
            (json!({ "dataframe_split": { "columns": ["a", "z"], "data": [[1, 2]] } }), "an unknown field"),
            (json!({ "dataframe_split": { "columns": ["a"], "data": [[1, 2]] } }), "a list of 1 values, one for each"),
            (json!({ "inputs": { "a": 1 } }), "`inputs.a`: expected a list of values"),
            (json!({ "inputs": { "a": [1, 2], "b": ["x"] } }), "`b`: expected 2 values, found 1"),
        ] {
            let said = batch(&table(), &body).unwrap_err();
            assert!(said.contains(says), "{body}: {said}");
        }
    }

    #[test]
    fn rows_without_names_have_no_order_where_another_schema_reads_them() {
        let read = |body: Value| {
            let mut rows = RowsRequest::from_json(body.to_string().as_bytes(), Members::Any).unwrap().rows;
            rows.keep_only(&[table().remove(0), table().remove(1)]);
            rows.in_order(&table()[..2], &Detail::default(), &mut Interrupt::never()).unwrap()
        };
        assert!(read(json!({ "instances": [[1, "x"]] })).is_err());
        let split = json!({ "dataframe_split": { "columns": ["c", "b", "a"], "data": [[[1, 2], "x", 1]] } });
        let named = json!({ "inputs": { "a": [1], "b": ["x"], "c": [[1, 2]] } });
        assert_eq!(read(split).unwrap(), read(named).unwrap());
    }
}
