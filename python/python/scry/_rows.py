"""Rows as callers have them, asked about, and answers in the caller's kind."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .errors import RejectedError

ROWS = "Use a DataFrame of pandas or polars, a table of Arrow, an array of two dimensions, or a list of dictionaries."
# Findings that an error's text lists.
LISTED_MAX = 16
# Columns that a fit may have.
COLUMNS_MAX = 4096
# What stands before the classes in the description of an output: of one number a class, of one for the second of two.
CLASSES_OF = ("One a class: ", "For the second of the classes: ")


class Native(Protocol):
    """What answers: a component of this process, or a host."""

    def records(self, features: bool, rows: str) -> str: ...
    def columns(self, features: bool, rows: int, given: Sequence[Any]) -> list[Any]: ...
    def arrow(self, features: bool, x: Any) -> Any: ...


def ask(native: Native, card: Mapping[str, Any], x: Any, *, features: bool) -> Any:
    """Answers to all rows of a table, as a table of its kind."""
    pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
    if type(x).__name__ == "Series":
        raise RejectedError(f"a Series is one column or one row, not a table. {ROWS}")
    inputs = card["schema"]["inputs"]
    if pandas is not None and isinstance(x, pandas.DataFrame):
        check_columns([str(name) for name in x.columns], inputs)
        read = {each["name"]: tuple(each.get("shape", ())) for each in inputs}
        given = [
            _pandas_column(str(name), x.iloc[:, at], read[str(name)])
            for at, name in enumerate(x.columns) if str(name) in read
        ]  # fmt: skip
        return _frame(pandas, native.columns(features, len(x), given), x.index)
    if hasattr(x, "__arrow_c_stream__"):
        # Tables of other libraries do not all tell their columns' names.
        if (names := getattr(getattr(x, "schema", None), "names", None)) is not None:
            check_columns(list(names() if callable(names) else names), inputs)
        return _like(x, native.arrow(features, x))
    if numpy is not None and isinstance(x, numpy.ndarray):
        told = native.columns(features, len(x), _array_columns(x, card))
        return _arrays(told, stacked=features)
    if isinstance(x, Sequence) and not isinstance(x, str | bytes):
        return json.loads(native.records(features, rows_json(x)))
    raise RejectedError(f"{type(x).__module__}.{type(x).__name__} holds no rows. {ROWS}")


def check_columns(names: Sequence[str], inputs: Sequence[Mapping[str, Any]]) -> None:
    """Refuses a table that has no column for an input, or several: a misspelled name is no column of missing values."""
    counts = Counter(names)
    read = {each["name"] for each in inputs}
    others = {_plain_name(name): name for name in counts if name not in read}
    findings = []
    for name in (each["name"] for each in inputs if counts[each["name"]] != 1):
        similar = others.get(_plain_name(name))
        found = f"none; did you mean `{similar}`?" if similar is not None else "none"
        if counts[name]:
            findings.append(_finding("form", "one column", str(counts[name]), name, None))
        else:
            findings.append(_finding("missing", "a column", found, name, None))
    if findings:
        told = "; ".join(
            f"field `{each['field']}`: expected {each['expected']}, found {each['found']}" for each in findings[:LISTED_MAX]
        )
        unlisted = len(findings) - LISTED_MAX
        raise RejectedError(told + (f"; and {unlisted} more" if unlisted > 0 else ""), findings)


def _plain_name(name: str) -> str:
    """What names have in common that differ in case, spaces and signs."""
    return "".join(each if each.isalnum() else "_" for each in name.casefold())


def rows_json(rows: Sequence[Any]) -> str:
    """Rows as JSON; NaN is a missing value."""
    for at, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise rejected("form", "a dictionary", type(row).__name__, row=at)
    return json.dumps([
        {str(name): plain(value, str(name), at) for name, value in row.items()} for at, row in enumerate(rows)
    ])  # fmt: skip


def plain(value: Any, field: str, row: int) -> Any:
    """A value as JSON has it."""
    if isinstance(value, float):
        if math.isinf(value):
            raise rejected("finite", "a finite number", str(value), field, row)
        return None if math.isnan(value) else float(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, list | tuple):
        return [plain(each, field, row) for each in value]
    # Numbers of seconds are not what dates mean.
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if hasattr(value, "tolist") and kind not in ("M", "m"):
        told = value.tolist()
        if type(told) is not type(value):
            return plain(told, field, row)
    if type(value).__name__ == "NAType":
        return None
    raise rejected("type", "a number, a text or a truth value", f"a {type(value).__name__}", field, row)


def rejected(check: str, expected: str, found: str, field: str = "*", row: int | None = None) -> RejectedError:
    """The error for one value, or for all of them, as the host says it."""
    place = f"field `{field}`" if row is None else f"field `{field}`, row {row}"
    return RejectedError(f"{place}: expected {expected}, found {found}", [_finding(check, expected, found, field, row)])


def _finding(check: str, expected: str, found: str, field: str, row: int | None) -> dict[str, Any]:
    return {
        "field": field, "row": row, "element": None, "check": check, "expected": expected, "found": found,
        "policy": "reject",
    }  # fmt: skip


def _pandas_column(name: str, series: Any, shape: tuple[int, ...]) -> tuple[str, str, Any]:
    kind = getattr(series.dtype, "kind", "O")
    if kind in "biuf" and not series.isna().any() or kind == "f":
        return name, *_bytes(series.to_numpy(dtype=None if kind != "f" else _float(series)))
    values = series.astype(object).tolist()
    if any(isinstance(value, list | tuple) or getattr(value, "shape", ()) != () for value in values):
        return _nested(name, values, shape)
    return name, "object", values


def _float(series: Any) -> str:
    # Types of pandas' own, such as Float64, and half floats.
    return "float32" if series.dtype.name.lower() == "float32" else "float64"


def _nested(name: str, values: list[Any], shape: tuple[int, ...]) -> tuple[str, str, Any]:
    """Cells of the field's shape, of which some may be missing as a whole."""
    import numpy

    expected = f"values of shape {list(shape)}" if shape else "one value"
    cells = []
    for row, value in enumerate(values):
        try:
            cell = numpy.full(shape, numpy.nan) if value is None else numpy.asarray(value)
        except ValueError:
            raise rejected("shape", expected, "a ragged list", name, row) from None
        if cell.shape != shape:
            raise rejected("shape", expected, f"a list of shape {list(cell.shape)}", name, row)
        cells.append(cell)
    return name, *_bytes(numpy.stack(cells))


