"""What a model reads, as the frame or array shows it: names, types, what may be missing, ranges.

Rows go both ways: from a frame to JSON objects, and from objects to a frame of the same kind and types, so that the
original model can be asked about rows that are in no frame.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ExportError
from .graph import Graph
from .table import Column, Table

DATATYPES = {
    "bool": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64", "uint8": "UINT8",
    "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "float32": "FP32", "float64": "FP64", "text": "BYTES",
}  # fmt: skip
INPUTS_MAX = 4096
# The name of a column that has none.
COLUMN = "text"
Row = dict[str, Any]


@dataclass(frozen=True)
class Input:
    """One column that the model may read."""

    name: str
    # numpy's name of the type; "text" for text.
    dtype: str
    nullable: bool
    # How a missing text is written.
    missing: str = "nan"
    # The categories of a categorical column.
    levels: tuple[Any, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def is_text(self) -> bool:
        return self.dtype == "text"

    def described(self) -> dict[str, Any]:
        """The column as a card describes it, but for its categories."""
        told: dict[str, Any] = {"name": self.name, "datatype": DATATYPES[self.dtype]}
        if self.nullable:
            told["nullable"] = True
        if self.minimum is not None:
            told |= {"minimum": self.minimum, "maximum": self.maximum}
        return told


@dataclass(frozen=True)
class Frame:
    """A frame or array, read once."""

    kind: str
    inputs: tuple[Input, ...]
    columns: tuple[np.ndarray, ...]
    like: Any
    # Whether the model reads its one column as such, not in a table.
    is_column: bool = False

    @property
    def rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def table(self, graph: Graph) -> Table:
        """The columns as the first step of a pipeline gets them."""
        return Table(tuple(
            Column(graph.input(each.described()), 0, each.name, each.dtype, each.missing, each.levels)
            for each in self.inputs
        ))  # fmt: skip

    def records(self, places: Iterable[int], names: Iterable[str] | None = None) -> list[Row]:
        """Some rows as JSON objects, a missing value as None."""
        wanted = None if names is None else set(names)
        chosen = [
            (each, column) for each, column in zip(self.inputs, self.columns, strict=True)
            if wanted is None or each.name in wanted
        ]  # fmt: skip
        return [{each.name: _json_value(each, column[at]) for each, column in chosen} for at in places]

    def rebuilt(self, rows: Sequence[Row]) -> Any:
        """A frame or array of the same kind and types, of JSON objects; a column that is not there is as in row 0."""
        columns = {each.name: self._values(each, at, rows) for at, each in enumerate(self.inputs)}
        if self.kind == "pandas":
            pandas = sys.modules["pandas"]
            dtypes = self.like.dtypes
            series = {
                name: pandas.Series(values, dtype=dtypes.iloc[at]) for at, (name, values) in enumerate(columns.items())
            }
            made = pandas.DataFrame(series)
            made.columns = self.like.columns
            return made.iloc[:, 0] if self.is_column else made
        if self.kind == "polars":
            polars = sys.modules["polars"]
            made = polars.DataFrame(columns, schema=self.like.schema)
            return made.to_series() if self.is_column else made
        made = np.array(list(columns.values()), dtype=self.like.dtype).T
        return made[:, 0] if self.is_column else made

    def _values(self, each: Input, at: int, rows: Sequence[Row]) -> list[Any]:
        gap = None if each.missing == "none" or self.kind == "polars" else float("nan")
        filler = _json_value(each, self.columns[at][0])
        values = [row.get(each.name, filler) for row in rows]
        return [gap if value is None else value for value in values]


def _json_value(each: Input, value: Any) -> Any:
    if value is None or value != value:
        return None
    if each.is_text:
        return str(value)
    if each.dtype == "bool":
        return bool(value)
    return float(value) if each.dtype.startswith("float") else int(value)


def read_frame(x: Any, nullable: Iterable[str] = ()) -> Frame:
    """The frame of pandas or polars, or the array of numpy, that a model was fitted on."""
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    column = _as_table(x, pandas, polars)
    if column is not None:
        made = read_frame(column, nullable)
        inputs = tuple(replace(each, name=COLUMN if made.kind == "numpy" else each.name) for each in made.inputs)
        return replace(made, inputs=inputs, is_column=True)
    if pandas is not None and isinstance(x, pandas.DataFrame):
        kind, names, columns = "pandas", [str(name) for name in x.columns], [x.iloc[:, at] for at in range(x.shape[1])]
        reader = _pandas_column
    elif polars is not None and isinstance(x, polars.DataFrame):
        kind, names, columns, reader = "polars", x.columns, x.get_columns(), _polars_column
    elif isinstance(x, np.ndarray) and x.ndim == 2:
        kind, names = "numpy", [f"x{at}" for at in range(x.shape[1])]
        columns, reader = [x[:, at] for at in range(x.shape[1])], _numpy_column
    else:
        told = f"{type(x).__module__}.{type(x).__name__}"
        raise ExportError(f"X: {told} is no table. Use a DataFrame of pandas or polars, or an array of two dimensions.")
    _check_names(names, len(x))
    allowed = set(nullable)
    read = [reader(name, column) for name, column in zip(names, columns, strict=True)]
    inputs = tuple(_input(name, *told, name in allowed) for name, told in zip(names, read, strict=True))
    return Frame(kind, inputs, tuple(told[0] for told in read), x)


def _as_table(x: Any, pandas: Any, polars: Any) -> Any:
    """A column of text as a table; None of anything else."""
    if pandas is not None and isinstance(x, pandas.Series):
        return x.to_frame(COLUMN if x.name is None else x.name)
    if polars is not None and isinstance(x, polars.Series):
        return x.to_frame(x.name or COLUMN)
    if isinstance(x, list | np.ndarray) and len(x) > 0 and all(isinstance(value, str) for value in x):
        made = np.empty((len(x), 1), dtype=object)
        made[:, 0] = [str(value) for value in x]
        return made
    return None


def _check_names(names: Sequence[str], rows: int) -> None:
    if not names or rows == 0:
        raise ExportError("X: it has no columns or no rows. Use the rows that the model was fitted on.")
    if len(names) > INPUTS_MAX:
        raise ExportError(f"X: it has {len(names)} columns; a component has at most {INPUTS_MAX}. Select some first.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise ExportError(f"X: it has two columns `{twice}`. Rename one of them.")


Told = tuple[np.ndarray, str, "tuple[Any, ...] | None"]


def _pandas_column(name: str, series: Any) -> Told:
    pandas = sys.modules["pandas"]
    dtype = series.dtype
    levels = None
    if isinstance(dtype, pandas.CategoricalDtype):
        levels = tuple(dtype.categories)
        dtype = dtype.categories.dtype
        series = series.astype(object)
    kind = getattr(dtype, "kind", "O")
    if kind in "Mm":
        raise _dates(name)
    gaps = series.isna().to_numpy()
    if kind in "biuf":
        plain = str(dtype).lower().split("[")[0].replace("boolean", "bool")
        return _with_gaps(series, gaps, plain), _number_type(name, plain), levels
    values = series.to_numpy(dtype=object, copy=True)
    values[gaps] = [None if value is None else float("nan") for value in values[gaps]]
    return _objects(name, values, gaps, levels)


def _with_gaps(series: Any, gaps: np.ndarray, plain: str) -> np.ndarray:
    if not gaps.any():
        return series.to_numpy(dtype=plain)
    values = series.to_numpy(dtype=object, copy=True)
    values[gaps] = None
    return values


def _polars_column(name: str, series: Any) -> Told:
    polars = sys.modules["polars"]
    if series.dtype.is_temporal():
        raise _dates(name)
    gaps = series.is_null().to_numpy()
    if series.dtype == polars.Boolean or series.dtype.is_numeric():
        plain = str(series.dtype).lower().replace("boolean", "bool")
        values = np.array(series.to_list(), dtype=object) if gaps.any() else series.to_numpy().astype(plain)
        return values, _number_type(name, plain), None
    levels = None
    if series.dtype in (polars.Categorical, polars.Enum):
        levels = tuple(series.cat.get_categories().to_list())
    return _objects(name, np.array(series.to_list(), dtype=object), gaps, levels)


def _numpy_column(name: str, column: np.ndarray) -> Told:
    if column.dtype.kind in "Mm":
        raise _dates(name)
    if column.dtype.kind in "biuf":
        return column, _number_type(name, column.dtype.name), None
    values = column.astype(object)
    return _objects(name, values, np.array([value is None or value != value for value in values]), None)


def _number_type(name: str, plain: str) -> str:
    if plain not in DATATYPES:
        raise ExportError(f"X: column `{name}` is {plain}. Use float64, float32 or integers.")
    return plain


def _objects(name: str, values: np.ndarray, gaps: np.ndarray, levels: Any) -> Told:
    """A column of Python objects: all text, or all numbers."""
    kinds = {type(value) for value in values[~gaps]}
    if all(issubclass(kind, str) for kind in kinds):
        return values, "text", levels
    if all(issubclass(kind, bool | np.bool_) for kind in kinds):
        return values, "bool", levels
    if kinds and all(issubclass(kind, int | np.integer) and not issubclass(kind, bool) for kind in kinds):
        return values, "int64", levels
    if kinds and all(issubclass(kind, float | int | np.number) and not issubclass(kind, bool) for kind in kinds):
        return values, "float64", levels
    if any(issubclass(kind, datetime.date) for kind in kinds):
        raise _dates(name)
    told = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ExportError(f"X: column `{name}` holds {told}. Use one of text, numbers and truth values.")


def _dates(name: str) -> ExportError:
    return ExportError(f"X: column `{name}` holds dates. Make numbers of them first (year, month, seconds).")


def _input(name: str, values: np.ndarray, dtype: str, levels: Any, may_lack: bool) -> Input:
    if not 1 <= len(name.encode()) <= 128:
        raise ExportError(f"X: the column name {name[:40]!r} is not of 1 to 128 bytes. Rename it.")
    gaps = _gaps(values)
    nullable = may_lack or bool(gaps.any())
    missing = "none" if any(value is None for value in values[gaps]) and dtype == "text" else "nan"
    if dtype in ("text", "bool"):
        return Input(name, dtype, nullable, missing, levels)
    numbers = np.where(gaps, np.nan, values).astype(np.float64)
    if np.isinf(numbers).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0])
        raise ExportError(
            f"X: column `{name}` is infinite in row {row}, which no request can hold. Fit the model without such rows, "
            "or with a missing or a large number in its place."
        )
    if gaps.all():
        return Input(name, dtype, nullable, missing, levels)
    return Input(name, dtype, nullable, missing, levels, float(np.nanmin(numbers)), float(np.nanmax(numbers)))


def _gaps(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype != object:
        return np.zeros(len(values), dtype=bool)
    return np.array([value is None or value != value for value in values], dtype=bool)
