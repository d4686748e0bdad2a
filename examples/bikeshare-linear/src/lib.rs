//! Riders per hour of a bike share, by ridge regression: the fallback of
//! `bikeshare`, with the same records.

use bikeshare_records::{Hour, Riders};
use scry_guest::kernels::{Linear, Scaler, one_hot, one_hot_number};
use scry_guest::prelude::*;

/// What the regression was trained on.
#[derive(Record)]
pub struct Features {
    /// Four scaled readings, holiday, working day; weather, hour, weekday and
    /// month one-hot.
    pub features: [f64; 53],
}

/// The model.
pub struct Baseline {
    scaler: Scaler,
    linear: Linear,
}

impl scry_guest::Model for Baseline {
    type Input = Hour;
    type Features = Features;
    type Output = Riders;

    fn load() -> Result<Self, LoadError> {
        let weights = Weights::from_safetensors(include_bytes!("../weights.safetensors"))?;
        Ok(Self {
            scaler: Scaler { mean: weights.f64("mean")?, scale: weights.f64("scale")? },
            linear: Linear {
                coefficients: weights.f64("coefficients")?,
                intercept: *weights.f64("intercept")?.first().ok_or("`intercept` is empty")?,
            },
        })
    }

    fn transform(&self, hours: Batch<Hour>) -> Result<Batch<Features>, Failure> {
        Ok(hours.rows().map(|hour| Features { features: self.features(&hour) }).collect())
    }

    fn predict(&self, rows: Batch<Features>) -> Result<Batch<Riders>, Failure> {
        let riders = |features: &[f64; 53]| Riders { riders: self.linear.predict(features).max(0.0) };
        Ok(rows.features.iter().map(riders).collect())
    }
}

impl Baseline {
    fn features(&self, hour: &Hour) -> [f64; 53] {
        let reading = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let mut readings = [
            reading(hour.temperature),
            reading(hour.felt_temperature),
            reading(hour.humidity),
            reading(hour.wind_speed),
        ];
        self.scaler.scale_or_mean(&mut readings);
        let mut features = [0.0; 53];
        features[..4].copy_from_slice(&readings);
        features[4] = f64::from(hour.holiday);
        features[5] = f64::from(hour.working_day);
        features[6..10].copy_from_slice(&one_hot::<_, 4>(Some(hour.weather)));
        features[10..34].copy_from_slice(&one_hot_number::<24>(hour.hour));
        features[34..41].copy_from_slice(&one_hot_number::<7>(hour.weekday));
        features[41..].copy_from_slice(&one_hot_number::<12>(hour.month - 1));
        features
    }
}

scry_guest::export!(Baseline);

#[cfg(test)]
mod tests {
    #[test]
    fn agrees_with_the_original() {
        scry_guest::testing::golden::<super::Baseline>(env!("CARGO_MANIFEST_DIR"));
    }
}
