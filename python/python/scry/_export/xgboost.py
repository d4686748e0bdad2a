"""XGBoost: its JSON, with sums in 32 bits as it adds them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from .graph import Graph, Node
from .lightgbm import coded
from .registry import Outcome, Step, predicts, refuses
from .table import Column, Table
from .trees import CATEGORICAL, LEAF, MEMBERS_RIGHT, MISSING_LEFT, STRICT, ZERO_MISSING, Tree, trees_node

# Its exponentials are of 32 bits.
OWN = 2.5e-7
MARGIN_IS_LOGIT = ("binary:logistic", "reg:logistic", "binary:logitraw")
MARGIN_IS_LOG = ("count:poisson", "reg:gamma", "reg:tweedie")
RAW = (
    "reg:squarederror", "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror",
    "binary:logitraw", "rank:ndcg", "rank:map", "rank:pairwise",
)  # fmt: skip


def _codes(step: Step, table: Table, told: dict[str, Any]) -> Table:
    """Categorical columns as codes: in the order that the model keeps, else in that of the frame."""
    kept = [_levels(each) for each in told.get("cats", {}).get("enc", [])] or [None] * len(table)
    pairs = zip(table.columns, kept, strict=True)
    return Table(tuple(_coded(step, column, levels or []) for column, levels in pairs))


def _coded(step: Step, column: Column, kept: list[Any]) -> Column:
    if column.levels is None:
        return column
    # XGBoost 3.2 cuts texts that are not ASCII, which it then orders as the frame does.
    return coded(step, column, kept if set(kept) >= set(column.levels) else column.levels)


def _whole(graph: Graph, x: Node, is_code: np.ndarray) -> Node:
    """Numbers that are codes as XGBoost takes them: of 32 bits, then without their fraction; below 0 is no category."""
    if not is_code.any():
        return x
    codes = graph.map(graph.map(graph.select(x, np.flatnonzero(is_code)), "float32"), "floor")
    places = np.where(is_code, x.width + np.cumsum(is_code) - 1, np.arange(x.width))
    return graph.select(graph.concat([x, codes]), places)


def _levels(told: dict[str, Any]) -> list[Any] | None:
    """The categories of one column: texts by their ends, or numbers; none of a column that has no categories."""
    if "offsets" not in told:
        return told["values"]
    body, ends = bytes(value & 0xFF for value in told["values"]), told["offsets"]
    return [body[start:end].decode(errors="replace") for start, end in zip(ends[:-1], ends[1:], strict=True)]


def _tree(step: Step, told: dict[str, Any], target: int, weight: np.float32 | None, sparse: bool) -> Tree:
    if int(told["tree_param"]["size_leaf_vector"]) > 1:
        raise step.refuse("one tree answers several targets", 'Fit it with multi_strategy="one_output_per_tree"')
    left, right = np.array(told["left_children"]), np.array(told["right_children"])
    conditions = np.array(told["split_conditions"], dtype=np.float32)
    leaf, categorical = left < 0, np.array(told["split_type"]) != 0
    # What a sparse matrix leaves out is zero elsewhere, and missing here.
    flags = (STRICT | ZERO_MISSING if sparse else STRICT) | np.where(
        np.array(told["default_left"]) != 0, MISSING_LEFT, 0
    )
    flags = np.where(categorical, (flags & MISSING_LEFT) | CATEGORICAL | MEMBERS_RIGHT, flags)
    values = conditions[leaf] if weight is None else conditions[leaf] * weight
    tree = Tree(
        flags=np.where(leaf, LEAF, flags).astype(np.uint8),
        feature=np.array(told["split_indices"]),
        threshold=conditions.astype(np.float64),
        left=np.where(leaf, np.cumsum(leaf) - 1, left),
        right=np.where(leaf, 0, right),
        leaves=values.astype(np.float64).reshape(-1, 1),
        target=target,
    )
    _add_sets(tree, told)
    return _in_order(tree)


def _add_sets(tree: Tree, told: dict[str, Any]) -> None:
    places = np.zeros(len(tree.flags), dtype=np.int64)
    parts = zip(told["categories_nodes"], told["categories_segments"], told["categories_sizes"], strict=True)
    for place, (node, start, size) in enumerate(parts):
        members = np.array(told["categories"][start : start + size], dtype=np.int64)
        words = np.zeros(int(members.max(initial=0)) // 32 + 1, dtype=np.uint32)
        np.bitwise_or.at(words, members // 32, np.uint32(1) << (members % 32).astype(np.uint32))
        places[node] = place
        tree.sets.append(words)
    tree.set = places if tree.sets else None


def _in_order(tree: Tree) -> Tree:
    """The tree's nodes so that each stands behind its parent, and none is left that the root does not reach."""
    inner = (tree.flags & LEAF) == 0
    places = np.arange(len(tree.flags))
    behind = (tree.left[inner] > places[inner]) & (tree.right[inner] > places[inner])
    if 1 + 2 * int(inner.sum()) == len(places) and behind.all():
        return tree
    order, waiting = [], [0]
    while waiting:
        at = waiting.pop()
        order.append(at)
        if inner[at]:
            waiting.extend([int(tree.right[at]), int(tree.left[at])])
    moved = np.zeros(len(places), dtype=np.int64)
    moved[order] = np.arange(len(order))
    kept = inner[order]
    return Tree(
        flags=tree.flags[order], feature=tree.feature[order], threshold=tree.threshold[order],
        left=np.where(kept, moved[np.where(inner, tree.left, 0)[order]], tree.left[order]),
        right=np.where(kept, moved[np.where(inner, tree.right, 0)[order]], 0),
        leaves=tree.leaves, set=None if tree.set is None else tree.set[order], sets=tree.sets, target=tree.target,
    )  # fmt: skip


