"""Support vector machines with kernels."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from .expected import dense
from .graph import Node
from .registry import Outcome, Step, binary_index, class_list, classified, predicts, regressed
from .table import Table

KERNELS = 1e-11


def _kernel(step: Step, estimator: Any, table: Table) -> Node:
    """How near each row is to each support vector."""
    kind = estimator.kernel
    if kind not in ("linear", "rbf", "poly", "sigmoid"):
        told = "a Python function" if callable(kind) else f'"{kind}"'
        raise step.refuse(f"its kernel is {told}", "Use linear, rbf, poly or sigmoid")
    vectors = dense(estimator.support_vectors_)
    step.graph.within(KERNELS)
    node = step.numbers(estimator, table)
    return step.graph.node(
        "kernel", [node], len(vectors), kind=kind, vectors=step.graph.array(vectors),
        gamma=None if kind == "linear" else float(estimator._gamma),
        coef0=float(estimator.coef0) if kind in ("poly", "sigmoid") else None,
        degree=int(estimator.degree) if kind == "poly" else None,
    )  # fmt: skip


@predicts("sklearn.svm.SVR", "sklearn.svm.NuSVR")
def regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The weighted sum of kernels."""
    kernel = _kernel(step, estimator, table)
    return regressed(step.graph.linear(kernel, dense(estimator.dual_coef_).T, estimator.intercept_))


@predicts("sklearn.svm.OneClassSVM")
def one_class(step: Step, estimator: Any, table: Table) -> Outcome:
    """The weighted sum of kernels, and whether it is above 0 with the offset."""
    kernel = _kernel(step, estimator, table)
    decision = step.graph.linear(kernel, dense(estimator.dual_coef_).T, estimator.intercept_)
    score = step.graph.scale(decision, add=estimator.offset_)
    return Outcome(index=binary_index(step.graph, decision), classes=np.array([-1, 1]), score=score)


@predicts("sklearn.svm.SVC", "sklearn.svm.NuSVC")
def classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """One decision for two classes; for more, each pair's, and who wins most pairs."""
    if estimator.probability is True:
        raise step.refuse(
            "SVC(probability=True) draws its probabilities from another model than its labels",
            "Use probability=False, or CalibratedClassifierCV around it",
        )
    kernel = _kernel(step, estimator, table)
    classes = class_list(estimator.classes_)
    if len(classes) == 2:
        decision = step.graph.linear(kernel, dense(estimator.dual_coef_).T, estimator.intercept_)
        return classified(step.graph, classes, decision, None, at_least=True)
    pairs = step.graph.linear(kernel, _pair_weights(estimator), estimator.intercept_)
    count = len(classes)
    rest = step.graph.node("one_vs_one", [pairs], count, classes=count, result="decision")
    votes = step.graph.node("one_vs_one", [pairs], 1, classes=count, result="votes")
    if estimator.decision_function_shape == "ovr":
        index = step.graph.argmax(rest) if estimator.break_ties else votes
        return Outcome(index=index, classes=classes, score=rest, scores_classes=True)
    return Outcome(index=votes, classes=classes, score=pairs)


def _pair_weights(estimator: Any) -> np.ndarray:
    """What each support vector weighs in the decision of each pair: `[vectors, pairs]`."""
    starts, weighed = np.cumsum([0, *estimator.n_support_]), dense(estimator.dual_coef_)
    weights = np.zeros((starts[-1], len(starts[1:]) * (len(starts) - 2) // 2))
    for pair, (first, second) in enumerate(combinations(range(len(starts) - 1), 2)):
        of_first, of_second = (slice(starts[at], starts[at + 1]) for at in (first, second))
        weights[of_first, pair] = weighed[second - 1, of_first]
        weights[of_second, pair] = weighed[first, of_second]
    return weights
