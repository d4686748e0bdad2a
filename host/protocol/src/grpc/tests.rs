//! Messages as prost writes and reads them, which knows nothing of ours.

use super::*;
use crate::answer::Answer;
use crate::v2::tests::{answer_of, values};
use crate::{Format, ReplyForm, Rows};
use proptest::prelude::*;
use prost::Message;
use scry_card::{Datatype, Echo, Interrupt, Tensor, Values};
use scry_grpc::infer_parameter::ParameterChoice;
use scry_grpc::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use scry_grpc::{InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse, ModelStreamInferResponse};
use std::time::Duration;

/// A tensor of a request, as a client of numbers writes it.
fn typed(values: &Values) -> InferInputTensor {
    let mut contents = InferTensorContents::default();
    match values.clone() {
        Values::Bool(list) => contents.bool_contents = list,
        Values::Int8(list) => contents.int_contents = list.into_iter().map(Into::into).collect(),
        Values::Int16(list) => contents.int_contents = list.into_iter().map(Into::into).collect(),
        Values::Int32(list) => contents.int_contents = list,
        Values::Int64(list) => contents.int64_contents = list,
        Values::Uint8(list) => contents.uint_contents = list.into_iter().map(Into::into).collect(),
        Values::Uint16(list) => contents.uint_contents = list.into_iter().map(Into::into).collect(),
        Values::Uint32(list) => contents.uint_contents = list,
        Values::Uint64(list) => contents.uint64_contents = list,
        Values::Fp32(list) => contents.fp32_contents = list,
        Values::Fp64(list) => contents.fp64_contents = list,
        Values::Bytes(list) => contents.bytes_contents = list.iter().map(|text| text.as_bytes().to_vec()).collect(),
    }
    InferInputTensor { contents: Some(contents), ..named("x", values) }
}

fn named(name: &str, values: &Values) -> InferInputTensor {
    let (datatype, count) = (values.datatype().name().into(), i64::try_from(values.len()).unwrap());
    InferInputTensor { name: name.into(), datatype, shape: vec![count], ..InferInputTensor::default() }
}

fn bytes_of(values: &Values) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::binary::write(values, &mut bytes, &mut Interrupt::never()).unwrap();
    bytes
}

fn of(inputs: Vec<InferInputTensor>) -> ModelInferRequest {
    ModelInferRequest { model_name: "m".into(), inputs, ..ModelInferRequest::default() }
}

/// The columns of a request, or everything that is wrong with it and them.
fn columns(message: &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    let decoded = Format::Grpc.decode(message, &Interrupt::never()).map_err(|error| error.to_string())?;
    let Rows::Columns(named, misread) = decoded.rows else { panic!("columns") };
    match misread.first() {
        Some(misread) => Err(misread.told(Echo::default()).to_string()),
        None => Ok(named.into_iter().map(|named| (named.name, named.tensor)).collect()),
    }
}

fn only(request: &ModelInferRequest) -> Result<Values, String> {
    columns(&request.encode_to_vec()).map(|mut columns| columns.remove(0).1.values)
}

fn response(answer: &Answer, reply: &ReplyForm) -> ModelInferResponse {
    let written = Format::Grpc.encode("m", reply, answer, &mut Interrupt::never()).unwrap();
    ModelInferResponse::decode(&*written.bytes).unwrap()
}