def _iterations(estimator: Any, booster: Any, count: int) -> int:
    """How many rounds `predict` uses: of a wrapper, up to the best one."""
    if estimator is booster:
        return count
    best = booster.attr("best_iteration")
    return count if best is None else int(best) + 1


def _margins(step: Step, estimator: Any, table: Table) -> tuple[Node, str, Table]:
    """The sums before the objective's function, in 32 bits."""
    booster = estimator if type(estimator).__name__ == "Booster" else estimator.get_booster()
    model = json.loads(booster.save_raw("json").decode())["learner"]
    objective = model["objective"]["name"]
    gradient = model["gradient_booster"]
    weights = gradient.get("weight_drop")
    gradient = gradient.get("gbtree", gradient)
    if "model" not in gradient or "trees" not in gradient["model"]:
        raise step.refuse(f"its booster is {gradient['name']}", 'Use booster="gbtree", or a linear model')
    told = gradient["model"]
    bounds = told["iteration_indptr"]
    count = bounds[_iterations(estimator, booster, len(bounds) - 1)]
    read = _codes(step, table, told)
    trees = [
        _tree(step, tree, target, None if weights is None else np.float32(weights[at]), read.is_sparse)
        for at, (tree, target) in enumerate(zip(told["trees"][:count], told["tree_info"][:count], strict=True))
    ]
    if not trees:
        raise step.refuse("it has no trees", "Fit it with at least one")
    parameters = model["learner_model_param"]
    width = max(int(parameters["num_class"]), int(parameters.get("num_target", "1")), 1)
    base = _base(parameters["base_score"], objective)
    kinds = model.get("feature_types") or [""] * len(table)
    is_code = [kind == "c" and column.levels is None for kind, column in zip(kinds, table.columns, strict=True)]
    x = _whole(step.graph, step.numbers(estimator, read, double=False), np.array(is_code))
    return trees_node(step.graph, x, trees, cast="f32", sum_type="f32", initial=base, targets=width), objective, read


def _base(text: str, objective: str) -> np.ndarray:
    """Where the sums begin: the base score before the objective's function."""
    told = json.loads(text)
    base = np.atleast_1d(np.asarray(told, dtype=np.float32))
    if objective in MARGIN_IS_LOGIT:
        return -np.log(np.float32(1) / base - np.float32(1))
    return np.log(base) if objective in MARGIN_IS_LOG else base


def _check_missing(step: Step, estimator: Any) -> None:
    missing = getattr(estimator, "missing", None)
    if missing is not None and missing == missing:
        raise step.refuse(f"it reads {missing} as missing", "Write missing values as NaN and fit with missing=np.nan")
    if callable(getattr(estimator, "objective", None)):
        raise step.refuse("its objective is a Python function", "Use one of XGBoost's own")


def _converted(step: Step, margins: Node, objective: str) -> Node:
    """What the objective makes of the margins, in 32 bits."""
    graph = step.graph
    if objective in RAW:
        return margins
    graph.within(OWN)
    if objective in ("binary:logistic", "reg:logistic"):
        return graph.map(margins, "sigmoid_f32")
    if objective in MARGIN_IS_LOG:
        return graph.map(margins, "exp_f32")
    if objective in ("multi:softprob", "multi:softmax"):
        return graph.node("softmax", [margins], margins.width, precision="f32")
    if objective == "binary:hinge":
        return graph.map(margins, "greater", 0.0)
    raise step.refuse(f"its objective is {objective}", "Use reg:squarederror, binary:logistic or multi:softprob")


@predicts("xgboost.XGBRegressor", "xgboost.XGBRFRegressor", "xgboost.XGBRanker")
def regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """What the objective makes of the margin."""
    _check_missing(step, estimator)
    margins, objective, read = _margins(step, estimator, table)
    return Outcome(prediction=_converted(step, margins, objective), features=read)


@predicts("xgboost.XGBClassifier", "xgboost.XGBRFClassifier")
def classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """Probabilities in 32 bits; the label is the likeliest."""
    _check_missing(step, estimator)
    margins, objective, read = _margins(step, estimator, table)
    graph, made = step.graph, _converted(step, margins, objective)
    if made.width == 1:
        probabilities = graph.map(graph.complement(made), "float32")
        index = graph.map(made, "greater", 0.5)
    else:
        probabilities, index = made, graph.argmax(made)
    return Outcome(index=index, classes=np.asarray(estimator.classes_), probabilities=probabilities, features=read)


@predicts("xgboost.Booster")
def booster(step: Step, estimator: Any, table: Table) -> Outcome:
    """What `predict` of a matrix gives: no labels."""
    margins, objective, read = _margins(step, estimator, table)
    if objective == "multi:softmax":
        return Outcome(prediction=step.graph.argmax(margins), features=read)
    return Outcome(prediction=_converted(step, margins, objective), features=read)


refuses("it lives in a cluster", "Use the model that it holds (get_booster())", *(
    f"xgboost.dask.{name}" for name in ("DaskXGBClassifier", "DaskXGBRegressor", "DaskXGBRanker")
))  # fmt: skip
