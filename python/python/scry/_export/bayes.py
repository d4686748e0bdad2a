"""Naive Bayes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Node
from .preprocessing import CLOSE
from .registry import Outcome, Step, class_list, predicts
from .table import Table


def _from_likelihood(step: Step, estimator: Any, likelihood: Node) -> Outcome:
    """The likeliest class, and its share."""
    graph = step.graph
    probabilities = graph.map(graph.node("log_softmax", [likelihood], likelihood.width), "exp")
    classes = class_list(estimator.classes_)
    return Outcome(index=graph.argmax(likelihood), classes=classes, probabilities=probabilities)


@predicts("sklearn.naive_bayes.GaussianNB")
def gaussian(step: Step, estimator: Any, table: Table) -> Outcome:
    """Bell curves."""
    step.graph.within(CLOSE)
    node = step.numbers(estimator, table)
    likelihood = step.graph.node(
        "gaussian_nb", [node], len(estimator.classes_), means=step.graph.array(estimator.theta_),
        variances=step.graph.array(estimator.var_), log_prior=step.graph.array(np.log(estimator.class_prior_)),
    )  # fmt: skip
    return _from_likelihood(step, estimator, likelihood)


@predicts("sklearn.naive_bayes.MultinomialNB")
def multinomial(step: Step, estimator: Any, table: Table) -> Outcome:
    """Counts."""
    return _linear(step, estimator, table, estimator.feature_log_prob_, estimator.class_log_prior_)


@predicts("sklearn.naive_bayes.ComplementNB")
def complement(step: Step, estimator: Any, table: Table) -> Outcome:
    """Counts of the other classes."""
    prior = estimator.class_log_prior_ if len(estimator.classes_) == 1 else 0.0
    return _linear(step, estimator, table, estimator.feature_log_prob_, prior)


@predicts("sklearn.naive_bayes.BernoulliNB")
def bernoulli(step: Step, estimator: Any, table: Table) -> Outcome:
    """What is there and what is not."""
    step.graph.within(CLOSE)
    node = step.numbers(estimator, table)
    if estimator.binarize is not None:
        node = step.graph.map(node, "greater", float(estimator.binarize))
    negative = np.log(1 - np.exp(estimator.feature_log_prob_))
    bias = estimator.class_log_prior_ + negative.sum(axis=1)
    likelihood = step.graph.linear(node, (estimator.feature_log_prob_ - negative).T, bias)
    return _from_likelihood(step, estimator, likelihood)


def _linear(step: Step, estimator: Any, table: Table, weights: np.ndarray, bias: Any) -> Outcome:
    step.graph.within(CLOSE)
    return _from_likelihood(step, estimator, step.graph.linear(step.numbers(estimator, table), weights.T, bias))
