//! What a model file says: its version, and the graph that its header describes.
//!
//! Never reads bytes.

use scry_card::{Datatype, Field};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What a model file begins with.
pub const MAGIC: &[u8; 8] = b"SCRYMODL";
/// The version of the format that is read.
pub const FORMAT: u32 = 1;

/// The graph as the header tells it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Graph {
    pub(crate) inputs: Vec<Field>,
    pub(crate) arrays: Vec<Placed>,
    pub(crate) nodes: Vec<Map<String, Value>>,
    pub(crate) features: usize,
    #[serde(default)]
    pub(crate) feature_names: Vec<String>,
    pub(crate) outputs: Vec<OutputSpec>,
}

/// An array's type, shape and place in the payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Placed {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    pub(crate) shape: Vec<u64>,
    pub(crate) at: u64,
    /// Length of the text, of an array of texts.
    pub(crate) bytes: Option<u64>,
}

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    F64,
    I64,
    U32,
    U8,
    Text,
}

/// One output.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutputSpec {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) node: usize,
    pub(crate) datatype: Datatype,
    #[serde(default)]
    pub(crate) shape: Vec<u64>,
    pub(crate) classes: Option<u32>,
    #[serde(default)]
    pub(crate) nullable: bool,
    pub(crate) unit: Option<String>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
}
