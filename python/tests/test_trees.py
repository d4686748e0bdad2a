"""Trees: bit-equal, raw sums included; probabilities of boosting within 4 ulp."""

from __future__ import annotations

import numpy as np
import pytest
from data import bikes, cancer, digits, titanic, wine
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

ULPS = 1e-15
CLASSIFIERS = {
    "decision_tree": DecisionTreeClassifier(random_state=0),
    "extra_tree": ExtraTreeClassifier(random_state=0),
    "best_first_tree": DecisionTreeClassifier(max_leaf_nodes=20, random_state=0),
    "random_forest": RandomForestClassifier(n_estimators=40, random_state=0, n_jobs=2),
    "extra_trees": ExtraTreesClassifier(n_estimators=40, random_state=0),
}
REGRESSORS = {
    "decision_tree": DecisionTreeRegressor(max_depth=12, random_state=0),
    "extra_tree": ExtraTreeRegressor(max_depth=12, random_state=0),
    "random_forest": RandomForestRegressor(n_estimators=30, max_depth=12, random_state=0, n_jobs=2),
    "extra_trees": ExtraTreesRegressor(n_estimators=30, max_depth=12, random_state=0),
    "gradient_boosting": GradientBoostingRegressor(n_estimators=60, max_depth=4, random_state=0),
    "gradient_boosting_huber": GradientBoostingRegressor(loss="huber", n_estimators=20, random_state=0),
    "gradient_boosting_from_zero": GradientBoostingRegressor(init="zero", n_estimators=20, random_state=0),
    "hist_boosting": HistGradientBoostingRegressor(max_iter=60, random_state=0),
}


def bike_steps():
    return make_column_transformer(
        (OrdinalEncoder(), ["mnth", "weathersit"]),
        (SimpleImputer(), ["temp", "atemp", "hum", "windspeed"]),
        remainder="passthrough",
    )


def titanic_steps():
    text = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_column_transformer((text, ["class", "sex"]), (SimpleImputer(add_indicator=True), ["age"]))


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("rows", [titanic, wine, cancer])
def test_classifier(check, name, rows):
    x, y = rows()
    model = make_pipeline(titanic_steps(), CLASSIFIERS[name]) if rows is titanic else CLASSIFIERS[name]
    check(model.fit(x, y), x, 0.0, name=f"{name} classifier, {rows.__name__}")


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressor(check, name):
    x, y = bikes()
    check(make_pipeline(bike_steps(), REGRESSORS[name]).fit(x, y), x, 0.0, name=f"{name} regressor, bikes")


@pytest.mark.parametrize("name", ["decision_tree", "random_forest", "extra_trees"])
def test_missing_values(check, name):
    x, y = wine(gaps=0.1)
    check(CLASSIFIERS[name].fit(x, y), x, 0.0, name=f"{name} classifier, wine with gaps")


def test_array_of_floats(check):
    x, y = digits()
    check(RandomForestClassifier(n_estimators=20, random_state=0).fit(x, y), x, 0.0, name="random_forest, digits")


def test_narrow_floats(check):
    x, y = cancer()
    check(RandomForestClassifier(n_estimators=20, random_state=0).fit(x.astype("float32"), y), x.astype("float32"), 0.0)


@pytest.mark.parametrize("rows", [cancer, wine])
@pytest.mark.parametrize("loss", ["log_loss", "exponential"])
def test_gradient_boosting_classifier(check, rows, loss):
    x, y = rows()
    if loss == "exponential" and rows is wine:
        pytest.skip("the exponential loss is for two classes")
    model = GradientBoostingClassifier(loss=loss, n_estimators=30, random_state=0).fit(x, y)
    check(model, x, 1e-14, name=f"gradient_boosting classifier, {rows.__name__}, {loss}")


@pytest.mark.parametrize("rows", [cancer, wine])
def test_hist_classifier(check, rows):
    x, y = rows(gaps=0.1)
    model = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(x, y)
    check(model, x, 1e-14, name=f"hist_boosting classifier, {rows.__name__} with gaps")


def test_hist_categories_of_the_frame(check):
    x, y = titanic()
    x["class"], x["sex"] = x["class"].astype("category"), x["sex"].astype("category")
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=30, random_state=0).fit(x, y)
    check(model, x, ULPS, name="hist_boosting classifier, titanic with categories")


def test_hist_categories_by_name(check):
    x, y = bikes()
    model = HistGradientBoostingRegressor(
        categorical_features=["mnth", "weathersit", "hr"], loss="poisson", max_iter=60, random_state=0
    )
    check(model.fit(x, y), x, ULPS, name="hist_boosting regressor (poisson), bikes with categories")


def test_isolation_forest(check):
    x, _ = cancer()
    check(IsolationForest(random_state=0).fit(x), x, ULPS)


def test_isolation_forest_of_some_features(check):
    x, _ = wine()
    check(IsolationForest(max_features=0.5, contamination=0.1, random_state=0).fit(x), x, ULPS)


def test_negative_zero(check):
    x = np.array([[-0.0, 1.0], [0.0, 2.0], [1.0, 3.0], [-1.0, 4.0]] * 5)
    check(DecisionTreeRegressor().fit(x, np.arange(20.0)), x, 0.0)
