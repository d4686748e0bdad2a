"""Trains the linear baseline on the data of ../bikeshare/train.py.

Needs `safetensors==0.8.0` beside what that script needs.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import Ridge

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "bikeshare"))
from train import READINGS, WEATHER, examples, hours  # noqa: E402


def one_hot(column, values) -> np.ndarray:
    return np.stack([(column == value).to_numpy(float) for value in values], axis=1)


def main() -> None:
    rows = hours()
    test = np.arange(len(rows)) % 5 == 4
    mean = rows[READINGS][~test].mean().to_numpy()
    scale = rows[READINGS][~test].std(ddof=0).to_numpy()

    def pipeline(part) -> np.ndarray:
        """What `transform` in src/lib.rs does: a missing reading is the mean."""
        readings = np.nan_to_num((part[READINGS].to_numpy(float) - mean) / scale, nan=0.0)
        flags = part[["holiday", "working_day"]].to_numpy(float)
        return np.hstack([
            readings, flags, one_hot(part.weather, WEATHER), one_hot(part.hour, range(24)),
            one_hot(part.weekday, range(7)), one_hot(part.month, range(1, 13)),
        ])

    model = Ridge(alpha=1.0).fit(pipeline(rows[~test]), rows.riders[~test])
    predict = lambda part: np.maximum(model.predict(pipeline(part)), 0.0)
    error = np.abs(predict(rows[test]) - rows.riders[test]).mean()
    print(f"mean absolute error on {test.sum()} held-out hours: {error:.1f} riders (mean {rows.riders.mean():.1f})")
    save_file(
        {"mean": mean, "scale": scale, "coefficients": model.coef_, "intercept": np.array([model.intercept_])},
        HERE / "weights.safetensors",
    )
    (HERE / "golden.json").write_text(json.dumps(examples(rows[test], predict), indent=1) + "\n")


if __name__ == "__main__":
    main()
