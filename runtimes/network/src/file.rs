//! What the host has placed: the weights, and the graph that it took them from.
//!
//! Eight bytes say where the graph begins, an ONNX file; the weights come before it. It names each by
//! its place as external data, so that none is copied.

use crate::memory::Lent;
use rten_onnx::onnx::{DataLocation, ModelProto, TensorProto};
use scry_guest::LoadError;

/// What external data is called; the engine takes no other.
const SUFFIX: &str = ".data";

/// A network, taken apart.
pub(crate) struct File {
    pub(crate) graph: Vec<u8>,
    pub(crate) model: ModelProto,
    /// By the names that the graph has for them.
    pub(crate) weights: Vec<(String, Vec<u8>)>,
}

impl File {
    pub(crate) fn read(placed: &'static mut [u8]) -> Result<Self, LoadError> {
        const CUT: &str = "the file that the host has placed is cut; this is a bug in scry";
        let begins = placed.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).ok_or(CUT)?;
        let (weighty, graph_bytes) = placed.split_at_mut_checked(usize::try_from(begins)?).ok_or(CUT)?;
        let graph = graph_bytes.to_vec();
        graph_bytes.fill(0);
        let model = ModelProto::parse_buf(&graph)?;
        let mut rest = Lent::new(weighty);
        let mut at = 0;
        let mut weights = Vec::new();
        for (name, length) in model.graph.iter().flat_map(|graph| &graph.initializer).filter_map(place) {
            let place: usize = name.strip_suffix(SUFFIX).ok_or(CUT)?.parse()?;
            let taken = place.checked_sub(at).and_then(|gap| rest.take(gap)).and_then(|_| rest.take(length));
            weights.push((name, taken.ok_or(CUT)?));
            at = place + length;
        }
        Ok(Self { graph, model, weights })
    }
}

/// Where a tensor is, and how long, if it is not in the graph.
fn place(tensor: &TensorProto) -> Option<(String, usize)> {
    let value = |key: &str| tensor.external_data.iter().find(|entry| entry.key.as_deref() == Some(key))?.value.clone();
    if tensor.data_location != Some(DataLocation::EXTERNAL) {
        return None;
    }
    Some((value("location")?, value("length")?.parse().ok()?))
}
