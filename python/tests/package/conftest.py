"""Components that were exported once, and the programs that the tests of the package run."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data
import pytest
import scry
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


@dataclass(frozen=True)
class Fitted:
    """A model, what it was fitted on, and its component."""

    model: Any
    x: Any
    y: Any
    exported: scry.Exported
    component: scry.Component


def titanic_pipeline() -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer((numbers, ["age"]), (OneHotEncoder(handle_unknown="ignore"), ["class", "sex"]))
    return make_pipeline(columns, LogisticRegression())


def _fitted(model: Any, x: Any, y: Any, folder: Path, name: str) -> Fitted:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
        exported = scry.export(model, x, folder / f"{name}.wasm", name=name, y=y, quiet=True)
    return Fitted(model, x, y, exported, scry.Component(exported.path))


@pytest.fixture(scope="session")
def titanic(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A classifier of a frame with text and missing numbers."""
    return _fitted(titanic_pipeline(), *data.titanic(), tmp_path_factory.mktemp("titanic"), "titanic")


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A regression over an array."""
    x, y = data.cancer()
    forest = RandomForestRegressor(5, max_depth=5, random_state=0)
    return _fitted(forest, x.to_numpy(), y, tmp_path_factory.mktemp("cells"), "cells")


def _named(variable: str, what: str) -> str:
    path = os.environ.get(variable)
    if path is None:
        pytest.skip(f"set {variable} to {what}")
    return path


@pytest.fixture(scope="session")
def scry_program() -> str:
    """The `scry` command."""
    return _named("SCRY_PROGRAM", "the program `scry`")


@pytest.fixture(scope="session")
def guests() -> str:
    """Where cargo has built guests, or builds them."""
    return _named("SCRY_GUESTS", "a folder for cargo's files")


@pytest.fixture(scope="session")
def hostile() -> str:
    """A component that does what its input says, mostly what none should."""
    return _named("SCRY_HOSTILE", "the component of tests/guests/hostile")
