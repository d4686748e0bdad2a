"""LightGBM: its text form, read line by line."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from .encoders import category_index
from .graph import Node
from .registry import Outcome, Step, predicts, refuses
from .table import Column, Table
from .trees import CATEGORICAL, LEAF, MISSING_LEFT, MISSING_ZERO, ZERO_MISSING, Tree, trees_node


def coded(step: Step, column: Column, levels: Any) -> Column:
    """A categorical column as codes; whatever is no level is missing."""
    return Column(category_index(step, column, list(levels), None), 0, column.name)


def _codes(step: Step, table: Table, levels: list[Any] | None) -> Table:
    """The columns as LightGBM numbers them."""
    waiting = list(levels or [])
    columns = []
    for column in table.columns:
        if column.levels is None:
            columns.append(column)
        elif waiting:
            columns.append(coded(step, column, waiting.pop(0)))
        else:
            raise step.refuse(f"column `{column.name}` is categorical, but was not in training", "Fit it on this frame")
    return Table(tuple(columns))


class _Text:
    """A booster's text: the words of its head, and those of each tree."""

    def __init__(self, text: str) -> None:
        head, *rest = text.split("\nTree=")
        last = rest[-1].split("\nend of trees")[0] if rest else ""
        self.head = _words(head)
        self.trees = [_words(part) for part in [*rest[:-1], last]] if rest else []
        told = text.rpartition("\npandas_categorical:")[2].strip()
        self.levels = json.loads(told) if told and told != "null" and "\npandas_categorical:" in text else None


def _words(text: str) -> dict[str, str]:
    return {name: value for name, found, value in (line.partition("=") for line in text.splitlines()) if found}


def _numbers(words: dict[str, str], name: str, dtype: str = "float64") -> np.ndarray:
    return np.array(words.get(name, "").split(), dtype=dtype)


def _tree(step: Step, words: dict[str, str], target: int) -> Tree:
    if words.get("is_linear", "0") != "0":
        raise step.refuse("its leaves are linear models (linear_tree)", "Fit it with linear_tree=False")
    leaves = _numbers(words, "leaf_value")
    splits = len(leaves) - 1
    kinds = _numbers(words, "decision_type", "int64")
    left, right = (_children(_numbers(words, f"{side}_child", "int64"), splits) for side in ("left", "right"))
    categorical = (kinds & 1) != 0
    thresholds = _numbers(words, "threshold")
    none = np.zeros(len(leaves))
    tree = Tree(
        flags=np.concatenate([_flags(kinds), np.full(len(leaves), LEAF)]).astype(np.uint8),
        feature=np.concatenate([_numbers(words, "split_feature", "int64"), none.astype(np.int64)]),
        threshold=np.concatenate([thresholds, none]),
        left=np.concatenate([left, np.arange(len(leaves))]),
        right=np.concatenate([right, none.astype(np.int64)]),
        leaves=leaves.reshape(-1, 1),
        target=target,
    )
    if categorical.any():
        bounds, bits = _numbers(words, "cat_boundaries", "int64"), _numbers(words, "cat_threshold", "uint32")
        tree.sets = [bits[start:end] for start, end in zip(bounds[:-1], bounds[1:], strict=True)]
        tree.set = np.concatenate([np.where(categorical, thresholds, 0), none]).astype(np.int64)
    return tree


def _children(children: np.ndarray, splits: int) -> np.ndarray:
    """Leaves, which are numbered below 0, stand behind the splits."""
    return np.where(children >= 0, children, splits + ~children)


def _flags(kinds: np.ndarray) -> np.ndarray:
    categorical, default_left, missing = (kinds & 1) != 0, (kinds & 2) != 0, (kinds >> 2) & 3
    treated = np.where(missing == 2, 0, np.where(missing == 1, ZERO_MISSING | MISSING_ZERO, MISSING_ZERO))
    numeric = treated | np.where(default_left & (missing != 0), MISSING_LEFT, 0)
    return np.where(categorical, CATEGORICAL, numeric)


def _raw(step: Step, booster: Any, table: Table) -> tuple[Node, dict[str, str], Table]:
    """The raw sums, the objective's words, and what the trees read."""
    text = _Text(booster.model_to_string())
    read = _codes(step, table, text.levels)
    x = step.numbers(booster, read, double=False)
    each = int(text.head["num_tree_per_iteration"])
    trees = [_tree(step, words, at % each) for at, words in enumerate(text.trees)]
    if not trees:
        raise step.refuse("it has no trees", "Fit it with at least one")
    average = "average_output" in booster.model_to_string().split("\nTree=")[0].splitlines()
    divide = float(len(trees) // each) if average else None
    raw = trees_node(step.graph, x, trees, targets=each, divide=divide)
    name, *words = text.head.get("objective", "regression").split()
    told = dict(word.partition(":")[::2] for word in words)
    return raw, {"name": name, **told}, read


def _converted(step: Step, raw: Node, objective: dict[str, str]) -> Node:
    """What the objective makes of raw sums."""
    graph, name = step.graph, objective["name"]
    if name in ("binary", "multiclassova"):
        return graph.sigmoid(graph.scale(raw, multiply=float(objective["sigmoid"])))
    if name in ("cross_entropy", "xentropy"):
        return graph.sigmoid(raw)
    if name in ("multiclass", "softmax"):
        return graph.softmax(raw)
    if name in ("poisson", "gamma", "tweedie"):
        graph.within(1e-15)
        return graph.map(raw, "exp")
    if name == "regression" and "sqrt" in objective:
        return graph.combine(graph.map(raw, "sign"), graph.map(raw, "square"), "multiply")
    if name in ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg"):
        return raw
    raise step.refuse(f"its objective is {name}", "Use one of regression, binary, multiclass, poisson, tweedie")


@predicts("lightgbm.LGBMRegressor", "lightgbm.LGBMRanker")
def regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """What the objective makes of the raw sum."""
    _known_objective(step, estimator)
    raw, objective, read = _raw(step, estimator.booster_, table)
    return Outcome(prediction=_converted(step, raw, objective), features=read)


@predicts("lightgbm.LGBMClassifier")
def classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """Sigmoid or softmax of the raw sums; the label is the likeliest."""
    _known_objective(step, estimator)
    raw, objective, read = _raw(step, estimator.booster_, table)
    made = _converted(step, raw, objective)
    probabilities = step.graph.complement(made) if made.width == 1 else made
    index = step.graph.argmax(probabilities)
    return Outcome(index=index, classes=np.asarray(estimator.classes_), probabilities=probabilities, features=read)


@predicts("lightgbm.Booster")
def booster(step: Step, estimator: Any, table: Table) -> Outcome:
    """What `predict` gives: no labels."""
    raw, objective, read = _raw(step, estimator, table)
    return Outcome(prediction=_converted(step, raw, objective), features=read)


def _known_objective(step: Step, estimator: Any) -> None:
    if callable(estimator.objective):
        raise step.refuse("its objective is a Python function", "Use one of LightGBM's own")


refuses("it lives in a cluster", "Call to_local() on it first", *(
    f"lightgbm.{name}" for name in ("DaskLGBMClassifier", "DaskLGBMRegressor", "DaskLGBMRanker")
))  # fmt: skip
