"""Models that answer by the nearest training rows.

Where two of them with different answers are at the same distance and only one counts, the model's own search decides,
and a component takes the first. Refuses a model for which this happens at one of its training rows, or that has equal
training rows with different answers. Never looks for such ties at other rows.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .graph import Node
from .registry import Outcome, Step, class_list, predicts, refuses, regressed
from .table import Table

CLOSE = 1e-12
# Distances that are the same but for rounding, relative to the larger.
SAME = 1e-9
CHUNK_ROWS = 1024
METRICS = {
    "euclidean": "euclidean", "l2": "euclidean", "manhattan": "manhattan", "cityblock": "manhattan", "l1": "manhattan",
}  # fmt: skip


@predicts("sklearn.neighbors.KNeighborsClassifier")
def classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """The shares of the classes among the neighbors."""
    if estimator.outputs_2d_:
        raise step.refuse("it answers several outputs", "Fit one model an output (MultiOutputClassifier)")
    classes = class_list(estimator.classes_)
    shares = _nearest(step, estimator, table, np.eye(len(classes))[estimator._y])
    return Outcome(index=step.graph.argmax(shares), classes=classes, probabilities=shares)


@predicts("sklearn.neighbors.KNeighborsRegressor")
def regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The mean of the neighbors' values."""
    step.graph.within(CLOSE)
    values = np.asarray(estimator._y, dtype=np.float64)
    return regressed(_nearest(step, estimator, table, values.reshape(len(values), -1)))


refuses(
    "it counts all training rows within a distance, where rounding decides",
    "Use KNeighborsClassifier or KNeighborsRegressor",
    "sklearn.neighbors.RadiusNeighborsClassifier",
    "sklearn.neighbors.RadiusNeighborsRegressor",
)


def _nearest(step: Step, estimator: Any, table: Table, values: np.ndarray) -> Node:
    metric = _metric(step, estimator)
    node = step.numbers(estimator, table)
    points = np.asarray(_dense(step, estimator._fit_X), dtype=np.float64)
    if estimator.weights not in ("uniform", "distance"):
        raise step.refuse("its weights are Python code", 'Use weights="uniform" or "distance"')
    if estimator.weights == "distance" and estimator._fit_method == "brute" and metric == "euclidean":
        raise step.refuse("brute force rounds the distances that are its weights", 'Use algorithm="kd_tree"')
    tie = _tie(points, values, int(estimator.n_neighbors), metric)
    if tie is not None:
        raise step.refuse(tie, "Use a tree or a linear model, or features with fewer equal values")
    if estimator.weights == "distance":
        step.graph.within(CLOSE)
    return step.graph.node(
        "neighbors", [node], values.shape[1],
        points=step.graph.array(points), values=step.graph.array(values), count=int(estimator.n_neighbors),
        weights=estimator.weights, metric=metric,
    )  # fmt: skip


def _metric(step: Step, estimator: Any) -> str:
    name = METRICS.get(estimator.effective_metric_)
    if name is None or estimator.metric_params:
        raise step.refuse(f"its metric is {estimator.effective_metric_}", 'Use "euclidean" or "manhattan"')
    return name


def _dense(step: Step, points: Any) -> np.ndarray:
    if hasattr(points, "toarray"):
        raise step.refuse("its training rows are a sparse matrix", "Fit it on dense columns")
    return points


def _tie(points: np.ndarray, values: np.ndarray, count: int, metric: str) -> str | None:
    """What makes an answer depend on which of the neighbors at one distance count, if anything does."""
    if count >= len(points):
        return None
    points_once, row_of = np.unique(points, axis=0, return_inverse=True)
    answers_once = np.unique(np.column_stack([row_of.ravel(), values]), axis=0)
    if len(answers_once) > len(points_once):
        return f"{len(answers_once) - len(points_once)} of its training rows equal others that have another answer"
    tree = sys.modules["sklearn.neighbors"].KDTree(points, metric=metric)
    for start in range(0, len(points), CHUNK_ROWS):
        rows = points[start : start + CHUNK_ROWS]
        distances, _ = tree.query(rows, k=count + 1)
        reach = distances[:, count - 1] * (1 + SAME)
        for at in np.flatnonzero(distances[:, count] <= reach):
            places, apart = tree.query_radius(rows[at : at + 1], reach[at], return_distance=True)
            last = values[places[0][apart[0] >= distances[at, count - 1] * (1 - SAME)]]
            if (last != last[0]).any():
                return (
                    f"row {start + at} of its training rows has several neighbors at the same distance and with "
                    "different answers, of which its search takes some"
                )
    return None
