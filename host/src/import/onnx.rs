//! An ONNX file into what the runtime of networks reads: the weights apart from the graph, so that they
//! can be used where they lie.
//!
//! Reads no more of the file than that takes; what the network is, the runtime finds out in the
//! sandbox. The bytes are untrusted: nothing is nested deeper than a graph's tensors, and no length
//! is believed.

use scry_protocol::protobuf::{Damaged, Fields, Value, put_bytes, put_number};

/// Fields of ONNX's messages.
mod field {
    pub(super) const MODEL_PRODUCER: u64 = 2;
    pub(super) const MODEL_PRODUCER_VERSION: u64 = 3;
    pub(super) const MODEL_GRAPH: u64 = 7;
    pub(super) const MODEL_OPSET: u64 = 8;
    pub(super) const OPSET_DOMAIN: u64 = 1;
    pub(super) const OPSET_VERSION: u64 = 2;
    pub(super) const GRAPH_NODE: u64 = 1;
    pub(super) const GRAPH_INITIALIZER: u64 = 5;
    pub(super) const NODE_DOMAIN: u64 = 7;
    pub(super) const TENSOR_TYPE: u64 = 2;
    pub(super) const TENSOR_NAME: u64 = 8;
    pub(super) const TENSOR_RAW: u64 = 9;
    pub(super) const TENSOR_EXTERNAL: u64 = 13;
    pub(super) const TENSOR_LOCATION: u64 = 14;
    pub(super) const ENTRY_KEY: u64 = 1;
    pub(super) const ENTRY_VALUE: u64 = 2;
}

/// Types whose bytes are what the engine computes with: FLOAT, UINT8, INT8, INT32.
const AS_THEY_ARE: [u64; 4] = [1, 2, 3, 6];
/// Weights below this are copied.
const SMALL_BYTES: usize = 1 << 10;
/// Weights begin at a multiple of this.
const ALIGNMENT: usize = 64;
const EXTERNAL: u64 = 1;
/// The domain of models that are no networks.
const CLASSIC: &[u8] = b"ai.onnx.ml";
/// The most of a name in the file that is repeated.
const SHOWN_BYTES: usize = 128;

/// Why an ONNX file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// Not of the form.
    #[error("the ONNX file is damaged: {0}")]
    Damaged(#[from] Damaged),
    /// Nothing to compute.
    #[error("the ONNX file has no graph, or several")]
    Graph,
    /// Weights in another file.
    #[error(
        "the ONNX file keeps its weights in other files (`{0}` is in one): write it with them inside, by \
         `onnx.save(onnx.load(\"NET.onnx\"), \"whole.onnx\")` in Python"
    )]
    External(String),
}

