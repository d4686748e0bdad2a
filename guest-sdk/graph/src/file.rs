//! From bytes to a header and arrays: where everything lies.

use crate::arrays::Arrays;
use crate::error::FileError;
use crate::format::{FORMAT, Graph, MAGIC};
use scry_card::strict;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

const FIXED_BYTES: usize = 32;
const PAYLOAD_ALIGN: usize = 64;
const HEADER_MAX_BYTES: u64 = 64 << 20;

/// The header's JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    model: Graph,
    // For those who build components of it.
    #[serde(rename = "card")]
    _card: Option<IgnoredAny>,
    #[serde(rename = "golden")]
    _golden: Option<IgnoredAny>,
    #[serde(rename = "reference")]
    _reference: Option<IgnoredAny>,
}

/// A model file, taken apart.
#[derive(Debug)]
pub struct Parts {
    /// The file with the graph alone in its header: what a runtime reads.
    pub model: Vec<u8>,
    /// The model card's words, golden examples and reference statistics, as the file has them.
    pub card: Option<Value>,
    /// Golden examples.
    pub golden: Option<Value>,
    /// Reference statistics.
    pub reference: Option<Value>,
}

impl Parts {
    /// Takes a file apart; its graph and its arrays are not looked at.
    pub fn of(bytes: &[u8]) -> Result<Self, FileError> {
        let (header, payload) = split(bytes)?;
        let mut header: Map<String, Value> = strict::from_slice(header)?;
        let mut take = |name: &str| header.remove(name).filter(|value| !value.is_null());
        let (card, golden, reference) = (take("card"), take("golden"), take("reference"));
        let model = framed(&Value::Object(header), payload);
        Ok(Self { model, card, golden, reference })
    }
}

/// A file of a header and a payload.
pub fn framed(header: &Value, payload: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    let mut file = MAGIC.to_vec();
    file.extend(FORMAT.to_le_bytes());
    file.extend([0; 4]);
    file.extend((header.len() as u64).to_le_bytes());
    file.extend((payload.len() as u64).to_le_bytes());
    file.extend(header.bytes());
    file.resize(file.len().next_multiple_of(PAYLOAD_ALIGN), 0);
    file.extend(payload);
    file
}

/// Reads the header, and places the arrays.
pub(crate) fn read(bytes: &[u8]) -> Result<(Graph, Arrays<'_>), FileError> {
    let (header, payload) = split(bytes)?;
    let Header { model, .. } = strict::from_slice(header)?;
    let arrays = Arrays::place(&model.arrays, payload)?;
    Ok((model, arrays))
}

/// Finds header and payload.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), FileError> {
    let layout = |expected: &str, found: String| FileError::Layout { expected: expected.into(), found };
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        return Err(if bytes.starts_with(MAGIC) {
            layout("at least 32 bytes", bytes.len().to_string())
        } else {
            FileError::Magic
        });
    };
    let (magic, fixed) = fixed.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(FileError::Magic);
    }
    let word = |at: usize| fixed.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes);
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let (format, zero, header_bytes, payload_bytes) = (word(0), word(4), long(8), long(16));
    if format != FORMAT {
        return Err(FileError::Format { found: format });
    }
    if zero != 0 {
        return Err(layout("zero at byte 12", zero.to_string()));
    }
    if header_bytes > HEADER_MAX_BYTES {
        return Err(layout(&format!("a header of at most {HEADER_MAX_BYTES} bytes"), header_bytes.to_string()));
    }
    // Neither conversion fails: the header is small, and no slice is as long as the largest payload.
    let header_bytes = usize::try_from(header_bytes).unwrap_or(usize::MAX);
    let payload_at = (FIXED_BYTES + header_bytes).next_multiple_of(PAYLOAD_ALIGN);
    let expected = (payload_at as u64).checked_add(payload_bytes);
    if expected != Some(bytes.len() as u64) {
        let expected = expected.map_or_else(|| "fewer bytes".into(), |expected| format!("{expected} bytes"));
        return Err(layout(&expected, bytes.len().to_string()));
    }
    let (Some(header), Some(between), Some(payload)) =
        (rest.get(..header_bytes), bytes.get(FIXED_BYTES + header_bytes..payload_at), bytes.get(payload_at..))
    else {
        return Err(layout("a header and a payload", "less".into()));
    };
    if between.iter().any(|&byte| byte != 0) {
        return Err(layout("zeros between header and payload", "another byte".into()));
    }
    Ok((header, payload))
}
