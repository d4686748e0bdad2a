//! Tensors as bytes in requests and answers, beside the same in JSON.

use super::{answer_of, values};
use crate::answer::Answer;
use crate::v2::*;
use crate::{Format, Rows};
use proptest::prelude::*;
use scry_card::{Batch, Datatype, Detail, Echo, Field, Tensor, Text, Values};
use serde_json::{Value, json};

/// A request with its JSON and what comes behind it.
fn read(json: &Value, behind: &[u8]) -> Result<InferRequest, String> {
    let json = json.to_string();
    let body = [json.as_bytes(), behind].concat();
    InferRequest::from_binary_until(&body, json.len(), &Interrupt::never()).map_err(|error| error.to_string())
}

fn bytes_of(values: &Values) -> Vec<u8> {
    let mut bytes = Vec::new();
    binary::write(values, &mut bytes, &mut Interrupt::never()).unwrap();
    bytes
}

fn tensor(values: Values) -> Tensor {
    Tensor { shape: vec![values.len() as u64], values, validity: None }
}

fn written(answer: &Answer, outputs: &Outputs) -> Result<Written, String> {
    let response = InferResponse { model_name: "m", id: None, answer, outputs };
    response.write(&mut Interrupt::never()).map_err(|error| error.to_string())
}

/// The JSON of an answer, and the bytes of its outputs.
fn parts(written: &Written) -> (Value, &[u8]) {
    let (json, behind) = written.bytes.split_at(written.json_bytes.unwrap_or(written.bytes.len()));
    (serde_json::from_slice(json).unwrap(), behind)
}

fn as_bytes() -> Outputs {
    Outputs::all_binary()
}

fn classes(count: usize) -> Outputs {
    let form = OutputForm { class_count: count, ..OutputForm::default() };
    Outputs { forms: [("x".to_owned(), form)].into(), is_binary: false }
}

proptest! {
    /// To the bit: what JSON says and what bytes say is the same column, and so is an answer.
    #[test]
    fn json_and_bytes_are_the_same(values in values()) {
        let tensor = tensor(values);
        let answer = answer_of(tensor.clone(), false);
        let in_json = written(&answer, &Outputs::default()).unwrap();
        // The answer's own text: numbers must be read as they were written.
        let text = std::str::from_utf8(&in_json.bytes).unwrap();
        let outputs = &text[text.find("\"outputs\":").unwrap() + "\"outputs\":".len()..];
        let from_json = InferRequest::from_json(format!("{{\"inputs\":{outputs}").as_bytes()).unwrap();

        let in_bytes = written(&answer, &as_bytes()).unwrap();
        let (told, behind) = parts(&in_bytes);
        prop_assert_eq!(&told["outputs"][0]["parameters"]["binary_data_size"], behind.len());
        prop_assert_eq!(&told["outputs"][0]["data"], &Value::Null);
        let from_bytes = read(&json!({ "inputs": told["outputs"] }), behind).unwrap();
        prop_assert_eq!(format!("{:?}", from_json.inputs), format!("{:?}", from_bytes.inputs));
        prop_assert_eq!(format!("{:?}", from_bytes.inputs[0].tensor), format!("{tensor:?}"));
    }

    #[test]
    fn any_bytes_are_refused_or_read(body in prop::collection::vec(any::<u8>(), 0..200), json_bytes in 0..250_usize) {
        let _ = InferRequest::from_binary_until(&body, json_bytes, &Interrupt::never());
    }
}

