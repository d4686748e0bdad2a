use super::*;
use crate::serving::{Answer, Remarks};
use crate::store::Digest;
use proptest::prelude::*;
use scry_card::{Batch, Card, Checks, Element, Field, Schema, Text, Values};
use serde_json::json;
use std::sync::Arc;

fn read(json: &str) -> Result<InferRequest, ProtocolError> {
    InferRequest::from_json(json.as_bytes())
}

/// A list as the JSON reader reads it.
pub(super) fn slowly(datatype: Datatype, list: &str) -> Result<Column, String> {
    let seed = ElementsSeed { datatype, capacity: 0 };
    let read = seed.deserialize(&mut serde_json::Deserializer::from_str(list)).map_err(|e| e.to_string())?;
    read.map_err(|(_, found)| found)
}

fn one(datatype: &str, shape: &str, data: &str) -> Result<Tensor, String> {
    let json = format!(r#"{{"inputs":[{{"name":"x","shape":{shape},"datatype":"{datatype}","data":{data}}}]}}"#);
    read(&json).map(|mut request| request.inputs.remove(0).tensor).map_err(|e| e.to_string())
}

#[test]
fn flat_or_nested_in_any_order_of_members() {
    let flat = one("FP32", "[2,2]", "[1,2,3.5,-4]").unwrap();
    assert_eq!(flat.values, Values::Fp32(vec![1.0, 2.0, 3.5, -4.0]));
    assert_eq!(one("FP32", "[2,2]", "[[1,2],[3.5,-4]]").unwrap(), flat);
    let late = r#"{"id":"7","model_name":"m","inputs":[{"data":[[1,2],[3.5,-4]],"parameters":{},"datatype":"FP32","shape":[2,2],"name":"x"}],"parameters":{"timeout":1500},"outputs":[{"name":"y"}]}"#;
    let late = read(late).unwrap();
    assert_eq!((&late.inputs[0].tensor, late.id.as_deref(), late.timeout_us), (&flat, Some("7"), Some(1500)));
    assert_eq!(late.outputs, ["y"]);
}

#[test]
fn a_member_that_comes_twice_is_refused() {
    let twice = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1],"data":[2]}]}"#;
    assert!(read(twice).unwrap_err().to_string().contains("duplicate field `data`"));
}

#[test]
fn null_is_a_missing_element() {
    let tensor = one("INT64", "[3]", "[null,5,null]").unwrap();
    assert_eq!(tensor.validity, Some(vec![false, true, false]));
    assert_eq!(tensor.values, Values::Int64(vec![0, 5, 0]));
}

