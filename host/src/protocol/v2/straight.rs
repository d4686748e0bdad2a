//! The usual request, read in one pass: where a tensor says what it is before
//! its `data`, plain numbers go straight into a column.
//!
//! Never says what is wrong with a request: whatever is unusual in it, and
//! whatever is no request, leaves the whole of it to the JSON reader, which
//! reads the same, only later.

use super::{RawRequest, RawTensor, capacity, datatype, plain};
use scry_card::element_count;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The request, where all of it is as usual.
pub(super) fn request(body: &[u8]) -> Option<RawRequest<'_>> {
    let mut walker = Walker { rest: body };
    let (mut id, mut parameters, mut inputs, mut outputs) = (None, None, None, None);
    walker.object(|walker, member| match member {
        "id" => once(&mut id, walker.value()?),
        "parameters" => once(&mut parameters, walker.value()?),
        "inputs" => once(&mut inputs, walker.tensors()?),
        "outputs" => once(&mut outputs, walker.value()?),
        _ => walker.value::<IgnoredAny>().map(drop),
    })?;
    let (parameters, outputs) = (parameters.unwrap_or_default(), outputs.unwrap_or_default());
    walker.is_at_end().then_some(RawRequest { id, parameters, inputs: inputs?, outputs })
}

/// A member that comes twice is not as usual.
fn once<T>(member: &mut Option<T>, value: T) -> Option<()> {
    member.replace(value).is_none().then_some(())
}

struct Walker<'a> {
    rest: &'a [u8],
}

