"""Categories to numbers: one-hot, ordinal and target encoders."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Node
from .registry import Step, transforms
from .table import Column, Table

NO_COLUMN = 2**32 - 1


def is_missing(value: Any) -> bool:
    """Whether a category stands for a missing value."""
    return value is None or value != value


Unknown = float | str | None


def category_index(step: Step, column: Column, categories: Any, unknown: Unknown) -> Node:
    """The place of a column's value among categories; `unknown` is a number, "error", or None for NaN."""
    values = list(categories)
    gaps = [at for at, value in enumerate(values) if is_missing(value)]
    if len(gaps) > 1:
        raise step.refuse(f"column `{column.name}` has both None and NaN as categories", "Keep one of them")
    if column.is_text:
        return _text_index(step, column, values, gaps, unknown)
    return _number_index(step, column, values, gaps, unknown)


def _text_index(step: Step, column: Column, values: list[Any], gaps: list[int], unknown: Unknown) -> Node:
    if not all(isinstance(value, str) for at, value in enumerate(values) if at not in gaps):
        raise step.refuse(f"column `{column.name}` is text, but not its categories", "Use one type")
    if gaps and gaps[0] != len(values) - 1:
        raise step.refuse(f"the missing category of `{column.name}` is not the last", 'Use categories="auto"')
    names = [value for value in values if not is_missing(value)]
    told = "none" if gaps and values[gaps[0]] is None else "nan"
    missing = gaps[0] if gaps and told == column.missing else unknown
    step.graph.note_categories(column.node, names, strict=unknown == "error")
    return step.graph.node(
        "text_index", [column.node], 1, categories=step.graph.text(names), unknown=unknown, missing=missing
    )


def _number_index(step: Step, column: Column, values: list[Any], gaps: list[int], unknown: Unknown) -> Node:
    if any(isinstance(value, str) for value in values):
        raise step.refuse(f"column `{column.name}` holds numbers, its categories are text", "Use one type")
    numbers = [float("nan") if at in gaps else float(value) for at, value in enumerate(values)]
    node = step.graph.select(column.node, [column.at])
    missing = gaps[0] if gaps else unknown
    return step.graph.node(
        "number_index", [node], 1, categories=step.graph.array(numbers), unknown=unknown, missing=missing
    )


def encoded(step: Step, column: Column, categories: Any, table: Any, unknown: Any) -> Node:
    """A row of a table for each category, and one (or "error") for whatever is none."""
    rows = np.asarray(table, dtype=np.float64)
    if isinstance(unknown, str):
        index = category_index(step, column, categories, "error")
        return step.graph.gather(index, rows, np.full(rows.shape[1], np.nan))
    return step.graph.gather(category_index(step, column, categories, None), rows, unknown)


def _groups(encoder: Any, feature: int) -> np.ndarray:
    """Each category's place after rare ones are put together."""
    mappings = getattr(encoder, "_default_to_infrequent_mappings", None)
    if mappings is None or mappings[feature] is None:
        return np.arange(len(encoder.categories_[feature]))
    return np.asarray(mappings[feature])


def _rare_group(encoder: Any, feature: int, groups: np.ndarray) -> int | None:
    """The place of the rare categories, if any are put together."""
    rare = getattr(encoder, "_infrequent_indices", None)
    if rare is None or rare[feature] is None:
        return None
    return int(groups[rare[feature][0]])


@transforms("sklearn.preprocessing.OneHotEncoder")
def one_hot(step: Step, encoder: Any, table: Table) -> Table:
    """A column for each category (of each column)."""
    tables = [_one_hot_column(step, encoder, at, column) for at, column in enumerate(table.columns)]
    return Table.joined(tables).held(sparse=bool(encoder.sparse_output))


def _one_hot_column(step: Step, encoder: Any, feature: int, column: Column) -> Table:
    groups = _groups(encoder, feature)
    drops = getattr(encoder, "_drop_idx_after_grouping", None)
    drop = None if drops is None or drops[feature] is None else int(drops[feature])
    width = len(set(groups.tolist())) - (drop is not None)
    if width == 0:
        return Table(())
    places = [_place_after_drop(int(group), drop) for group in groups]
    if encoder.handle_unknown == "error":
        unknown: float | str = "error"
    else:
        rare = None if encoder.handle_unknown == "ignore" else _rare_group(encoder, feature, groups)
        unknown = len(places)
        places.append(NO_COLUMN if rare is None else _place_after_drop(rare, drop))
    index = category_index(step, column, encoder.categories_[feature], unknown)
    node = step.graph.node("one_hot", [index], width, columns=step.graph.array(places, "u32"))
    return Table.of(node, dtype=np.dtype(encoder.dtype).name)


def _place_after_drop(group: int, drop: int | None) -> int:
    if drop is None or group < drop:
        return group
    return NO_COLUMN if group == drop else group - 1


@transforms("sklearn.preprocessing.OrdinalEncoder")
def ordinal(step: Step, encoder: Any, table: Table) -> Table:
    """The place of each category."""
    dtype = np.dtype(encoder.dtype).name
    nodes = [_ordinal_column(step, encoder, at, column) for at, column in enumerate(table.columns)]
    return Table(tuple(Column(node, 0, column.name, dtype) for node, column in zip(nodes, table.columns, strict=True)))


def _ordinal_column(step: Step, encoder: Any, feature: int, column: Column) -> Node:
    categories = encoder.categories_[feature]
    missing = encoder._missing_indices.get(feature)
    groups = _groups(encoder, feature)
    codes = [encoder.encoded_missing_value if at == missing else int(groups[at]) for at in range(len(categories))]
    if codes == list(range(len(codes))):
        unknown = "error" if encoder.handle_unknown == "error" else _number(encoder.unknown_value)
        return category_index(step, column, categories, unknown)
    if encoder.handle_unknown == "error":
        return encoded(step, column, categories, np.reshape(codes, (-1, 1)), "error")
    return encoded(step, column, categories, np.reshape(codes, (-1, 1)), [encoder.unknown_value])


def _number(value: Any) -> float | None:
    return None if is_missing(value) else float(value)


@transforms("sklearn.preprocessing.TargetEncoder")
def target(step: Step, encoder: Any, table: Table) -> Table:
    """What the target is on average for each category."""
    means = np.atleast_1d(encoder.target_mean_)
    tables = []
    for at, column in enumerate(table.columns):
        each = encoder.encodings_[at * len(means) : (at + 1) * len(means)]
        groups = _groups(encoder, at)
        rows = np.stack([np.asarray(encoding)[groups] for encoding in each], axis=1)
        tables.append(Table.of(encoded(step, column, encoder.categories_[at], rows, means)))
    return Table.joined(tables)
