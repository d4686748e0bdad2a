mod bytes;

use super::*;
use crate::answer::{Answer, Remarks};
use proptest::prelude::*;
use scry_card::{Batch, Card, Checks, Column, Datatype, Echo, Element, Field, Schema, Tensor, Text, Values};
use scry_names::Digest;
use serde_json::{Value, json};
use std::sync::Arc;

fn read(json: &str) -> Result<InferRequest, ProtocolError> {
    InferRequest::from_json(json.as_bytes())
}

/// A list as it is read element by element.
pub(super) fn slowly(datatype: Datatype, shape: &[u64], list: &str) -> Result<Column, String> {
    tensor::elements(datatype, shape, list, &Interrupt::never()).map_err(|stop| format!("{stop:?}"))
}

/// The only tensor of a request, or what is wrong with it or the request.
fn only(json: &str) -> Result<Tensor, String> {
    let mut request = read(json).map_err(|error| error.to_string())?;
    match request.misread.pop() {
        Some(misread) => Err(misread.told(Echo::default()).to_string()),
        None => Ok(request.inputs.remove(0).tensor),
    }
}

/// A tensor whose data comes after what says how to read it, and before: read in one pass, and
/// element by element.
fn one(datatype: &str, shape: &str, data: &str) -> Result<Tensor, String> {
    let say = format!(r#""name":"x","shape":{shape},"datatype":"{datatype}""#);
    let after = only(&format!(r#"{{"inputs":[{{{say},"data":{data}}}]}}"#));
    let before = only(&format!(r#"{{"inputs":[{{"data":{data},{say}}}]}}"#));
    // Where the text is no JSON, they are at different columns of it.
    let told = |error: &String| if error.contains(" (line ") { "no JSON".to_owned() } else { error.clone() };
    assert_eq!(
        after.as_ref().map(shown).map_err(told),
        before.as_ref().map(shown).map_err(told),
        "{datatype} {shape} {data}"
    );
    after
}

/// With the signs of zeros.
fn shown(tensor: &Tensor) -> String {
    format!("{tensor:?}")
}

#[test]
fn flat_or_nested_in_any_order_of_members() {
    let flat = one("FP32", "[2,2]", "[1,2,3.5,-4]").unwrap();
    assert_eq!(flat.values, Values::Fp32(vec![1.0, 2.0, 3.5, -4.0]));
    assert_eq!(one("FP32", "[2,2]", "[[1,2],[3.5,-4]]").unwrap(), flat);
    let late = r#"{"id":"7","model_name":"m","inputs":[{"data":[[1,2],[3.5,-4]],"parameters":{},"datatype":"FP32","shape":[2,2],"name":"x"}],"parameters":{"timeout":1500},"outputs":[{"name":"y"}]}"#;
    let late = read(late).unwrap();
    assert_eq!((&late.inputs[0].tensor, late.id.as_deref(), late.timeout_us), (&flat, Some("7"), Some(1500)));
    assert!(late.outputs.forms.keys().eq(["y"]));
}

#[test]
fn data_is_nested_as_its_shape_says_or_not_at_all() {
    let digits = |shape: [usize; 3]| {
        let element = |at: usize| json!(at);
        let [a, b, c] = shape;
        let list = |i, j| Value::from((0..c).map(|k| element((i * b + j) * c + k)).collect::<Vec<_>>());
        let lists = |i| Value::from((0..b).map(|j| list(i, j)).collect::<Vec<_>>());
        Value::from((0..a).map(lists).collect::<Vec<_>>()).to_string()
    };
    for datatype in ["FP32", "INT16"] {
        let read = |data: &str| one(datatype, "[2,8,8]", data);
        let flat = (0..128).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(read(&digits([2, 8, 8])), read(&format!("[{flat}]")));
        // The rows of a client that puts them last would be others' numbers.
        assert_eq!(
            read(&digits([8, 8, 2])).unwrap_err(),
            "field `x`, row 0: expected data nested as shape [2, 8, 8], found a list of 2 in the place of 8"
        );
    }
    for (shape, data, says) in [
        (
            "[2,2]",
            "[[1,2],3,4]",
            "row 1: expected data nested as shape [2, 2], found an element in the place of a list of 2",
        ),
        (
            "[2,2]",
            "[1,2,[3,4]]",
            "row 1: expected data nested as shape [2, 2], found a list in the place of an element",
        ),
        (
            "[2,2]",
            "[[1,2,3],[4]]",
            "row 0: expected data nested as shape [2, 2], found a list of more in the place of 2",
        ),
        ("[2,2]", "[[1,2],[3]]", "row 1: expected data nested as shape [2, 2], found a list of 1 in the place of 2"),
        ("[2,2]", "[[1,2]]", "row 0: expected data nested as shape [2, 2], found a list of 1 in the place of 2"),
        (
            "[2,2]",
            "[[[1,2],[3,4]]]",
            "row 0: expected data nested as shape [2, 2], found a list in the place of an element",
        ),
        (
            "[4]",
            "[[1],[2],[3],[4]]",
            "row 0: expected data nested as shape [4], found a list in the place of an element",
        ),
        (
            "[2,1,2]",
            "[[1,2],[3,4]]",
            "row 0: expected data nested as shape [2, 1, 2], found an element in the place of a list of 2",
        ),
        (
            "[2,1,2]",
            "[[[1,2],[3,4]],[]]",
            "row 0: expected data nested as shape [2, 1, 2], found a list of more in the place of 1",
        ),
        ("[0]", "[[]]", "row 0: expected data nested as shape [0], found a list in the place of an element"),
        ("[2,2]", "[]", "expected 4 elements for shape [2, 2], found 0"),
    ] {
        for datatype in ["FP64", "BYTES"] {
            let data = if datatype == "BYTES" {
                data.chars().map(|c| if c.is_ascii_digit() { format!("\"{c}\"") } else { c.to_string() }).collect()
            } else {
                data.to_owned()
            };
            let error = one(datatype, shape, &data).unwrap_err();
            assert!(error.ends_with(says), "{shape} {data}: {error}");
        }
    }
    for (shape, data) in [("[0]", "[]"), ("[0,3]", "[]"), ("[2,0]", "[[],[]]"), ("[]", "[5]"), ("[1,1,1]", "[[[5]]]")] {
        assert!(one("FP64", shape, data).is_ok(), "{shape} {data}");
    }
}

#[test]
fn minus_zero_is_a_whole_number_and_null_an_element_that_is_missing() {
    assert_eq!(one("INT8", "[2]", "[-0,1]").unwrap().values, Values::Int8(vec![0, 1]));
    assert_eq!(one("UINT64", "[1]", "[-0]").unwrap().values, Values::Uint64(vec![0]));
    let zeros = one("FP64", "[3]", "[-0,-0.0,0]").unwrap();
    let Values::Fp64(zeros) = zeros.values else { panic!("numbers") };
    assert_eq!(zeros.iter().map(|zero| zero.is_sign_negative()).collect::<Vec<_>>(), [false, true, false]);
    assert!(one("INT8", "[1]", "[-0.0]").unwrap_err().ends_with("expected an INT8 value, found -0.0"));

    let tensor = one("INT64", "[3]", "[null,5,null]").unwrap();
    assert_eq!(tensor.validity, Some(vec![false, true, false]));
    assert_eq!(tensor.values, Values::Int64(vec![0, 5, 0]));
}

#[test]
fn a_member_that_is_null_is_not_there() {
    let x = r#"{"name":"x","shape":[1],"datatype":"FP64","data":[1],"parameters":null}"#;
    let request = read(&format!(r#"{{"id":null,"parameters":null,"outputs":null,"inputs":[{x}]}}"#)).unwrap();
    assert_eq!((request.id, request.outputs.forms.len(), request.inputs.len()), (None, 0, 1));
    let request =
        read(&format!(r#"{{"parameters":{{"timeout":null,"key":null,"invalid_rows":null}},"inputs":[{x}]}}"#));
    let InferRequest { timeout_us, key, invalid_rows, .. } = request.unwrap();
    assert_eq!((timeout_us, key, invalid_rows), (None, None, InvalidRows::RefuseRequest));
}

#[test]
fn every_refusal_names_field_expected_and_found() {
    for (datatype, shape, data, says) in [
        ("INT8", "[2]", "[1,300]", "field `x`, row 1: expected an INT8 value, found 300"),
        ("INT8", "[2,2]", "[1,2,300,4]", "field `x`, row 1, element 0: expected an INT8 value, found 300"),
        ("INT32", "[1]", "[1.5]", "field `x`, row 0: expected an INT32 value, found 1.5"),
        ("INT32", "[1]", "[1.0]", "field `x`, row 0: expected an INT32 value, found 1.0"),
        ("INT32", "[1]", "[1e0]", "field `x`, row 0: expected an INT32 value, found 1e0"),
        ("UINT8", "[1]", "[-1]", "field `x`, row 0: expected a UINT8 value, found -1"),
        (
            "INT64",
            "[1]",
            "[9223372036854775808]",
            "field `x`, row 0: expected an INT64 value, found 9223372036854775808",
        ),
        ("BOOL", "[1]", "[1]", "field `x`, row 0: expected a BOOL value, found 1"),
        ("FP64", "[1]", "[\"a\"]", "field `x`, row 0: expected an FP64 value, found \"a\""),
        ("FP64", "[1]", "[{}]", "field `x`, row 0: expected an FP64 value, found an object"),
        ("FP64", "[1]", "[1e400]", "field `x`, row 0: expected an FP64 value, found 1e400"),
        ("FP32", "[1]", "[1e300]", "field `x`, row 0: expected an FP32 value, found 1e300"),
        ("BYTES", "[1]", "[3]", "field `x`, row 0: expected a BYTES value, found 3"),
        ("FP32", "[3]", "[1,2]", "field `x`: expected 3 elements for shape [3], found 2"),
        (
            "FP32",
            "[4294967296,4294967296,16]",
            "[1]",
            "field `x`: expected a shape that can be counted, found [4294967296, 4294967296, 16]",
        ),
        ("FP32", "[1]", "1", "field `x`: expected a list of elements as `data`, found 1"),
        ("FP32", "[1]", "{}", "field `x`: expected a list of elements as `data`, found an object"),
        (
            "FP16",
            "[1]",
            "[1]",
            "field `x`: expected a datatype of BOOL, INT8-64, UINT8-64, FP32, FP64, BYTES, found FP16",
        ),
        ("FP32", "[-1]", "[1]", "the request is not V2 JSON: `inputs[0].shape[0]`: expected a whole number, found -1"),
        ("FP32", "{}", "[1]", "the request is not V2 JSON: `inputs[0].shape`: expected a list, found an object"),
        (
            "FP32",
            "[1]",
            "null",
            "the request is not V2 JSON: `inputs[0].data`: expected a list of elements, found nothing",
        ),
    ] {
        assert_eq!(one(datatype, shape, data).unwrap_err(), says, "{datatype} {shape} {data}");
    }
}

#[test]
fn what_no_model_has_so_many_of_is_refused_when_it_is_read() {
    let lists = |outputs: usize, inputs: usize| {
        let x = r#"{"name":"x","shape":[0],"datatype":"FP64","data":[]}"#;
        let (outputs, inputs) = (vec![r#"{"name":"y"}"#; outputs].join(","), vec![x; inputs].join(","));
        read(&format!(r#"{{"outputs":[{outputs}],"inputs":[{inputs}]}}"#)).map_err(|error| error.to_string())
    };
    let request = lists(4_096, 4_096).unwrap();
    assert_eq!((request.outputs.forms.len(), request.inputs.len()), (1, 4_096));
    let told =
        |list, what| format!("the request is not V2 JSON: `{list}[4096]`: expected at most 4096 {what}, found more");
    assert_eq!(lists(100_000, 1).unwrap_err(), told("outputs", "outputs"));
    assert_eq!(lists(1, 100_000).unwrap_err(), told("inputs", "tensors"));
}

#[test]
fn every_tensor_that_does_not_read_is_told() {
    let body = r#"{"inputs":[{"name":"a","shape":[1],"datatype":"INT8","data":[300]},
        {"name":"b","shape":[1],"datatype":"FP64","data":[1]},
        {"name":"c","shape":[2,1],"datatype":"FP64","data":[[1]]}]}"#;
    let mut request = read(body).unwrap();
    assert_eq!(request.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(request.misread.iter().map(|misread| misread.field()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(request.take_sent(), None);
    let sent = sent_tensors(body.as_bytes());
    assert_eq!(sent.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let long = format!("{body}{}", " ".repeat(1 << 16));
    assert_eq!(read(&long).unwrap().take_sent(), Some(sent));
}

/// As RFC 6901 has it: what serde_json finds there is the element that was meant.
#[test]
fn a_pointer_points_at_the_element_as_it_was_sent() {
    let elements: Vec<_> = (0..12).collect();
    let nested = json!([[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]]);
    for (data, shape) in [
        (json!(elements), json!([2, 3, 2])),
        (nested, json!([2, 3, 2])),
        (json!(elements), json!([12])),
        (json!([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]), json!([1, 12])),
        (json!(elements), json!([12, 1])),
    ] {
        let body = json!({ "inputs": [{ "name": "x", "datatype": "FP64", "shape": shape, "data": data }] });
        let sent = sent_tensors(body.to_string().as_bytes());
        let per_row = 12 / shape[0].as_u64().unwrap() as usize;
        for at in 0..12 {
            let element = (shape.as_array().unwrap().len() > 1).then_some(at % per_row);
            let pointer = format!("/inputs/0{}", sent[0].pointer(at / per_row, element));
            assert_eq!(body.pointer(&pointer), Some(&json!(at)), "{pointer}");
        }
        let row = body.pointer(&format!("/inputs/0{}", sent[0].pointer(0, None))).unwrap();
        assert!(*row == json!(0) || row == &data[0], "{row}");
    }
}

/// What `data` should become by its text, read with serde_json alone: the elements in their order.
fn expected(data: &Value, shape: &[u64]) -> Option<Vec<Value>> {
    fn nested(value: &Value, shape: &[u64], all: &mut Vec<Value>) -> Option<()> {
        match (value, shape.split_first()) {
            (Value::Array(list), Some((&dimension, inner))) if list.len() as u64 == dimension => {
                list.iter().try_for_each(|value| nested(value, inner, all))
            }
            (Value::Array(_) | Value::Object(_), None) | (_, Some(_)) => None,
            (element, None) => {
                all.push(element.clone());
                Some(())
            }
        }
    }
    let list = data.as_array()?;
    let count = shape.iter().product::<u64>();
    if list.iter().all(|value| !value.is_array() && !value.is_object()) && list.len() as u64 == count {
        return Some(list.clone());
    }
    let mut all = Vec::new();
    nested(data, shape, &mut all).map(|()| all)
}

/// An element as a column of a type holds it, as text; none where it cannot.
fn held(value: &Value, datatype: Datatype) -> Option<String> {
    match (value, datatype) {
        (Value::Null, _) => Some("null".into()),
        (Value::Number(number), Datatype::Fp64) => number.as_f64().map(|real| format!("{real:?}")),
        (Value::Number(number), Datatype::Int8) => {
            number.as_i64().and_then(|whole| i8::try_from(whole).ok()).map(|whole| whole.to_string())
        }
        (Value::String(text), Datatype::Bytes) => Some(text.clone()),
        (Value::Bool(value), Datatype::Bool) => Some(value.to_string()),
        _ => None,
    }
}

fn held_by(tensor: &Tensor) -> Vec<String> {
    let shown = |at: usize| match &tensor.values {
        _ if !tensor.is_valid(at) => "null".into(),
        Values::Fp64(list) => format!("{:?}", list[at]),
        Values::Int8(list) => list[at].to_string(),
        Values::Bool(list) => list[at].to_string(),
        Values::Bytes(text) => text.get(at).unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    (0..tensor.values.len()).map(shown).collect()
}

/// Lists of lists, mostly as a small shape says.
fn data(shape: Vec<u64>) -> BoxedStrategy<String> {
    let element = prop_oneof![
        8 => (-200..200_i32).prop_map(|n| n.to_string()),
        2 => (-300..300_i32).prop_map(|n| format!("{:?}", f64::from(n) / 8.0)),
        1 => prop::sample::select(vec!["null", "true", "\"a\\ud83d\\ude00\"", "\"\\u0000\"", "1e3", "1e-400", "{}", "[]", "[1]", "18446744073709551616"])
            .prop_map(str::to_owned),
    ];
    let odd = "\\[?[0-9,\\[\\] ]{0,9}\\]";
    match shape.split_first() {
        None => element.boxed(),
        Some((&dimension, inner)) => {
            let (inner, dimension) = (inner.to_vec(), usize::try_from(dimension).unwrap());
            let joined = |list: Vec<String>| format!("[{}]", list.join(", "));
            prop_oneof![
                12 => prop::collection::vec(data(inner.clone()), dimension).prop_map(joined),
                1 => prop::collection::vec(data(inner), 0..4).prop_map(joined),
                1 => odd.prop_map(|odd| odd),
            ]
            .boxed()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever the order of members, one pass or element by element: what serde_json and the shape say.
    #[test]
    fn data_becomes_what_its_text_and_its_shape_say(
        (shape, text) in prop::collection::vec(0..4_u64, 0..4).prop_flat_map(|shape| (Just(shape.clone()), prop_oneof![3 => data(shape.clone()), 1 => data(vec![shape.iter().product()])])),
        kind in prop::sample::select(vec![Datatype::Fp64, Datatype::Int8, Datatype::Bytes, Datatype::Bool]),
    ) {
        prop_assume!(!text.contains("-0"));
        let written = serde_json::from_str::<Value>(&text).ok();
        let wanted = written.as_ref().and_then(|data| expected(data, &shape));
        let wanted = wanted.and_then(|all| all.iter().map(|value| held(value, kind)).collect::<Option<Vec<_>>>());
        let read = one(kind.name(), &format!("{shape:?}"), &text);
        prop_assert_eq!(read.ok().map(|tensor| held_by(&tensor)), wanted, "{:?} {:?} {}", kind, shape, text);
    }
}

pub(crate) fn values() -> impl Strategy<Value = Values> {
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

/// An answer with one output.
pub(crate) fn answer_of(tensor: Tensor, nullable: bool) -> Answer {
    let field = Field {
        name: "x".into(),
        description: String::new(),
        datatype: tensor.values.datatype(),
        shape: tensor.shape[1..].to_vec(),
        nullable,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    };
    let card = Card {
        card_version: 1,
        name: "m".into(),
        description: String::new(),
        owner: None,
        license: None,
        crate_version: None,
        data_from: None,
        data_until: None,
        trained_at: None,
        max_age: None,
        labels: std::collections::BTreeMap::new(),
        runtime: None,
        checks: Checks::default(),
        schema: Schema { inputs: vec![field.clone()], features: vec![field.clone()], outputs: vec![field] },
    };
    let rows = usize::try_from(tensor.shape[0]).unwrap();
    Answer {
        card: Arc::new(card),
        outputs: Batch { rows, columns: vec![tensor] },
        model: "m".into(),
        version: "3".into(),
        digest: Some(Digest::of(b"m").to_string().into()),
        degraded: Some("trap"),
        remarks: Remarks::default(),
    }
}

proptest! {
    /// What an answer writes, a request reads: every type, every value, nulls.
    #[test]
    fn json_round_trips(values in values(), nulls in prop::option::of(any::<u64>()), id in any::<String>()) {
        let validity = nulls.map(|bits| (0..values.len()).map(|i| bits >> (i % 64) & 1 == 1).collect::<Vec<_>>());
        let validity = validity.filter(|flags| flags.contains(&false));
        let tensor = Tensor { shape: vec![values.len() as u64], values, validity };
        let answer = answer_of(tensor.clone(), true);
        let json = InferResponse { model_name: "m", id: Some(&id), answer: &answer, outputs: &Outputs::default() };
        let Written { bytes: json, json_bytes } = json.write(&mut Interrupt::never()).unwrap();
        prop_assert_eq!(json_bytes, None);
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
