"""Real data, with gaps where the real world has some."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations, f"install {package}"
    return Path(spec.submodule_search_locations[0])


@cache
def _titanic() -> pd.DataFrame:
    return pd.read_csv(_folder("bokeh_sampledata") / "_data" / "titanic_all.csv")


def titanic() -> tuple[pd.DataFrame, pd.Series]:
    """Passengers: class, age (a third are missing), sex; whether they survived."""
    data = _titanic()
    return data[["class", "age", "sex"]].copy(), data["survived"].copy()


@cache
def _bikes() -> pd.DataFrame:
    return pd.read_csv(_folder("ISLP") / "data" / "Bikeshare.csv")


def bikes(rows: int | None = None) -> tuple[pd.DataFrame, pd.Series]:
    """Hours of a bike share: text, integers, readings of which a twentieth are missing; riders."""
    data = _bikes()
    names = ["mnth", "hr", "holiday", "weekday", "weathersit", "temp", "atemp", "hum", "windspeed"]
    x = data[names].copy()
    readings = ["temp", "atemp", "hum", "windspeed"]
    gaps = np.random.default_rng(7).random((len(x), len(readings))) < 0.05
    x[readings] = x[readings].mask(gaps)
    x["hr"] = x["hr"].astype("int64")
    x["holiday"] = x["holiday"].astype(bool)
    y = data["bikers"].astype(float)
    return (x, y) if rows is None else (x.iloc[:rows].copy(), y.iloc[:rows].copy())


def cancer(gaps: float = 0.0) -> tuple[pd.DataFrame, pd.Series]:
    """Cells: 30 numbers; benign or not."""
    x, y = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    if gaps:
        x = x.mask(np.random.default_rng(3).random(x.shape) < gaps)
    return x, y


def wine(gaps: float = 0.0) -> tuple[pd.DataFrame, pd.Series]:
    """Wines: 13 numbers; three growers, by name."""
    x, y = datasets.load_wine(return_X_y=True, as_frame=True)
    if gaps:
        x = x.mask(np.random.default_rng(5).random(x.shape) < gaps)
    return x, y.map({0: "barolo", 1: "grignolino", 2: "barbera"})


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images of 8 by 8 points; ten digits. An array."""
    return datasets.load_digits(return_X_y=True)
