"""Models made of models."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compose import with_features
from .graph import Node
from .preprocessing import CLOSE, mapped, ufunc_name
from .registry import Outcome, Step, class_list, classified, predicts, regressed, transforms
from .table import Table
from .trees import TREES, sklearn_tree, trees_node


def all_features(step: Step, outcomes: list[Outcome], table: Table) -> Table:
    """What all members read, each column once."""
    read = [outcome.features if outcome.features is not None else table for outcome in outcomes]
    columns = {(column.node.at, column.at): column for each in read for column in each.columns}
    return Table(tuple(columns.values()))


# Wrappers


@predicts(
    *(
        f"sklearn.model_selection.{name}"
        for name in ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
    )
)
def search(step: Step, estimator: Any, table: Table) -> Outcome:
    """The best model found."""
    return step.at(".best_estimator_").predict(_best(step, estimator), table)


@transforms("sklearn.model_selection.GridSearchCV", "sklearn.model_selection.RandomizedSearchCV")
def search_transform(step: Step, estimator: Any, table: Table) -> Table:
    """The best transformer found."""
    return step.at(".best_estimator_").transform(_best(step, estimator), table)


def _best(step: Step, estimator: Any) -> Any:
    best = getattr(estimator, "best_estimator_", None)
    if best is None:
        raise step.refuse("the search has kept no model", "Use refit=True")
    return best


@predicts("sklearn.feature_selection.RFE", "sklearn.feature_selection.RFECV")
def recursive_selection(step: Step, estimator: Any, table: Table) -> Outcome:
    """The estimator that was fitted on the selected columns."""
    chosen = table.take(np.flatnonzero(estimator.get_support()))
    return with_features(step.at(".estimator_").predict(estimator.estimator_, chosen), chosen)


@predicts("sklearn.compose.TransformedTargetRegressor")
def transformed_target(step: Step, estimator: Any, table: Table) -> Outcome:
    """The regressor's prediction, through the inverse of what was done to the target."""
    outcome = step.at(".regressor_").predict(estimator.regressor_, table)
    node = prediction_of(step, outcome)
    made = _inverse(step.at(".transformer_"), estimator.transformer_, node)
    return with_features(regressed(made), outcome.features or table)


def _inverse(step: Step, transformer: Any, node: Node) -> Node:
    name, graph = type(transformer).__name__, step.graph
    if name == "FunctionTransformer":
        if transformer.inverse_func is None:
            return node
        function = ufunc_name(transformer.inverse_func)
        if function is None or transformer.inv_kw_args:
            raise step.refuse("the inverse is Python code", "Use ufuncs of numpy, such as np.log1p and np.expm1")
        return mapped(graph, node, function)
    graph.within(CLOSE)
    if name == "StandardScaler":
        return graph.scale(
            node,
            multiply=transformer.scale_ if transformer.with_std else None,
            add=transformer.mean_ if transformer.with_mean else None,
        )
    if name == "MinMaxScaler":
        return graph.scale(node, subtract=transformer.min_, divide=transformer.scale_)
    if name == "MaxAbsScaler":
        return graph.scale(node, multiply=transformer.scale_)
    if name == "RobustScaler":
        return graph.scale(
            node,
            multiply=transformer.scale_ if transformer.with_scaling else None,
            add=transformer.center_ if transformer.with_centering else None,
        )
    raise step.refuse(f"the inverse of {name} cannot be exported", "Use StandardScaler, MinMaxScaler, or a ufunc")


def prediction_of(step: Step, outcome: Outcome) -> Node:
    """A regressor's one prediction."""
    if outcome.prediction is None:
        raise step.refuse("it is a classifier where a regressor is needed", "Use a regressor")
    return outcome.prediction


@predicts("sklearn.frozen.FrozenEstimator")
def frozen(step: Step, estimator: Any, table: Table) -> Outcome:
    """The estimator that is frozen."""
    return step.at(".estimator").predict(estimator.estimator, table)


@transforms("sklearn.frozen.FrozenEstimator")
def frozen_transform(step: Step, estimator: Any, table: Table) -> Table:
    """The transformer that is frozen."""
    return step.at(".estimator").transform(estimator.estimator, table)


# Votes


