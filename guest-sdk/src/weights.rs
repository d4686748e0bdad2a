//! Weights from a safetensors file, compiled in with `include_bytes!`.
//!
//! `safetensors.numpy.save_file({"coef": model.coef_}, "weights.safetensors")`
//! writes one from Python.

use safetensors::{Dtype, SafeTensors};

/// Named arrays.
pub struct Weights<'a>(SafeTensors<'a>);

/// Why an array could not be read.
#[derive(Debug)]
pub struct WeightsError(String);

impl std::fmt::Display for WeightsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WeightsError {}

impl<'a> Weights<'a> {
    /// Reads the file's header; the arrays stay where they are.
    pub fn from_safetensors(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        SafeTensors::deserialize(bytes).map(Self).map_err(|e| WeightsError(format!("not a safetensors file: {e}")))
    }

    /// A float64 array, flat and row-major.
    pub fn f64(&self, name: &str) -> Result<Vec<f64>, WeightsError> {
        let bytes = self.bytes(name, Dtype::F64)?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|&chunk| f64::from_le_bytes(chunk)).collect())
    }

    /// A float32 array, flat and row-major.
    pub fn f32(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let bytes = self.bytes(name, Dtype::F32)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect())
    }

    /// The array's shape.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>, WeightsError> {
        let view = self.0.tensor(name).map_err(|e| WeightsError(format!("weights `{name}`: {e}")))?;
        Ok(view.shape().to_vec())
    }

    fn bytes(&self, name: &str, expected: Dtype) -> Result<&'a [u8], WeightsError> {
        let view = self.0.tensor(name).map_err(|e| WeightsError(format!("weights `{name}`: {e}")))?;
        if view.dtype() != expected {
            return Err(WeightsError(format!("weights `{name}`: expected {expected:?}, found {:?}", view.dtype())));
        }
        Ok(view.data())
    }
}