#[test]
fn every_refusal_names_field_expected_and_found() {
    for (datatype, shape, data, says) in [
        ("INT8", "[2]", "[1,300]", "field `x`, row 1: expected a INT8 value, found 300"),
        ("INT32", "[1]", "[1.5]", "field `x`, row 0: expected a INT32 value, found 1.5"),
        ("UINT8", "[1]", "[-1]", "found -1"),
        ("BOOL", "[1]", "[1]", "expected a BOOL value, found 1"),
        ("FP64", "[1]", "[\"a\"]", "expected a FP64 value, found \"a\""),
        ("FP64", "[1]", "[{}]", "found an object"),
        ("FP32", "[1]", "[1e300]", "found 1e300"),
        ("BYTES", "[1]", "[3]", "expected a BYTES value, found 3"),
        ("FP32", "[3]", "[1,2]", "expected 3 elements for shape [3], found 2"),
        ("FP32", "[4294967296,4294967296,16]", "[1]", "expected a shape that can be counted"),
        ("FP32", "[1]", "1", "field `x`: expected a list of elements as `data`, found a number"),
        ("FP32", "[1]", "{}", "expected a list of elements as `data`, found an object"),
        ("FP16", "[1]", "[1]", "expected a datatype of BOOL, INT8-64, UINT8-64, FP32, FP64, BYTES, found FP16"),
    ] {
        let error = one(datatype, shape, data)
            .unwrap_err()
            .replace("1e+300", "1e300")
            .replace("found 1000000000000", "found 1e300");
        assert!(error.contains(says), "{datatype} {shape} {data}: {error}");
    }
    assert!(one("FP32", "[-1]", "[1]").is_err());
    assert!(read("{").is_err() && read("[]").is_err() && read("{\"inputs\":3}").is_err());
    assert!(
        read(r#"{"inputs":[{"name":"x","shape":[1],"data":[1]}]}"#)
            .unwrap_err()
            .to_string()
            .contains("`x` has no `datatype`")
    );
}

fn values() -> impl Strategy<Value = Values> {
    fn list<T: Element + std::fmt::Debug>(element: impl Strategy<Value = T>) -> impl Strategy<Value = Values> {
        prop::collection::vec(element, 1..20).prop_map(T::wrap)
    }
    prop_oneof![
        list(any::<bool>()),
        list(any::<i8>()),
        list(any::<i16>()),
        list(any::<i32>()),
        list(any::<i64>()),
        list(any::<u8>()),
        list(any::<u16>()),
        list(any::<u32>()),
        list(any::<u64>()),
        list(prop::num::f32::NORMAL | prop::num::f32::ZERO | prop::num::f32::SUBNORMAL),
        list(prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL),
        prop::collection::vec(any::<String>(), 1..20).prop_map(|strings| {
            let mut text = Text::default();
            strings.iter().for_each(|string| text.push(string).unwrap());
            Values::Bytes(text)
        }),
    ]
}

proptest! {
    /// What an answer writes, a request reads: every type, every value, nulls.
    #[test]
    fn json_round_trips(values in values(), nulls in prop::option::of(any::<u64>()), id in any::<String>()) {
        let validity = nulls.map(|bits| (0..values.len()).map(|i| bits >> (i % 64) & 1 == 1).collect::<Vec<_>>());
        let validity = validity.filter(|flags| flags.contains(&false));
        let tensor = Tensor { shape: vec![values.len() as u64], values, validity };
        let field = Field {
            name: "x".into(), description: String::new(), datatype: tensor.values.datatype(), shape: vec![],
            nullable: true, unit: None, minimum: None, maximum: None, categories: vec![],
        };
        let card = Card {
            card_version: 1, name: "m".into(), description: String::new(), owner: None, licence: None,
            crate_version: None, data_from: None, data_until: None, trained_at: None, max_age: None, checks: Checks::default(),
            schema: Schema { inputs: vec![field.clone()], features: vec![field.clone()], outputs: vec![field] },
        };
        let answer = Answer {
            card: Arc::new(card), outputs: Batch { rows: tensor.values.len(), columns: vec![tensor.clone()] },
            model: "m".into(), version: "3".into(), digest: Some(Digest::of(b"m").to_string().into()), degraded: Some("trap"),
            remarks: Remarks::default(),
        };
        let json = InferResponse { model_name: "m", id: Some(&id), answer: &answer, outputs: &[] }.to_json().unwrap();
        let value: Value = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(&value["id"], &id);
        prop_assert_eq!(&value["parameters"]["scry-degraded"], "trap");
        prop_assert_eq!(&value["model_version"], "3");
        let request = serde_json::to_string(&json!({ "inputs": value["outputs"] })).unwrap();
        // The answer's own text, not one re-printed: numbers must survive as written.
        let text = String::from_utf8(json).unwrap();
        let start = text.find("\"outputs\":").unwrap() + "\"outputs\":".len();
        let request_raw = format!("{{\"inputs\":{}", &text[start..]);
        prop_assert!(read(&request).is_ok());
        let back = read(&request_raw).unwrap();
        // A missing element's own value means nothing.
        prop_assert_eq!(&back.inputs[0].tensor.validity, &tensor.validity);
        for i in (0..tensor.values.len()).filter(|&i| tensor.is_valid(i)) {
            scry_card::for_each_values!(&tensor.values, list => {
                let mut all = Vec::new();
                if let Some(same) = unwrap_like(list, &back.inputs[0].tensor.values) { all = same; }
                prop_assert_eq!(all.get(i), list.get(i));
            }, text => {
                let Values::Bytes(same) = &back.inputs[0].tensor.values else { panic!("bytes") };
                prop_assert_eq!(same.get(i), text.get(i));
            });
        }
    }

    /// Any bytes at all: an error, never a panic.
    #[test]
    fn any_bytes_are_refused_or_read(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = InferRequest::from_json(&body);
    }
}

fn unwrap_like<T: Element>(_like: &[T], values: &Values) -> Option<Vec<T>> {
    T::unwrap(values.clone())
}