@predicts("sklearn.ensemble.VotingRegressor")
def voting_regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The weighted mean of the members."""
    outcomes = _members(step, estimator, table)
    weights = estimator._weights_not_none
    nodes = [prediction_of(step, outcome) for outcome in outcomes]
    made = step.graph.sum(nodes, weights, _divisor(weights, len(nodes)))
    step.graph.within(1e-14)
    return Outcome(prediction=made, features=all_features(step, outcomes, table))


@predicts("sklearn.ensemble.VotingClassifier")
def voting_classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """The weighted mean of probabilities, or the weighted count of votes."""
    outcomes = _members(step, estimator, table)
    weights, classes = estimator._weights_not_none, class_list(estimator.classes_)
    features = all_features(step, outcomes, table)
    if estimator.voting == "soft":
        nodes = [probabilities_of(step, outcome) for outcome in outcomes]
        mean = step.graph.sum(nodes, weights, _divisor(weights, len(nodes)))
        return Outcome(index=step.graph.argmax(mean), classes=classes, probabilities=mean, features=features)
    votes = [step.graph.gather(index_of(step, outcome), np.eye(len(classes)), 0.0) for outcome in outcomes]
    return Outcome(index=step.graph.argmax(step.graph.sum(votes, weights)), classes=classes, features=features)


def _members(step: Step, estimator: Any, table: Table) -> list[Outcome]:
    names = [name for name, member in estimator.estimators if member != "drop"]
    fitted = zip(names, estimator.estimators_, strict=True)
    return [step.at(f'["{name}"]').predict(member, table) for name, member in fitted]


def _divisor(weights: Any, count: int) -> float:
    return float(count) if weights is None else float(np.sum(weights))


def probabilities_of(step: Step, outcome: Outcome) -> Node:
    """A classifier's probabilities."""
    if outcome.probabilities is None:
        raise step.refuse("a member has no probabilities", "Use classifiers that have predict_proba")
    return outcome.probabilities


def index_of(step: Step, outcome: Outcome) -> Node:
    """A classifier's label, as an index."""
    if outcome.index is None:
        raise step.refuse("a member is no classifier", "Use classifiers")
    return outcome.index


# Stacks


@predicts("sklearn.ensemble.StackingRegressor", "sklearn.ensemble.StackingClassifier")
def stacking(step: Step, estimator: Any, table: Table) -> Outcome:
    """A model of what the members answer."""
    outcomes, parts = [], []
    names = [name for name, member in estimator.estimators if member != "drop"]
    for name, member, method in zip(names, estimator.estimators_, estimator.stack_method_, strict=True):
        inner = step.at(f'["{name}"]')
        outcome = inner.predict(member, table)
        outcomes.append(outcome)
        parts.append(Table.of(_stacked(inner, estimator, outcome, method)))
    if estimator.passthrough:
        parts.append(table)
    read = Table.joined(parts)
    final = step.at(".final_estimator_").predict(estimator.final_estimator_, read)
    classes = getattr(estimator, "classes_", None)
    told = final if classes is None else _with_classes(final, class_list(classes))
    return with_features(Outcome(**{**_fields(told), "features": None}), all_features(step, outcomes, table))


def _stacked(step: Step, estimator: Any, outcome: Outcome, method: str) -> Node:
    if method == "predict_proba":
        node = probabilities_of(step, outcome)
        binary = len(estimator.classes_) == 2
        return step.graph.select(node, range(1, node.width)) if binary else node
    if method == "decision_function":
        if outcome.score is None:
            raise step.refuse("its decision function is not exported", 'Use stack_method="predict_proba"')
        return outcome.score
    if outcome.prediction is not None:
        return outcome.prediction
    return step.graph.gather(index_of(step, outcome), np.asarray(outcome.classes, np.float64).reshape(-1, 1), np.nan)


def _fields(outcome: Outcome) -> dict[str, Any]:
    return {name: getattr(outcome, name) for name in Outcome.__dataclass_fields__}


def _with_classes(outcome: Outcome, classes: np.ndarray) -> Outcome:
    """The same indexes under the classes' own names."""
    return Outcome(**{**_fields(outcome), "classes": classes})


# Bags


def _bag(step: Step, estimator: Any, table: Table) -> list[tuple[Any, np.ndarray]]:
    step.numbers(estimator, table, double=False)
    return list(zip(estimator.estimators_, estimator.estimators_features_, strict=True))


