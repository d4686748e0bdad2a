"""Trees, forests and boosting of scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .graph import Graph, Node
from .registry import Outcome, Step, binary_index, class_list, classified, predicts, regressed
from .table import Table

LEAF, STRICT, MISSING_LEFT, CATEGORICAL, MEMBERS_RIGHT, ZERO_MISSING, MISSING_ZERO = 1, 2, 4, 8, 16, 32, 64


@dataclass
class Tree:
    """One tree: its nodes as arrays, the root first, a child behind its parent.

    At a leaf, `left` is the row of `leaves`. `sets` are the categories that a categorical node names by `set`.
    """

    flags: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    leaves: np.ndarray
    set: np.ndarray | None = None
    sets: list[np.ndarray] = field(default_factory=list)
    target: int = 0


def trees_node(
    graph: Graph,
    x: Node,
    trees: list[Tree],
    *,
    cast: str = "f64",
    sum_type: str = "f64",
    initial: Any = 0.0,
    targets: int | None = None,
    divide: float | None = None,
) -> Node:
    """The sum of trees. With `targets`, a leaf is one number, which its tree adds to its target's column."""
    width = trees[0].leaves.shape[1] if targets is None else targets
    nodes = np.cumsum([0] + [len(tree.flags) for tree in trees])
    leaves = np.cumsum([0] + [len(tree.leaves) for tree in trees])
    sets = np.cumsum([0] + [len(tree.sets) for tree in trees])
    moved = [_moved(tree, *starts) for tree, *starts in zip(trees, nodes[:-1], leaves[:-1], strict=True)]
    joined = {name: np.concatenate([part[name] for part in moved]) for name in moved[0]}
    categorical = {}
    if sets[-1]:
        parts = [_moved_sets(tree, start) for tree, start in zip(trees, sets[:-1], strict=True)]
        words = [word for tree in trees for word in tree.sets]
        starts = np.cumsum([0] + [len(word) for word in words])
        categorical = {
            "set": graph.array(np.concatenate(parts), "u32"),
            "set_starts": graph.array(starts, "u32"),
            "set_words": graph.array(np.concatenate(words), "u32"),
        }
    return graph.node(
        "trees", [x], width,
        roots=graph.array(nodes[:-1], "u32"),
        flags=graph.array(joined["flags"], "u8"),
        feature=graph.array(joined["feature"], "u32"),
        threshold=graph.array(joined["threshold"]),
        left=graph.array(joined["left"], "u32"),
        right=graph.array(joined["right"], "u32"),
        leaves=graph.array(np.concatenate([tree.leaves for tree in trees])),
        cast=cast, sum=sum_type,
        initial=graph.array(np.broadcast_to(np.asarray(initial, dtype=np.float64), (width,))),
        target=None if targets is None else graph.array([tree.target for tree in trees], "u32"),
        divide=divide, **categorical,
    )  # fmt: skip


def _moved(tree: Tree, node_start: int, leaf_start: int) -> dict[str, np.ndarray]:
    """A tree's arrays as they stand among those of all trees."""
    leaf = (tree.flags & LEAF) != 0
    return {
        "flags": tree.flags,
        "feature": np.where(leaf, 0, tree.feature),
        "threshold": np.where(leaf | ((tree.flags & CATEGORICAL) != 0), 0.0, tree.threshold),
        "left": np.where(leaf, tree.left + leaf_start, tree.left + node_start),
        "right": np.where(leaf, 0, tree.right + node_start),
    }


def _moved_sets(tree: Tree, start: int) -> np.ndarray:
    if tree.set is None:
        return np.zeros(len(tree.flags), dtype=np.int64)
    return np.where((tree.flags & CATEGORICAL) != 0, tree.set + start, 0)


