"""Pipelines, and what stands side by side in them."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from .registry import Outcome, Step, predicts, transforms
from .table import Table


def _is_nothing(estimator: Any) -> bool:
    return estimator is None or (isinstance(estimator, str) and estimator == "passthrough")


@transforms("sklearn.pipeline.Pipeline")
def pipeline_transform(step: Step, pipeline: Any, table: Table) -> Table:
    """One step after the other."""
    for name, estimator in pipeline.steps:
        if not _is_nothing(estimator):
            table = step.at(f'["{name}"]').transform(estimator, table)
    return table


@predicts("sklearn.pipeline.Pipeline")
def pipeline_predict(step: Step, pipeline: Any, table: Table) -> Outcome:
    """All steps but the last make what the last predicts from."""
    for name, estimator in pipeline.steps[:-1]:
        if not _is_nothing(estimator):
            table = step.at(f'["{name}"]').transform(estimator, table)
    name, last = pipeline.steps[-1]
    return with_features(step.at(f'["{name}"]').predict(last, table), table)


def with_features(outcome: Outcome, table: Table) -> Outcome:
    """An outcome that says what its estimator read."""
    if outcome.features is not None:
        return outcome
    told = {name: getattr(outcome, name) for name in Outcome.__dataclass_fields__}
    return Outcome(**{**told, "features": table})


@transforms("sklearn.compose.ColumnTransformer")
def column_transformer(step: Step, transformer: Any, table: Table) -> Table:
    """Each transformer has columns of its own."""
    known = getattr(transformer, "feature_names_in_", None)
    parts = []
    for name, estimator, spec in transformer.transformers_:
        places = column_places(step, spec, table, known)
        if len(places) == 0 or (isinstance(estimator, str) and estimator == "drop"):
            continue
        part = table.take(places)
        parts.append(part if _is_nothing(estimator) else step.at(f'["{name}"]').transform(estimator, part))
    return _side_by_side(transformer, parts, sparse=bool(getattr(transformer, "sparse_output_", False)))


def _side_by_side(estimator: Any, parts: list[Table], *, sparse: bool) -> Table:
    """Tables joined as the original joins them: in an array, no column is categorical."""
    joined = Table.joined(parts).held(sparse=sparse)
    config = getattr(estimator, "_sklearn_output_config", {}).get("transform")
    if (config or _global_output()) in ("pandas", "polars"):
        return joined
    return Table(tuple(replace(column, levels=None) for column in joined.columns))


def _global_output() -> str:
    return sys.modules["sklearn"].get_config().get("transform_output", "default")


def column_places(step: Step, spec: Any, table: Table, known: Any) -> list[int]:
    """Which columns a specification means."""
    if callable(spec):
        raise step.refuse("columns are chosen by a function", "Name the columns")
    if isinstance(spec, str):
        return [_named(step, spec, table, known)]
    if isinstance(spec, slice):
        if isinstance(spec.start, str) or isinstance(spec.stop, str):
            return _named_range(step, spec, table, known)
        return list(range(len(table)))[spec]
    if np.isscalar(spec):
        return [int(np.arange(len(table))[spec])]
    values = list(spec)
    if values and all(isinstance(value, bool | np.bool_) for value in values):
        return np.flatnonzero(values).tolist()
    return [
        _named(step, value, table, known) if isinstance(value, str) else int(np.arange(len(table))[int(value)])
        for value in values
    ]


def _named(step: Step, name: str, table: Table, known: Any) -> int:
    names = table.names if name in table.names else list([] if known is None else known)
    if name not in names:
        raise step.refuse(f"column `{name}` is not among its input columns", "Fit it on the columns it is used with")
    return names.index(name)


def _named_range(step: Step, spec: slice, table: Table, known: Any) -> list[int]:
    start = 0 if spec.start is None else _named(step, spec.start, table, known)
    stop = len(table) if spec.stop is None else _named(step, spec.stop, table, known) + 1
    return list(range(start, stop))[:: spec.step]


@transforms("sklearn.pipeline.FeatureUnion")
def feature_union(step: Step, union: Any, table: Table) -> Table:
    """Transformers side by side."""
    weights = union.transformer_weights or {}
    parts = []
    for name, estimator in union.transformer_list:
        if isinstance(estimator, str) and estimator == "drop":
            continue
        part = table if _is_nothing(estimator) else step.at(f'["{name}"]').transform(estimator, table)
        if name in weights:
            node = step.graph.scale(step.at(f'["{name}"]').numbers(union, part), multiply=weights[name])
            part = Table.of(node, part.names)
        parts.append(part)
    return _side_by_side(union, parts, sparse=any(part.is_sparse for part in parts))
