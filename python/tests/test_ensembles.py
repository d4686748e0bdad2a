"""Models made of models."""

from __future__ import annotations

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from data import bikes, cancer, digits, titanic, wine
from scry._export.registry import version
from sklearn import linear_model, svm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from test_models import bike_steps, titanic_steps

CLOSE, KERNELS, SINGLE = 1e-12, 1e-11, 2.5e-7
FOREST = RandomForestClassifier(n_estimators=10, random_state=0)
LOGISTIC = make_pipeline(StandardScaler(), linear_model.LogisticRegression())
LINEAR_SVC = make_pipeline(StandardScaler(), svm.LinearSVC(random_state=0))
ROWS = pytest.mark.parametrize("rows", [cancer, wine])


@pytest.mark.parametrize("voting", ["soft", "hard"])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5]])
@ROWS
def test_voting(check, rows, voting, weights):
    x, y = rows()
    members = [
        ("forest", FOREST),
        ("logistic", LOGISTIC),
        ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
    ]
    model = VotingClassifier(members, voting=voting, weights=weights).fit(x, y)
    check(model, x, CLOSE, name=f"VotingClassifier {voting} {weights}, {rows.__name__}")


def test_voting_of_boosters(check):
    x, y = cancer()
    light = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1)
    members = [("light", light), ("extreme", xgboost.XGBClassifier(n_estimators=20)), ("none", "drop")]
    check(VotingClassifier(members, voting="soft").fit(x, y), x, SINGLE)


def test_voting_of_pipelines_over_text(check):
    x, y = titanic()
    made = [FOREST, linear_model.LogisticRegression()]
    members = [(type(last).__name__, make_pipeline(titanic_steps(), last)) for last in made]
    check(VotingClassifier(members, voting="soft").fit(x, y), x, CLOSE)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0]])
def test_voting_regressor(check, weights):
    x, y = bikes()
    members = [("ridge", linear_model.Ridge()), ("forest", RandomForestRegressor(5, max_depth=8, random_state=0))]
    model = make_pipeline(bike_steps(), VotingRegressor(members, weights=weights)).fit(x, y)
    check(model, x, CLOSE, name=f"VotingRegressor {weights}, bikes")


@pytest.mark.parametrize("passthrough", [False, True])
@ROWS
def test_stacking(check, rows, passthrough):
    x, y = rows()
    members = [("forest", FOREST), ("svc", LINEAR_SVC), ("logistic", LOGISTIC)]
    final = linear_model.LogisticRegression(max_iter=200)
    model = StackingClassifier(members, final, cv=3, passthrough=passthrough).fit(x, y)
    check(model, x, 1e-10 if passthrough else CLOSE, name=f"StackingClassifier {passthrough}, {rows.__name__}")


@ROWS
def test_stacking_of_labels(check, rows):
    x, y = rows()
    members = [("forest", FOREST), ("tree", DecisionTreeClassifier(max_depth=3, random_state=0))]
    model = StackingClassifier(members, DecisionTreeClassifier(random_state=0), cv=3, stack_method="predict").fit(x, y)
    check(model, x, 0.0, name=f"StackingClassifier of labels, {rows.__name__}")


def test_stacking_regressor(check):
    x, y = bikes()
    members = [("ridge", linear_model.Ridge()), ("forest", RandomForestRegressor(5, max_depth=8, random_state=0))]
    model = make_pipeline(bike_steps(), StackingRegressor(members, linear_model.RidgeCV(), cv=3)).fit(x, y)
    check(model, x, CLOSE, name="StackingRegressor, bikes")


BAGS = {
    "trees": BaggingClassifier(n_estimators=8, random_state=0),
    "trees of some columns": BaggingClassifier(n_estimators=8, max_features=0.5, random_state=0),
    "trees of few rows": BaggingClassifier(n_estimators=8, max_samples=6, random_state=0),
    "logistic": BaggingClassifier(LOGISTIC, n_estimators=4, max_features=0.7, random_state=0),
    "votes": BaggingClassifier(LINEAR_SVC, n_estimators=4, random_state=0),
}


@pytest.mark.parametrize("name", BAGS)
@ROWS
def test_bagging(check, rows, name):
    x, y = rows()
    check(BAGS[name].fit(x, y), x, 0.0 if "trees" in name else CLOSE, name=f"BaggingClassifier {name}, {rows.__name__}")


@pytest.mark.parametrize("made", [None, linear_model.Ridge(), DecisionTreeRegressor(max_depth=5)], ids=str)
def test_bagging_regressor(check, made):
    x, y = bikes()
    bag = BaggingRegressor(made, n_estimators=6, max_features=0.8, random_state=0, n_jobs=2)
    model = make_pipeline(bike_steps(), bag).fit(x, y)
    check(model, x, CLOSE, name=f"BaggingRegressor {made}, bikes")


