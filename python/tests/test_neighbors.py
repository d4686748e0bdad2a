"""Neighbors: exact where no tie decides, refused where one does."""

from __future__ import annotations

import numpy as np
import pytest
from data import bikes, cancer, digits, titanic, wine
from scry import ExportError
from scry._export import export_graph
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CLOSE = 1e-12
MODELS = {
    "uniform": {},
    "distance": {"weights": "distance", "algorithm": "kd_tree"},
    "one": {"n_neighbors": 1},
    "manhattan": {"p": 1, "n_neighbors": 7, "algorithm": "ball_tree"},
    "manhattan by distance": {"metric": "manhattan", "weights": "distance", "algorithm": "brute"},
    "brute force": {"algorithm": "brute"},
    "all": {"n_neighbors": 150, "algorithm": "kd_tree"},
}


@pytest.mark.parametrize("name", MODELS)
def test_classifiers(check, name):
    for title, (x, y) in (("cancer", cancer()), ("wine", wine())):
        model = make_pipeline(StandardScaler(), KNeighborsClassifier(**MODELS[name])).fit(x, y)
        check(model, x, CLOSE, name=f"KNeighborsClassifier, {name}, {title}")


@pytest.mark.parametrize("name", MODELS)
def test_regressors(check, name):
    x, y = cancer()
    model = make_pipeline(StandardScaler(), KNeighborsRegressor(**MODELS[name])).fit(
        x.drop(columns="mean area"), x["mean area"]
    )
    check(model, x.drop(columns="mean area"), CLOSE, name=f"KNeighborsRegressor, {name}")


def test_several_targets(check):
    x, _ = cancer()
    model = KNeighborsRegressor(3).fit(x.iloc[:, :5], x.iloc[:, 5:8])
    check(model, x.iloc[:, :5], CLOSE, name="KNeighborsRegressor, several targets")


def test_images(check):
    x, y = digits()
    check(KNeighborsClassifier(1).fit(x, y), x, CLOSE, name="KNeighborsClassifier, digits")


def test_ties_that_decide_are_refused():
    x, y = titanic()
    steps = make_column_transformer((OneHotEncoder(), ["class", "sex"]), (SimpleImputer(), ["age"]))
    model = make_pipeline(steps, KNeighborsClassifier()).fit(x, y)
    with pytest.raises(ExportError, match=r"\d+ of its training rows equal others that have another answer"):
        export_graph(model, x)


def test_distances_that_decide_are_refused():
    x = np.arange(9000.0).reshape(-1, 1)
    x[8000:] += 0.1 * np.arange(1000).reshape(-1, 1) ** 2
    model = KNeighborsRegressor(2, algorithm="brute")
    with pytest.raises(ExportError, match="row 1 of its training rows has several neighbors at the same distance"):
        export_graph(model.fit(x, x.ravel()), x)
    with pytest.raises(ExportError, match="row 7998 of its training rows"):
        export_graph(model.fit(x, np.maximum(x.ravel(), 7998)), x)


def test_a_tie_of_more_rows_than_are_asked_for_is_seen():
    x = np.array([[0.0], [1.0], [1.0], [-1.0], [-1.0], [9.0], [20.0]])
    y = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    with pytest.raises(ExportError, match="row 0 of its training rows"):
        export_graph(KNeighborsRegressor(2).fit(x, y), x)


def test_ties_of_equal_answers_do_not_decide(check):
    x = np.repeat(np.arange(20.0), 4).reshape(-1, 1) ** 2
    check(KNeighborsClassifier(3).fit(x, x.ravel() > 99), x, 0.0, name="KNeighborsClassifier, equal rows")


REFUSED = [
    ({"weights": "distance", "algorithm": "brute"}, "brute force rounds the distances"),
    ({"weights": lambda d: 1 / d}, "its weights are Python code"),
    ({"metric": "chebyshev"}, 'its metric is chebyshev. Use "euclidean" or "manhattan"'),
    ({"p": 3}, "its metric is minkowski"),
]


@pytest.mark.parametrize("at", range(len(REFUSED)))
def test_refused(at):
    options, told = REFUSED[at]
    x, y = bikes(200)
    x = x[["hum", "temp"]].fillna(0.5)
    with pytest.raises(ExportError, match=told):
        export_graph(KNeighborsRegressor(**options).fit(x, y), x)
