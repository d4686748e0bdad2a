"""Multi-layer perceptrons of scikit-learn."""

from __future__ import annotations

from typing import Any

from .graph import Node
from .preprocessing import CLOSE
from .registry import Outcome, Step, class_list, predicts, regressed
from .table import Table

ACTIVATIONS = {"identity": None, "relu": "relu", "tanh": "tanh", "logistic": "sigmoid"}


def _layers(step: Step, estimator: Any, table: Table) -> Node:
    """All layers, but for the last one's function."""
    step.graph.within(CLOSE)
    node = step.numbers(estimator, table)
    last = len(estimator.coefs_) - 1
    for at, (weights, bias) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        node = step.graph.linear(node, weights, bias)
        function = ACTIVATIONS[estimator.activation]
        if at != last and function is not None:
            node = step.graph.map(node, function)
    return node


@predicts("sklearn.neural_network.MLPRegressor")
def regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The last layer itself, or its exponential."""
    node = _layers(step, estimator, table)
    return regressed(step.graph.map(node, "exp") if estimator.out_activation_ == "exp" else node)


@predicts("sklearn.neural_network.MLPClassifier")
def classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """Sigmoid or softmax of the last layer."""
    if estimator._label_binarizer.y_type_.startswith("multilabel"):
        raise step.refuse("it answers several labels a row", "Fit one classifier a label (MultiOutputClassifier)")
    node = _layers(step, estimator, table)
    graph, classes = step.graph, class_list(estimator.classes_)
    if node.width == 1:
        shares = graph.sigmoid(node)
        return Outcome(index=graph.map(shares, "greater", 0.5), classes=classes, probabilities=graph.complement(shares))
    probabilities = graph.softmax(node)
    return Outcome(index=graph.argmax(probabilities), classes=classes, probabilities=probabilities)
