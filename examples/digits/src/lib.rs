//! Handwritten digits of 8x8 pixels, by a small neural network.

use scry_guest::kernels::{Dense, relu, softmax};
use scry_guest::prelude::*;

/// One image.
#[derive(Record)]
pub struct Image {
    /// Ink in each pixel, row by row from the top.
    #[field(min = 0, max = 16)]
    pub image: [[f32; 8]; 8],
}

/// The same, scaled to 0 to 1.
#[derive(Record)]
pub struct Pixels {
    /// Row by row from the top.
    pub pixels: [f32; 64],
}

/// The answer for one image.
#[derive(Record)]
pub struct Digit {
    /// The most probable digit.
    #[field(min = 0, max = 9)]
    pub digit: i64,
    /// Probability of each digit.
    #[field(min = 0, max = 1)]
    pub probabilities: [f32; 10],
}

/// The network: 64 inputs, 128 hidden units, 10 outputs.
pub struct Digits {
    hidden: Dense,
    output: Dense,
}

impl scry_guest::Model for Digits {
    type Input = Image;
    type Features = Pixels;
    type Output = Digit;

    fn load() -> Result<Self, LoadError> {
        let weights = Weights::from_safetensors(include_bytes!("../weights.safetensors"))?;
        let layer = |name: &str, inputs| -> Result<Dense, LoadError> {
            let (weight, bias) = (weights.f32(&format!("{name}.weight"))?, weights.f32(&format!("{name}.bias"))?);
            Ok(Dense::from_columns(inputs, &weight, &bias).ok_or("weights and bias do not fit")?)
        };
        Ok(Self { hidden: layer("hidden", 64)?, output: layer("output", 128)? })
    }

    fn transform(&self, images: Batch<Image>) -> Result<Batch<Pixels>, Failure> {
        let (images, _) = images.image.as_flattened().as_flattened().as_chunks::<64>();
        let pixels = images.iter().map(|image| image.map(|ink| ink / 16.0)).collect();
        Batch::new(PixelsColumns { pixels })
    }

    fn predict(&self, rows: Batch<Pixels>) -> Result<Batch<Digit>, Failure> {
        let (mut hidden, mut output) = (Vec::new(), Vec::new());
        let mut digits = Vec::with_capacity(rows.pixels.len());
        // So few at a time that what is between the layers stays at hand.
        for pixels in rows.pixels.chunks(16) {
            self.hidden.forward(pixels.as_flattened(), &mut hidden);
            relu(&mut hidden);
            self.output.forward(&hidden, &mut output);
            let (scores, _) = output.as_chunks_mut::<10>();
            digits.extend(scores.iter_mut().map(|scores| {
                softmax(scores);
                let best = (0..10).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
                Digit { digit: best as i64, probabilities: *scores }
            }));
        }
        Ok(digits.into_iter().collect())
    }
}

scry_guest::export!(Digits);

#[cfg(test)]
mod tests {
    #[test]
    fn agrees_with_the_original() {
        scry_guest::testing::golden::<super::Digits>(env!("CARGO_MANIFEST_DIR"));
    }
}
