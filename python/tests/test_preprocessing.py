"""Transformers, alone and side by side: what `transform` gives, within 1e-12."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from data import bikes, cancer, digits, titanic, wine
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, SelectPercentile, VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

CLOSE = 1e-12
NUMBERS = {
    "StandardScaler": StandardScaler(),
    "StandardScaler without mean": StandardScaler(with_mean=False),
    "StandardScaler without deviation": StandardScaler(with_std=False),
    "MinMaxScaler": MinMaxScaler(),
    "MinMaxScaler clipped": MinMaxScaler(feature_range=(-1, 2), clip=True),
    "RobustScaler": RobustScaler(),
    "RobustScaler alone": RobustScaler(with_centering=False, quantile_range=(10, 90)),
    "MaxAbsScaler": MaxAbsScaler(),
    "Normalizer l1": Normalizer("l1"),
    "Normalizer l2": Normalizer("l2"),
    "Normalizer max": Normalizer("max"),
    "Binarizer": Binarizer(threshold=2.0),
    "KBinsDiscretizer ordinal": KBinsDiscretizer(encode="ordinal"),
    "KBinsDiscretizer onehot": KBinsDiscretizer(encode="onehot", strategy="uniform"),
    "KBinsDiscretizer dense": KBinsDiscretizer(encode="onehot-dense", strategy="kmeans", n_bins=3),
    "PowerTransformer yeo-johnson": PowerTransformer(),
    "PowerTransformer box-cox": make_pipeline(FunctionTransformer(np.exp), PowerTransformer("box-cox")),
    "PowerTransformer plain": PowerTransformer(standardize=False),
    "QuantileTransformer": QuantileTransformer(n_quantiles=50),
    "PCA": PCA(5),
    "PCA whitened": PCA(5, whiten=True),
    "IncrementalPCA": IncrementalPCA(4),
    "TruncatedSVD": TruncatedSVD(5),
    "SelectKBest": SelectKBest(k=4),
    "SelectPercentile": SelectPercentile(percentile=30),
    "SelectFromModel": SelectFromModel(RandomForestClassifier(n_estimators=5, random_state=0)),
    "RFE": RFE(RandomForestClassifier(n_estimators=5, random_state=0), n_features_to_select=4),
    "VarianceThreshold": VarianceThreshold(0.1),
    "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis(),
    "LinearDiscriminantAnalysis eigen": LinearDiscriminantAnalysis(solver="eigen"),
    "FunctionTransformer log1p": FunctionTransformer(np.log1p),
    "FunctionTransformer nothing": FunctionTransformer(),
    "union": make_union(StandardScaler(), PCA(2)),
    "union weighed": FeatureUnion([("a", MinMaxScaler()), ("b", "passthrough")], transformer_weights={"a": 3.0}),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(check, name):
    x, y = wine()
    if "Bin" in name and "kmeans" in str(NUMBERS[name]):
        x = x[["alcohol", "ash", "hue"]]
    if "box-cox" in name:
        x = x / x.max()
    check(NUMBERS[name].fit(x, y), x, CLOSE, name=name)


@pytest.mark.parametrize("function", ["exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "square", "abs",
                                      "negative", "sign", "reciprocal", "tanh", "exp2", "sin", "cos", "floor", "ceil",
                                      "rint", "isnan"])  # fmt: skip
def test_functions(check, function):
    x, _ = wine()
    x = x / x.max() - (0.2 if function in ("sin", "abs", "sign", "negative", "floor", "ceil", "rint", "cbrt") else 0.0)
    check(FunctionTransformer(getattr(np, function)).fit(x), x, 1e-15, name=f"FunctionTransformer {function}")


@pytest.mark.parametrize("degree", [(2, 2), (3, 3), (2, 3)])
@pytest.mark.parametrize("interaction_only", [False, True])
def test_polynomial(check, degree, interaction_only):
    x, _ = wine()
    model = PolynomialFeatures(degree, interaction_only=interaction_only).fit(x)
    check(model, x, 0.0 if False else 1e-15, name=f"PolynomialFeatures {degree} {interaction_only}")


@pytest.mark.parametrize("name", ["StandardScaler", "MinMaxScaler clipped", "QuantileTransformer",
                                  "PowerTransformer yeo-johnson", "RobustScaler", "MaxAbsScaler"])  # fmt: skip
def test_missing_numbers_stay(check, name):
    x, y = wine(gaps=0.1)
    check(NUMBERS[name].fit(x, y), x, CLOSE, name=f"{name}, with gaps")


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
@pytest.mark.parametrize("add_indicator", [False, True])
def test_imputer(check, strategy, add_indicator):
    x, _ = wine(gaps=0.1)
    x["nothing"] = np.nan
    check(SimpleImputer(strategy=strategy, add_indicator=add_indicator).fit(x), x, 0.0,
          name=f"SimpleImputer {strategy}{', indicators' if add_indicator else ''}")  # fmt: skip


def test_imputer_keeps_empty_columns(check):
    x, _ = wine(gaps=0.1)
    x["nothing"] = np.nan
    check(SimpleImputer(keep_empty_features=True).fit(x), x, 0.0)


def test_imputer_with_a_marker(check):
    x, _ = wine()
    x.iloc[::7, 3] = -1.0
    check(SimpleImputer(missing_values=-1, add_indicator=True).fit(x), x, 0.0)


def test_missing_indicator(check):
    x, _ = wine(gaps=0.1)
    check(MissingIndicator(features="all").fit(x), x, 0.0)


ENCODERS = {
    "ignore": OneHotEncoder(handle_unknown="ignore"),
    "error": OneHotEncoder(),
    "drop first": OneHotEncoder(drop="first", handle_unknown="ignore"),
    "drop binary": OneHotEncoder(drop="if_binary"),
    "rare": OneHotEncoder(min_frequency=300, handle_unknown="infrequent_if_exist"),
    "rare, dropped": OneHotEncoder(max_categories=2, drop="first", handle_unknown="infrequent_if_exist"),
    "rare, ignored": OneHotEncoder(max_categories=2, handle_unknown="ignore"),
    "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    "ordinal, NaN": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    "ordinal, error": OrdinalEncoder(),
    "ordinal, rare": OrdinalEncoder(max_categories=2, handle_unknown="use_encoded_value", unknown_value=-1),
    "ordinal, missing": OrdinalEncoder(encoded_missing_value=-2, handle_unknown="use_encoded_value", unknown_value=-1),
    "target": TargetEncoder(),
}


def with_gaps() -> tuple[pd.DataFrame, pd.Series]:
    """Passengers, some of whose class or sex nobody knows."""
    x, y = titanic()
    x = x[["class", "sex"]]
    x.iloc[::9, 0] = None
    x.iloc[::11, 1] = None
    return x, y


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("gaps", [False, True])
def test_encoders(check, name, gaps):
    x, y = with_gaps() if gaps else titanic()
    x = x[["class", "sex"]]
    check(ENCODERS[name].fit(x, y), x, 0.0, name=f"encoder {name}{', with gaps' if gaps else ''}")


@pytest.mark.parametrize("name", ["ignore", "drop first", "ordinal", "ordinal, NaN", "target", "rare"])
def test_encoders_of_objects(check, name):
    x, y = with_gaps()
    x = x.astype(object).where(x.notna(), None)
    check(ENCODERS[name].fit(x, y), x, 0.0, name=f"encoder {name}, objects and None")


@pytest.mark.parametrize("name", ["ignore", "ordinal", "target", "rare"])
def test_encoders_of_numbers(check, name):
    x, y = bikes()
    x = x[["hr", "weekday", "holiday"]]
    check(ENCODERS[name].fit(x, y), x, 0.0, name=f"encoder {name}, numbers")


@pytest.mark.parametrize("name", ["ignore", "ordinal", "target"])
def test_encoders_of_floats_with_gaps(check, name):
    x, y = bikes()
    x = x[["temp", "hum"]].round(1)
    check(ENCODERS[name].fit(x, y), x, 0.0, name=f"encoder {name}, floats with gaps")


def test_target_encoder_of_three_classes(check):
    x, y = titanic()
    check(TargetEncoder().fit(x[["sex"]], x["class"]), x[["sex"]], 0.0)


def test_text_imputer(check):
    x, y = with_gaps()
    steps = make_pipeline(SimpleImputer(strategy="most_frequent", add_indicator=True), OneHotEncoder())
    check(steps.fit(x), x, 0.0)


def test_text_imputer_of_a_constant(check):
    x, y = with_gaps()
    steps = make_pipeline(SimpleImputer(strategy="constant", fill_value="who knows"), OrdinalEncoder())
    check(steps.fit(x), x, 0.0)


def test_columns(check):
    x, y = bikes()
    model = ColumnTransformer(
        [
            ("text", OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include=["str", "object"])),
            ("readings", make_pipeline(SimpleImputer(), StandardScaler()), ["temp", "hum"]),
            ("dropped", "drop", ["atemp"]),
            ("slice", "passthrough", slice("holiday", "weekday")),
        ],
        remainder=MinMaxScaler(),
    ).fit(x, y)
    exported = check(model, x, CLOSE)
    assert "atemp" not in [told["name"] for told in exported.graph.inputs if told["name"] in exported.feature_names]


def test_columns_by_place(check):
    x, y = digits()
    model = make_column_transformer(
        (StandardScaler(), [0, 1, -1]), (PCA(3), slice(10, 30)), ("passthrough", np.arange(64) > 60)
    ).fit(x, y)
    check(model, x, CLOSE)


def test_columns_of_columns(check):
    x, y = bikes()
    first = make_column_transformer(
        (SimpleImputer(), ["temp", "hum"]), ("passthrough", ["mnth", "hr"]), verbose_feature_names_out=False
    ).set_output(transform="pandas")
    second = make_column_transformer((OneHotEncoder(), ["mnth"]), (StandardScaler(), ["hum", "hr"]))
    check(make_pipeline(first, second).fit(x, y), x, CLOSE)


def test_columns_of_objects(check):
    x, y = bikes()
    first = make_column_transformer((SimpleImputer(), ["temp"]), ("passthrough", ["mnth", "hr"]))
    second = make_column_transformer((OneHotEncoder(), [1]), (StandardScaler(), [0, 2]))
    check(make_pipeline(first, second).fit(x, y), x, CLOSE)


def test_distances(check):
    x, _ = cancer()
    steps = make_pipeline(StandardScaler(), KMeans(4, random_state=0, n_init=1))
    check(make_pipeline(steps.fit(x)[0], steps[1], "passthrough"), x, 1e-9, name="KMeans transform")
