"""Numbers to numbers: imputers, scalers, bins, powers, selections, projections."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .encoders import is_missing
from .graph import Graph, Node
from .registry import Step, refuses, transforms
from .table import Column, Table

CLOSE = 1e-12


# Imputers


@transforms("sklearn.impute.SimpleImputer")
def simple_imputer(step: Step, imputer: Any, table: Table) -> Table:
    """Missing values become a statistic; indicators stand behind."""
    statistics = list(imputer.statistics_)
    kept = [at for at, value in enumerate(statistics) if imputer.keep_empty_features or not is_missing(value)]
    filled = Table(tuple(_imputed(step, imputer, table.columns[at], statistics[at]) for at in kept))
    if imputer.indicator_ is None:
        return filled
    return Table.joined([filled, missing_indicator(step, imputer.indicator_, table)])


def _imputed(step: Step, imputer: Any, column: Column, fill: Any) -> Column:
    marker = imputer.missing_values
    if not column.is_text:
        if isinstance(fill, str):
            raise step.refuse(f"column `{column.name}` holds numbers and is filled with text", "Fill with a number")
        node = step.graph.select(column.node, [column.at])
        narrow = column.dtype == "float32" and imputer._fill_dtype == np.float32
        fills = step.graph.array([float(np.float32(fill) if narrow else fill)])
        made = step.graph.node("impute", [node], 1, fill=fills, missing=_marker(step, marker))
        return replace(column, node=made, at=0, levels=None)
    if not is_missing(marker):
        raise step.refuse(f"column `{column.name}` is text with the marker {marker!r}", "Write missing text as NaN")
    if column.missing != _marker_name(marker):
        return column
    return replace(column, node=step.graph.node("text_fill", [column.node], 0, value=str(fill)), levels=None)


def _marker(step: Step, marker: Any) -> float | None:
    """The number that stands for a missing value; None for NaN."""
    if is_missing(marker) or _is_na(marker):
        return None
    if isinstance(marker, str):
        raise step.refuse(f"text {marker!r} marks a missing number", "Write missing numbers as NaN")
    return float(marker)


def _is_na(marker: Any) -> bool:
    return type(marker).__name__ == "NAType"


def _marker_name(marker: Any) -> str:
    return "none" if marker is None else "nan"


@transforms("sklearn.impute.MissingIndicator")
def missing_indicator(step: Step, indicator: Any, table: Table) -> Table:
    """1 where a value is missing."""
    marker = indicator.missing_values
    nodes = [_is_missing(step, marker, table.columns[at]) for at in indicator.features_]
    return Table(tuple(Column(node, 0, f"missing{at}", "bool") for at, node in enumerate(nodes)))


def _is_missing(step: Step, marker: Any, column: Column) -> Node:
    if not column.is_text:
        node = step.graph.select(column.node, [column.at])
        return step.graph.node("indicate", [node], 1, missing=_marker(step, marker))
    seen = 1 if column.missing == _marker_name(marker) else 0
    return step.graph.node("text_index", [column.node], 1, categories=step.graph.text([""]), unknown=0, missing=seen)


refuses("it looks for neighbors among all training rows", "Use SimpleImputer", "sklearn.impute.KNNImputer")
refuses("it runs a model for each column in turns", "Use SimpleImputer", "sklearn.impute.IterativeImputer")


# Scalers


def scaled(step: Step, estimator: Any, table: Table, **steps: Any) -> Table:
    """All columns through one `scale`."""
    step.graph.within(1e-15)
    return Table.of(step.graph.scale(step.numbers(estimator, table), **steps))


@transforms("sklearn.preprocessing.StandardScaler")
def standard_scaler(step: Step, scaler: Any, table: Table) -> Table:
    """Mean 0, deviation 1."""
    subtract = scaler.mean_ if scaler.with_mean else None
    return scaled(step, scaler, table, subtract=subtract, divide=scaler.scale_ if scaler.with_std else None)


@transforms("sklearn.preprocessing.RobustScaler")
def robust_scaler(step: Step, scaler: Any, table: Table) -> Table:
    """Median 0, quantile range 1."""
    subtract = scaler.center_ if scaler.with_centering else None
    return scaled(step, scaler, table, subtract=subtract, divide=scaler.scale_ if scaler.with_scaling else None)


@transforms("sklearn.preprocessing.MinMaxScaler")
def min_max_scaler(step: Step, scaler: Any, table: Table) -> Table:
    """Into a range."""
    low, high = scaler.feature_range if scaler.clip else (None, None)
    return scaled(step, scaler, table, multiply=scaler.scale_, add=scaler.min_, low=low, high=high)


@transforms("sklearn.preprocessing.MaxAbsScaler")
def max_abs_scaler(step: Step, scaler: Any, table: Table) -> Table:
    """The largest is 1."""
    low, high = (-1.0, 1.0) if getattr(scaler, "clip", False) else (None, None)
    return scaled(step, scaler, table, divide=scaler.scale_, low=low, high=high)


@transforms("sklearn.preprocessing.Normalizer")
def normalizer(step: Step, estimator: Any, table: Table) -> Table:
    """Each row has length 1."""
    step.graph.within(CLOSE)
    node = step.numbers(estimator, table)
    return Table.of(step.graph.node("normalize", [node], node.width, norm=estimator.norm))


@transforms("sklearn.preprocessing.Binarizer")
def binarizer(step: Step, estimator: Any, table: Table) -> Table:
    """1 above the threshold."""
    node = step.numbers(estimator, table)
    return Table.of(step.graph.map(node, "greater", float(estimator.threshold)))


@transforms("sklearn.preprocessing.KBinsDiscretizer")
def bins(step: Step, estimator: Any, table: Table) -> Table:
    """Which bin each value is in."""
    node = step.numbers(estimator, table, double=estimator.dtype is None)
    indexes = [_bin(step, node, at, edges) for at, edges in enumerate(estimator.bin_edges_)]
    if estimator.encode == "ordinal":
        return Table.of(step.graph.concat(indexes))
    hot = [
        step.graph.node("one_hot", [index], int(count), columns=step.graph.array(np.arange(count), "u32"))
        for index, count in zip(indexes, estimator.n_bins_, strict=True)
    ]
    return Table.of(step.graph.concat(hot)).held(sparse=estimator.encode == "onehot")


def _bin(step: Step, node: Node, at: int, edges: np.ndarray) -> Node:
    column = step.graph.select(node, [at])
    if len(edges) <= 2:
        return step.graph.constant(column, [0.0])
    return step.graph.node("bins", [column], 1, edges=step.graph.array(edges[1:-1]))


@transforms("sklearn.preprocessing.PolynomialFeatures")
def polynomial(step: Step, estimator: Any, table: Table) -> Table:
    """Products of columns."""
    step.graph.within(1e-15)
    node = step.numbers(estimator, table)
    # The original multiplies from the last factor to the first.
    factors = [np.repeat(np.arange(len(powers)), powers)[::-1] for powers in estimator.powers_]
    starts = np.cumsum([0] + [len(columns) for columns in factors])
    columns = np.concatenate(factors) if factors else []
    arrays = {"starts": step.graph.array(starts, "u32"), "columns": step.graph.array(columns, "u32")}
    return Table.of(step.graph.node("products", [node], len(factors), **arrays))


@transforms("sklearn.preprocessing.PowerTransformer")
def power(step: Step, estimator: Any, table: Table) -> Table:
    """Yeo-Johnson or Box-Cox, then mean 0 and deviation 1."""
    step.graph.within(CLOSE)
    node = step.numbers(estimator, table)
    method = estimator.method.replace("-", "_")
    if method == "yeo_johnson" and not hasattr(estimator, "_yeo_johnson_transform"):
        method = "yeo_johnson_expm1"
    lambdas = step.graph.array(estimator.lambdas_)
    made = step.graph.node("power", [node], node.width, method=method, **{"lambda": lambdas})
    if not estimator.standardize:
        return Table.of(made)
    scaler = estimator._scaler
    return Table.of(step.graph.scale(made, subtract=scaler.mean_, divide=scaler.scale_))


@transforms("sklearn.preprocessing.QuantileTransformer")
def quantile(step: Step, estimator: Any, table: Table) -> Table:
    """The share of training values that are smaller."""
    if estimator.output_distribution != "uniform":
        raise step.refuse("QuantileTransformer with a normal output", 'Use output_distribution="uniform"')
    step.graph.within(CLOSE)
    node = step.numbers(estimator, table)
    arrays = {
        "quantiles": step.graph.array(estimator.quantiles_),
        "references": step.graph.array(estimator.references_),
    }
    return Table.of(step.graph.node("quantile", [node], node.width, **arrays))


# Selections


@transforms(
    *(
        f"sklearn.feature_selection.{name}"
        for name in (
            "SelectKBest", "SelectPercentile", "SelectFpr", "SelectFdr", "SelectFwe", "GenericUnivariateSelect",
            "SelectFromModel", "VarianceThreshold", "RFE", "RFECV", "SequentialFeatureSelector",
        )
    )
)  # fmt: skip
def selection(step: Step, selector: Any, table: Table) -> Table:
    """Some of the columns."""
    return table.take(np.flatnonzero(selector.get_support()))


# Projections


@transforms("sklearn.decomposition.PCA", "sklearn.decomposition.IncrementalPCA")
def pca(step: Step, estimator: Any, table: Table) -> Table:
    """The principal components."""
    step.graph.within(CLOSE)
    components = estimator.components_
    bias = -(np.reshape(estimator.mean_, (1, -1)) @ components.T)[0]
    made = step.graph.linear(step.numbers(estimator, table), components.T, bias)
    if estimator.whiten:
        deviations = np.sqrt(estimator.explained_variance_)
        made = step.graph.scale(made, divide=np.maximum(deviations, np.finfo(deviations.dtype).eps))
    return Table.of(made)


@transforms("sklearn.decomposition.TruncatedSVD")
def truncated_svd(step: Step, estimator: Any, table: Table) -> Table:
    """The largest components."""
    step.graph.within(CLOSE)
    return Table.of(step.graph.linear(step.numbers(estimator, table), estimator.components_.T))


# Functions

UFUNCS = {
    "exp": "exp", "expm1": "expm1", "log": "log", "log1p": "log1p", "log2": "log2", "log10": "log10",
    "sqrt": "sqrt", "cbrt": "cbrt", "square": "square", "absolute": "abs", "fabs": "abs", "negative": "negative",
    "sign": "sign", "reciprocal": "reciprocal", "tanh": "tanh", "exp2": "exp2", "sin": "sin", "cos": "cos",
    "floor": "floor", "ceil": "ceil", "rint": "rint", "expit": "sigmoid", "isnan": "is_missing",
}  # fmt: skip
ROUGH = {"exp", "expm1", "log", "log1p", "log2", "log10", "cbrt", "tanh", "exp2", "sin", "cos", "sigmoid"}
# Of integers, these answer integers, or wrap around.
NEED_FLOATS = {"reciprocal", "negative", "square", "abs", "sign", "floor", "ceil", "rint"}


def ufunc_name(function: Any) -> str | None:
    """The graph's name of a ufunc of numpy or SciPy, if it has one."""
    if not isinstance(function, np.ufunc):
        return None
    return UFUNCS.get(function.__name__)


