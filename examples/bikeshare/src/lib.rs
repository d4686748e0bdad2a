//! Riders per hour of a bike share, by gradient-boosted trees.

use bikeshare_records::{Hour, Riders};
use scry_guest::kernels::{Trees, one_hot, trees_from_lightgbm};
use scry_guest::prelude::*;

/// What the trees were trained on; NaN where a reading is missing.
#[derive(Record)]
pub struct Features {
    /// Hour, weekday, month, holiday, working day, temperature, humidity, wind
    /// speed, felt minus measured temperature, weather one-hot.
    pub features: [f64; 13],
}

/// The model.
pub struct Bikeshare {
    trees: Trees,
}

impl scry_guest::Model for Bikeshare {
    type Input = Hour;
    type Features = Features;
    type Output = Riders;

    fn load() -> Result<Self, LoadError> {
        Ok(Self { trees: trees_from_lightgbm(include_str!("../model.txt"))? })
    }

    fn transform(&self, hours: Batch<Hour>) -> Result<Batch<Features>, Failure> {
        Ok(hours.rows().map(|hour| Features { features: features(&hour) }).collect())
    }

    fn predict(&self, features: Batch<Features>) -> Result<Batch<Riders>, Failure> {
        let riders = self.trees.predict(features.features.as_flattened());
        Ok(riders.into_iter().map(|riders| Riders { riders }).collect())
    }
}

fn features(hour: &Hour) -> [f64; 13] {
    let reading = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let [clear, cloudy, light_rain, heavy_rain] = one_hot(Some(hour.weather));
    [
        hour.hour as f64,
        hour.weekday as f64,
        hour.month as f64,
        f64::from(hour.holiday),
        f64::from(hour.working_day),
        reading(hour.temperature),
        reading(hour.humidity),
        reading(hour.wind_speed),
        reading(hour.felt_temperature) - reading(hour.temperature),
        clear,
        cloudy,
        light_rain,
        heavy_rain,
    ]
}

scry_guest::export!(Bikeshare);

#[cfg(test)]
mod tests {
    use super::Bikeshare;
    use scry_guest::card::Decision;
    use scry_guest::testing;

    const CRATE: &str = env!("CARGO_MANIFEST_DIR");

    #[test]
    fn agrees_with_the_original() {
        testing::golden::<Bikeshare>(CRATE);
    }

    #[test]
    fn has_its_properties() {
        testing::properties::<Bikeshare>(CRATE);
    }

    #[test]
    fn a_contradiction_is_refused_and_an_oddity_told() {
        let hour = |changed: &str| {
            let row = r#""hour": 8, "weekday": 1, "month": 5, "working_day": true, "weather": "clear""#;
            testing::check_inputs::<Bikeshare>(CRATE, &format!("[{{{row}, {changed}}}]")).unwrap()
        };
        assert_eq!(hour(r#""holiday": false"#).decision(), Decision::Accept);
        assert_eq!(hour(r#""holiday": true"#).decision(), Decision::Reject);
        let odd = hour(r#""holiday": false, "temperature": 0.2, "felt_temperature": 0.9"#);
        assert_eq!(odd.decision(), Decision::Warn);
        assert!(odd.findings[0].to_string().starts_with("rule `felt is near measured`, row 0"), "{odd:?}");
    }
}
