//! What a document says of one model: its operations with the types of its card and its golden examples.

use super::fields::{row, tensors};
use super::json::json_map;
use super::operation::{content, prediction, reference};
use super::prediction::{PREDICTING, PREDICTING_ROWS};
use scry_card::{Card, Example, Field, Golden};
use serde_json::{Map, Value, json};

/// Golden examples that are shown, and rows of each.
const EXAMPLES_MAX: usize = 3;
const ROWS_MAX: usize = 4;
/// A longer example is left out, bytes of JSON.
const EXAMPLE_MAX_BYTES: usize = 32 << 10;

/// A model by its live version.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// Its name.
    pub name: &'a str,
    /// The live version's number.
    pub version: u32,
    /// The live version's card.
    pub card: &'a Card,
    /// The live version's golden examples.
    pub golden: &'a Golden,
}

/// A model's part of a document.
pub(super) struct Typed {
    pub(super) paths: Map<String, Value>,
    pub(super) schemas: Map<String, Value>,
}

impl Described<'_> {
    pub(super) fn typed(&self) -> Typed {
        let (name, schema) = (self.name, &self.card.schema);
        let [asked, answered] = [self.tensor_examples(), self.row_examples()];
        let infer = self.operation("infer", "InferRequest", "InferResponse", asked, PREDICTING);
        let predict = self.operation("predict", "RowsRequest", "Predictions", answered, PREDICTING_ROWS);
        let paths = json!({
            format!("/v2/models/{name}/infer"): { "post": infer },
            format!("/v1/models/{name}:predict"): { "post": predict },
        });
        let (input, output) = (format!("{name}.Input"), format!("{name}.Output"));
        let list = match schema.inputs.as_slice() {
            // A row is the field's value.
            [_] => json!({}),
            fields => json!({ "type": "array", "minItems": fields.len(), "maxItems": fields.len() }),
        };
        let schemas = json!({
            input.clone(): row(&schema.inputs),
            output.clone(): row(&schema.outputs),
            format!("{name}.InferRequest"): refined("InferRequest", json!({ "inputs": tensors(&schema.inputs) })),
            format!("{name}.InferResponse"): refined("InferResponse", json!({ "outputs": tensors(&schema.outputs) })),
            format!("{name}.RowsRequest"): refined("RowsRequest", json!({
                "instances": { "type": "array", "items": { "anyOf": [reference(&input), list] } },
            })),
            format!("{name}.Predictions"): refined("Predictions", json!({
                "predictions": { "type": "array", "items": { "anyOf": [reference(&output), { "type": "null" }] } },
            })),
        });
        Typed { paths: json_map(paths), schemas: json_map(schemas) }
    }

    fn operation(
        &self,
        verb: &str,
        asked: &str,
        answered: &str,
        (requests, answers): (Map<String, Value>, Map<String, Value>),
        errors: &[u16],
    ) -> Value {
        let name = self.name;
        let typed = |schema: &str| reference(&format!("{name}.{schema}"));
        let mut responses = Map::new();
        for status in [400, 408, 413, 415, 501, 503].iter().chain(errors) {
            responses.insert(status.to_string(), json!({ "$ref": "#/components/responses/Error" }));
        }
        responses.insert("200".into(), prediction(&typed(answered), &answers));
        json!({
            "operationId": format!("{name}.{verb}"),
            "tags": [name],
            "summary": format!("Predict with {name}, whose live version is {}", self.version),
            "description": self.card.description,
            "requestBody": {
                "required": true,
                "content": { "application/json": content(&typed(asked), &requests) },
            },
            "responses": responses,
        })
    }

    /// Requests and answers of V2.
    fn tensor_examples(&self) -> (Map<String, Value>, Map<String, Value>) {
        self.examples(|example| {
            let inputs = tensors_of(&self.card.schema.inputs, &example.inputs);
            let outputs = tensors_of(&self.card.schema.outputs, &example.outputs);
            let version = self.version.to_string();
            let answer = json!({ "model_name": self.name, "model_version": version, "outputs": outputs });
            (json!({ "inputs": inputs }), answer)
        })
    }

    /// Requests and answers of V1.
    fn row_examples(&self) -> (Map<String, Value>, Map<String, Value>) {
        self.examples(|example| {
            let first = |rows: &[Map<String, Value>]| rows.get(..ROWS_MAX).unwrap_or(rows).to_vec();
            (json!({ "instances": first(&example.inputs) }), json!({ "predictions": first(&example.outputs) }))
        })
    }

    fn examples(&self, write: impl Fn(&Example) -> (Value, Value)) -> (Map<String, Value>, Map<String, Value>) {
        let (mut requests, mut answers) = (Map::new(), Map::new());
        for example in self.golden.examples.iter().take(EXAMPLES_MAX) {
            let (request, answer) = write(example);
            if request.to_string().len() + answer.to_string().len() <= EXAMPLE_MAX_BYTES {
                requests.insert(example.name.clone(), json!({ "value": request }));
                answers.insert(example.name.clone(), json!({ "value": answer }));
            }
        }
        (requests, answers)
    }
}

/// A schema with more to say of some of its members.
fn refined(schema: &str, properties: Value) -> Value {
    json!({ "allOf": [reference(schema), { "type": "object", "properties": properties }] })
}

/// The first rows as tensors with flat data.
fn tensors_of(fields: &[Field], rows: &[Map<String, Value>]) -> Vec<Value> {
    let rows = rows.get(..ROWS_MAX).unwrap_or(rows);
    let tensor = |field: &Field| {
        let mut data = Vec::new();
        for row in rows {
            match row.get(&field.name) {
                Some(value) if !value.is_null() => flatten(value, &mut data),
                _ => data.extend(vec![Value::Null; field.elements_per_row().unwrap_or(0).min(EXAMPLE_MAX_BYTES)]),
            }
        }
        let shape = field.batch_shape(rows.len() as u64);
        json!({ "name": field.name, "datatype": field.datatype, "shape": shape, "data": data })
    };
    fields.iter().map(tensor).collect()
}

fn flatten(value: &Value, into: &mut Vec<Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, into)),
        value => into.push(value.clone()),
    }
}
