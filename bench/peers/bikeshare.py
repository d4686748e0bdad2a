"""The bike-share model as the peers share it: the trees' file and the feature pipeline."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

MODEL_NAME = "bikeshare"
MODEL_FILE = Path(__file__).parents[2] / "examples" / "bikeshare" / "model.txt"
WEATHER = ["clear", "cloudy/misty", "light rain/snow", "heavy rain/snow"]
NUMBERS = ["hour", "weekday", "month", "holiday", "working_day", "temperature", "humidity", "wind_speed"]


def features(hours: Mapping[str, Sequence]) -> np.ndarray:
    """What `transform` of examples/bikeshare does: columns to a row of 13 numbers an hour, NaN for what is missing.

    NumPy and no data frame: for one row, making the frame would cost more than everything else here.
    """
    rows = np.empty((len(hours["hour"]), 13))
    for i, name in enumerate(NUMBERS):
        rows[:, i] = hours[name]
    rows[:, 8] = hours["felt_temperature"]
    rows[:, 8] -= rows[:, 5]
    for i, weather in enumerate(WEATHER, start=9):
        rows[:, i] = [each == weather for each in hours["weather"]]
    return rows
