"""The file: the same bytes each time, what the card says, what is golden, and what is not in it."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
import warnings
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
import sklearn
from data import bikes, titanic, wine
from scry import ExportError, TrainingDataWarning, _rows, write_model
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC


def survivors():
    x, y = titanic()
    steps = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["class", "sex"]), (SimpleImputer(), ["age"])
    )
    return make_pipeline(steps, RandomForestClassifier(10, random_state=0)).fit(x, y), x, y


def written(model, x, **told) -> tuple[bytes, dict]:
    file = io.BytesIO()
    write_model(model, x, file, **{"name": "test", **told})
    body = file.getvalue()
    length = int.from_bytes(body[16:24], "little")
    return body, json.loads(body[32 : 32 + length])


def test_the_same_bytes():
    first, second = (written(*survivors()[:2])[0] for _ in range(2))
    assert first == second


def test_what_is_told(tmp_path):
    model, x, _ = survivors()
    told = write_model(model, x, tmp_path / "a.scry", name="survivors")
    body = (tmp_path / "a.scry").read_bytes()
    assert (told.digest, told.size_bytes) == (sha256(body).hexdigest(), len(body))
    assert told.inputs == ["class", "age", "sex"]
    assert told.outputs == ["label", "probabilities"]
    assert told.tolerance == 0


def test_layout():
    body, header = written(*survivors()[:2])
    length, payload = (int.from_bytes(body[at : at + 8], "little") for at in (16, 24))
    assert body[:16] == b"SCRYMODL" + (1).to_bytes(4, "little") + bytes(4)
    start = -(-(32 + length) // 64) * 64
    assert len(body) == start + payload
    assert (
        json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == body[32 : 32 + length]
    )
    arrays = header["model"]["arrays"]
    assert all(array["at"] % 16 == 0 for array in arrays)
    assert [array["at"] for array in arrays] == sorted(array["at"] for array in arrays)


def test_the_card():
    model, x, _ = survivors()
    _, header = written(
        model, x, name="survivors", owner="ships", license="MIT", version="1.2.3", data_from="1912-04-10T00:00:00Z",
        data_until="1912-04-15T00:00:00Z", max_age="P90D", labels={"git": "abc", "auc": "0.8"},
        checks={"fields": {"age": {"policies": {"range": "reject"}}}, "policies": {"missing": "reject"}},
    )  # fmt: skip
    card = header["card"]
    assert card["card_version"] == 1
    assert card["description"] == "RandomForestClassifier, exported from Python"
    assert {key: card[key] for key in ("name", "owner", "license", "crate_version", "max_age")} == {
        "name": "survivors", "owner": "ships", "license": "MIT", "crate_version": "1.2.3", "max_age": "P90D",
    }  # fmt: skip
    assert card["labels"]["git"] == "abc"
    assert card["labels"]["python"] == sys.version.split()[0]
    assert set(card["labels"]) == {"python", "numpy", "scikit-learn", "columns", "git", "auc"}
    assert card["checks"] == {
        "fields": {
            "age": {"policies": {"range": "reject"}},
            "class": {"policies": {"category": "warn"}},
            "sex": {"policies": {"category": "warn"}},
        },
        "policies": {"missing": "reject"},
    }


def test_a_text_that_is_an_error_is_rejected_by_the_schema():
    x, y = titanic()
    model = make_column_transformer((OrdinalEncoder(), ["sex"])).fit(x, y)
    _, header = written(model, x)
    assert "checks" not in header["card"]
    assert header["model"]["inputs"] == [{"name": "sex", "datatype": "BYTES", "categories": ["female", "male"]}]


@pytest.mark.parametrize("ranges", ["warn", "reject", "none"])
def test_ranges(ranges):
    x, y = bikes()
    x = x[["temp", "hr"]].fillna(0.5)
    _, header = written(RandomForestRegressor(3, max_depth=4, random_state=0).fit(x, y), x, ranges=ranges)
    assert ("minimum" in header["model"]["inputs"][0]) == (ranges != "none")
    assert ("checks" in header["card"]) == (ranges == "warn")
    temperatures = [row["temp"] for example in header["golden"]["examples"] for row in example["inputs"]]
    assert not any(value < x["temp"].min() or value > x["temp"].max() for value in temperatures) or ranges != "reject"


def test_golden_examples(evaluate):
    body, header = written(*survivors()[:2])
    golden = header["golden"]
    assert (golden["rtol"], golden["atol"]) == (0, 0)
    names = [example["name"] for example in golden["examples"]]
    assert names == ["edges", "missing", "thresholds", "mixed"]
    for example in golden["examples"]:
        got = evaluate(body, example["inputs"])
        assert got["label"] == [row["label"] for row in example["outputs"]]
        assert got["probabilities"] == [row["probabilities"] for row in example["outputs"]]


def test_golden_examples_are_rows_that_the_schema_allows():
    x, y = titanic()
    few = OneHotEncoder(categories=[["1st", "2nd"], ["male"]], handle_unknown="ignore")
    ranks = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    for encoder in (few, ranks, OrdinalEncoder()):
        steps = make_column_transformer((encoder, ["class", "sex"]), (SimpleImputer(), ["age"]))
        model = make_pipeline(steps, RandomForestClassifier(5, random_state=0)).fit(x, y)
        for told in ({}, {"golden": "sample"}, {"ranges": "reject"}):
            _, header = written(model, x, **told)
            inputs = header["model"]["inputs"]
            examples = header["golden"]["examples"]
            assert len(examples) == 4 + ("golden" in told)
            assert all(allows(told, row[told["name"]]) for e in examples for row in e["inputs"] for told in inputs)


def allows(told: dict, value) -> bool:
    if value is None:
        return told.get("nullable", False)
    if isinstance(value, str):
        return value in told["categories"]
    return told.get("minimum", value) <= value <= told.get("maximum", value)


def test_unseen_categories_are_golden_where_the_schema_allows_them(evaluate):
    """A card holds no list of so many categories."""
    x = pd.DataFrame({"id": [f"c{at}" for at in range(10_001)]})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=1))
    body, header = written(model.fit(x, np.arange(len(x)) % 2), x)
    (told,) = header["model"]["inputs"]
    assert "categories" not in told
    examples = {example["name"]: example for example in header["golden"]["examples"]}
    assert {"id": "unseen"} in examples["unseen categories"]["inputs"]
    got = evaluate(body, examples["unseen categories"]["inputs"])
    assert got["label"] == [row["label"] for row in examples["unseen categories"]["outputs"]]


LABELS = {"git": "0a1b2c3", "run_id": 7, "metrics": {"auc": 0.875, "test": {"rows": 1000}}}


def test_labels():
    model, x, _ = survivors()
    told = written(model, x, labels=LABELS)[1]["card"]["labels"]
    libraries = {name: told.pop(name) for name in ("python", "numpy", "scikit-learn")}
    assert told.pop("columns") == '{"kind":"frame","width":3}'
    assert libraries == {
        "python": sys.version.split()[0], "numpy": np.__version__, "scikit-learn": sklearn.__version__,
    }  # fmt: skip
    assert told == {"git": "0a1b2c3", "run_id": "7", "metrics.auc": "0.875", "metrics.test.rows": "1000"}


def test_the_columns_of_the_fit():
    """Inputs stand in the order of the fit, so that the columns which nothing reads are all that has to be known."""
    x, y = titanic()
    x = x.assign(ticket="none", fare=1.0)[["ticket", "sex", "fare", "age"]]
    steps = make_column_transformer((SimpleImputer(), ["age"]), (OrdinalEncoder(), ["sex"]))
    _, header = written(make_pipeline(steps, LogisticRegression()).fit(x, y), x)
    assert [each["name"] for each in header["model"]["inputs"]] == ["sex", "age"]
    assert json.loads(header["card"]["labels"]["columns"]) == {"kind": "frame", "width": 4, "unused": [0, 2]}
    array = np.zeros((100, 1000))
    array[:, 7] = np.arange(100)
    steps = make_column_transformer((StandardScaler(), [7]))
    _, header = written(make_pipeline(steps, LogisticRegression()).fit(array, array[:, 7] > 50), array)
    assert json.loads(header["card"]["labels"]["columns"]) == {"kind": "array", "width": 1000}


def test_the_label_of_the_columns_is_reserved():
    model, x, _ = survivors()
    with pytest.raises(ExportError, match="`columns` is Scry's own"):
        written(model, x, labels={"columns": 3})


@pytest.mark.parametrize(
    ("model", "held"),
    [
        (KNeighborsClassifier(3), "rows that neighbors are searched in"),
        (SVC(), "support vectors"),
        (make_pipeline(StandardScaler(), OneVsRestClassifier(SVC())), "support vectors"),
        (LogisticRegression(), None),
    ],
)
def test_models_that_hold_rows_of_the_training_data_say_so(model, held):
    x, y = wine()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(x, y)
        written(model, x)
    told = [each for each in told if issubclass(each.category, TrainingDataWarning)]
    assert [(held in str(each.message), each.filename) for each in told] == ([(True, __file__)] if held else [])


def test_files_that_cannot_be_written_are_refused_before_the_work(tmp_path):
    x, _ = titanic()
    unfitted = LogisticRegression()
    (tmp_path / "file").write_text("")
    for path, told in [
        (".", "is a folder"),
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "a.scry", "no such folder"),
        (tmp_path / "file" / "a.scry", "no such folder"),
    ]:
        with pytest.raises(ExportError, match=told):
            write_model(unfitted, x, path, name="test")


def test_a_full_disk_is_an_error_of_the_export(tmp_path):
    model, x, _ = survivors()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(ExportError, match="cannot be written: File too large. Make room"):
            write_model(model, x, tmp_path / "a.scry", name="test")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_have_the_mode_that_the_umask_leaves(mask, tmp_path):
    model, x, _ = survivors()
    before = os.umask(mask)
    try:
        write_model(model, x, tmp_path / "a.scry", name="test")
    finally:
        os.umask(before)
    assert (tmp_path / "a.scry").stat().st_mode & 0o777 == 0o666 & ~mask


def test_no_row_of_the_training_data_unless_asked():
    model, x, _ = survivors()
    x = x.dropna()
    rows = set(map(tuple, x.to_numpy().tolist()))
    for golden, expected in (("synthetic", False), ("sample", True)):
        _, header = written(model, x, golden=golden)
        examples = {example["name"]: example["inputs"] for example in header["golden"]["examples"]}
        assert ("sample of the training data" in examples) is expected
        sample = examples.pop("sample of the training data", [])
        assert all((row["class"], row["age"], row["sex"]) in rows for row in sample)


def test_nothing_of_the_machine(tmp_path):
    body, _ = written(*survivors()[:2])
    assert str(tmp_path.parent).encode() not in body


def test_names_of_classes():
    x, y = wine()
    encoder = LabelEncoder().fit(y)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, encoder.transform(y))
    _, header = written(model, x, classes=encoder)
    label, probabilities = header["model"]["outputs"]
    assert label["datatype"] == "BYTES"
    assert probabilities["description"] == 'One a class: ["barbera", "barolo", "grignolino"]'
    told = [row["label"] for example in header["golden"]["examples"] for row in example["outputs"]]
    assert set(told) <= set(encoder.classes_)


THREE = ["barbera", "barolo", "grignolino"]


@pytest.mark.parametrize(
    ("model", "classes"),
    [
        (LinearSVC(), THREE),
        (RidgeClassifier(), THREE),
        (SVC(), THREE),
        (SVC(break_ties=True), THREE),
        (OneVsRestClassifier(LinearSVC()), THREE),
        # Its scores are of pairs, of which there are three, too.
        (SVC(decision_function_shape="ovo"), None),
        (IsolationForest(n_estimators=10), None),
        (LogisticRegression(), THREE),
        (VotingClassifier([("one", LogisticRegression())]), None),
    ],
)
def test_classes_of_scores(model, classes):
    x, y = wine()
    _, header = written(make_pipeline(StandardScaler(), model).fit(x, y), x)
    assert _rows.classes({"schema": header["model"]}) == classes


def test_classes_of_one_score():
    x, y = wine()
    two = y != "barbera"
    _, header = written(make_pipeline(StandardScaler(), LinearSVC()).fit(x[two], y[two]), x[two])
    score = header["model"]["outputs"][1]
    assert (score["name"], score["shape"]) == ("score", [])
    assert score["description"] == 'For the second of the classes: ["barolo", "grignolino"]'
    assert _rows.classes({"schema": header["model"]}) == ["barolo", "grignolino"]


def test_classes_of_several_targets():
    x, y = wine()
    targets = pd.DataFrame({"grower": y, "taste": np.where(x["alcohol"] > 13, "strong", "weak")})
    model = MultiOutputClassifier(RandomForestClassifier(5, random_state=0)).fit(x, targets)
    _, header = written(model, x, y=targets)
    assert _rows.classes({"schema": header["model"]}) == {
        "probabilities_grower": THREE, "probabilities_taste": ["strong", "weak"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "description", ["One a class: a, b", "One a class: 3", "One a class: [", "One a class, of 900", "other", None]
)
def test_descriptions_of_others_are_no_classes(description):
    outputs = [{"name": "probabilities", "description": description}]
    assert _rows.classes({"schema": {"outputs": outputs}}) is None