#[test]
fn bytes_belong_to_tensors_in_their_order_and_json_may_stand_between() {
    let a = json!({ "parameters": { "binary_data_size": 4, "other": [1] }, "name": "a", "shape": [2], "datatype": "INT16" });
    let b = json!({ "name": "b", "shape": [1], "datatype": "FP64", "data": [0.5] });
    let c = json!({ "name": "c", "shape": [1], "datatype": "BYTES", "data": null, "parameters": { "binary_data_size": 6 } });
    let d = json!({ "name": "d", "shape": [0], "datatype": "FP32", "parameters": { "binary_data_size": 0 } });
    let request =
        read(&json!({ "id": "7", "inputs": [a, b, c, d] }), b"\x01\x00\xfe\xff\x02\x00\x00\x00\xc3\xbc").unwrap();
    let all: Vec<_> = request.inputs.iter().map(|input| (input.name.as_str(), input.tensor.values.clone())).collect();
    let text = Values::Bytes(Text::new(vec![2], "ü".into()).unwrap());
    assert_eq!(
        all,
        [("a", Values::Int16(vec![1, -2])), ("b", Values::Fp64(vec![0.5])), ("c", text), ("d", Values::Fp32(vec![]))]
    );
    // All of a body may be JSON.
    assert!(read(&json!({ "inputs": [b] }), b"").is_ok());
}

#[test]
fn what_is_behind_the_json_is_all_claimed_and_all_there() {
    let x = |size: Value| json!({ "name": "x", "shape": [1], "datatype": "INT32", "parameters": { "binary_data_size": size } });
    for (inputs, behind, says) in [
        (json!([x(4.into())]), 5, "the body: expected no bytes behind those of its tensors, found 1"),
        (json!([]), 5, "the body: expected no bytes behind those of its tensors, found 5"),
        (
            json!([x(4.into()), x(4.into())]),
            7,
            "the request is not V2 JSON: `inputs[1].parameters.binary_data_size`: expected no more bytes than are left \
             behind the JSON, found 4 of 3",
        ),
        (
            json!([x((-1).into())]),
            4,
            "the request is not V2 JSON: `inputs[0].parameters.binary_data_size`: expected a number of bytes, found -1",
        ),
        (
            json!([x(1.5.into())]),
            4,
            "the request is not V2 JSON: `inputs[0].parameters.binary_data_size`: expected a number of bytes, found 1.5",
        ),
        (
            json!([{ "name": "x", "shape": [1], "datatype": "INT32" }]),
            0,
            "the request is not V2 JSON: `inputs[0].data`: expected a list of elements, found nothing",
        ),
        (
            json!([{ "name": "x", "shape": [1], "datatype": "INT32", "data": [1], "parameters": { "binary_data_size": 4 } }]),
            4,
            "the request is not V2 JSON: `inputs[0]`: expected `data` or `binary_data_size`, found both",
        ),
    ] {
        assert_eq!(read(&json!({ "inputs": inputs }), &vec![0; behind]).unwrap_err(), says);
    }
    let body = json!({ "inputs": [x(4.into())] }).to_string();
    assert_eq!(
        InferRequest::from_json(body.as_bytes()).unwrap_err().to_string(),
        "the request is not V2 JSON: `inputs[0].parameters.binary_data_size`: expected a request with the header \
         `inference-header-content-length`, found one without"
    );
    let longer = InferRequest::from_binary_until(b"{}", 3, &Interrupt::never()).unwrap_err().to_string();
    assert_eq!(longer, "header `inference-header-content-length`: expected at most the 2 bytes of the body, found 3");
}