proptest! {
    /// To the bit: numbers of the message, raw contents, and those of the answer.
    #[test]
    fn a_tensor_is_the_same_in_every_form(values in values()) {
        let typed = of(vec![typed(&values)]);
        let raw = ModelInferRequest { raw_input_contents: vec![bytes_of(&values)], ..of(vec![named("x", &values)]) };
        for request in [&typed, &raw] {
            prop_assert_eq!(format!("{:?}", only(request).unwrap()), format!("{values:?}"));
        }
        let tensor = Tensor { shape: vec![values.len() as u64], values: values.clone(), validity: None };
        let answer = response(&answer_of(tensor, false), &ReplyForm::default());
        prop_assert_eq!(&answer.raw_output_contents, &[bytes_of(&values)]);
        let output = &answer.outputs[0];
        let form = (output.name.as_str(), output.datatype.as_str(), output.shape[0]);
        prop_assert_eq!(form, ("x", values.datatype().name(), i64::try_from(values.len()).unwrap()));
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (head(&bytes), columns(&bytes));
    }

    #[test]
    fn damaged_messages_are_refused_or_read(values in values(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut message = of(vec![typed(&values)]).encode_to_vec();
        let at = at.index(message.len());
        message[at] = byte;
        if let Ok(columns) = columns(&message) {
            for (_, tensor) in columns {
                prop_assert_eq!(tensor.values.len() as u64, tensor.shape.iter().product::<u64>());
            }
        }
    }
}

fn parameter_of(choice: ParameterChoice) -> InferParameter {
    InferParameter { parameter_choice: Some(choice) }
}

#[test]
fn what_is_asked_is_read_wherever_it_stands() {
    let timeout = ("timeout".to_owned(), parameter_of(ParameterChoice::Int64Param(1500)));
    let key = ("key".to_owned(), parameter_of(ParameterChoice::StringParam("k".into())));
    let by_row = ("invalid_rows".to_owned(), parameter_of(ParameterChoice::StringParam("refuse-row".into())));
    let priority = ("priority".to_owned(), parameter_of(ParameterChoice::DoubleParam(1.0)));
    let request = ModelInferRequest {
        model_version: "2".into(),
        id: "7".into(),
        parameters: [timeout, key, by_row, priority].into(),
        outputs: vec![InferRequestedOutputTensor { name: "y".into(), ..InferRequestedOutputTensor::default() }],
        ..of(vec![typed(&Values::Int64(vec![1]))])
    };
    // Fields may come in any order, also those of a message that is written in parts.
    let (first, last) =
        (request.encode_to_vec(), ModelInferRequest { model_name: "other".into(), ..Default::default() });
    let message = [first, last.encode_to_vec()].concat();
    let timeout = Some(Duration::from_micros(1500));
    assert_eq!(head(&message).unwrap(), Head { model: "other", version: "2", id: "7", timeout });
    let decoded = Format::Grpc.decode(&message, &Interrupt::never()).unwrap();
    assert_eq!((decoded.timeout, decoded.key.as_deref(), decoded.by_row), (timeout, Some("k"), true));
    assert_eq!(decoded.reply.id.as_deref(), Some("7"));
    assert_eq!(decoded.reply.outputs.forms.keys().collect::<Vec<_>>(), ["y"]);
}

#[test]
fn every_refusal_names_field_expected_and_found() {
    let one = || typed(&Values::Int32(vec![1]));
    let with = |change: fn(&mut InferInputTensor)| {
        let mut tensor = one();
        change(&mut tensor);
        of(vec![tensor])
    };
    let contents = |change: fn(&mut InferTensorContents)| {
        let mut tensor = InferInputTensor { contents: None, ..one() };
        change(tensor.contents.get_or_insert_default());
        of(vec![tensor])
    };
    let region = ("shared_memory_region".to_owned(), parameter_of(ParameterChoice::StringParam("r".into())));
    let sequence = ("sequence_id".to_owned(), parameter_of(ParameterChoice::Int64Param(3)));
    for (request, says) in [
        (of(vec![]), "`inputs`: expected a list of tensors, found nothing"),
        (with(|tensor| tensor.shape = vec![2]), "field `x`: expected 2 elements for shape [2], found 1"),
        (with(|tensor| tensor.shape = vec![-1]), "`inputs[0].shape`: expected a whole number, found -1"),
        (with(|tensor| tensor.datatype = "FP16".into()), "or `raw_input_contents`, found FP16"),
        (with(|tensor| tensor.datatype = "FP32".into()), "FP32 elements in `fp32_contents`, found `int_contents`"),
        (contents(|contents| contents.int_contents = vec![]), "field `x`: expected 1 elements for shape [1], found 0"),
        (
            ModelInferRequest { raw_input_contents: vec![vec![0; 4], vec![0; 4]], ..of(vec![one()]) },
            "`raw_input_contents`: expected one for each of 0 inputs without `contents`, found 2",
        ),
        (
            ModelInferRequest {
                raw_input_contents: vec![vec![0; 3]],
                ..of(vec![InferInputTensor { contents: None, ..one() }])
            },
            "field `x`: expected 4 bytes for INT32 of shape [1], found 3",
        ),
        (
            of(vec![InferInputTensor { parameters: [region].into(), ..one() }]),
            "expected the tensor itself, since no memory is shared with clients, found",
        ),
        (
            ModelInferRequest { parameters: [sequence].into(), ..of(vec![one()]) },
            "`parameters.sequence_id`: expected no sequence, since each request is answered on its own, found",
        ),
        (of(vec![one(); scry_card::FIELDS_MAX + 1]), "expected at most 4096 inputs, found more"),
    ] {
        let found = only(&request).unwrap_err();
        assert!(found.contains(says), "{found:?} has no {says:?}");
    }
    let narrow = InferInputTensor { datatype: "INT8".into(), ..typed(&Values::Int32(vec![1])) };
    let narrow = InferInputTensor {
        contents: Some(InferTensorContents { int_contents: vec![300], ..Default::default() }),
        ..narrow
    };
    assert_eq!(only(&of(vec![narrow])).unwrap_err(), "field `x`, row 0: expected an INT8 value, found 300");
    let damaged = columns(b"\x0a\x7fm").unwrap_err();
    assert_eq!(damaged, "the request is no ModelInferRequest: expected a field of at most 1 bytes, found one of 127");
}

#[test]
fn elements_need_not_be_packed() {
    // Field 2 of contents three times, as numbers of their own.
    let contents: Vec<u8> = [1_u8, 2, 3].iter().flat_map(|number| [0x10, *number]).collect();
    let tensor = InferInputTensor { contents: None, shape: vec![3], ..typed(&Values::Int32(vec![1, 2, 3])) };
    let mut tensor = tensor.encode_to_vec();
    crate::protobuf::put_bytes(&mut tensor, 5, &contents);
    let mut message = Vec::new();
    crate::protobuf::put_bytes(&mut message, 5, &tensor);
    assert_eq!(columns(&message).unwrap()[0].1.values, Values::Int32(vec![1, 2, 3]));
}

#[test]
fn more_fields_than_a_request_has_are_not_looked_at() {
    let many: Vec<u8> = std::iter::repeat_n([0x78, 0x00], 20_000).flatten().collect();
    let says = "the request is no ModelInferRequest: expected at most 16384 fields, found more";
    assert_eq!(head(&many).unwrap_err().to_string(), says);
    assert_eq!(columns(&many).unwrap_err(), says);
}

#[test]
fn missing_elements_of_an_answer_are_named() {
    let tensor = |values: Values, flags: &[bool]| Tensor {
        shape: vec![flags.len() as u64],
        values,
        validity: Some(flags.to_vec()),
    };
    let of = |tensor| response(&answer_of(tensor, false), &ReplyForm::default());
    let flags = [true, false, false, true, false];
    let answer = of(tensor(Values::Fp64(vec![1.0, 0.0, 0.0, 2.0, 0.0]), &flags));
    let missing = &answer.outputs[0].parameters["scry-missing"];
    assert_eq!(missing.parameter_choice, Some(ParameterChoice::StringParam("1-2,4".into())));
    let read: Vec<_> =
        answer.raw_output_contents[0].chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert!(read[1].is_nan() && read[2].is_nan() && read[4].is_nan() && (read[0], read[3]) == (1.0, 2.0), "{read:?}");
    let whole = of(tensor(Values::Int8(vec![3]), &[true]));
    assert!(whole.outputs[0].parameters.is_empty());
}

#[test]
fn an_answer_in_a_stream_is_its_last() {
    let tensor = Tensor { shape: vec![1], values: Values::neutral(Datatype::Int8, 1), validity: None };
    let reply = ReplyForm { id: Some("7".into()), ..ReplyForm::default() };
    let written = Format::Grpc.encode("m", &reply, &answer_of(tensor, false), &mut Interrupt::never()).unwrap();
    let message = ModelStreamInferResponse::decode(&*in_stream(&written.bytes)).unwrap();
    let answer = message.infer_response.unwrap();
    assert_eq!((answer.id.as_str(), answer.model_name.as_str(), message.error_message.as_str()), ("7", "m", ""));
    let is_final = &answer.parameters["triton_final_response"];
    assert_eq!(is_final.parameter_choice, Some(ParameterChoice::BoolParam(true)));

    let request = ModelInferRequest { id: "8".into(), ..Default::default() }.encode_to_vec();
    let message = ModelStreamInferResponse::decode(&*failed_in_stream(&request, "why")).unwrap();
    assert_eq!((message.error_message.as_str(), message.infer_response.unwrap().id.as_str()), ("why", "8"));
}