impl<'a> Walker<'a> {
    fn tensors(&mut self) -> Option<Vec<RawTensor<'a>>> {
        let mut tensors = Vec::new();
        self.take(b'[')?;
        if self.comes(b']') {
            return Some(tensors);
        }
        loop {
            tensors.push(self.tensor()?);
            if self.comes(b']') {
                return Some(tensors);
            }
            self.take(b',')?;
        }
    }

    fn tensor(&mut self) -> Option<RawTensor<'a>> {
        let mut tensor = RawTensor { name: None, shape: None, datatype: None, data: None, column: None };
        self.object(|walker, member| match member {
            "name" => once(&mut tensor.name, walker.value()?),
            "shape" => once(&mut tensor.shape, walker.value()?),
            "datatype" => once(&mut tensor.datatype, walker.value()?),
            "data" if tensor.data.is_some() || tensor.column.is_some() => None,
            "data" => match walker.column(&tensor) {
                Some(column) => once(&mut tensor.column, column),
                None => once(&mut tensor.data, walker.value::<Option<_>>()??),
            },
            _ => walker.value::<IgnoredAny>().map(drop),
        })?;
        Some(tensor)
    }

    fn column(&mut self, tensor: &RawTensor<'_>) -> Option<scry_card::Column> {
        let datatype = datatype(tensor.datatype.as_deref()?)?;
        let expected = tensor.shape.as_deref().and_then(element_count);
        self.space();
        let (column, rest) = plain::column(datatype, self.rest, capacity(expected))?;
        self.rest = rest;
        Some(column)
    }

    /// The members of an object, each given to whoever knows it by its name.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.comes(b'}') {
            return Some(());
        }
        loop {
            let name: &'a str = self.value()?;
            self.take(b':')?;
            member(self, name)?;
            if self.comes(b'}') {
                return Some(());
            }
            self.take(b',')?;
        }
    }

    /// A value as the JSON reader reads it.
    fn value<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_slice(self.rest).into_iter();
        let value = values.next()?.ok()?;
        self.rest = self.rest.get(values.byte_offset()..)?;
        Some(value)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.comes(byte).then_some(())
    }

    /// Whether this comes next; it is taken then.
    fn comes(&mut self, byte: u8) -> bool {
        self.space();
        let after = self.rest.strip_prefix(&[byte]);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn is_at_end(&mut self) -> bool {
        self.space();
        self.rest.is_empty()
    }

    fn space(&mut self) {
        self.rest = plain::space(self.rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use scry_card::NamedTensor;

    fn read(raw: RawRequest<'_>) -> String {
        let inputs: Vec<_> =
            raw.inputs.into_iter().map(|input| input.read().map_err(|error| error.to_string())).collect();
        let outputs: Vec<_> = raw.outputs.iter().map(|output| &output.name).collect();
        format!("{:?} {:?} {inputs:?} {outputs:?}", raw.id, raw.parameters)
    }

    fn slowly(body: &str) -> Result<String, String> {
        serde_json::from_str(body).map(read).map_err(|error| error.to_string())
    }

    fn columns(body: &str) -> usize {
        request(body.as_bytes()).map_or(0, |raw| raw.inputs.iter().filter(|input| input.column.is_some()).count())
    }

    #[test]
    fn the_usual_request_is_read_in_one_pass() {
        let x = r#"{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2.5],[-3e1,4]]}"#;
        let y =
            r#" { "datatype" : "INT64", "parameters": {"a": [1]}, "data" : [ 7 ], "shape" : [ 1 ], "name" : "y" } "#;
        let late = r#"{"data":[7],"datatype":"INT8","shape":[1],"name":"z"}"#;
        let text = r#"{"name":"t","shape":[1],"datatype":"BYTES","data":["a]\u0061\"}"]}"#;
        for (body, expected) in [
            (format!(r#"{{"inputs":[{x}]}}"#), 1),
            (
                format!(
                    r#" {{ "model_name" : null, "inputs" : [{x},{y}, {text}] , "id":"7","outputs":[{{"name":"y"}}]}} "#
                ),
                2,
            ),
            (format!(r#"{{"parameters":{{"timeout":3}},"inputs":[{late},{text}]}}"#), 0),
            (r#"{"inputs":[]}"#.to_owned(), 0),
        ] {
            let raw = request(body.as_bytes()).unwrap();
            assert_eq!(Ok(read(raw)), slowly(&body));
            assert_eq!(columns(&body), expected, "{body}");
        }
        let NamedTensor { name, tensor } =
            request(format!(r#"{{"inputs":[{x}]}}"#).as_bytes()).unwrap().inputs.remove(0).read().unwrap();
        assert_eq!(
            (name.as_str(), tensor.shape, tensor.values),
            ("x", vec![2, 2], scry_card::Values::Fp32(vec![1.0, 2.5, -30.0, 4.0]))
        );
    }

    /// Pieces of requests, right and wrong.
    fn pieces() -> impl Strategy<Value = String> {
        let data = prop_oneof![
            4 => "\\[(-?[0-9]{1,2}(\\.[0-9]{1,2})?(, ?-?[0-9]{1,2}){0,3})?\\]",
            1 => "\\[[0-9,\\[\\]. ]{0,6}\\]",
            1 => Just("[null, 1]".to_owned()),
            1 => Just("[\"a\", \"]\"]".to_owned()),
        ];
        let member = prop_oneof![
            Just("\"name\":\"x\"".to_owned()),
            Just("\"n\\u0061me\":\"x\"".to_owned()),
            Just("\"shape\": [2]".to_owned()),
            Just("\"shape\":[1, 1]".to_owned()),
            prop::sample::select(vec!["FP32", "INT8", "BYTES", "FP16"])
                .prop_map(|kind| format!("\"datatype\":\"{kind}\"")),
            data.clone().prop_map(|data| format!("\"data\":{data}")),
            data.prop_map(|data| format!("\"data\" : {data} ")),
            Just("\"parameters\":{\"a\":[{}]}".to_owned()),
            Just("\"data\":null".to_owned()),
        ];
        let usual = ("[FI]", "\\[(-?[0-9]{1,3}(, ?-?[0-9]{1,2}){0,3})?\\]", 0..5u64).prop_map(|(kind, data, count)| {
            let kind = if kind == "F" { "FP32" } else { "INT8" };
            format!("\"name\":\"x\",\"shape\":[{count}],\"datatype\":\"{kind}\",\"data\":{data}")
        });
        let tensor = prop_oneof![usual, prop::collection::vec(member, 0..6).prop_map(|members| members.join(","))];
        let tensor = tensor.prop_map(|members| format!("{{{members}}}"));
        let inputs =
            prop::collection::vec(tensor, 0..4).prop_map(|tensors| format!("\"inputs\":[{}]", tensors.join(",")));
        let other = prop_oneof![
            Just("\"id\":\"7\"".to_owned()),
            Just("\"id\":null".to_owned()),
            Just("\"parameters\":{\"timeout\":1}".to_owned()),
            Just("\"outputs\":[{\"name\":\"y\"}]".to_owned()),
            Just("\"more\":[1,{}]".to_owned()),
        ];
        (prop::collection::vec(other, 0..3), inputs, "[ ,}]?").prop_map(|(mut members, inputs, end)| {
            members.push(inputs);
            members.reverse();
            format!("{{{}}}{end}", members.join(", "))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_is_read_in_one_pass_is_what_the_json_reader_gives(body in pieces()) {
            if let Some(raw) = request(body.as_bytes()) {
                prop_assert_eq!(Ok(read(raw)), slowly(&body), "{}", body);
            }
        }

        #[test]
        fn nothing_panics_and_what_is_no_json_is_not_read(body in pieces(), cut in any::<prop::sample::Index>(), with in any::<u8>()) {
            let mut bytes = body.into_bytes();
            let at = cut.index(bytes.len());
            bytes[at] = with;
            if let Some(raw) = request(&bytes) {
                let slow = serde_json::from_slice(&bytes).map(read).map_err(|error| error.to_string());
                prop_assert_eq!(Ok(read(raw)), slow);
            }
        }
    }
}
