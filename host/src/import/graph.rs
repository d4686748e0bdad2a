//! A model file, built node by node: what files of other tools are translated to.
//!
//! Never says what a model means, and checks nothing: whatever reads the file does.

use scry_card::Datatype;
use scry_graph::framed;
use serde_json::{Map, Value, json};

const ARRAY_ALIGN: usize = 16;

/// The model file as it grows.
#[derive(Debug, Default)]
pub(super) struct Graph {
    inputs: Vec<Value>,
    arrays: Vec<Value>,
    nodes: Vec<Value>,
    outputs: Vec<Value>,
    payload: Vec<u8>,
    row: usize,
}

/// A node: a matrix of `width` columns, or a text column (width 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    at: usize,
    pub(super) width: usize,
}

impl Graph {
    fn array(&mut self, kind: &str, shape: &[usize], bytes: impl Iterator<Item = u8>) -> Value {
        self.payload.resize(self.payload.len().next_multiple_of(ARRAY_ALIGN), 0);
        self.arrays.push(json!({"type": kind, "shape": shape, "at": self.payload.len()}));
        self.payload.extend(bytes);
        json!(self.arrays.len() - 1)
    }

    /// An array of rows of numbers.
    pub(super) fn table(&mut self, columns: usize, values: &[f64]) -> Value {
        let rows = values.len() / columns.max(1);
        self.array("f64", &[rows, columns], values.iter().flat_map(|x| x.to_le_bytes()))
    }

    /// An array of numbers.
    pub(super) fn f64s(&mut self, values: &[f64]) -> Value {
        self.array("f64", &[values.len()], values.iter().flat_map(|x| x.to_le_bytes()))
    }

    /// An array of whole numbers that may be below 0.
    pub(super) fn i64s(&mut self, values: &[i64]) -> Value {
        self.array("i64", &[values.len()], values.iter().flat_map(|x| x.to_le_bytes()))
    }

    /// An array of whole numbers.
    pub(super) fn u32s(&mut self, values: &[u32]) -> Value {
        self.array("u32", &[values.len()], values.iter().flat_map(|x| x.to_le_bytes()))
    }

    /// An array of bytes.
    pub(super) fn u8s(&mut self, values: &[u8]) -> Value {
        self.array("u8", &[values.len()], values.iter().copied())
    }

    /// An array of texts.
    pub(super) fn texts(&mut self, texts: &[String]) -> Value {
        // Of a file within its limit: far fewer than 2^32 bytes.
        let ends = texts.iter().scan(0u32, |end, text| {
            *end = end.saturating_add(u32::try_from(text.len()).unwrap_or(u32::MAX));
            Some(*end)
        });
        let ends: Vec<u32> = std::iter::once(0).chain(ends).collect();
        let bytes = ends.iter().flat_map(|end| end.to_le_bytes()).chain(texts.iter().flat_map(|text| text.bytes()));
        let array = self.array("text", &[texts.len()], bytes);
        if let Some(Value::Object(told)) = self.arrays.last_mut() {
            told.insert("bytes".into(), json!(ends.last()));
        }
        array
    }

    /// A node; `attributes` is an object.
    pub(super) fn node(&mut self, op: &str, of: &[Node], width: usize, attributes: Value) -> Node {
        let mut told = match attributes {
            Value::Object(told) => told,
            _ => Map::new(),
        };
        told.insert("op".into(), op.into());
        // An input reads none.
        if !of.is_empty() {
            told.insert("of".into(), of.iter().map(|node| node.at).collect());
        }
        self.nodes.push(Value::Object(told));
        self.row = self.row.saturating_add(width.max(1));
        Node { at: self.nodes.len() - 1, width }
    }

    /// A column of the request, that may be missing. Texts may be limited to categories.
    pub(super) fn input(&mut self, name: &str, datatype: Datatype, categories: &[String]) -> Node {
        self.field(name, datatype, true, categories)
    }

    /// A column of the request.
    pub(super) fn field(&mut self, name: &str, datatype: Datatype, nullable: bool, categories: &[String]) -> Node {
        self.inputs.push(json!({
            "name": name, "datatype": datatype.name(), "nullable": nullable, "categories": categories,
        }));
        let width = usize::from(datatype != Datatype::Bytes);
        self.node("input", &[], width, json!({"input": self.inputs.len() - 1}))
    }

    /// How many nodes there are, and how many values a row has in all of them.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.nodes.len(), self.row)
    }

    /// Matrices side by side.
    pub(super) fn concat(&mut self, nodes: &[Node]) -> Node {
        match nodes {
            [one] => *one,
            _ => self.node("concat", nodes, nodes.iter().map(|node| node.width).sum(), Value::Null),
        }
    }

    /// A function of each element.
    pub(super) fn map(&mut self, node: Node, function: &str) -> Node {
        self.node("map", &[node], node.width, json!({"function": function}))
    }

    /// A function of each element and a number.
    pub(super) fn map_with(&mut self, node: Node, function: &str, parameter: f64) -> Node {
        self.node("map", &[node], node.width, json!({"function": function, "parameter": parameter}))
    }

    /// One column of a matrix.
    pub(super) fn select(&mut self, node: Node, column: u32) -> Node {
        let columns = self.u32s(&[column]);
        self.node("select", &[node], 1, json!({"columns": columns}))
    }

    /// Each column by a number, then plus one of its own.
    pub(super) fn scale(&mut self, node: Node, multiply: f64, add: &[f64]) -> Node {
        let (multiply, add) = (self.f64s(&vec![multiply; node.width]), self.f64s(add));
        self.node("scale", &[node], node.width, json!({"multiply": multiply, "add": add}))
    }

    /// `1 - x` and `x`, side by side.
    pub(super) fn complement(&mut self, node: Node) -> Node {
        let other = self.scale(node, -1.0, &vec![1.0; node.width]);
        self.concat(&[other, node])
    }

    /// The first of the largest.
    pub(super) fn argmax(&mut self, node: Node) -> Node {
        self.node("argmax", &[node], 1, Value::Null)
    }

    /// An output: an object with what a model file says of one, but for its node.
    pub(super) fn output(&mut self, name: &str, node: Node, told: Value) {
        let mut output = json!({"name": name, "node": node.at, "datatype": "FP64"});
        if let (Value::Object(output), Value::Object(told)) = (&mut output, told) {
            output.extend(told);
        }
        self.outputs.push(output);
    }

    /// The file. `features` is what the pipeline makes of the inputs.
    pub(super) fn file(&self, features: Node, names: &[String]) -> Vec<u8> {
        let model = json!({
            "inputs": self.inputs, "arrays": self.arrays, "nodes": self.nodes, "outputs": self.outputs,
            "features": features.at, "feature_names": names,
        });
        framed(&json!({"model": model}), &self.payload)
    }
}
