"""What cannot be exact is refused, with the step's name and what to do; nothing is left half-written."""

from __future__ import annotations

import catboost
import numpy as np
import pandas as pd
import pytest
from data import bikes, cancer, titanic, wine
from scry import ExportError, write_model
from scry._export import export_graph
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.impute import KNNImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import RadiusNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler
from sklearn.svm import SVC


class OwnForest(RandomForestClassifier):
    """A subclass, of which nobody knows what it does."""


def fitted(model):
    x, y = cancer()
    return model.fit(x, y), x


REFUSED = [
    (lambda: fitted(OwnForest(5)), r"^pipe: OwnForest is a subclass of RandomForestClassifier.*Use RandomForest"),
    (lambda: (StandardScaler(), cancer()[0]), "StandardScaler is not fitted. Call fit"),
    (lambda: (make_pipeline(StandardScaler(), LinearRegression()), cancer()[0]), r'\["standardscaler"\].*not fitted'),
    (lambda: fitted(make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression())), "<lambda>.*Python code"),
    (lambda: fitted(FunctionTransformer(np.clip, kw_args={"a_min": 0, "a_max": 1})), "clip.*Python code"),
    (lambda: fitted(KNNImputer()), "KNNImputer cannot be exported.*Use SimpleImputer"),
    (lambda: fitted(QuantileTransformer(output_distribution="normal")), 'Use output_distribution="uniform"'),
    (lambda: fitted(RadiusNeighborsClassifier(1e5)), "RadiusNeighborsClassifier cannot be exported.*Use KNeighbors"),
    (lambda: fitted(QuadraticDiscriminantAnalysis(reg_param=0.5)), "QuadraticDiscriminantAnalysis cannot be exported"),
    (lambda: fitted(GradientBoostingClassifier(n_estimators=3, init=LogisticRegression())), r"another model \(init\)"),
    (lambda: fitted(SVC(kernel=lambda a, b: a @ b.T)), "its kernel is a Python function"),
    (lambda: fitted(GridSearchCV(SVC(), {"C": [1]}, refit=False)), "kept no model. Use refit=True"),
    (lambda: fitted(VotingClassifier([("a", OwnForest(3))])), r'pipe\["a"\]: OwnForest'),
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(REFUSED)))
def test_refused(at):
    made, told = REFUSED[at]
    model, x = made()
    with pytest.raises(ExportError, match=told):
        export_graph(model, x)


def test_the_step_is_named():
    x, y = titanic()
    inner = Pipeline([("odd", FunctionTransformer(lambda x: x))])
    model = Pipeline([("prep", make_column_transformer((inner, ["age"]), ("drop", ["sex"])))]).fit(x, y)
    with pytest.raises(ExportError, match=r'^pipe\["prep"\]\["pipeline"\]\["odd"\]: FunctionTransformer'):
        export_graph(model, x)


def test_svc_with_probabilities():
    x, y = cancer()
    with pytest.raises(ExportError, match="Use probability=False, or CalibratedClassifierCV"):
        export_graph(SVC(probability=True).fit(x, y), x)


def test_catboost_categories():
    x, y = titanic()
    x = x.drop(columns="age")
    made = catboost.CatBoostClassifier(
        iterations=3, verbose=0, cat_features=["class", "sex"], allow_writing_files=False
    )
    with pytest.raises(ExportError, match="CatBoost with categorical.*Encode them before"):
        export_graph(made.fit(x, y), x)


def test_text_where_numbers_are_needed():
    x, y = titanic()
    x["class"] = x["class"].astype(object)
    x = x[["class"]]
    model = make_pipeline(make_column_transformer(("passthrough", ["class"])), KMeans(2, n_init=1))
    model.fit(pd.DataFrame({"class": np.arange(9.0)}))
    with pytest.raises(ExportError, match="column `passthrough__class` is text where numbers.*Encode it first"):
        export_graph(model, x)


def test_narrow_floats():
    x, y = cancer()
    x = x.astype("float32")
    with pytest.raises(ExportError, match=r'StandardScaler computes in float32.*astype\("float64"\)'):
        export_graph(make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y), x)


def test_a_target_of_python_code():
    x, y = wine()
    made = TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=lambda v: np.expm1(v))
    with pytest.raises(ExportError, match=r"pipe.transformer_: the inverse is Python code"):
        export_graph(made.fit(x, x["alcohol"]), x)


def test_mixed_classes():
    x, _ = bikes(100)
    model = LogisticRegression().fit(x[["hr"]], np.array([1, 2.5] * 50).astype(object).astype(str))
    export_graph(model, x[["hr"]])
    with pytest.raises(ExportError, match="3 names for 2 classes"):
        export_graph(model, x[["hr"]], classes=["a", "b", "c"])