def _bytes(array: Any) -> tuple[str, Any]:
    """The code of an array's type and its elements, row after row."""
    import numpy

    if array.dtype.kind not in "biuf":
        return "object", array.ravel().tolist()
    if array.dtype.itemsize == 2 and array.dtype.kind == "f" or array.dtype.itemsize > 8:
        array = array.astype("float64")
    native = numpy.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return native.dtype.str[1:], native.tobytes()


def _array_columns(x: Any, card: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    inputs = card["schema"]["inputs"]
    if len(inputs) == 1 and inputs[0].get("shape") == list(x.shape[1:]) and x.ndim > 1:
        return [(inputs[0]["name"], *_bytes(x))]
    if x.ndim != 2:
        raise rejected("shape", "an array of two dimensions", str(x.ndim))
    width, places = _columns_of_the_fit(card)
    if x.shape[1] != width:
        raise rejected("shape", f"{width} columns", str(x.shape[1]))
    if places is None:
        told = f"which of the {width} columns of the fit the model reads is not in its card. Use a DataFrame"
        raise RejectedError(f"an array has no names, and {told}.")
    return [(each["name"], *_bytes(x[:, at])) for each, at in zip(inputs, places, strict=True)]


def _columns_of_the_fit(card: Mapping[str, Any]) -> tuple[int, Sequence[int] | None]:
    """How many columns the model was fitted on, and where the inputs stand among them, if that is known.

    Inputs stand in the order of the fit. A card without a label of the exporter's is of a model that reads all columns.
    """
    count = len(card["schema"]["inputs"])
    try:
        told = json.loads(card["labels"]["columns"])
        width, unused = int(told["width"]), set(told.get("unused", []))
    except (LookupError, TypeError, ValueError, OverflowError):
        return count, range(count)
    places = [at for at in range(min(width, COLUMNS_MAX)) if at not in unused]
    return width, places if len(places) == count else None


def _like(x: Any, table: Any) -> Any:
    """A table of the library that the caller's is of; of an unknown one, what every library takes."""
    library = type(x).__module__.split(".")[0]
    if library == "polars":
        return sys.modules["polars"].DataFrame(table)
    if library != "pyarrow":
        return table
    pyarrow = sys.modules["pyarrow"]
    made = pyarrow.table(table)
    if not isinstance(x, pyarrow.RecordBatch):
        return made
    return pyarrow.RecordBatch.from_arrays([each.combine_chunks() for each in made.columns], schema=made.schema)


def _values(told: tuple[Any, ...]) -> Any:
    """One column as an array; missing numbers are NaN, other missing values None."""
    import numpy

    _, code, data, shape, flags = told
    if isinstance(data, list):
        return _listed(data, code).reshape(len(data) and -1, *shape)
    values = numpy.frombuffer(data, dtype=code)
    if flags is not None:
        gaps = numpy.frombuffer(flags, dtype="u1") == 0
        values = values.copy() if values.dtype.kind == "f" else values.astype(object)
        values[gaps] = numpy.nan if values.dtype.kind == "f" else None
    return values.reshape(-1, *shape)


def _listed(values: list[Any], code: str) -> Any:
    import numpy

    if code[0] == "f":
        return numpy.array([math.nan if value is None else value for value in values], dtype=code)
    if None in values or not values:
        return numpy.array(values, dtype=object)
    return numpy.array(values, dtype=None if code == "text" else code)


def _frame(pandas: Any, told: list[tuple[Any, ...]], index: Any) -> Any:
    columns = {}
    for each in told:
        values = _values(each)
        if each[3]:
            columns[each[0]] = pandas.Series(list(values), index=index, dtype=object)
        else:
            columns[each[0]] = pandas.Series(values, index=index)
    return pandas.DataFrame(columns, index=index)


def _arrays(told: list[tuple[Any, ...]], *, stacked: bool) -> Any:
    import numpy

    arrays = {each[0]: _values(each) for each in told}
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    if stacked and all(array.ndim == 1 and array.dtype.kind in "biuf" for array in arrays.values()):
        return numpy.column_stack(list(arrays.values()))
    return arrays


def classes(card: Mapping[str, Any]) -> list[Any] | dict[str, list[Any]] | None:
    """The classes of a classifier, which the description of its probabilities or scores lists."""
    outputs = card["schema"]["outputs"]
    found = {each["name"]: told for each in outputs if (told := _listed_classes(each.get("description"))) is not None}
    if set(found) <= {"probabilities", "score"}:
        return next(iter(found.values()), None)
    return found


def _listed_classes(description: str | None) -> list[Any] | None:
    for words in CLASSES_OF:
        if description is not None and description.startswith(words):
            with contextlib.suppress(ValueError, RecursionError):
                told = json.loads(description.removeprefix(words))
                return told if isinstance(told, list) else None
    return None
