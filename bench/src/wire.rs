//! A batch as a request in each form of V2: JSON, tensors as bytes behind JSON, and a message of gRPC; and the numbers of
//! an answer in any of them.
//!
//! Bytes are made and read here, not by the host's own code: a server is measured as clients of others ask it.

use crate::channel::{Channel, framed};
use crate::client::{Connection, render};
use crate::error::Error;
use crate::models::{Model, flatten};
use bytes::Bytes;
use prost::Message;
use scry_card::{Datatype, Field};
use scry_grpc::model_infer_request::InferInputTensor;
use scry_grpc::{ModelInferRequest, ModelInferResponse, SERVICE};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Binary,
    Grpc,
}

/// What shape the columns of scalars have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Columns {
    /// A list a column, and `null` for what is missing, as Scry has it.
    Lists,
    /// A matrix of one column, as Triton has it when it batches. It takes no `null`, yet the NaN that clients in Python
    /// write.
    Matrices,
}

/// A request as it is sent.
pub(crate) enum Request {
    /// Of HTTP/1.1, with its head.
    Http(Vec<u8>),
    /// A message with what gRPC puts before it.
    Grpc(Bytes),
}

/// Who sends a request again and again.
pub(crate) enum Client<'a> {
    Http(Connection, &'a [u8]),
    Grpc(Channel, &'a Bytes),
}

/// An answer's body.
pub(crate) enum Body {
    /// So many bytes of it are JSON.
    Http(Vec<u8>, usize),
    Grpc(Bytes),
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::Binary, Self::Grpc];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Binary => "binary",
            Self::Grpc => "gRPC",
        }
    }
}

impl Columns {
    fn shape(self, field: &Field, rows: u64) -> Vec<u64> {
        match self {
            Self::Lists => field.batch_shape(rows),
            Self::Matrices => vec![rows, 1],
        }
    }
}

impl Request {
    /// A request for a prediction of these records.
    pub(crate) fn infer(
        model: &Model,
        records: &[Map<String, Value>],
        form: Form,
        columns: Columns,
    ) -> Result<Self, Error> {
        let (name, rows) = (&model.description.card.name, records.len() as u64);
        let fields = &model.description.card.schema.inputs;
        match form {
            Form::Json => {
                let body = model.v2_request(records, |field| columns.shape(field, rows));
                let body = if matches!(columns, Columns::Matrices) { body.replace("null", "NaN") } else { body };
                Ok(Self::Http(render("POST", &path(name), "", body.as_bytes())))
            }
            Form::Binary => {
                let (mut tensors, mut bytes) = (Vec::new(), Vec::new());
                for field in fields {
                    let elements = elements(field, records)?;
                    let shape = columns.shape(field, rows);
                    let size = json!({ "binary_data_size": elements.len() });
                    let (name, datatype) = (&field.name, field.datatype);
                    tensors.push(json!({ "name": name, "shape": shape, "datatype": datatype, "parameters": size }));
                    bytes.extend(elements);
                }
                // What tritonclient asks for by default.
                let json = json!({ "inputs": tensors, "parameters": { "binary_data_output": true } }).to_string();
                let header = format!("inference-header-content-length: {}\r\n", json.len());
                Ok(Self::Http(render("POST", &path(name), &header, &[json.as_bytes(), &bytes].concat())))
            }
            Form::Grpc => {
                let tensor = |field: &Field| InferInputTensor {
                    name: field.name.clone(),
                    datatype: field.datatype.name().into(),
                    shape: columns.shape(field, rows).iter().map(|&size| size as i64).collect(),
                    ..InferInputTensor::default()
                };
                let message = ModelInferRequest {
                    model_name: name.clone(),
                    inputs: fields.iter().map(tensor).collect(),
                    raw_input_contents: fields
                        .iter()
                        .map(|field| elements(field, records))
                        .collect::<Result<_, _>>()?,
                    ..ModelInferRequest::default()
                };
                Ok(Self::Grpc(framed(&message.encode_to_vec())?))
            }
        }
    }

