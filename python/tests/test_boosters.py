"""LightGBM, XGBoost and CatBoost."""

from __future__ import annotations

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from data import bikes, cancer, titanic, wine
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder
from test_trees import bike_steps

SINGLE = 2.5e-7


def categories(rows):
    x, y = rows()
    for name in x.columns[x.dtypes == "str"]:
        x[name] = x[name].astype("category")
    return x, y


# LightGBM


def light(kind, **parameters):
    return getattr(lightgbm, f"LGBM{kind}")(n_estimators=60, random_state=0, verbose=-1, n_jobs=1, **parameters)


@pytest.mark.parametrize("objective", ["regression", "l1", "poisson", "tweedie", "quantile", "huber"])
def test_lightgbm_regressor(check, objective):
    x, y = bikes()
    exact = objective in ("regression", "l1", "quantile", "huber")
    model = make_pipeline(bike_steps(), light("Regressor", objective=objective)).fit(x, y)
    check(model, x, 0.0 if exact else 1e-15, name=f"LightGBM {objective}, bikes")


@pytest.mark.parametrize("rows", [cancer, wine])
def test_lightgbm_classifier(check, rows):
    x, y = rows(gaps=0.1)
    check(light("Classifier").fit(x, y), x, 1e-14, name=f"LightGBM classifier, {rows.__name__} with gaps")


@pytest.mark.parametrize("options", [{}, {"zero_as_missing": True}, {"use_missing": False}], ids=str)
def test_lightgbm_missing(check, options):
    x, y = bikes()
    x = x.drop(columns=["mnth", "weathersit"])
    x.loc[::9, "temp"] = 0.0
    check(light("Regressor", **options).fit(x, y), x, 0.0, name=f"LightGBM, bikes with gaps, {options}")


def test_lightgbm_categories(check):
    x, y = categories(bikes)
    check(light("Regressor", min_child_samples=5).fit(x, y), x, 0.0, name="LightGBM, bikes with categories")


def test_lightgbm_categories_of_a_classifier(check):
    x, y = categories(titanic)
    check(light("Classifier").fit(x, y), x, 1e-15, name="LightGBM, titanic with categories")


def test_lightgbm_forest(check):
    x, y = cancer()
    model = light("Classifier", boosting_type="rf", subsample=0.6, subsample_freq=1).fit(x, y)
    check(model, x, 1e-15, name="LightGBM forest, cancer")


def test_lightgbm_stopped_early(check):
    x, y = cancer()
    model = light("Classifier")
    model.fit(x[:400], y[:400], eval_X=x[400:], eval_y=y[400:], callbacks=[lightgbm.early_stopping(3, verbose=False)])
    check(model, x, 1e-15, name="LightGBM stopped early, cancer")


def test_lightgbm_booster(check):
    x, y = bikes()
    x = x.drop(columns=["mnth", "weathersit"])
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, y), 30)
    check(booster, x, 0.0, name="LightGBM Booster, bikes")


# XGBoost


def extreme(kind, **parameters):
    return getattr(xgboost, f"XGB{kind}")(n_estimators=60, random_state=0, n_jobs=1, **parameters)


@pytest.mark.parametrize("objective", ["reg:squarederror", "reg:absoluteerror", "count:poisson", "reg:tweedie"])
def test_xgboost_regressor(check, objective):
    x, y = bikes()
    exact = objective in ("reg:squarederror", "reg:absoluteerror")
    model = make_pipeline(bike_steps(), extreme("Regressor", objective=objective)).fit(x, y)
    check(model, x, 0.0 if exact else SINGLE, name=f"XGBoost {objective}, bikes")


@pytest.mark.parametrize("rows", [cancer, wine])
def test_xgboost_classifier(check, rows):
    x, y = rows(gaps=0.1)
    encoder = LabelEncoder().fit(y)
    model = extreme("Classifier").fit(x, encoder.transform(y))
    check(model, x, SINGLE, classes=encoder, name=f"XGBoost classifier, {rows.__name__} with gaps")


@pytest.mark.parametrize("max_cat_to_onehot", [1, 100])
def test_xgboost_categories(check, max_cat_to_onehot):
    x, y = categories(bikes)
    model = extreme("Regressor", enable_categorical=True, max_cat_to_onehot=max_cat_to_onehot).fit(x, y)
    check(model, x, 0.0, name=f"XGBoost, bikes with categories ({max_cat_to_onehot})")


def test_xgboost_categories_of_a_classifier(check):
    x, y = categories(titanic)
    check(extreme("Classifier", enable_categorical=True).fit(x, y), x, SINGLE, name="XGBoost, titanic with categories")


