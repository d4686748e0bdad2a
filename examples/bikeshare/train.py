"""Trains the gradient-boosted model: riders per hour of Washington's bike share.

Data: ISLP's Bikeshare (8,645 hours of 2011 and 2012). Needs
`pip install --no-deps ISLP==0.6.0` and
`pip install lightgbm==4.7.0 pandas==3.1.1 scikit-learn==1.9.1`.

Weather stations fail, the data has no gaps: a twentieth of the readings is
masked in training, so that the trees learn what to do without them.

`python train.py rows.csv` writes the training rows too, for `scry profile`.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

HERE = Path(__file__).parent
MONTHS = ["Jan", "Feb", "March", "April", "May", "June", "July", "Aug", "Sept", "Oct", "Nov", "Dec"]
WEATHER = ["clear", "cloudy/misty", "light rain/snow", "heavy rain/snow"]
READINGS = ["temperature", "felt_temperature", "humidity", "wind_speed"]


def hours() -> pd.DataFrame:
    """The data as clients send it: one row an hour."""
    data = pd.read_csv(Path(find_spec("ISLP").submodule_search_locations[0]) / "data" / "Bikeshare.csv")
    rows = pd.DataFrame(
        {
            "hour": data.hr.astype(int),
            "weekday": data.weekday.astype(int),
            "month": data.mnth.map({name: i + 1 for i, name in enumerate(MONTHS)}).astype(int),
            "holiday": data.holiday.astype(bool),
            "working_day": data.workingday.astype(bool),
            "weather": data.weathersit,
            "temperature": data.temp,
            "felt_temperature": data.atemp,
            "humidity": data.hum,
            "wind_speed": data.windspeed,
            "riders": data.bikers.astype(float),
        }
    )
    assert rows.month.between(1, 12).all() and set(rows.weather) <= set(WEATHER)
    mask = np.random.default_rng(7).random((len(rows), len(READINGS))) < 0.05
    rows[READINGS] = rows[READINGS].mask(mask)
    return rows


def pipeline(rows: pd.DataFrame) -> np.ndarray:
    """What `transform` in src/lib.rs does."""
    weather = np.stack([(rows.weather == name).to_numpy(float) for name in WEATHER], axis=1)
    numbers = rows[["hour", "weekday", "month", "holiday", "working_day"]].to_numpy(float)
    readings = rows[["temperature", "humidity", "wind_speed"]].to_numpy(float)
    chill = (rows.felt_temperature - rows.temperature).to_numpy(float)[:, None]
    return np.hstack([numbers, readings, chill, weather])


def records(rows: pd.DataFrame) -> list:
    """Rows as JSON objects, a missing value as null."""
    return json.loads(rows.to_json(orient="records", double_precision=15))


def examples(rows: pd.DataFrame, predict) -> dict:
    """Golden examples: what the original model answers."""
    inputs = rows.drop(columns="riders")
    complete = inputs[READINGS].notna().all(axis=1)
    chosen = {
        "a rush hour": inputs[complete & (inputs.hour == 8) & inputs.working_day].head(3),
        "a night": inputs[complete & (inputs.hour == 3)].head(3),
        "rain": inputs[complete & (inputs.weather == "light rain/snow")].head(3),
        "the station failed": inputs[~complete].head(8),
        "a batch": inputs.sample(64, random_state=1),
    }
    return {
        "rtol": 1e-6,
        "atol": 1e-6,
        "examples": [
            {"name": name, "inputs": records(part), "outputs": [{"riders": float(y)} for y in predict(part)]}
            for name, part in chosen.items()
        ],
    }


def main() -> None:
    rows = hours()
    test = np.arange(len(rows)) % 5 == 4
    parameters = {
        "objective": "poisson", "num_leaves": 31, "max_depth": 6, "learning_rate": 0.08,
        "min_data_in_leaf": 20, "seed": 7, "deterministic": True, "num_threads": 1, "verbose": -1,
    }
    booster = lgb.train(parameters, lgb.Dataset(pipeline(rows[~test]), rows.riders[~test]), 200)
    for path in sys.argv[1:]:
        rows[~test].to_csv(path, index=False)
    booster.save_model(HERE / "model.txt", importance_type="gain")
    predict = lambda part: booster.predict(pipeline(part))
    error = np.abs(predict(rows[test]) - rows.riders[test]).mean()
    print(f"mean absolute error on {test.sum()} held-out hours: {error:.1f} riders (mean {rows.riders.mean():.1f})")
    (HERE / "golden.json").write_text(json.dumps(examples(rows[test], predict), indent=1) + "\n")


if __name__ == "__main__":
    main()