#[test]
fn one_tensor_whose_bytes_are_wrong_does_not_keep_the_others_from_being_read() {
    let x = |name: &str, size: usize| json!({ "name": name, "shape": [2], "datatype": "INT32", "parameters": { "binary_data_size": size } });
    let request = read(&json!({ "inputs": [x("a", 8), x("b", 4), x("c", 8)] }), &[1; 20]).unwrap();
    assert_eq!(request.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    let told = request.misread[0].told(Echo::default()).to_string();
    assert_eq!(told, "field `b`: expected 8 bytes for INT32 of shape [2], found 4");
    // A pointer has no part of bytes to point at.
    let sent = sent_tensors(json!({ "inputs": [x("a", 8)] }).to_string().as_bytes());
    assert_eq!((sent[0].pointer(1, None), sent[0].pointer(1, Some(0))), (String::new(), String::new()));
}

#[test]
fn what_would_change_an_answer_is_done_or_refused_by_name() {
    let x = json!({ "name": "x", "shape": [1], "datatype": "FP64", "data": [1] });
    let refused = |parameters: Value| {
        let body = json!({ "parameters": parameters, "inputs": [x] }).to_string();
        InferRequest::from_json(body.as_bytes()).map(drop).map_err(|error| error.to_string())
    };
    for parameters in [
        json!({ "sequence_id": 0, "sequence_start": false, "sequence_end": false, "priority": 3 }),
        json!({ "sequence_id": "", "binary_data_output": true, "content_type": "pd", "headers": {} }),
    ] {
        assert_eq!(refused(parameters), Ok(()));
    }
    for (parameters, says) in [
        (
            json!({ "sequence_id": 5 }),
            "`parameters.sequence_id`: expected no sequence, since each request is answered on its own, found 5",
        ),
        (
            json!({ "sequence_id": "s" }),
            "`parameters.sequence_id`: expected no sequence, since each request is answered on its own, found \"s\"",
        ),
        (
            json!({ "sequence_start": true }),
            "`parameters.sequence_start`: expected no sequence, since each request is answered on its own, found true",
        ),
        (
            json!({ "sequence_end": true }),
            "`parameters.sequence_end`: expected no sequence, since each request is answered on its own, found true",
        ),
        (json!({ "binary_data_output": 1 }), "`parameters.binary_data_output`: expected true or false, found 1"),
    ] {
        assert_eq!(refused(parameters), Err(format!("the request is not V2 JSON: {says}")));
    }
    let shared = "expected the tensor itself, since no memory is shared with clients, found";
    for (inputs, outputs, says) in [
        (
            json!({ "shared_memory_region": "r" }),
            json!({}),
            format!("`inputs[0].parameters.shared_memory_region`: {shared} \"r\""),
        ),
        (
            json!({ "shared_memory_byte_size": 4 }),
            json!({}),
            format!("`inputs[0].parameters.shared_memory_byte_size`: {shared} 4"),
        ),
        (
            json!({ "content_type": "base64" }),
            json!({}),
            "`inputs[0].parameters.content_type`: expected texts as they are, found base64".into(),
        ),
        (
            json!({}),
            json!({ "shared_memory_region": "r" }),
            format!("`outputs[0].parameters.shared_memory_region`: {shared} \"r\""),
        ),
        (
            json!({}),
            json!({ "classification": -1 }),
            "`outputs[0].parameters.classification`: expected a whole number up to 65536, found -1".into(),
        ),
        (
            json!({}),
            json!({ "classification": 65_537 }),
            "`outputs[0].parameters.classification`: expected a whole number up to 65536, found 65537".into(),
        ),
        (
            json!({}),
            json!({ "binary_data": "yes" }),
            "`outputs[0].parameters.binary_data`: expected true or false, found \"yes\"".into(),
        ),
    ] {
        let mut input = x.clone();
        input["parameters"] = inputs;
        let body = json!({ "inputs": [input], "outputs": [{ "name": "y", "parameters": outputs }] }).to_string();
        let error = InferRequest::from_json(body.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, format!("the request is not V2 JSON: {says}"));
    }
    let twice =
        json!({ "inputs": [x], "outputs": [{ "name": "y" }, { "name": "y", "parameters": { "binary_data": true } }] });
    assert_eq!(
        InferRequest::from_json(twice.to_string().as_bytes()).unwrap_err().to_string(),
        "the request is not V2 JSON: `outputs[1]`: expected the output once, found it twice, in two forms"
    );
}

#[test]
fn each_output_comes_as_it_is_asked_for() {
    let x = json!({ "name": "x", "shape": [1], "datatype": "FP64", "data": [1] });
    let outputs = |parameters: Value, own: Value| {
        let body = json!({ "parameters": parameters, "inputs": [x], "outputs": [{ "name": "x", "parameters": own }] });
        InferRequest::from_json(body.to_string().as_bytes()).unwrap().outputs
    };
    let answer = answer_of(tensor(Values::Fp32(vec![0.5])), false);
    for (all, own, is_binary) in [
        (json!({}), json!({}), false),
        (json!({ "binary_data_output": true }), json!({}), true),
        (json!({ "binary_data_output": true }), json!({ "binary_data": false }), false),
        (json!({ "binary_data_output": false }), json!({ "binary_data": true }), true),
    ] {
        let written = written(&answer, &outputs(all, own)).unwrap();
        let (json, behind) = parts(&written);
        let bytes: &[u8] = if is_binary { &[0, 0, 0, 0x3f] } else { &[] };
        assert_eq!((written.json_bytes.is_some(), behind), (is_binary, bytes), "{json}");
        assert_eq!(json["outputs"][0]["data"], if is_binary { Value::Null } else { json!([0.5]) });
    }
    let check = |outputs: Outputs| outputs.check(&answer.card.schema.outputs).map_err(|error| error.to_string());
    assert_eq!(check(outputs(json!({}), json!({ "classification": 1 }))), Ok(()));
    let unknown = Outputs { forms: [("y".to_owned(), OutputForm::default())].into(), is_binary: false };
    assert_eq!(check(unknown).unwrap_err(), "output `y`: expected one of x, found an unknown output");
    let text = answer_of(tensor(Values::Bytes(Text::new(vec![1], "a".into()).unwrap())), false);
    assert_eq!(
        classes(1).check(&text.card.schema.outputs).unwrap_err().to_string(),
        "output `x`: expected numbers for parameter `classification`, found BYTES"
    );
}

#[test]
fn missing_elements_come_as_json_and_numbers_without_json_as_bytes_alone() {
    let gaps = Tensor { validity: Some(vec![true, false]), ..tensor(Values::Int32(vec![1, 0])) };
    let (json, behind) = {
        let written = written(&answer_of(gaps, true), &as_bytes()).unwrap();
        let (json, behind) = parts(&written);
        (json, behind.len())
    };
    assert_eq!((&json["outputs"][0]["data"], behind), (&json!([1, null]), 0));

    for (values, found) in
        [(Values::Fp32(vec![0.0, f32::NAN]), "NaN"), (Values::Fp64(vec![0.0, f64::NEG_INFINITY]), "-inf")]
    {
        let answer = answer_of(tensor(values.clone()), false);
        assert_eq!(
            written(&answer, &Outputs::default()).unwrap_err(),
            format!(
                "the answer is no JSON: output `x`, element 1: expected a finite number, found {found}; an output \
                 with `binary_data` has it"
            )
        );
        let written = written(&answer, &as_bytes()).unwrap();
        assert_eq!(parts(&written).1, bytes_of(&values));
    }
    // What stands in the place of a missing one is not sent.
    let gap = Tensor { validity: Some(vec![true, false]), ..tensor(Values::Fp64(vec![1.0, f64::NAN])) };
    assert!(written(&answer_of(gap, true), &Outputs::default()).is_ok());
}

#[test]
fn classes_are_the_largest_elements_of_each_row() {
    let largest = |shape: &[u64], values: Values, validity: Option<Vec<bool>>, count| {
        let answer = answer_of(Tensor { shape: shape.to_vec(), values, validity }, true);
        let (json, _) = {
            let written = written(&answer, &classes(count)).unwrap();
            let (json, behind) = parts(&written);
            (json, behind.len())
        };
        let output = &json["outputs"][0];
        assert_eq!(output["datatype"], "BYTES");
        (output["shape"].clone(), output["data"].clone())
    };
    let two = Values::Fp32(vec![0.1, 0.7, 0.2, 0.5, 0.25, 0.5]);
    assert_eq!(largest(&[2, 3], two.clone(), None, 2), (json!([2, 2]), json!(["0.7:1", "0.2:2", "0.5:0", "0.5:2"])));
    let all = json!(["0.7:1", "0.2:2", "0.1:0", "0.5:0", "0.5:2", "0.25:1"]);
    assert_eq!(largest(&[2, 3], two, None, 9), (json!([2, 3]), all));
    assert_eq!(
        largest(&[2], Values::Fp64(vec![1e-300, -1.0]), None, 1),
        (json!([2, 1]), json!(["1e-300:0", "-1.0:0"]))
    );
    assert_eq!(
        largest(&[1, 2, 2], Values::Int64(vec![i64::MAX - 1, i64::MAX, 0, 5]), None, 2),
        (json!([1, 2]), json!(["9223372036854775807:1", "9223372036854775806:0"]))
    );
    let odd = Values::Fp64(vec![f64::NAN, 1.0, f64::INFINITY, f64::NAN]);
    assert_eq!(largest(&[1, 4], odd, None, 4).1, json!(["inf:2", "1.0:1", "NaN:0", "NaN:3"]));
    let gaps = Some(vec![true, false, false, false]);
    assert_eq!(largest(&[2, 2], Values::Uint8(vec![1, 9, 9, 9]), gaps, 2).1, json!(["1:0", null, null, null]));
    let (bytes, outputs) = (Values::Uint8(vec![3, 4]), Outputs { is_binary: true, ..classes(1) });
    let written = written(&answer_of(Tensor { shape: vec![1, 2], ..tensor(bytes) }, false), &outputs).unwrap();
    assert_eq!(parts(&written).1, b"\x03\x00\x00\x004:1");
}

fn in_order(format: Format, fields: &[Field], body: &[u8]) -> Result<Batch, String> {
    let rows: Rows<'_> = format.decode(body, &Interrupt::never()).map_err(|error| error.to_string())?.rows;
    let batch = rows.in_order(fields, &Detail::default(), &mut Interrupt::never()).unwrap();
    batch.map_err(|unfit| unfit.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

fn field(name: &str, datatype: Datatype, nullable: bool) -> Field {
    Field {
        name: name.into(),
        description: String::new(),
        datatype,
        shape: vec![],
        nullable,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    }
}

#[test]
fn a_body_may_be_the_bytes_of_a_models_only_input() {
    let x = field("x", Datatype::Fp64, false);
    let numbers = Values::Fp64(vec![0.5, -2.0]);
    let batch = in_order(Format::V2Raw, std::slice::from_ref(&x), &bytes_of(&numbers)).unwrap();
    assert_eq!((batch.rows, &batch.columns[0].values), (2, &numbers));
    assert_eq!(
        in_order(Format::V2Raw, std::slice::from_ref(&x), &[0; 9]).unwrap_err(),
        "field `x`: expected rows of 8 bytes as the body, found 9 bytes"
    );
    assert_eq!(
        in_order(Format::V2Raw, &[x, field("y", Datatype::Bool, false)], &[0; 9]).unwrap_err(),
        "field `inputs`: expected one input, where the body is its bytes, found 2"
    );
}

#[test]
fn halves_fit_wider_fields_and_nan_is_missing_where_that_may_be() {
    let json = |datatype: &str, size: usize| {
        json!({ "inputs": [{ "name": "x", "shape": [2, 1], "datatype": datatype, "parameters": { "binary_data_size": size } }] }).to_string()
    };
    let take = |datatype, sent: &str, bytes: &[u8], nullable| {
        let json = json(sent, bytes.len());
        let body = [json.as_bytes(), bytes].concat();
        in_order(Format::V2Binary(json.len()), &[field("x", datatype, nullable)], &body)
            .map(|mut batch| batch.columns.remove(0))
    };
    let halves = take(Datatype::Fp64, "FP16", &[0x00, 0x3c, 0x55, 0x35], false).unwrap();
    assert_eq!(halves, Tensor { shape: vec![2], values: Values::Fp64(vec![1.0, 0.333_251_953_125]), validity: None });
    let halves = take(Datatype::Fp32, "BF16", &[0x80, 0x3f, 0xc0, 0x7f], false).unwrap();
    assert!(matches!(halves.values, Values::Fp32(list) if list[0] == 1.0 && list[1].is_nan()));
    assert_eq!(halves.validity, None);
    let nullable = take(Datatype::Fp32, "BF16", &[0x80, 0x3f, 0xc0, 0x7f], true).unwrap();
    assert_eq!(nullable.validity, Some(vec![true, false]));
    let infinite = take(Datatype::Fp64, "FP16", &[0x00, 0x3c, 0x00, 0x7c], true).unwrap();
    assert_eq!((infinite.values, infinite.validity), (Values::Fp64(vec![1.0, f64::INFINITY]), None));
}
