"""What travels between the steps of a pipeline: columns, each a number or a text, each made by a node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from .graph import Graph, Node


@dataclass(frozen=True, slots=True)
class Column:
    """Column `at` of a node, as the original library would hold it."""

    node: Node
    at: int
    name: str
    # numpy's name of the type; "text" for text.
    dtype: str = "float64"
    # How the original library writes a missing text: "nan" or "none".
    missing: str = "nan"
    # The categories of a categorical column, in the order of their codes.
    levels: tuple[Any, ...] | None = None
    # Whether the original library holds it in a sparse matrix, in which XGBoost takes zeros as missing.
    sparse: bool = False

    @property
    def is_text(self) -> bool:
        return self.node.is_text


@dataclass(frozen=True, slots=True)
class Table:
    """Columns side by side."""

    columns: tuple[Column, ...]

    @staticmethod
    def of(node: Node, names: Sequence[str] | None = None, dtype: str = "float64") -> Table:
        """All columns of a matrix."""
        told = names if names is not None and len(names) == node.width else [f"x{at}" for at in range(node.width)]
        return Table(tuple(Column(node, at, str(name), dtype) for at, name in enumerate(told)))

    @staticmethod
    def joined(tables: Iterable[Table]) -> Table:
        """Tables side by side."""
        return Table(tuple(column for table in tables for column in table.columns))

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def texts(self) -> list[Column]:
        return [column for column in self.columns if column.is_text]

    @property
    def dtype(self) -> np.dtype:
        """The type of an array that holds all columns."""
        if self.texts:
            return np.dtype(object)
        return np.result_type(*{column.dtype for column in self.columns}) if self.columns else np.dtype("float64")

    def take(self, places: Iterable[int]) -> Table:
        """Some columns."""
        return Table(tuple(self.columns[at] for at in places))

    def renamed(self, names: Sequence[str]) -> Table:
        """The same columns under other names."""
        return Table(tuple(replace(column, name=str(name)) for column, name in zip(self.columns, names, strict=True)))

    def held(self, *, sparse: bool) -> Table:
        """The same columns, in a sparse matrix or not."""
        return Table(tuple(replace(column, sparse=sparse) for column in self.columns))

    @property
    def is_sparse(self) -> bool:
        """Whether any column lies in a sparse matrix: then all do."""
        return any(column.sparse for column in self.columns)

    def matrix(self, graph: Graph) -> Node:
        """All columns, which are numbers, as one matrix."""
        runs = [
            (node, [column.at for column in columns])
            for node, columns in groupby(self.columns, key=lambda column: column.node)
        ]
        return graph.concat([graph.select(node, places) for node, places in runs])
