"""Linear models, kernels, networks, Bayes, clusters: within 1e-12, kernels 1e-11, and no label differs."""

from __future__ import annotations

import numpy as np
import pytest
from data import bikes, cancer, digits, titanic, wine
from sklearn import linear_model, svm
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import make_column_transformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

CLOSE, KERNELS = 1e-12, 1e-11
REGRESSORS = {
    "LinearRegression": linear_model.LinearRegression(),
    "Ridge": linear_model.Ridge(),
    "RidgeCV": linear_model.RidgeCV(),
    "Lasso": linear_model.Lasso(),
    "LassoCV": linear_model.LassoCV(cv=3),
    "ElasticNet": linear_model.ElasticNet(),
    "ElasticNetCV": linear_model.ElasticNetCV(cv=3),
    "Lars": linear_model.Lars(),
    "LassoLars": linear_model.LassoLars(),
    "OrthogonalMatchingPursuit": linear_model.OrthogonalMatchingPursuit(),
    "BayesianRidge": linear_model.BayesianRidge(),
    "HuberRegressor": linear_model.HuberRegressor(max_iter=20),
    "ARDRegression": linear_model.ARDRegression(max_iter=5),
    "PLSRegression": PLSRegression(3),
    "GammaRegressor": linear_model.GammaRegressor(max_iter=20),
    "SGDRegressor": linear_model.SGDRegressor(random_state=0),
    "PoissonRegressor": linear_model.PoissonRegressor(),
    "TweedieRegressor": linear_model.TweedieRegressor(power=1.5),
    "TweedieRegressor identity": linear_model.TweedieRegressor(power=0),
    "LinearSVR": svm.LinearSVR(random_state=0),
    "MLPRegressor": MLPRegressor(hidden_layer_sizes=(16, 8), max_iter=15, random_state=0),
    "MLPRegressor tanh": MLPRegressor(hidden_layer_sizes=(16,), activation="tanh", max_iter=15, random_state=0),
    "DummyRegressor": DummyRegressor(),
}
CLASSIFIERS = {
    "LogisticRegression": linear_model.LogisticRegression(),
    "LogisticRegressionCV": linear_model.LogisticRegressionCV(Cs=3, cv=3),
    "SGDClassifier": linear_model.SGDClassifier(random_state=0),
    "SGDClassifier log_loss": linear_model.SGDClassifier(loss="log_loss", random_state=0),
    "SGDClassifier modified_huber": linear_model.SGDClassifier(loss="modified_huber", random_state=0),
    "Perceptron": linear_model.Perceptron(random_state=0),
    "RidgeClassifier": linear_model.RidgeClassifier(),
    "RidgeClassifierCV": linear_model.RidgeClassifierCV(),
    "LinearSVC": svm.LinearSVC(random_state=0),
    "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis(),
    "GaussianNB": GaussianNB(),
    "BernoulliNB": BernoulliNB(),
    "MLPClassifier": MLPClassifier((16,), max_iter=50, random_state=0),
    "MLPClassifier logistic": MLPClassifier((8, 8), activation="logistic", max_iter=50, random_state=0),
    "DummyClassifier": DummyClassifier(),
}


def bike_steps():
    return make_column_transformer(
        # One of each is left out: together with the intercept they would be dependent, and coefficients unbounded.
        (OneHotEncoder(handle_unknown="ignore", drop="first"), ["mnth", "weathersit", "hr"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["temp", "atemp", "hum", "windspeed"]),
        remainder="passthrough",
        sparse_threshold=0.0,
    )


def titanic_steps():
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["class", "sex"]),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["age"]),
    )


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressor(check, name):
    x, y = bikes()
    check(make_pipeline(bike_steps(), REGRESSORS[name]).fit(x, y), x, CLOSE, name=f"{name}, bikes")


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("rows", [titanic, cancer, wine])
def test_classifier(check, name, rows):
    x, y = rows()
    steps = titanic_steps() if rows is titanic else StandardScaler()
    check(make_pipeline(steps, CLASSIFIERS[name]).fit(x, y), x, CLOSE, name=f"{name}, {rows.__name__}")


def test_unscaled(check):
    x, y = cancer()
    check(linear_model.LogisticRegression(max_iter=50).fit(x, y), x, CLOSE, name="LogisticRegression, cancer unscaled")
    check(GaussianNB().fit(x, y), x, CLOSE, name="GaussianNB, cancer unscaled")


@pytest.mark.parametrize("made", [MultinomialNB(), ComplementNB()], ids=str)
def test_counts(check, made):
    x, y = digits()
    check(made.fit(x, y), x, CLOSE, name=f"{made}, digits")


def test_image_network(check):
    x, y = digits()
    model = make_pipeline(MinMaxScaler(), MLPClassifier((32,), max_iter=20, random_state=0)).fit(x, y)
    check(model, x, CLOSE, name="MLPClassifier, digits")


SVMS = {
    "SVC rbf": svm.SVC(),
    "SVC linear": svm.SVC(kernel="linear"),
    "SVC poly": svm.SVC(kernel="poly", coef0=0.5),
    "SVC sigmoid": svm.SVC(kernel="sigmoid"),
    "SVC pairs": svm.SVC(decision_function_shape="ovo"),
    "SVC break_ties": svm.SVC(break_ties=True),
    "NuSVC": svm.NuSVC(nu=0.1),
}


@pytest.mark.parametrize("name", SVMS)
@pytest.mark.parametrize("rows", [cancer, wine])
def test_svc(check, name, rows):
    x, y = rows()
    check(make_pipeline(StandardScaler(), SVMS[name]).fit(x, y), x, KERNELS, name=f"{name}, {rows.__name__}")


def test_svc_of_ten_classes(check):
    x, y = digits()
    check(svm.SVC(gamma=0.001).fit(x, y), x, KERNELS, name="SVC rbf, digits")


@pytest.mark.parametrize("made", [svm.SVR(), svm.NuSVR(C=10.0)], ids=str)
def test_svr(check, made):
    x, y = bikes(1500)
    check(make_pipeline(bike_steps(), made).fit(x, y), x, KERNELS, name=f"{made}, bikes")


def test_one_class(check):
    x, _ = cancer()
    check(make_pipeline(StandardScaler(), svm.OneClassSVM(nu=0.1)).fit(x), x, KERNELS)


@pytest.mark.parametrize("made", [KMeans(5, random_state=0), MiniBatchKMeans(4, random_state=0)], ids=str)
def test_clusters(check, made):
    x, _ = cancer()
    check(make_pipeline(StandardScaler(), made).fit(x), x, 1e-9, name=f"{type(made).__name__}, cancer")


def test_several_targets(check):
    x, y = bikes()
    both = np.stack([y, np.sqrt(y)], axis=1)
    check(make_pipeline(bike_steps(), linear_model.Ridge()).fit(x, both), x, CLOSE, name="Ridge, two targets")


def test_isotonic(check):
    x, y = bikes(2000)
    model = IsotonicRegression(out_of_bounds="clip").fit(x[["hr"]], y)
    check(model, x[["hr"]].astype(float), CLOSE)


def test_truth_values_and_names(check):
    x, y = titanic()
    check(make_pipeline(titanic_steps(), linear_model.LogisticRegression()).fit(x, y == 1), x, CLOSE,
          name="LogisticRegression, classes true and false")  # fmt: skip
