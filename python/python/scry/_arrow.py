"""Tables of polars and pyarrow for a client, which has no native module to read and make them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from .errors import ScryError

# What the libraries call the types of V2.
PYARROW = {
    "BOOL": "bool_", "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64", "UINT8": "uint8",
    "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "FP32": "float32", "FP64": "float64",
    "BYTES": "large_string",
}  # fmt: skip
POLARS = {
    "BOOL": "Boolean", "INT8": "Int8", "INT16": "Int16", "INT32": "Int32", "INT64": "Int64", "UINT8": "UInt8",
    "UINT16": "UInt16", "UINT32": "UInt32", "UINT64": "UInt64", "FP32": "Float32", "FP64": "Float64",
    "BYTES": "String",
}  # fmt: skip


def read(x: Any, names: Sequence[str]) -> tuple[int, dict[str, list[Any]]]:
    """How many rows a table has, and its columns of these names as lists."""
    library = type(x).__module__.split(".")[0]
    if library == "polars":
        return x.height, {name: x[name].to_list() for name in names if name in x.columns}
    if library != "pyarrow":
        try:
            import pyarrow
        except ImportError:
            raise ScryError(f"{type(x).__name__}: a client reads such tables by pyarrow. Install it.") from None
        x = pyarrow.table(x)
    return x.num_rows, {name: x[name].to_pylist() for name in names if name in x.schema.names}


def table(x: Any, told: Sequence[tuple[str, str, list[Any], tuple[int, ...]]]) -> Any:
    """Answers of the types that a component gives, in a table of the library of `x`, or of pyarrow."""
    if type(x).__module__.split(".")[0] == "polars":
        return _polars(told)
    pyarrow = sys.modules["pyarrow"]
    made = {}
    for name, datatype, data, shape in told:
        kind = getattr(pyarrow, PYARROW[datatype])()
        for size in reversed(shape):
            kind = pyarrow.list_(pyarrow.field("item", kind), size)
        made[name] = pyarrow.array(_nested(data, shape), kind)
    return pyarrow.table(made)


def _polars(told: Sequence[tuple[str, str, list[Any], tuple[int, ...]]]) -> Any:
    polars = sys.modules["polars"]
    made = []
    for name, datatype, data, shape in told:
        kind = getattr(polars, POLARS[datatype])
        made.append(polars.Series(name, _nested(data, shape), polars.Array(kind, shape) if shape else kind))
    return polars.DataFrame(made)


def _nested(data: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Flat elements as lists of a shape."""
    for size in reversed(shape):
        data = [data[at : at + size] for at in range(0, len(data), size)]
    return data
