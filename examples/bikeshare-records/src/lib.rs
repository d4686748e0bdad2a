//! What the bike-share models read and answer: models that stand in for each
//! other share their records.

use scry_guest::prelude::*;

/// One hour.
#[derive(Record)]
pub struct Hour {
    /// Hour of the day.
    #[field(unit = "h", min = 0, max = 23)]
    pub hour: i64,
    /// Day of the week, from Sunday.
    #[field(min = 0, max = 6)]
    pub weekday: i64,
    /// Month of the year.
    #[field(min = 1, max = 12)]
    pub month: i64,
    /// Whether the day is a public holiday.
    pub holiday: bool,
    /// Whether the day is neither a weekend nor a holiday.
    pub working_day: bool,
    /// The weather.
    pub weather: Weather,
    /// Temperature, scaled from -8 °C to 39 °C.
    #[field(min = -0.5, max = 1.5)]
    pub temperature: Option<f64>,
    /// What it feels like, scaled from -16 °C to 50 °C.
    #[field(min = -0.5, max = 1.5)]
    pub felt_temperature: Option<f64>,
    /// Relative humidity.
    #[field(min = 0, max = 1)]
    pub humidity: Option<f64>,
    /// Wind speed, scaled from 0 to 67 km/h.
    #[field(min = 0, max = 3)]
    pub wind_speed: Option<f64>,
}

/// The weather, as the data set names it.
#[derive(Category, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Few clouds.
    Clear,
    /// Mist or clouds.
    #[category("cloudy/misty")]
    Cloudy,
    /// Light rain or snow.
    #[category("light rain/snow")]
    LightRain,
    /// Heavy rain or snow.
    #[category("heavy rain/snow")]
    HeavyRain,
}

/// The answer for one hour.
#[derive(Record)]
pub struct Riders {
    /// How many people ride.
    #[field(min = 0)]
    pub riders: f64,
}