    /// A client of its own.
    pub(crate) fn client(&self, server: SocketAddr) -> Result<Client<'_>, Error> {
        Ok(match self {
            Self::Http(request) => Client::Http(Connection::new(server), request),
            Self::Grpc(message) => Client::Grpc(Channel::open(server, &format!("/{SERVICE}/ModelInfer"))?, message),
        })
    }

    pub(crate) fn is_grpc(&self) -> bool {
        matches!(self, Self::Grpc(_))
    }
}

impl Client<'_> {
    /// Sends the request and takes its answer, which must be a good one.
    pub(crate) fn exchange(&mut self) -> Result<Body, Error> {
        Ok(match self {
            Self::Http(connection, request) => {
                let answer = connection.exchange(request)?.succeeded()?;
                let json_bytes = answer.json_bytes.unwrap_or(answer.body.len());
                Body::Http(answer.body, json_bytes)
            }
            Self::Grpc(channel, message) => Body::Grpc(channel.call(message)?),
        })
    }
}

impl Body {
    /// The numbers of the first output, however they are written.
    pub(crate) fn numbers(&self) -> Result<Vec<f64>, Error> {
        match self {
            Self::Http(body, json_bytes) => {
                let (json, bytes) = body.split_at_checked(*json_bytes).ok_or("an answer shorter than its JSON")?;
                let answer: Value = serde_json::from_slice(json)?;
                let output = answer.pointer("/outputs/0").ok_or("an answer without outputs")?;
                match output.pointer("/parameters/binary_data_size").and_then(Value::as_u64) {
                    None => Ok(serde_json::from_value(output["data"].clone())?),
                    Some(size) => {
                        let bytes = bytes.get(..usize::try_from(size)?).ok_or("an answer shorter than it says")?;
                        floats(output["datatype"].as_str().unwrap_or_default(), bytes)
                    }
                }
            }
            Self::Grpc(message) => {
                let answer = ModelInferResponse::decode(message.as_ref())?;
                let output = answer.outputs.first().ok_or("an answer without outputs")?;
                match (answer.raw_output_contents.first(), &output.contents) {
                    (Some(bytes), _) => floats(&output.datatype, bytes),
                    (None, Some(contents)) if output.datatype == "FP64" => Ok(contents.fp64_contents.clone()),
                    (None, _) => Err(format!("an answer of {} without elements", output.datatype).into()),
                }
            }
        }
    }
}

fn path(model: &str) -> String {
    format!("/v2/models/{model}/infer")
}

/// A field's elements as bytes; NaN for what is missing.
fn elements(field: &Field, records: &[Map<String, Value>]) -> Result<Vec<u8>, Error> {
    let (mut values, mut bytes) = (Vec::new(), Vec::new());
    records.iter().for_each(|record| flatten(record.get(&field.name).unwrap_or(&Value::Null), &mut values));
    for value in &values {
        let float = value.as_f64().unwrap_or(f64::NAN);
        match field.datatype {
            Datatype::Bool => bytes.push(u8::from(*value == Value::Bool(true))),
            Datatype::Int64 => bytes.extend(value.as_i64().ok_or("a whole number is missing")?.to_le_bytes()),
            Datatype::Fp32 => bytes.extend((float as f32).to_le_bytes()),
            Datatype::Fp64 => bytes.extend(float.to_le_bytes()),
            Datatype::Bytes => {
                let text = value.as_str().ok_or("a text is missing")?;
                bytes.extend(u32::try_from(text.len())?.to_le_bytes());
                bytes.extend(text.as_bytes());
            }
            other => return Err(format!("no example has a field of {}", other.name()).into()),
        }
    }
    Ok(bytes)
}

fn floats(datatype: &str, bytes: &[u8]) -> Result<Vec<f64>, Error> {
    match datatype {
        "FP64" => Ok(bytes.as_chunks().0.iter().map(|&each| f64::from_le_bytes(each)).collect()),
        "FP32" => Ok(bytes.as_chunks().0.iter().map(|&each| f32::from_le_bytes(each).into()).collect()),
        "INT64" => Ok(bytes.as_chunks().0.iter().map(|&each| i64::from_le_bytes(each) as f64).collect()),
        other => Err(format!("an answer of {other}").into()),
    }
}
