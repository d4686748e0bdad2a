//! Writes model files, for tests.
#![allow(dead_code, unreachable_pub, missing_docs)]

use scry_card::{Tensor, Text, Values};
use scry_graph::Model;
use serde_json::{Value, json};

/// A file that grows part by part.
#[derive(Default)]
pub struct File {
    pub inputs: Vec<Value>,
    pub arrays: Vec<Value>,
    pub nodes: Vec<Value>,
    pub features: usize,
    pub outputs: Vec<Value>,
    pub payload: Vec<u8>,
}

impl File {
    /// So many FP64 inputs, each with its node.
    pub fn numbers(count: usize) -> Self {
        let mut file = Self::default();
        for input in 0..count {
            file.inputs.push(json!({"name": format!("x{input}"), "datatype": "FP64", "nullable": true}));
            file.node(json!({"op": "input", "input": input}));
        }
        file
    }

    /// As above, and side by side: the last node is all of them.
    pub fn matrix(count: usize) -> Self {
        let mut file = Self::numbers(count);
        let of: Vec<usize> = (0..count).collect();
        file.node(json!({"op": "concat", "of": of}));
        file
    }

    pub fn last(&self) -> usize {
        self.nodes.len() - 1
    }

    pub fn node(&mut self, node: Value) -> usize {
        self.nodes.push(node);
        self.features = self.last();
        self.last()
    }

    fn array(&mut self, mut array: Value, bytes: &[u8]) -> usize {
        self.payload.resize(self.payload.len().next_multiple_of(16), 0);
        array["at"] = self.payload.len().into();
        self.payload.extend(bytes);
        self.arrays.push(array);
        self.arrays.len() - 1
    }

    pub fn f64s(&mut self, shape: &[usize], values: &[f64]) -> usize {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.array(json!({"type": "f64", "shape": shape}), &bytes)
    }

    pub fn list(&mut self, values: &[f64]) -> usize {
        self.f64s(&[values.len()], values)
    }

    pub fn i64s(&mut self, values: &[i64]) -> usize {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.array(json!({"type": "i64", "shape": [values.len()]}), &bytes)
    }

    pub fn u32s(&mut self, values: &[u32]) -> usize {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.array(json!({"type": "u32", "shape": [values.len()]}), &bytes)
    }

    pub fn u8s(&mut self, values: &[u8]) -> usize {
        self.array(json!({"type": "u8", "shape": [values.len()]}), values)
    }

    pub fn texts(&mut self, texts: &[&str]) -> usize {
        let mut bytes = 0u32.to_le_bytes().to_vec();
        let mut end = 0;
        for text in texts {
            end += text.len() as u32;
            bytes.extend(end.to_le_bytes());
        }
        bytes.extend(texts.concat().bytes());
        self.array(json!({"type": "text", "shape": [texts.len()], "bytes": end}), &bytes)
    }

    /// An FP64 output of so many values.
    pub fn output(&mut self, name: &str, node: usize, width: usize) {
        let shape = if width == 1 { vec![] } else { vec![width] };
        self.outputs.push(json!({"name": name, "node": node, "datatype": "FP64", "shape": shape}));
    }

    pub fn header(&self) -> Value {
        json!({"model": {"inputs": self.inputs, "arrays": self.arrays, "nodes": self.nodes,
            "features": self.features, "outputs": self.outputs}})
    }

    pub fn bytes(&self) -> Vec<u8> {
        assemble(&serde_json::to_vec(&self.header()).unwrap(), &self.payload)
    }

    pub fn model(&self) -> Model {
        Model::read(&self.bytes()).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn refused(&self) -> String {
        Model::read(&self.bytes()).expect_err("a file that is refused").to_string()
    }
}

pub fn assemble(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = scry_graph::MAGIC.to_vec();
    bytes.extend(scry_graph::FORMAT.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.resize(bytes.len().next_multiple_of(64), 0);
    bytes.extend(payload);
    bytes
}

/// Columns of numbers from rows; NaN is missing.
pub fn columns<const N: usize>(rows: &[[f64; N]]) -> Vec<Tensor> {
    let column = |at: usize| {
        let values: Vec<f64> = rows.iter().map(|row| row[at]).collect();
        let validity = Some(values.iter().map(|x| !x.is_nan()).collect());
        Tensor { shape: vec![rows.len() as u64], values: Values::Fp64(values), validity }
    };
    (0..N).map(column).collect()
}

/// A column of texts.
pub fn text_column(texts: &[Option<&str>]) -> Tensor {
    let mut text = Text::default();
    texts.iter().for_each(|one| text.push(one.unwrap_or_default()).unwrap());
    let validity = Some(texts.iter().map(Option::is_some).collect());
    Tensor { shape: vec![texts.len() as u64], values: Values::Bytes(text), validity }
}

/// The features of rows: NaN where missing.
pub fn features(model: &Model, columns: Vec<Tensor>) -> Vec<f64> {
    let tensor = model.transform(columns).unwrap_or_else(|error| panic!("{error}")).remove(0);
    let Values::Fp64(values) = &tensor.values else { panic!("features are FP64") };
    values.iter().enumerate().map(|(i, &x)| if tensor.is_valid(i) { x } else { f64::NAN }).collect()
}

/// The bits, so that NaN is NaN and 0 is not -0.
pub fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|x| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }).collect()
}
