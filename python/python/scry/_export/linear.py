"""Linear models, and what lies behind their links."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Node
from .preprocessing import CLOSE
from .registry import Outcome, Step, classified, predicts, refuses, regressed, transforms
from .table import Table


def linear_scores(step: Step, estimator: Any, table: Table) -> Node:
    """`X coef + intercept`."""
    step.graph.within(CLOSE)
    weights = np.atleast_2d(estimator.coef_).T
    return step.graph.linear(step.numbers(estimator, table), weights, np.ravel(estimator.intercept_))


@predicts(
    *(
        f"sklearn.linear_model.{name}"
        for name in (
            "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "Lars", "LarsCV",
            "LassoLars", "LassoLarsCV", "LassoLarsIC", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV",
            "BayesianRidge", "ARDRegression", "HuberRegressor", "QuantileRegressor", "SGDRegressor",
            "PassiveAggressiveRegressor", "TheilSenRegressor", "MultiTaskLasso", "MultiTaskElasticNet",
            "MultiTaskLassoCV", "MultiTaskElasticNetCV",
        )
    ),
    "sklearn.svm.LinearSVR",
    "sklearn.cross_decomposition.PLSRegression",
)  # fmt: skip
def linear_regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The linear predictor itself."""
    if type(estimator).__name__ == "PLSRegression":
        return _pls(step, estimator, table)
    return regressed(linear_scores(step, estimator, table))


def _pls(step: Step, estimator: Any, table: Table) -> Outcome:
    step.graph.within(CLOSE)
    centered = step.graph.scale(step.numbers(estimator, table), subtract=estimator._x_mean)
    return regressed(step.graph.linear(centered, np.atleast_2d(estimator.coef_).T, np.ravel(estimator.intercept_)))


@predicts(*(f"sklearn.linear_model.{name}" for name in ("PoissonRegressor", "GammaRegressor", "TweedieRegressor")))
def generalized(step: Step, estimator: Any, table: Table) -> Outcome:
    """The inverse of the link of the linear predictor."""
    scores = linear_scores(step, estimator, table)
    if type(estimator).__name__ != "TweedieRegressor":
        return regressed(step.graph.map(scores, "exp"))
    link = estimator.link
    if link == "auto":
        link = "identity" if estimator.power <= 0 else "log"
    return regressed(scores if link == "identity" else step.graph.map(scores, "exp"))


@predicts("sklearn.linear_model.LogisticRegression", "sklearn.linear_model.LogisticRegressionCV")
def logistic(step: Step, estimator: Any, table: Table) -> Outcome:
    """Sigmoid, softmax, or sigmoids that are normalized, as the version and solver have it."""
    scores = linear_scores(step, estimator, table)
    if _is_one_vs_rest(estimator):
        probabilities = one_vs_rest_probabilities(step, scores)
    elif scores.width == 1:
        pair = step.graph.concat([step.graph.scale(scores, multiply=-1.0), scores])
        probabilities = step.graph.softmax(pair)
    else:
        probabilities = step.graph.softmax(scores)
    return classified(step.graph, estimator.classes_, scores, probabilities)


def _is_one_vs_rest(estimator: Any) -> bool:
    told = getattr(estimator, "multi_class", "auto")
    if told in ("auto", "deprecated"):
        return len(estimator.classes_) <= 2 or estimator.solver == "liblinear"
    return told in ("ovr", "warn")


def one_vs_rest_probabilities(step: Step, scores: Node) -> Node:
    """Sigmoids of decisions; of several classes, in proportion."""
    sigmoids = step.graph.sigmoid(scores)
    return step.graph.complement(sigmoids) if scores.width == 1 else step.graph.proportion(sigmoids)


@predicts("sklearn.linear_model.SGDClassifier")
def sgd_classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """Decisions; probabilities where the loss has some."""
    scores = linear_scores(step, estimator, table)
    probabilities = None
    if estimator.loss == "log_loss":
        probabilities = one_vs_rest_probabilities(step, scores)
    elif estimator.loss == "modified_huber":
        shares = step.graph.scale(step.graph.scale(scores, low=-1.0, high=1.0), add=1.0)
        shares = step.graph.scale(shares, divide=2.0)
        probabilities = step.graph.complement(shares) if scores.width == 1 else step.graph.proportion(shares)
    return classified(step.graph, estimator.classes_, scores, probabilities)


@predicts(
    *(f"sklearn.linear_model.{name}" for name in ("Perceptron", "PassiveAggressiveClassifier")),
    "sklearn.linear_model.RidgeClassifier",
    "sklearn.linear_model.RidgeClassifierCV",
    "sklearn.svm.LinearSVC",
)
def linear_classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """Decisions alone."""
    binarizer = getattr(estimator, "_label_binarizer", None)
    if binarizer is not None and binarizer.y_type_.startswith("multilabel"):
        raise step.refuse("it answers several labels a row", "Fit one classifier a label (MultiOutputClassifier)")
    return classified(step.graph, estimator.classes_, linear_scores(step, estimator, table), None)


@predicts("sklearn.discriminant_analysis.LinearDiscriminantAnalysis")
def discriminant(step: Step, estimator: Any, table: Table) -> Outcome:
    """Sigmoid or softmax of the decisions."""
    scores = linear_scores(step, estimator, table)
    binary = scores.width == 1
    probabilities = step.graph.complement(step.graph.sigmoid(scores)) if binary else step.graph.softmax(scores)
    return classified(step.graph, estimator.classes_, scores, probabilities)


@transforms("sklearn.discriminant_analysis.LinearDiscriminantAnalysis")
def discriminant_transform(step: Step, estimator: Any, table: Table) -> Table:
    """The axes that part the classes."""
    if estimator.solver == "lsqr":
        raise step.refuse("the lsqr solver has no transform", 'Use solver="svd"')
    step.graph.within(CLOSE)
    node = step.numbers(estimator, table)
    centered = step.graph.scale(node, subtract=estimator.xbar_) if estimator.solver == "svd" else node
    return Table.of(step.graph.linear(centered, estimator.scalings_[:, : estimator._max_components]))


refuses(
    "it needs the product of the data with itself for each class",
    "Use LinearDiscriminantAnalysis or GaussianNB",
    "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis",
)
