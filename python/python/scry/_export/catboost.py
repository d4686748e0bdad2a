"""CatBoost with numbers: its JSON form, whose trees ask the same question on each level."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .graph import Node
from .preprocessing import CLOSE
from .registry import Outcome, Step, predicts
from .table import Table
from .trees import LEAF, MISSING_LEFT, Tree, trees_node


def _read(estimator: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        estimator.save_model(str(path), format="json")
        return json.loads(path.read_text())


def _oblivious(told: dict[str, Any], missing_left: np.ndarray, width: int) -> Tree:
    """A tree with the same split on each level; the first split is the lowest bit of the leaf."""
    splits = told.get("splits") or []
    depth = len(splits)
    inner = (1 << depth) - 1
    # The root asks the last split, so that leaves stand in the order of their number.
    levels = np.repeat(np.arange(depth), 1 << np.arange(depth)) if depth else np.zeros(0, dtype=np.int64)
    asked = [splits[depth - 1 - level] for level in range(depth)]
    features = np.array([split["float_feature_index"] for split in asked], dtype=np.int64)
    borders = np.array([split["border"] for split in asked], dtype=np.float32).astype(np.float64)
    leaves = np.arange(1 << depth)
    places = np.arange(inner)
    none = np.zeros(len(leaves))
    return Tree(
        flags=np.concatenate([missing_left[features[levels]], np.full(len(leaves), LEAF)]).astype(np.uint8),
        feature=np.concatenate([features[levels], none]).astype(np.int64),
        threshold=np.concatenate([borders[levels], none]),
        left=np.concatenate([2 * places + 1, leaves]),
        right=np.concatenate([2 * places + 2, none]).astype(np.int64),
        leaves=np.array(told["leaf_values"], dtype=np.float64).reshape(-1, width),
    )


def _nested(told: dict[str, Any], missing_left: np.ndarray, width: int) -> Tree:
    """A tree of nested objects."""
    rows: list[tuple[int, int, float, int, int]] = []
    leaves: list[Any] = []
    waiting: list[tuple[dict[str, Any], int, str]] = [(told, -1, "")]
    while waiting:
        node, parent, side = waiting.pop()
        at = len(rows)
        if parent >= 0:
            flags, feature, border, left, right = rows[parent]
            rows[parent] = (flags, feature, border, at, right) if side == "left" else (flags, feature, border, left, at)
        if "split" in node:
            feature = node["split"]["float_feature_index"]
            rows.append((int(missing_left[feature]), feature, float(np.float32(node["split"]["border"])), 0, 0))
            waiting += [(node["right"], at, "right"), (node["left"], at, "left")]
        else:
            rows.append((LEAF, 0, 0.0, len(leaves), 0))
            leaves.append(node["value"])
    flags, features, borders, lefts, rights = (np.array(part) for part in zip(*rows, strict=True))
    values = np.array(leaves, dtype=np.float64).reshape(-1, width)
    return Tree(flags.astype(np.uint8), features, borders, lefts, rights, values)


def _raw(step: Step, estimator: Any, table: Table) -> tuple[Node, dict[str, Any]]:
    told = _read(estimator)
    features = told["features_info"]
    if any(features.get(kind) for kind in ("categorical_features", "text_features", "embedding_features")):
        raise step.refuse(
            "CatBoost with categorical, text or embedding features counts in ways that its file does not hold exactly",
            "Encode them before it (OrdinalEncoder, TargetEncoder)",
        )
    scale, bias = told["scale_and_bias"]
    biases = np.atleast_1d(np.asarray(bias, dtype=np.float64))
    width = max(len(biases), 1)
    treated = [feature["nan_value_treatment"] for feature in features["float_features"]]
    missing_left = np.where(np.array(treated) == "AsTrue", 0, MISSING_LEFT)
    if "oblivious_trees" in told:
        trees = [_oblivious(tree, missing_left, width) for tree in told["oblivious_trees"]]
    else:
        trees = [_nested(tree, missing_left, width) for tree in told["trees"]]
    x = step.numbers(estimator, table, double=False)
    raw = trees_node(step.graph, x, trees, cast="f32")
    return step.graph.scale(raw, multiply=None if scale == 1 else scale, add=biases), told


@predicts("catboost.CatBoostRegressor")
def regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The sum, or its exponential."""
    raw, _ = _raw(step, estimator, table)
    loss = str(estimator.get_all_params().get("loss_function", "RMSE")).split(":")[0]
    if loss == "RMSEWithUncertainty":
        raise step.refuse("its loss is RMSEWithUncertainty", "Use RMSE")
    if loss in ("Poisson", "Tweedie", "LogLinQuantile"):
        step.graph.within(CLOSE)
        raw = step.graph.map(raw, "exp")
    return Outcome(prediction=raw)


@predicts("catboost.CatBoostClassifier")
def classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """Sigmoid or softmax of the sums."""
    raw, _ = _raw(step, estimator, table)
    loss = str(estimator.get_all_params().get("loss_function", "Logloss")).split(":")[0]
    if loss not in ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"):
        raise step.refuse(f"its loss is {loss}", "Use Logloss, CrossEntropy or MultiClass")
    step.graph.within(CLOSE)
    graph = step.graph
    if raw.width == 1:
        probabilities, index = graph.complement(graph.sigmoid(raw)), graph.map(raw, "greater", 0.0)
    else:
        probabilities = graph.softmax(raw) if loss == "MultiClass" else graph.sigmoid(raw)
        index = graph.argmax(raw)
    return Outcome(index=index, classes=np.asarray(estimator.classes_), probabilities=probabilities, score=raw)