/// A file that was taken apart.
pub(super) struct Network {
    /// What the runtime gets: where the graph begins, in eight bytes, the weights, the graph.
    pub(super) placed: Vec<u8>,
    /// What the file says of itself.
    pub(super) labels: Vec<(&'static str, String)>,
}

/// Whether this is an ONNX file, as far as its first bytes tell: a model's version of the form, producer, graph, or
/// operators.
pub(super) fn is(file: &[u8]) -> bool {
    matches!(file.first(), Some(0x08 | 0x12 | 0x3a | 0x42))
}

/// Whether an operator of the graph is one of `ai.onnx.ml`, which networks do not have. What is damaged has none.
pub(super) fn is_classic(file: &[u8]) -> bool {
    let parts = |message, number| {
        Fields::of(message).map_while(Result::ok).filter_map(move |field| match field.value {
            Value::Bytes(bytes) if field.number == number => Some(bytes),
            _ => None,
        })
    };
    let mut nodes = parts(file, field::MODEL_GRAPH).flat_map(|graph| parts(graph, field::GRAPH_NODE));
    is(file) && nodes.any(|node| parts(node, field::NODE_DOMAIN).any(|domain| domain == CLASSIC))
}

/// Takes the weights out of the graph.
pub(super) fn take_apart(file: &[u8]) -> Result<Network, OnnxError> {
    let mut placed = vec![0; ALIGNMENT];
    let (mut model, mut graphs) = (Vec::new(), 0);
    let (mut producer, mut labels) = (Vec::new(), Vec::new());
    for field in Fields::of(file) {
        let field = field?;
        match (field.number, field.value) {
            (field::MODEL_GRAPH, Value::Bytes(graph)) => {
                graphs += 1;
                put_bytes(&mut model, field::MODEL_GRAPH, &without_weights(graph, &mut placed)?);
                continue;
            }
            (field::MODEL_PRODUCER | field::MODEL_PRODUCER_VERSION, Value::Bytes(name)) => producer.push(shown(name)),
            (field::MODEL_OPSET, Value::Bytes(opset)) => labels.extend(opset_of(opset)?),
            _ => {}
        }
        model.extend_from_slice(field.raw);
    }
    if graphs != 1 {
        return Err(OnnxError::Graph);
    }
    if !producer.is_empty() {
        labels.push(("producer", producer.join(" ")));
    }
    let begins = (placed.len() as u64).to_le_bytes();
    placed.iter_mut().zip(begins).for_each(|(to, from)| *to = from);
    placed.append(&mut model);
    Ok(Network { placed, labels })
}

/// The version of ONNX's own operators.
fn opset_of(opset: &[u8]) -> Result<Option<(&'static str, String)>, Damaged> {
    let mut version = None;
    for field in Fields::of(opset) {
        match field.map(|field| (field.number, field.value))? {
            (field::OPSET_DOMAIN, Value::Bytes(domain)) if !matches!(domain, b"" | b"ai.onnx") => return Ok(None),
            (field::OPSET_VERSION, Value::Number(number)) => version = Some(("opset", number.to_string())),
            _ => {}
        }
    }
    Ok(version)
}

/// The graph; its large weights are behind the others, and it says where.
fn without_weights(graph: &[u8], weights: &mut Vec<u8>) -> Result<Vec<u8>, OnnxError> {
    let mut rest = Vec::new();
    for field in Fields::of(graph) {
        let field = field?;
        if let (field::GRAPH_INITIALIZER, Value::Bytes(tensor)) = (field.number, field.value)
            && let Some(tensor) = Tensor::read(tensor)?.taken(weights)
        {
            put_bytes(&mut rest, field::GRAPH_INITIALIZER, &tensor);
            continue;
        }
        rest.extend_from_slice(field.raw);
    }
    Ok(rest)
}

/// What counts of a tensor.
#[derive(Default)]
struct Tensor<'a> {
    datatype: u64,
    raw: &'a [u8],
    /// All but its bytes.
    rest: Vec<u8>,
}

impl<'a> Tensor<'a> {
    fn read(tensor: &'a [u8]) -> Result<Self, OnnxError> {
        let (mut read, mut name, mut is_external) = (Self::default(), &[][..], false);
        for field in Fields::of(tensor) {
            let field = field?;
            match (field.number, field.value) {
                (field::TENSOR_TYPE, Value::Number(datatype)) => read.datatype = datatype,
                (field::TENSOR_NAME, Value::Bytes(bytes)) => name = bytes,
                (field::TENSOR_LOCATION, Value::Number(location)) => is_external = location == EXTERNAL,
                (field::TENSOR_RAW, Value::Bytes(raw)) => {
                    read.raw = raw;
                    continue;
                }
                _ => {}
            }
            read.rest.extend_from_slice(field.raw);
        }
        if is_external { Err(OnnxError::External(shown(name))) } else { Ok(read) }
    }

    /// The tensor without its bytes, which are put behind the weights; none where it stays as it is.
    fn taken(mut self, weights: &mut Vec<u8>) -> Option<Vec<u8>> {
        if self.raw.len() < SMALL_BYTES || !AS_THEY_ARE.contains(&self.datatype) {
            return None;
        }
        weights.resize(weights.len().next_multiple_of(ALIGNMENT), 0);
        let place = [
            ("location", format!("{}.data", weights.len())),
            ("offset", "0".to_owned()),
            ("length", self.raw.len().to_string()),
        ];
        weights.extend_from_slice(self.raw);
        for (key, value) in place {
            let mut entry = Vec::new();
            put_bytes(&mut entry, field::ENTRY_KEY, key.as_bytes());
            put_bytes(&mut entry, field::ENTRY_VALUE, value.as_bytes());
            put_bytes(&mut self.rest, field::TENSOR_EXTERNAL, &entry);
        }
        put_number(&mut self.rest, field::TENSOR_LOCATION, EXTERNAL);
        Some(self.rest)
    }
}

/// A name in the file, as it is told.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..SHOWN_BYTES).unwrap_or(name)).into_owned()
}
