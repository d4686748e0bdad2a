"""Probabilities that are made from scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from .ensemble import all_features, probabilities_of
from .graph import Node
from .preprocessing import CLOSE
from .registry import Outcome, Step, class_list, predicts, regressed
from .table import Table


@predicts("sklearn.calibration.CalibratedClassifierCV")
def calibrated(step: Step, estimator: Any, table: Table) -> Outcome:
    """The mean of the calibrated members."""
    classes = class_list(estimator.classes_)
    nodes, outcomes = [], []
    for at, member in enumerate(estimator.calibrated_classifiers_):
        inner = step.at(f".calibrated_classifiers_[{at}]")
        outcome = inner.at(".estimator").predict(member.estimator, table)
        outcomes.append(outcome)
        nodes.append(_calibrated(inner, member, outcome, classes))
    mean = step.graph.sum(nodes, None, float(len(nodes)))
    features = all_features(step, outcomes, table)
    return Outcome(index=step.graph.argmax(mean), classes=classes, probabilities=mean, features=features)


def _calibrated(step: Step, member: Any, outcome: Outcome, classes: np.ndarray) -> Node:
    graph, binary = step.graph, len(classes) == 2
    # The original asks for decisions first; which of them a member has, it says itself.
    if hasattr(member.estimator, "decision_function"):
        if outcome.score is None:
            raise step.refuse("the decisions of its member are not exported", "Calibrate another classifier")
        scores = outcome.score
    else:
        made = probabilities_of(step, outcome)
        scores = graph.select(made, [1]) if binary else made
    if member.method == "temperature":
        return _tempered(step, member, scores, hasattr(member.estimator, "decision_function"))
    parts = [
        _calibrator(step, calibrator, graph.select(scores, [at])) for at, calibrator in enumerate(member.calibrators)
    ]
    if binary:
        return graph.complement(parts[0])
    places = np.searchsorted(classes, member.estimator.classes_)
    known = graph.concat(parts)
    spread = known if len(parts) == len(classes) else graph.linear(known, np.eye(len(classes))[places])
    return graph.proportion(spread)


def _calibrator(step: Step, calibrator: Any, scores: Node) -> Node:
    graph = step.graph
    if type(calibrator).__name__ == "_SigmoidCalibration":
        inner = graph.scale(graph.scale(scores, multiply=calibrator.a_), add=calibrator.b_)
        return graph.sigmoid(graph.map(inner, "negative"))
    return isotonic_curve(step, calibrator, scores)


def isotonic_curve(step: Step, calibrator: Any, scores: Node) -> Node:
    """A curve of straight pieces, flat beyond its ends."""
    if calibrator.out_of_bounds != "clip" and type(calibrator).__name__ == "IsotonicRegression":
        raise step.refuse("it answers NaN or an error outside its range", 'Use out_of_bounds="clip"')
    step.graph.within(CLOSE)
    x, y = calibrator.X_thresholds_, calibrator.y_thresholds_
    if len(x) == 1:
        return step.graph.constant(scores, [y[0]])
    return step.graph.node("interpolate", [scores], 1, x=step.graph.array(x), y=step.graph.array(y))


def _tempered(step: Step, member: Any, scores: Node, decided: bool) -> Node:
    graph = step.graph
    if not decided:
        raise step.refuse("temperature scaling of probabilities depends on the batch", 'Use method="sigmoid"')
    pair = graph.concat([graph.scale(scores, multiply=-1.0), scores]) if scores.width == 1 else scores
    return graph.softmax(graph.scale(pair, multiply=member.calibrators[0].beta_))


@predicts("sklearn.isotonic.IsotonicRegression")
def isotonic(step: Step, estimator: Any, table: Table) -> Outcome:
    """A curve over one column."""
    return regressed(isotonic_curve(step, estimator, step.numbers(estimator, table)))