@pytest.mark.parametrize(
    "made", [None, DecisionTreeClassifier(max_depth=3), linear_model.LogisticRegression()], ids=str
)
@ROWS
def test_ada(check, rows, made):
    x, y = rows()
    model = AdaBoostClassifier(made, n_estimators=15, random_state=0).fit(x, y)
    check(
        model,
        x,
        1e-14 if made is None or "Tree" in str(made) else CLOSE,
        name=f"AdaBoostClassifier {made}, {rows.__name__}",
    )


def test_ada_regressor(check):
    x, y = bikes()
    model = make_pipeline(bike_steps(), AdaBoostRegressor(n_estimators=12, random_state=0)).fit(x, y)
    check(model, x, 1e-15, name="AdaBoostRegressor, bikes")


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("made", [FOREST, LINEAR_SVC, LOGISTIC, GradientBoostingClassifier(n_estimators=10)], ids=str)
@ROWS
def test_calibrated(check, rows, made, method):
    x, y = rows()
    model = CalibratedClassifierCV(made, method=method, cv=3).fit(x, y)
    kind = type(made).__name__ if not hasattr(made, "steps") else type(made[-1]).__name__
    check(model, x, CLOSE, name=f"CalibratedClassifierCV {method} {kind}, {rows.__name__}")


@ROWS
def test_calibrated_svc(check, rows):
    x, y = rows()
    model = CalibratedClassifierCV(make_pipeline(StandardScaler(), svm.SVC()), cv=3, ensemble=False).fit(x, y)
    check(model, x, KERNELS, name=f"CalibratedClassifierCV SVC, {rows.__name__}")


@pytest.mark.skipif(version("sklearn") < (1, 8), reason="temperature scaling came with scikit-learn 1.8")
@ROWS
def test_calibrated_by_temperature(check, rows):
    x, y = rows()
    model = CalibratedClassifierCV(LINEAR_SVC, method="temperature", cv=3).fit(x, y)
    check(model, x, CLOSE, name=f"CalibratedClassifierCV temperature, {rows.__name__}")


@pytest.mark.parametrize("made", [FOREST, LINEAR_SVC, LOGISTIC, linear_model.Ridge()], ids=str)
@ROWS
def test_one_vs_rest(check, rows, made):
    x, y = rows()
    kind = type(made).__name__ if not hasattr(made, "steps") else type(made[-1]).__name__
    check(OneVsRestClassifier(made).fit(x, y), x, CLOSE, name=f"OneVsRestClassifier {kind}, {rows.__name__}")


def test_one_vs_rest_of_ten(check):
    x, y = digits()
    check(OneVsRestClassifier(DecisionTreeClassifier(max_depth=4, random_state=0)).fit(x, y), x, CLOSE)


def test_several_regressors(check):
    x, y = bikes()
    both = pd.DataFrame({"riders": y, "root": np.sqrt(y)})
    model = make_pipeline(bike_steps(), MultiOutputRegressor(DecisionTreeRegressor(max_depth=6))).fit(x, both)
    exported = check(model, x, CLOSE, y=both, name="MultiOutputRegressor, bikes")
    assert [output["name"] for output in exported.outputs] == ["prediction_riders", "prediction_root"]


def test_several_classifiers(check):
    x, y = wine()
    both = np.stack([y, np.where(x["ash"] > 2.3, "much ash", "little ash")], axis=1)
    exported = check(MultiOutputClassifier(FOREST).fit(x, both), x, 0.0, name="MultiOutputClassifier, wine")
    names = [output["name"] for output in exported.outputs]
    assert names == ["label_0", "probabilities_0", "label_1", "probabilities_1"]


def test_grid_search(check):
    x, y = titanic()
    steps = make_pipeline(titanic_steps(), linear_model.LogisticRegression())
    model = GridSearchCV(steps, {"logisticregression__C": [0.1, 1.0]}, cv=3).fit(x, y)
    check(model, x, CLOSE, name="GridSearchCV of a pipeline, titanic")


def test_randomized_search(check):
    x, y = wine()
    model = RandomizedSearchCV(FOREST, {"max_depth": [2, 4, 8]}, n_iter=2, cv=3, random_state=0).fit(x, y)
    check(model, x, 0.0, name="RandomizedSearchCV, wine")


def test_recursive_selection(check):
    x, y = wine()
    check(RFE(FOREST, n_features_to_select=4).fit(x, y), x, 0.0, name="RFE, wine")


TARGETS = {
    "log1p": {"func": np.log1p, "inverse_func": np.expm1},
    "sqrt": {"func": np.sqrt, "inverse_func": np.square},
    "StandardScaler": {"transformer": StandardScaler()},
    "MinMaxScaler": {"transformer": MinMaxScaler()},
    "RobustScaler": {"transformer": RobustScaler()},
    "FunctionTransformer": {"transformer": FunctionTransformer(np.log1p, np.expm1)},
}


@pytest.mark.parametrize("name", TARGETS)
def test_transformed_target(check, name):
    x, y = bikes()
    steps = make_pipeline(bike_steps(), linear_model.Ridge())
    model = TransformedTargetRegressor(steps, **TARGETS[name]).fit(x, y)
    check(model, x, CLOSE, name=f"TransformedTargetRegressor {name}, bikes")
