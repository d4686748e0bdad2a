"""What a component answers to tables of every kind, beside the model that it was made from."""

from __future__ import annotations

import datetime
import math
import pickle
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scry
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

BOUND = 1e-12


def assert_titanic(fitted: Any, labels: Any, probabilities: Any, x: Any = None) -> None:
    x = fitted.x if x is None else x
    assert list(labels) == fitted.model.predict(x).tolist()
    assert np.abs(np.stack(list(probabilities)) - fitted.model.predict_proba(x)).max() <= BOUND


def test_a_frame_of_pandas_gives_one_with_its_index(titanic: Any) -> None:
    x = titanic.x.iloc[::-1]
    told = titanic.component.predict(x)
    assert isinstance(told, pd.DataFrame)
    assert list(told.columns) == ["label", "probabilities"]
    assert told.index.equals(x.index)
    assert_titanic(titanic, told["label"], told["probabilities"], x)


def test_a_frame_of_polars_gives_one(titanic: Any) -> None:
    x = pl.from_pandas(titanic.x).with_columns(pl.col("class").cast(pl.Categorical))
    told = titanic.component.predict(x)
    assert isinstance(told, pl.DataFrame)
    assert told.schema == {"label": pl.Int64, "probabilities": pl.Array(pl.Float64, 2)}
    assert_titanic(titanic, told["label"], told["probabilities"].to_numpy())


def test_a_table_of_arrow_gives_one(titanic: Any) -> None:
    x = pa.Table.from_pandas(titanic.x)
    told = titanic.component.predict(x)
    assert isinstance(told, pa.Table)
    assert_titanic(titanic, told["label"].to_pylist(), told["probabilities"].to_pylist())
    (batch,) = x.to_batches()
    again = titanic.component.predict(batch)
    assert isinstance(again, pa.RecordBatch) and pa.table(again).equals(told)
    assert isinstance(titanic.component.predict(batch[:0]), pa.RecordBatch)


def test_any_table_that_speaks_arrows_interface_gives_one_that_does(titanic: Any) -> None:
    class Stranger:
        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            chunked = pa.concat_tables([pa.Table.from_pandas(titanic.x[at : at + 500]) for at in (0, 500, 1000)])
            return chunked.__arrow_c_stream__(requested_schema)

    told = pa.table(titanic.component.predict(Stranger()))
    assert_titanic(titanic, told["label"].to_pylist(), told["probabilities"].to_pylist())


def test_rows_give_rows(titanic: Any) -> None:
    rows = titanic.x.to_dict("records")
    told = titanic.component.predict(rows)
    assert isinstance(told, list)
    assert_titanic(titanic, [row["label"] for row in told], [row["probabilities"] for row in told])


def test_an_array_gives_an_array_where_there_is_one_output(cells: Any) -> None:
    told = cells.component.predict(cells.x)
    assert isinstance(told, np.ndarray)
    assert told.tolist() == cells.model.predict(cells.x).tolist()


def test_arrays_of_other_types_and_orders_are_read_as_they_are(cells: Any) -> None:
    want = cells.model.predict(cells.x.astype("f4"))
    for x in (cells.x.astype("f4"), np.asfortranarray(cells.x.astype("f4")), cells.x.astype("f4").astype(">f4")):
        assert cells.component.predict(x).tolist() == want.tolist()
    assert (
        cells.component.predict(np.zeros((1, 30), dtype=int)).tolist()
        == cells.model.predict(np.zeros((1, 30))).tolist()
    )


def test_an_array_gives_a_dictionary_where_there_are_several(titanic: Any) -> None:
    told = titanic.component.predict(titanic.x.to_numpy(dtype=object))
    assert_titanic(titanic, told["label"], told["probabilities"])


def test_transform_gives_the_features(titanic: Any) -> None:
    want = titanic.model[:-1].transform(titanic.x)
    told = titanic.component.transform(titanic.x)
    assert list(told.columns) == ["features"]
    assert np.abs(np.stack(list(told["features"])) - want).max() <= BOUND
    stacked = titanic.component.transform(titanic.x.to_numpy(dtype=object))
    assert np.abs(stacked - want).max() <= BOUND


def test_transformers_are_components_too(titanic: Any, tmp_path: Path) -> None:
    made = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(sparse_output=False), ["sex"]))
    made.fit(titanic.x)
    component = scry.Component(scry.export(made, titanic.x, tmp_path / "t.wasm", name="t", quiet=True).path)
    told = np.stack(list(component.predict(titanic.x)["features"]))
    want = made.transform(titanic.x)
    assert np.array_equal(np.isnan(told), np.isnan(want))
    assert np.nanmax(np.abs(told - want)) <= BOUND