WORDS = [
    ({"data_from": "yesterday"}, "data_from: `yesterday` is no date. Write 2026-11-23 or"),
    ({"data_until": "2026-02-30"}, "data_until: `2026-02-30` is no date"),
    ({"data_until": "2026-02-20T10:00:00"}, "data_until: .* is no date"),
    ({"max_age": "3 months"}, "max_age: `3 months` is no duration.*P90D"),
    ({"owner": 3}, "owner: int is no text"),
    ({"labels": {"a": None}}, "labels: `a` is NoneType. Give a text or a number"),
    ({"labels": {"a": {"b": [1]}}}, "labels: `a.b` is list"),
    ({"labels": {"a" * 65: "b"}}, "labels: the name .* is not of 1 to 64 bytes"),
    ({"labels": {"a": "b" * 1025}}, "labels: `a` has more than 1024 bytes"),
    ({"labels": {str(at): "b" for at in range(65)}}, "labels: there are 65; a component has at most 64"),
    ({"ranges": "error"}, 'ranges: \'error\' is none of "warn", "reject", "none"'),
    ({"golden": True}, 'golden: True is none of "synthetic", "sample"'),
    ({"checks": {"fields": {"age": {}}}}, "checks: `age` is no input of the model. Use one of mean radius"),
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(WORDS)))
def test_words_that_no_card_holds(at, tmp_path):
    words, told = WORDS[at]
    x, y = cancer()
    model = LogisticRegression().fit(x.iloc[:, :3], y)
    with pytest.raises(ExportError, match=told):
        write_model(model, x.iloc[:, :3], tmp_path / "a.scry", **{"name": "a", **words})
    assert list(tmp_path.iterdir()) == []


def test_a_model_above_the_limits(monkeypatch, tmp_path):
    x, y = cancer()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    for limit, told in (
        ("NODES_MAX", "operations; a component"), ("ARRAYS_MAX", "arrays"), ("FILE_MAX_BYTES", "has 0 MiB"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(f"scry._export.graph.{limit}", 1)
            with pytest.raises(ExportError, match=f"{told}.*Fit a smaller one"):
                write_model(model, x, tmp_path / "a.scry", name="a")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    x, y = cancer()
    with pytest.raises(ExportError, match="none: there is no such folder. Make it first."):
        write_model(LogisticRegression().fit(x, y), x, tmp_path / "none" / "a.scry", name="a")


def test_a_form_of_an_estimator_that_is_not_known():
    x, y = cancer()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    del model[0].scale_
    with pytest.raises(ExportError, match=r'\["standardscaler"\]: StandardScaler of sklearn .* has an unknown form'):
        export_graph(model, x)


@pytest.mark.parametrize("name", ["", "Titanic", "a b", "-a", "a" * 65])
def test_names(name, tmp_path):
    x, y = cancer()
    with pytest.raises(ExportError, match="is no model name"):
        write_model(LogisticRegression().fit(x, y), x, tmp_path / "a.scry", name=name)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_what_is_refused(tmp_path):
    x, y = cancer()
    (tmp_path / "a.scry").write_text("before")
    with pytest.raises(ExportError):
        write_model(RadiusNeighborsClassifier().fit(x, y), x, tmp_path / "a.scry", name="a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.scry"]
    assert (tmp_path / "a.scry").read_text() == "before"


def test_no_library_is_imported():
    """Importing the exporter imports no library of models."""
    import subprocess
    import sys
    from pathlib import Path

    path = Path(__file__).parent.parent / "python"
    told = (
        "import sys; sys.path.insert(0, sys.argv[1]); import scry; print(sorted(set(sys.modules) & set(sys.argv[2:])))"
    )
    names = ["sklearn", "pandas", "polars", "lightgbm", "xgboost", "catboost", "scipy"]
    done = subprocess.run([sys.executable, "-c", told, str(path), *names], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_frames_of_other_columns():
    x, y = titanic()
    model = make_column_transformer((StandardScaler(), ["age"])).fit(x, y)
    with pytest.raises(ExportError, match="no column `class`, on which the model was fitted"):
        export_graph(model, pd.DataFrame({"other": [1.0]}))
    with pytest.raises(ExportError, match="another order"):
        export_graph(model, x[["age", "class", "sex"]])


def test_arrays_of_other_widths():
    x, y = cancer()
    model = StandardScaler().fit(x.to_numpy())
    with pytest.raises(ExportError, match="fitted on 30 columns and gets 3"):
        export_graph(model, np.zeros((2, 3)))
