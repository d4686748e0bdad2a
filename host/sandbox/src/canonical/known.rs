//! What the analysis knows: features of WebAssembly, and kinds of floats. All else is refused.

use wasmparser::{BinaryReaderError, WasmFeatures};

/// All that the analysis knows. Relaxed SIMD, above all, differs between
/// processors in more than NaN bits.
pub(super) const KNOWN: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Why bytes were refused.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// It does not validate.
    #[error("invalid, or of a WebAssembly feature that no model gets: {0}")]
    Refused(#[from] BinaryReaderError),
    /// The analysis has lost its way.
    #[error("code that cannot be followed; this is a bug in scry")]
    Unfollowed,
}

/// A kind of value whose NaN bits arithmetic leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    F32,
    F64,
    F32x4,
    F64x2,
}