def test_no_rows_get_no_answers(titanic: Any, cells: Any) -> None:
    told = titanic.component.predict(titanic.x[:0])
    assert (list(told.columns), len(told)) == (["label", "probabilities"], 0)
    assert titanic.component.predict([]) == []
    assert cells.component.predict(cells.x[:0]).shape == (0,)
    assert titanic.component.predict(pl.from_pandas(titanic.x[:0])).shape == (0, 2)


def test_a_component_says_what_it_is(titanic: Any, cells: Any) -> None:
    component = titanic.component
    assert component.name == component.card["name"] == "titanic"
    assert component.digest == titanic.exported.digest
    assert component.classes == titanic.model.classes_.tolist()
    assert cells.component.classes is None
    assert {each["name"] for each in component.schema["inputs"]} == {"class", "age", "sex"}
    assert Path(titanic.exported.path).stat().st_size == titanic.exported.size_bytes
    assert 0 <= titanic.exported.max_difference <= BOUND
    assert cells.exported.max_difference == 0


def test_one_model_has_one_digest_by_every_way(titanic: Any, tmp_path: Path, scry_program: str) -> None:
    told = {"name": "titanic", "y": titanic.y}
    again = scry.export(titanic.model, titanic.x, tmp_path / "again.wasm", quiet=True, **told)
    assert again.digest == titanic.exported.digest
    assert Path(again.path).read_bytes() == Path(titanic.exported.path).read_bytes()
    plain = scry.export(titanic.model, titanic.x, tmp_path / "plain.wasm", quiet=True, reference=False, **told)
    file, imported = tmp_path / "titanic.scry", tmp_path / "imported.wasm"
    scry.write_model(titanic.model, titanic.x, file, name="titanic", y=titanic.y)
    subprocess.run([scry_program, "import", file, "-o", imported], check=True, capture_output=True)
    assert imported.read_bytes() == Path(plain.path).read_bytes()