def _are_trees(members: list[tuple[Any, np.ndarray]], kind: str) -> bool:
    names = {f"{name}{kind}" for name in TREES}
    return all(type(member).__module__.startswith("sklearn.tree.") and type(member).__name__ in names
               for member, _ in members)  # fmt: skip


@predicts("sklearn.ensemble.BaggingRegressor")
def bagging_regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The mean of the members."""
    members = _bag(step, estimator, table)
    count = float(len(members))
    if _are_trees(members, "Regressor"):
        trees = [sklearn_tree(member.tree_, member.tree_.value[:, 0, :1], features=at) for member, at in members]
        return regressed(trees_node(step.graph, table.matrix(step.graph), trees, cast="f32", divide=count))
    outcomes = [step.at(f".estimators_[{at}]").predict(member, table.take(features))
                for at, (member, features) in enumerate(members)]  # fmt: skip
    return regressed(step.graph.sum([prediction_of(step, outcome) for outcome in outcomes], None, count))


@predicts("sklearn.ensemble.BaggingClassifier")
def bagging_classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """The mean of the members' probabilities, or of their votes."""
    members = _bag(step, estimator, table)
    count, classes = float(len(members)), class_list(estimator.classes_)
    width = len(classes)
    if _are_trees(members, "Classifier"):
        trees = [
            sklearn_tree(
                member.tree_, _spread_columns(member.tree_.value[:, 0, :], member.classes_, width), features=at
            )
            for member, at in members
        ]
        mean = trees_node(step.graph, table.matrix(step.graph), trees, cast="f32", divide=count)
    else:
        nodes = []
        for at, (member, features) in enumerate(members):
            inner = step.at(f".estimators_[{at}]")
            nodes.append(_shares(inner, inner.predict(member, table.take(features)), member, width))
        mean = step.graph.sum(nodes, None, count)
    return Outcome(index=step.graph.argmax(mean), classes=classes, probabilities=mean)


def _spread_columns(values: np.ndarray, classes: Any, width: int) -> np.ndarray:
    """A member's columns in the places of the classes that it knows."""
    made = np.zeros((len(values), width))
    made[:, np.asarray(classes, dtype=np.int64)] = values
    return made


def _shares(step: Step, outcome: Outcome, member: Any, width: int) -> Node:
    known = np.asarray(member.classes_, dtype=np.int64)
    if outcome.probabilities is None:
        return step.graph.gather(index_of(step, outcome), np.eye(width)[known], 0.0)
    if len(known) == width:
        return outcome.probabilities
    return step.graph.linear(outcome.probabilities, np.eye(width)[known])


# AdaBoost


@predicts("sklearn.ensemble.AdaBoostClassifier")
def ada_classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """Each member's label counts by its weight."""
    if getattr(estimator, "algorithm", "SAMME") == "SAMME.R":
        raise step.refuse("its algorithm is SAMME.R", 'Use algorithm="SAMME"')
    classes = class_list(estimator.classes_)
    width = len(classes)
    if width < 2:
        raise step.refuse("it has one class", "Fit it on two classes at least")
    nodes, total = [], float(estimator.estimator_weights_.sum())
    for at, (member, weight) in enumerate(zip(estimator.estimators_, estimator.estimator_weights_, strict=False)):
        inner = step.at(f".estimators_[{at}]")
        votes = np.where(np.asarray(member.classes_)[:, None] == classes[None, :], weight, -1 / (width - 1) * weight)
        nodes.append(step.graph.gather(index_of(inner, inner.predict(member, table)), votes, 0.0))
    decision = step.graph.sum(nodes, None, total)
    if width == 2:
        decision = step.graph.node("row_sum", [step.graph.scale(decision, multiply=[-1.0, 1.0])], 1)
        pair = step.graph.concat([step.graph.scale(decision, multiply=-1.0), decision])
        halves = step.graph.scale(pair, divide=2.0)
    else:
        halves = step.graph.scale(decision, divide=float(width - 1))
    return classified(step.graph, classes, decision, step.graph.softmax(halves))


@predicts("sklearn.ensemble.AdaBoostRegressor")
def ada_regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The weighted median of the members."""
    nodes = []
    for at, member in enumerate(estimator.estimators_):
        inner = step.at(f".estimators_[{at}]")
        nodes.append(prediction_of(inner, inner.predict(member, table)))
    weights = step.graph.array(estimator.estimator_weights_[: len(nodes)])
    return regressed(step.graph.node("weighted_median", nodes, 1, weights=weights))