def mapped(graph: Graph, node: Node, name: str) -> Node:
    """A function of every element."""
    if name in ROUGH:
        graph.within(1e-15)
    return graph.map(node, name)


@transforms("sklearn.preprocessing.FunctionTransformer")
def function(step: Step, transformer: Any, table: Table) -> Table:
    """A ufunc of numpy, or nothing."""
    if transformer.func is None or _only_checks(transformer.func):
        return table
    name = ufunc_name(transformer.func)
    if name is None or transformer.kw_args:
        told = getattr(transformer.func, "__name__", repr(transformer.func))
        known = ", ".join(f"np.{name}" for name in sorted(UFUNCS) if name != "expit")
        raise step.refuse(f"FunctionTransformer({told}) is Python code", f"Use one of {known}, or a Python guest")
    for column in table.columns:
        _check_function(step, name, column)
    return Table.of(mapped(step.graph, step.numbers(transformer, table), name), table.names)


def _only_checks(func: Any) -> bool:
    """Whether a function is scikit-learn's own check of arrays, which changes no value."""
    made = getattr(func, "func", None)
    return getattr(made, "__name__", "") == "check_array" and getattr(made, "__module__", "").startswith("sklearn.")


def _check_function(step: Step, name: str, column: Column) -> None:
    if column.is_text:
        return
    dtype = np.dtype(column.dtype)
    narrow = dtype.kind != "f" and dtype.itemsize < 4
    if narrow or (dtype.kind in "iub" and name in NEED_FLOATS):
        raise step.refuse(f"column `{column.name}` is {dtype}, of which numpy answers {dtype}", 'Use astype("float64")')