def test_export_says_what_it_wrote(titanic: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = scry.export(titanic.model, titanic.x, tmp_path / "said.wasm", name="titanic", y=titanic.y)
    said = capsys.readouterr().out
    assert made.digest in said and f"{made.size_bytes:,} bytes" in said
    assert re.search(r"largest difference over 1,313 rows: (0|\d\.\de-\d\d)\n", said)


def test_nothing_is_written_when_an_export_fails(titanic: Any, tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    for model, name in [(LogisticRegression(), "unfitted"), (titanic.model, "No Name")]:
        with pytest.raises(scry.ExportError):
            scry.export(model, titanic.x, tmp_path / "none.wasm", name=name)
    with pytest.raises(scry.ExportError, match="no such folder"):
        scry.export(titanic.model, titanic.x, tmp_path / "missing" / "none.wasm", name="titanic")
    with pytest.raises(scry.ExportError, match="is a folder"):
        scry.export(LogisticRegression(), titanic.x, ".", name="titanic")
    with pytest.raises(scry.ExportError, match="max_age: `three weeks` is no duration"):
        scry.export(titanic.model, titanic.x, tmp_path / "none.wasm", name="titanic", max_age="three weeks")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [lambda x: x, pl.from_pandas, lambda x: x.to_dict("records")])
def test_a_wrong_value_is_named_with_field_and_row(titanic: Any, kind: Any) -> None:
    x = titanic.x[:3].astype({"age": object})
    x.loc[x.index[1], "age"] = "old"
    if kind is pl.from_pandas:
        x["age"] = x["age"].astype(str)
    with pytest.raises(scry.RejectedError, match="field `age`, row") as error:
        titanic.component.predict(kind(x))
    row = 0 if kind is pl.from_pandas else 1
    assert (error.value.field, error.value.row) == ("age", row)
    assert error.value.findings[0]["check"] == "type"
    assert "FP64" in error.value.findings[0]["expected"]


def test_all_that_is_wrong_is_told(titanic: Any) -> None:
    x = titanic.x[:20].assign(age="old", sex=1.5)
    with pytest.raises(scry.RejectedError) as error:
        titanic.component.predict(x)
    assert len(error.value.findings) + error.value.unlisted == 40


def test_a_missing_column_is_named(titanic: Any) -> None:
    for x in (titanic.x[["class", "age"]], pl.from_pandas(titanic.x[["class", "age"]])):
        with pytest.raises(scry.RejectedError, match="field `sex`"):
            titanic.component.predict(x)


def tables(x: pd.DataFrame) -> list[Any]:
    """A frame as tables of all libraries."""
    return [x, pl.from_pandas(x), pa.table(x), Stream(pa.table(x))]


class Stream:
    """A table of a library that only Arrow's interface is known of."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return self.table.__arrow_c_stream__(schema)


def test_a_column_that_may_be_missing_is_not_missed(titanic: Any) -> None:
    named = next(each for each in titanic.component.schema["inputs"] if each["name"] == "age")
    assert named["nullable"]
    for x in tables(titanic.x.rename(columns={"age": "Age"})):
        with pytest.raises(scry.RejectedError, match="field `age`: expected a column, found none") as error:
            titanic.component.predict(x)
        assert isinstance(x, Stream) or "did you mean `Age`?" in str(error.value)
    # As in a request, a row may leave it out.
    assert len(titanic.component.predict([{"class": "First", "sex": "male"}])) == 1


def test_a_column_that_comes_twice_is_refused(titanic: Any) -> None:
    table = pa.table(titanic.x)
    table = table.append_column("age", table["age"])
    for x in (pd.concat([titanic.x, titanic.x[["age"]]], axis=1), table, Stream(table)):
        with pytest.raises(scry.RejectedError, match="field `age`: expected one column, found 2"):
            titanic.component.predict(x)


def test_a_check_that_refuses_names_its_row(titanic: Any, tmp_path: Path) -> None:
    path = tmp_path / "strict.wasm"
    scry.export(titanic.model, titanic.x, path, name="titanic", y=titanic.y, ranges="reject", quiet=True)
    rows = titanic.x[:3].to_dict("records")
    rows[2]["age"] = 1e6
    with pytest.raises(scry.RejectedError) as error:
        scry.Component(path).predict(rows)
    assert (error.value.field, error.value.row, error.value.findings[0]["check"]) == ("age", 2, "range")


def test_a_check_that_warns_warns(titanic: Any) -> None:
    with pytest.warns(scry.CheckWarning, match="`age`, range: 1"):
        told = titanic.component.predict(titanic.x[:2].assign(age=[20.0, 1e6]))
    assert len(told) == 2


def test_what_holds_no_rows_is_refused(titanic: Any, cells: Any) -> None:
    for x in ({"age": 1}, "rows", 3, [1, 2], np.zeros(3), np.zeros((2, 5)), titanic.x["age"], pl.Series([1.0])):
        with pytest.raises(scry.RejectedError):
            titanic.component.predict(x)
    for width in (3, 29, 31, 40):
        with pytest.raises(scry.RejectedError, match=f"expected 30 columns, found {width}"):
            cells.component.predict(np.zeros((2, width)))
    with pytest.raises(scry.RejectedError, match=r"field `age`, row 0: expected one value, found a list of shape \[1\]"):
        titanic.component.predict(titanic.x[:2].astype({"age": object}).assign(age=[[1.0], [1.0, 2.0]]))


@pytest.mark.parametrize(
    ("value", "check"),
    [(math.inf, "finite"), (-math.inf, "finite"), (datetime.date(1912, 4, 15), "type"), ({}, "type")],
)
def test_what_json_cannot_hold_is_named_with_field_and_row(titanic: Any, value: Any, check: str) -> None:
    rows = titanic.x[:3].to_dict("records")
    for field in ("age", "day"):
        with pytest.raises(scry.RejectedError) as error:
            titanic.component.predict([rows[0], {**rows[1], field: value}])
        assert (error.value.field, error.value.row) == (field, 1)
        assert (error.value.findings[0]["check"], error.value.findings[0]["policy"]) == (check, "reject")


def test_columns_that_the_model_does_not_read_may_hold_anything(titanic: Any) -> None:
    x = titanic.x[:3].assign(day=datetime.date(1912, 4, 15), mixed=[[1], [1, 2], None])
    assert titanic.component.predict(x).equals(titanic.component.predict(titanic.x[:3]))


def _exported(x: Any, model: Any, folder: Path) -> scry.Component:
    exported = scry.export(model.fit(x, np.arange(len(x))), x, folder / "a.wasm", name="a", quiet=True)
    return scry.Component(exported.path)


@pytest.mark.parametrize("names", [["x1", "x0", "x2"], ["x1", "x2", "x3"], ["a", "b", "c"], None])
def test_arrays_are_read_in_the_order_of_the_fit(names: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((20, 3))
    model = LinearRegression()
    component = _exported(x if names is None else pd.DataFrame(x, columns=names), model, tmp_path)
    assert np.abs(component.predict(x) - (x @ model.coef_ + model.intercept_)).max() <= 1e-10


@pytest.mark.parametrize("kind", [np.asarray, lambda x: pd.DataFrame(x, columns=["x3", "x2", "x1", "x0"])])
def test_arrays_have_the_columns_that_the_model_does_not_read(kind: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((20, 4))
    table = kind(x)
    places = [3, 1] if isinstance(table, np.ndarray) else ["x0", "x2"]
    model = make_pipeline(make_column_transformer((StandardScaler(), places)), LinearRegression())
    component = _exported(table, model, tmp_path)
    assert len(component.schema["inputs"]) == 2
    assert np.abs(component.predict(x) - model.predict(table)).max() <= BOUND
    with pytest.raises(scry.RejectedError, match="expected 4 columns, found 2"):
        component.predict(x[:, [3, 1]])


def test_arrays_are_refused_where_the_order_is_not_known(tmp_path: Path) -> None:
    x = pd.DataFrame(np.random.default_rng(0).random((20, 600)), columns=[f"c{at}" for at in range(600)])
    model = make_pipeline(make_column_transformer((StandardScaler(), ["c7", "c9"])), LinearRegression())
    component = _exported(x, model, tmp_path)
    assert np.abs(component.predict(x)["prediction"] - model.predict(x)).max() <= BOUND
    with pytest.raises(scry.RejectedError, match="an array has no names, and .* is not in its card. Use a DataFrame"):
        component.predict(x.to_numpy())


def test_files_that_are_no_components_are_named(tmp_path: Path) -> None:
    with pytest.raises(scry.ComponentError, match="none.wasm"):
        scry.Component(tmp_path / "none.wasm")
    for content in (b"", b"\0asm\x01\0\0\0", b"text"):
        (tmp_path / "a.wasm").write_bytes(content)
        with pytest.raises(scry.ComponentError, match="not a WebAssembly component"):
            scry.Component(tmp_path / "a.wasm")


def test_a_component_is_pickled_by_its_path(titanic: Any, tmp_path: Path) -> None:
    again = pickle.loads(pickle.dumps(titanic.component))
    assert again.digest == titanic.component.digest
    assert again.predict(titanic.x[:5]).equals(titanic.component.predict(titanic.x[:5]))
    path = tmp_path / "copy.wasm"
    path.write_bytes(Path(titanic.exported.path).read_bytes())
    pickled = pickle.dumps(scry.Component(path))
    scry.export(titanic.model, titanic.x, path, name="other", y=titanic.y, quiet=True)
    with pytest.raises(scry.ComponentError, match="digest"):
        pickle.loads(pickled)
    with pytest.raises(TypeError, match="bytes"):
        pickle.dumps(scry.Component.from_bytes(path.read_bytes()))


def test_errors_are_pickled_as_they_are() -> None:
    finding = {"field": "age", "row": 3}
    rejected = pickle.loads(pickle.dumps(scry.RejectedError("wrong", [finding], 2)))
    assert (str(rejected), rejected.field, rejected.row, rejected.unlisted) == ("wrong", "age", 3, 2)
    limit = pickle.loads(pickle.dumps(scry.LimitError("late", "timeout", 4)))
    assert (limit.reason, limit.row) == ("timeout", 4)


def test_threads_are_answered_at_once(titanic: Any) -> None:
    want = titanic.component.predict(titanic.x)
    with ThreadPoolExecutor(8) as threads:
        for told in threads.map(titanic.component.predict, [titanic.x] * 32):
            assert told.equals(want)


@pytest.mark.parametrize(
    ("behaviour", "error", "reason"),
    [
        ("loop", scry.LimitError, "timeout|fuel"),
        ("growth", scry.LimitError, "memory"),
        ("recursion", scry.ComponentError, "trap"),
        ("trap", scry.ComponentError, "trap"),
        ("failed", scry.ComponentError, "failed"),
        ("nan", scry.ComponentError, "invalid-output"),
        ("wrong-shape", scry.ComponentError, "invalid-output"),
    ],
)
def test_a_component_that_fails_is_an_exception(hostile: str, behaviour: str, error: type, reason: str) -> None:
    component = scry.Component(hostile)
    with pytest.raises(error) as raised:
        component.predict([{"behaviour": behaviour, "x": 1.0}])
    assert re.fullmatch(reason, raised.value.reason)
    assert raised.value.row == 0
    assert component.predict([{"behaviour": "well", "x": 1.5}]) == [{"y": 1.5}]


def test_a_model_that_refuses_its_input_is_an_exception(hostile: str) -> None:
    with pytest.raises(scry.RejectedError, match="to its taste"):
        scry.Component(hostile).predict([{"behaviour": "refuse", "x": 1.0}])
