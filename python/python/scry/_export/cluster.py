"""Clusters, and models that always answer alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Node
from .registry import Outcome, Step, class_list, predicts, regressed, transforms
from .table import Table


def _distances(step: Step, estimator: Any, table: Table) -> Node:
    """Squared distances to the centers."""
    centers = np.asarray(estimator.cluster_centers_, dtype=np.float64)
    node = step.numbers(estimator, table)
    return step.graph.node("distance", [node], len(centers), centers=step.graph.array(centers))


@predicts("sklearn.cluster.KMeans", "sklearn.cluster.MiniBatchKMeans", "sklearn.cluster.BisectingKMeans")
def k_means(step: Step, estimator: Any, table: Table) -> Outcome:
    """The nearest center."""
    if type(estimator).__name__ == "BisectingKMeans":
        raise step.refuse("BisectingKMeans goes down a tree of centers", "Use KMeans")
    index = step.graph.node("argmin", [_distances(step, estimator, table)], 1)
    return Outcome(index=index, classes=np.arange(len(estimator.cluster_centers_)))


@transforms("sklearn.cluster.KMeans", "sklearn.cluster.MiniBatchKMeans")
def k_means_transform(step: Step, estimator: Any, table: Table) -> Table:
    """Distances to the centers."""
    step.graph.within(1e-9)
    return Table.of(step.graph.map(_distances(step, estimator, table), "sqrt"))


@predicts("sklearn.dummy.DummyRegressor")
def dummy_regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """Always the same."""
    return regressed(step.graph.constant(table.columns[0].node, np.ravel(estimator.constant_)))


@predicts("sklearn.dummy.DummyClassifier")
def dummy_classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """Always the same."""
    if estimator.strategy not in ("prior", "most_frequent", "constant") or estimator.n_outputs_ != 1:
        raise step.refuse(f"its strategy is {estimator.strategy}", 'Use strategy="prior" or "most_frequent"')
    classes = class_list(estimator.classes_)
    if estimator.strategy == "constant":
        at = int(np.flatnonzero(classes == estimator.constant)[0])
    else:
        at = int(np.argmax(estimator.class_prior_))
    shares = estimator.class_prior_ if estimator.strategy == "prior" else np.eye(len(classes))[at]
    like = table.columns[0].node
    return Outcome(
        index=step.graph.constant(like, [float(at)]), classes=classes, probabilities=step.graph.constant(like, shares)
    )