def sklearn_tree(tree: Any, leaves: np.ndarray, target: int = 0, features: np.ndarray | None = None) -> Tree:
    """A tree of scikit-learn; `leaves` has a row for each of its nodes, `features` where its columns lie."""
    left, right = tree.children_left, tree.children_right
    leaf = left < 0
    missing = getattr(tree, "missing_go_to_left", None)
    flags = np.where(leaf, LEAF, np.where(0 if missing is None else missing, MISSING_LEFT, 0)).astype(np.uint8)
    feature = np.where(leaf, 0, tree.feature)
    rows = np.cumsum(leaf) - 1
    return Tree(
        flags=flags,
        feature=feature if features is None else np.asarray(features)[feature],
        threshold=tree.threshold,
        left=np.where(leaf, rows, left),
        right=np.where(leaf, 0, right),
        leaves=np.asarray(leaves, dtype=np.float64)[leaf],
        target=target,
    )


def _values(tree: Any) -> np.ndarray:
    """What each node of a tree answers: `[nodes, classes]`."""
    return tree.value[:, 0, :]


TREES = ("tree.DecisionTree", "tree.ExtraTree", "ensemble.RandomForest", "ensemble.ExtraTrees")


def _tree_or_forest(step: Step, estimator: Any, table: Table) -> Node:
    """What a tree's leaf holds; of a forest, the mean of its trees' leaves, added in order."""
    if estimator.n_outputs_ != 1:
        raise step.refuse("one tree answers several outputs", "Fit one model an output (MultiOutputRegressor)")
    x = step.numbers(estimator, table, double=False)
    forest = getattr(estimator, "estimators_", None)
    members = [estimator] if forest is None else forest
    trees = [sklearn_tree(member.tree_, _values(member.tree_)) for member in members]
    return trees_node(step.graph, x, trees, cast="f32", divide=None if forest is None else float(len(forest)))


@predicts(*(f"sklearn.{name}Regressor" for name in TREES))
def tree_regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The leaf's value."""
    return regressed(_tree_or_forest(step, estimator, table))


@predicts(*(f"sklearn.{name}Classifier" for name in TREES))
def tree_classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """The leaf's shares of the classes."""
    shares = _tree_or_forest(step, estimator, table)
    index = step.graph.argmax(shares)
    return Outcome(index=index, classes=class_list(estimator.classes_), probabilities=shares)


# Gradient boosting


def _gradient_boosting(step: Step, estimator: Any, table: Table) -> Node:
    """The raw sums: the beginning, then each stage's trees by the learning rate."""
    x = step.numbers(estimator, table, double=False)
    if not isinstance(estimator.init_, str) and type(estimator.init_).__module__ != "sklearn.dummy":
        raise step.refuse("it begins with another model (init)", 'Use init=None or init="zero"')
    initial = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_)))[0]
    rate = estimator.learning_rate
    trees = [
        sklearn_tree(member.tree_, rate * _values(member.tree_)[:, :1], target)
        for stage in estimator.estimators_
        for target, member in enumerate(stage)
    ]
    return trees_node(step.graph, x, trees, cast="f32", initial=initial, targets=estimator.estimators_.shape[1])


