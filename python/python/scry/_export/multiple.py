"""One model a class, one model a target."""

from __future__ import annotations

from typing import Any

from .ensemble import all_features, probabilities_of
from .graph import Node
from .registry import Outcome, Step, class_list, predicts, refuses, version
from .table import Table


@predicts("sklearn.multiclass.OneVsRestClassifier")
def one_vs_rest(step: Step, estimator: Any, table: Table) -> Outcome:
    """The class whose member is surest."""
    if estimator.multilabel_:
        raise step.refuse("it answers several labels a row", "Use MultiOutputClassifier")
    graph, members = step.graph, list(estimator.estimators_)
    outcomes = [step.at(f".estimators_[{at}]").predict(member, table) for at, member in enumerate(members)]
    scores = [_binary_score(step, member, outcome) for member, outcome in zip(members, outcomes, strict=True)]
    decided = all(hasattr(member, "decision_function") for member in members)
    if len(members) == 1:
        index = graph.map(scores[0], "greater", 0.0 if decided else 0.5)
    else:
        index = _surest(step, scores)
    return Outcome(
        index=index,
        classes=class_list(estimator.classes_),
        probabilities=_one_vs_rest_probabilities(step, outcomes),
        score=graph.concat(scores) if decided else None,
        scores_classes=True,
        features=all_features(step, outcomes, table),
    )


def _surest(step: Step, scores: list[Node]) -> Node:
    """The first of the largest scores; before scikit-learn 1.8, the last."""
    if version("sklearn") >= (1, 8):
        return step.graph.argmax(step.graph.concat(scores))
    from_the_end = step.graph.argmax(step.graph.concat(scores[::-1]))
    return step.graph.scale(from_the_end, multiply=-1.0, add=len(scores) - 1.0)


def _one_vs_rest_probabilities(step: Step, outcomes: list[Outcome]) -> Node | None:
    """The members' probabilities, in proportion; none where one has none."""
    if any(outcome.probabilities is None for outcome in outcomes):
        return None
    columns = [step.graph.select(probabilities_of(step, outcome), [1]) for outcome in outcomes]
    made = step.graph.complement(columns[0]) if len(columns) == 1 else step.graph.concat(columns)
    return step.graph.proportion(made, "keep")


def _binary_score(step: Step, member: Any, outcome: Outcome) -> Node:
    if outcome.prediction is not None:
        return outcome.prediction
    if hasattr(member, "decision_function"):
        if outcome.score is None:
            raise step.refuse("the decisions of a member are not exported", "Use another classifier")
        return outcome.score
    return step.graph.select(probabilities_of(step, outcome), [1])


@predicts("sklearn.multioutput.MultiOutputRegressor", "sklearn.multioutput.MultiOutputClassifier")
def multi_output(step: Step, estimator: Any, table: Table) -> Outcome:
    """A model for each target."""
    outcomes = [
        step.at(f".estimators_[{at}]").predict(member, table) for at, member in enumerate(estimator.estimators_)
    ]
    return Outcome(targets=tuple(outcomes), features=all_features(step, outcomes, table))


refuses(
    "its members answer one after the other",
    "Use MultiOutputClassifier or MultiOutputRegressor",
    "sklearn.multioutput.ClassifierChain",
    "sklearn.multioutput.RegressorChain",
)
refuses(
    "it counts votes of pairs in a way that is not covered",
    "Use OneVsRestClassifier",
    "sklearn.multiclass.OneVsOneClassifier",
    "sklearn.multiclass.OutputCodeClassifier",
)
refuses(
    "it answers by a threshold of its own",
    "Export its estimator_, and apply the threshold to the probabilities",
    "sklearn.model_selection.TunedThresholdClassifierCV",
    "sklearn.model_selection.FixedThresholdClassifier",
)
