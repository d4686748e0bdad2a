"""What X may be: frames of pandas and polars, arrays; and what a schema says of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from data import bikes, cancer, titanic
from scry import ExportError
from scry._export import export_graph
from scry._export.frame import read_frame
from scry._export.registry import version
from scry._export.write import used_inputs
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

CLOSE = 1e-12


def steps(*, text: bool = True):
    encoder = OneHotEncoder(handle_unknown="ignore")
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    parts = [(encoder, ["class", "sex"])] if text else []
    return make_pipeline(make_column_transformer(*parts, (numbers, ["age"])), LogisticRegression())


OLD = pytest.mark.skipif(version("sklearn") < (1, 9), reason="scikit-learn before 1.9 does not know polars 2")


@OLD
def test_polars(check):
    x, y = titanic()
    frame = pl.from_pandas(x)
    check(steps().fit(frame, y), frame, CLOSE, name="LogisticRegression, titanic in polars")


@OLD
def test_polars_with_missing_text(check):
    x, y = titanic()
    x.iloc[::9, 0] = None
    frame = pl.from_pandas(x)
    model = make_pipeline(make_column_transformer((OrdinalEncoder(), ["class", "sex"]), (SimpleImputer(), ["age"])),
                          RandomForestClassifier(10, random_state=0))  # fmt: skip
    check(model.fit(frame, y), frame, 0.0, name="random_forest, titanic in polars with missing text")


def test_polars_types(check):
    x, y = bikes()
    frame = pl.from_pandas(x).with_columns(pl.col("hr").cast(pl.Int16), pl.col("weekday").cast(pl.UInt8))
    frame = frame.drop("mnth", "weathersit")
    check(HistGradientBoostingRegressor(max_iter=20).fit(frame, y), frame, 0.0, name="hist_boosting, bikes in polars")


def test_pandas_nullable_types(check):
    x, y = titanic()
    x["age"] = x["age"].round().astype("Int64")
    x["sex"] = x["sex"].astype("string")
    check(steps().fit(x, y), x, CLOSE, name="LogisticRegression, titanic with nullable types")


def test_pandas_objects(check):
    x, y = titanic()
    check(steps().fit(x.astype({"sex": object}), y), x.astype({"sex": object}), CLOSE)


def test_array_of_objects(check):
    x, y = titanic()
    array = x.to_numpy(dtype=object)
    model = make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown="ignore"), [0, 2]),
                          (SimpleImputer(), [1])), LogisticRegression())  # fmt: skip
    check(model.fit(array, y), array, CLOSE, name="LogisticRegression, titanic as an array")


def test_whole_numbers(check):
    x, y = bikes()
    x = x[["hr", "weekday", "holiday"]].astype({"hr": "int8", "weekday": "uint16"})
    check(make_pipeline(StandardScaler(), Ridge()).fit(x, y), x, CLOSE, name="Ridge, whole numbers and truth values")


def test_schema():
    x, y = titanic()
    exported = export_graph(steps().fit(x, y), x)
    told = {each["name"]: each for each in exported.graph.inputs}
    assert told["age"] == {"name": "age", "datatype": "FP64", "nullable": True, "minimum": 0.17, "maximum": 71.0}
    assert told["sex"] == {"name": "sex", "datatype": "BYTES", "categories": ["female", "male"]}


def test_a_column_that_nothing_reads_is_no_input():
    x, y = titanic()
    x["ticket"] = "a text"
    assert used_inputs(export_graph(steps().fit(x, y), x)) == ["class", "age", "sex"]


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (pd.DataFrame({"a": pd.to_datetime(["2024-01-01"])}), "column `a` holds dates"),
        (
            pl.DataFrame({"a": [1]}).with_columns(pl.lit("2024-01-01").str.to_date().alias("b")),
            "column `b` holds dates",
        ),
        (pd.DataFrame({"a": [1, "x"]}), "column `a` holds int, str"),
        (pd.DataFrame({"a": [[1], [2]]}), "column `a` holds list"),
        (pd.DataFrame({"a": [1.0]}).iloc[:0], "no columns or no rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns `a`"),
        (np.zeros(3), "is no table"),
        (np.zeros((2, 5000)), "at most 4096"),
        ([[1.0]], "list is no table"),
        (pd.DataFrame({"": [1.0]}), "not of 1 to 128 bytes"),
        (np.zeros((2, 2), dtype="float16"), "is float16"),
        (np.array([[1.0, 2.0], [3.0, -np.inf]]), "column `x1` is infinite in row 1"),
        (pd.DataFrame({"a": [None, np.inf]}, dtype=object), "column `a` is infinite in row 1"),
        (pl.DataFrame({"a": [None, 1.0, float("inf")]}), "column `a` is infinite in row 2"),
    ],
)
def test_no_table(x, told):
    with pytest.raises(ExportError, match=told):
        read_frame(x)


def test_rows_there_and_back():
    x, _ = titanic()
    for frame in (x, pl.from_pandas(x), cancer()[0], cancer()[0].to_numpy(dtype="float32")):
        read = read_frame(frame)
        again = read_frame(read.rebuilt(read.records(range(read.rows))))
        assert again.inputs == read.inputs
        assert again.records(range(read.rows)) == read.records(range(read.rows))