@predicts("sklearn.ensemble.GradientBoostingRegressor")
def gradient_boosting_regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The raw sum."""
    return regressed(_gradient_boosting(step, estimator, table))


@predicts("sklearn.ensemble.GradientBoostingClassifier")
def gradient_boosting_classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """Sigmoid or softmax of the raw sums."""
    raw = _gradient_boosting(step, estimator, table)
    doubled = estimator.loss == "exponential"
    probabilities = boosted_probabilities(step, step.graph.scale(raw, multiply=2.0) if doubled else raw)
    return classified(step.graph, estimator.classes_, raw, probabilities, at_least=True)


def boosted_probabilities(step: Step, raw: Node) -> Node:
    """Sigmoid of one raw sum, softmax of several."""
    if raw.width == 1:
        return step.graph.complement(step.graph.sigmoid(raw))
    return step.graph.softmax(raw)


# Boosting of histograms


def _hist_boosting(step: Step, estimator: Any, table: Table) -> tuple[Node, Table]:
    """The raw sums, and what the trees read: categories first, as numbers."""
    preprocessor = estimator._preprocessor
    read = table if preprocessor is None else step.transform(preprocessor, table)
    x = step.numbers(estimator, read, double=False)
    trees = [_hist_tree(predictor, target) for stage in estimator._predictors for target, predictor in enumerate(stage)]
    baseline = np.ravel(estimator._baseline_prediction)
    raw = trees_node(step.graph, x, trees, initial=baseline, targets=estimator.n_trees_per_iteration_)
    return raw, read


def _hist_tree(predictor: Any, target: int) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"] != 0
    flags = np.where(leaf, LEAF, np.where(nodes["missing_go_to_left"] != 0, MISSING_LEFT, 0))
    flags = np.where(~leaf & (nodes["is_categorical"] != 0), flags | CATEGORICAL, flags).astype(np.uint8)
    return Tree(
        flags=flags,
        feature=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        left=np.where(leaf, np.cumsum(leaf) - 1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, 0, nodes["right"].astype(np.int64)),
        leaves=nodes["value"][leaf].reshape(-1, 1),
        set=nodes["bitset_idx"].astype(np.int64),
        sets=[np.asarray(words, dtype=np.uint32) for words in predictor.raw_left_cat_bitsets],
        target=target,
    )


@predicts("sklearn.ensemble.HistGradientBoostingRegressor")
def hist_regressor(step: Step, estimator: Any, table: Table) -> Outcome:
    """The raw sum, or its exponential."""
    raw, read = _hist_boosting(step, estimator, table)
    if estimator.loss in ("poisson", "gamma"):
        step.graph.within(1e-15)
        raw = step.graph.map(raw, "exp")
    return Outcome(prediction=raw, features=read)


@predicts("sklearn.ensemble.HistGradientBoostingClassifier")
def hist_classifier(step: Step, estimator: Any, table: Table) -> Outcome:
    """Sigmoid or softmax of the raw sums."""
    raw, read = _hist_boosting(step, estimator, table)
    index = binary_index(step.graph, raw) if raw.width == 1 else step.graph.argmax(raw)
    probabilities = boosted_probabilities(step, raw)
    classes = class_list(estimator.classes_)
    return Outcome(index=index, classes=classes, probabilities=probabilities, score=raw, features=read)


# Isolation


@predicts("sklearn.ensemble.IsolationForest")
def isolation_forest(step: Step, estimator: Any, table: Table) -> Outcome:
    """`-2^(-depth / expected depth)`, and whether that is below the offset."""
    x = step.numbers(estimator, table, double=False)
    trees = []
    for at, member in enumerate(estimator.estimators_):
        depths = estimator._decision_path_lengths[at] + estimator._average_path_length_per_tree[at] - 1.0
        features = estimator.estimators_features_[at]
        trees.append(sklearn_tree(member.tree_, depths.reshape(-1, 1), features=features))
    depth = trees_node(step.graph, x, trees, cast="f32")
    expected = len(estimator.estimators_) * _expected_depth(estimator)
    if expected == 0:
        raise step.refuse("its trees have one sample each", "Use max_samples of at least 2")
    step.graph.within(1e-15)
    powers = step.graph.map(step.graph.map(step.graph.scale(depth, divide=expected), "negative"), "exp2")
    score = step.graph.map(powers, "negative")
    inlier = binary_index(step.graph, step.graph.scale(score, subtract=estimator.offset_), at_least=True)
    return Outcome(index=inlier, classes=np.array([-1, 1]), score=score)


def _expected_depth(estimator: Any) -> float:
    """The mean depth of a leaf in a tree of as many samples."""
    samples = estimator._max_samples
    if samples <= 1:
        return 0.0
    if samples == 2:
        return 1.0
    return float(2.0 * (np.log(samples - 1.0) + np.euler_gamma) - 2.0 * (samples - 1.0) / samples)