@pytest.mark.parametrize("rows", [titanic, bikes])
def test_xgboost_of_a_sparse_matrix(check, rows):
    x, y = rows()
    text = [name for name in x.columns if x[name].dtype == "str"]
    steps = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), text), remainder="passthrough", sparse_threshold=1.0
    )
    model = make_pipeline(steps, extreme("Regressor")).fit(x, y)
    check(model, x, 0.0, name=f"XGBoost of a sparse matrix, {rows.__name__}")


def test_xgboost_codes_in_an_array(check):
    x, y = cancer()
    x = x.to_numpy()[:, :3].copy()
    code = np.arange(len(x)) % 7
    y = y + code % 2
    x[:, 1] = code
    model = extreme("Regressor", enable_categorical=True, feature_types=["q", "c", "q"]).fit(x, y)
    # Fractions, which go; what is 3 in 32 bits alone; what is below 0 or unseen.
    x[:, 1] += np.resize([0, 0.7, -1e-9, -0.5, 0.999999999, 1000], len(x))
    check(model, x, 0.0, name="XGBoost, codes of categories in an array")


def test_xgboost_categories_in_another_order(check):
    x, y = categories(titanic)
    x["deck"] = pd.Categorical(np.arange(len(x)) * 7 % 5 + 10)
    model = extreme("Classifier", enable_categorical=True).fit(x, y)
    x["class"] = x["class"].cat.reorder_categories(["3rd", "*", "2nd", "1st"])
    check(model, x, SINGLE, name="XGBoost, titanic with categories in another order")


def test_xgboost_categories_that_are_not_ascii(check):
    x, y = categories(titanic)
    x["sex"] = x["sex"].cat.rename_categories({"female": "фемина"})
    model = extreme("Classifier", enable_categorical=True).fit(x, y)
    check(model, x, SINGLE, name="XGBoost, titanic with categories that are not ASCII")


def test_lightgbm_categories_in_another_order(check):
    x, y = categories(titanic)
    model = light("Classifier", min_child_samples=3).fit(x, y)
    x["class"] = x["class"].cat.reorder_categories(["3rd", "*", "2nd", "1st"])
    check(model, x, 1e-15, name="LightGBM, titanic with categories in another order")


def test_xgboost_dart(check):
    x, y = cancer()
    model = extreme("Classifier", booster="dart", rate_drop=0.2).fit(x, y)
    check(model, x, SINGLE, name="XGBoost dart, cancer")


def test_xgboost_forest(check):
    x, y = cancer()
    check(xgboost.XGBRFClassifier(n_estimators=20, random_state=0).fit(x, y), x, SINGLE, name="XGBoost forest, cancer")


def test_xgboost_stopped_early(check):
    x, y = cancer()
    model = extreme("Classifier", early_stopping_rounds=3)
    model.fit(x[:400], y[:400], eval_set=[(x[400:], y[400:])], verbose=False)
    check(model, x, SINGLE, name="XGBoost stopped early, cancer")


@pytest.mark.parametrize("objective", ["reg:squarederror", "count:poisson"])
def test_xgboost_booster(check, objective):
    x, y = bikes()
    x = x.drop(columns=["mnth", "weathersit"])
    booster = xgboost.train({"objective": objective, "nthread": 1}, xgboost.DMatrix(x, y), 20)
    check(booster, x, 0.0 if objective.startswith("reg") else SINGLE, name=f"XGBoost Booster {objective}, bikes")


# CatBoost


def cat(kind, **parameters):
    made = getattr(catboost, f"CatBoost{kind}")
    return made(iterations=60, random_seed=0, verbose=0, thread_count=1, allow_writing_files=False, **parameters)


@pytest.mark.parametrize("policy", ["SymmetricTree", "Depthwise", "Lossguide"])
@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
def test_catboost_regressor(check, policy, nan_mode):
    x, y = bikes()
    x = x.drop(columns=["mnth", "weathersit"])
    model = cat("Regressor", grow_policy=policy, nan_mode=nan_mode).fit(x, y)
    check(model, x, 1e-12, name=f"CatBoost {policy} {nan_mode}, bikes with gaps")


def test_catboost_poisson(check):
    x, y = bikes()
    x = x.drop(columns=["mnth", "weathersit"])
    check(cat("Regressor", loss_function="Poisson").fit(x, y), x, 1e-12, name="CatBoost poisson, bikes")


@pytest.mark.parametrize("rows", [cancer, wine])
@pytest.mark.parametrize("loss", [None, "MultiClassOneVsAll"])
def test_catboost_classifier(check, rows, loss):
    x, y = rows(gaps=0.1)
    model = cat("Classifier", loss_function=loss).fit(x, y)
    check(model, x, 1e-12, name=f"CatBoost classifier {loss}, {rows.__name__} with gaps")


def test_catboost_array(check):
    x, y = wine()
    check(cat("Classifier").fit(np.asarray(x, dtype="float32"), y), np.asarray(x, dtype="float32"), 1e-12)
