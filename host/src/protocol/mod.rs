//! Wire formats to batches and back. Never decides anything.

mod records;
mod v2;
mod written;

pub use records::{InvalidRows, RecordsRequest, RecordsResponse, Surface, detail};
pub use v2::{InferRequest, InferResponse, KEY_MAX_BYTES, ProtocolError, SentTensor, metadata, sent_tensors};

/// Whether a body may say a deadline of its own; most say none. One that spells
/// the word with escapes is believed to say none.
pub fn may_have_timeout(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"\"timeout\"").is_some()
}
