"""The model as a small typed graph, and the file that it is written to.

Equal nodes are kept once, and nodes that nothing reads are left out, so a translator may add whatever it
likes. The same graph gives the same bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ExportError

MAGIC = b"SCRYMODL"
FORMAT = 1
HEADER_AT = 32
PAYLOAD_ALIGNMENT = 64
ARRAY_ALIGNMENT = 16
# What `scry import` takes.
FILE_MAX_BYTES = 256 << 20
NODES_MAX = 4096
ARRAYS_MAX = 65_536
TYPES = {"f64": "<f8", "i64": "<i8", "u32": "<u4", "u8": "u1"}


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the graph: a matrix of `width` columns, or a text column (width 0)."""

    at: int
    width: int

    @property
    def is_text(self) -> bool:
        return self.width == 0


@dataclass(frozen=True, slots=True)
class Array:
    """An array of the payload, by its place in the graph's list."""

    at: int


@dataclass(frozen=True, slots=True)
class Stored:
    """An array as it lies in the payload."""

    type: str
    shape: tuple[int, ...]
    data: bytes
    text_bytes: int | None = None


@dataclass
class Graph:
    """Nodes and arrays in the order in which they were added."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    arrays: list[Stored] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    # How far answers may be from the model's: absolute, and relative to them.
    tolerance: float = 0.0
    # Inputs of which a text that no encoder knows is an error.
    strict: set[str] = field(default_factory=set)
    _node_places: dict[str, int] = field(default_factory=dict)
    _array_places: dict[Stored, int] = field(default_factory=dict)

    def within(self, tolerance: float) -> None:
        """Says that answers may differ by this much."""
        self.tolerance = max(self.tolerance, tolerance)

    def note_categories(self, node: Node, names: Sequence[str], strict: bool) -> None:
        """Says which texts a column knows, and whether any other is an error."""
        made = self.nodes[node.at]
        while made["op"] == "text_fill":
            made = self.nodes[made["of"][0]]
        if made["op"] == "input":
            described = self.inputs[made["input"]]
            seen = described.setdefault("categories", [])
            known = set(seen)
            seen.extend(name for name in names if name not in known)
            if strict:
                self.strict.add(described["name"])

    # Arrays

    def array(self, values: Any, type: str = "f64") -> Array:
        """Numbers of one of the file's types."""
        numbers = np.ascontiguousarray(values, dtype=TYPES[type])
        return self._store(Stored(type, numbers.shape, numbers.tobytes()))

    def text(self, values: Iterable[str]) -> Array:
        """Texts: where each ends, then their bytes."""
        encoded = [value.encode() for value in values]
        ends = np.cumsum([0] + [len(value) for value in encoded]).astype("<u4")
        body = b"".join(encoded)
        return self._store(Stored("text", (len(encoded),), ends.tobytes() + body, len(body)))

    def _store(self, stored: Stored) -> Array:
        place = self._array_places.setdefault(stored, len(self.arrays))
        if place == len(self.arrays):
            self.arrays.append(stored)
        return Array(place)

    def read(self, array: Array) -> np.ndarray:
        """The numbers of an array."""
        stored = self.arrays[array.at]
        return np.frombuffer(stored.data, dtype=TYPES[stored.type]).reshape(stored.shape)

    def read_text(self, array: Array) -> list[str]:
        """The texts of an array."""
        data, (count,) = self.arrays[array.at].data, self.arrays[array.at].shape
        ends = np.frombuffer(data, dtype="<u4", count=count + 1)
        body = data[ends.nbytes :]
        return [body[start:end].decode() for start, end in zip(ends[:-1], ends[1:], strict=True)]

    # Nodes

    def node(self, op: str, of: Sequence[Node] = (), width: int = 0, **attributes: Any) -> Node:
        """A node, or the equal one that is there already. Attributes that are None are left out."""
        kept = {name: _plain(value) for name, value in attributes.items() if value is not None}
        node = {"op": op, "of": [parent.at for parent in of], "width": width, **kept}
        key = repr(sorted(node.items()))
        place = self._node_places.setdefault(key, len(self.nodes))
        if place == len(self.nodes):
            self.nodes.append(node)
        return Node(place, width)

    def input(self, described: dict[str, Any]) -> Node:
        """A column of the request."""
        self.inputs.append(described)
        width = 0 if described["datatype"] == "BYTES" else 1
        return self.node("input", width=width, input=len(self.inputs) - 1)

    def concat(self, nodes: Sequence[Node]) -> Node:
        """Matrices side by side."""
        if len(nodes) == 1:
            return nodes[0]
        return self.node("concat", nodes, sum(node.width for node in nodes))

    def select(self, node: Node, columns: Sequence[int] | np.ndarray) -> Node:
        """Some columns of a matrix."""
        wanted = np.asarray(columns, dtype=np.int64)
        if np.array_equal(wanted, np.arange(node.width)):
            return node
        return self.node("select", [node], len(wanted), columns=self.array(wanted, "u32"))

    def constant(self, like: Node, values: Sequence[float] | np.ndarray) -> Node:
        """The same row for every row of another node."""
        row = np.atleast_1d(np.asarray(values, dtype=np.float64))
        return self.node("constant", [like], len(row), value=self.array(row))

    def scale(self, node: Node, **steps: Any) -> Node:
        """Subtract, divide, multiply, add, clip: in this order, each a number or one a column."""
        rows = {
            name: np.broadcast_to(np.asarray(value, dtype=np.float64), (node.width,))
            for name, value in steps.items()
            if value is not None
        }
        if not rows:
            return node
        return self.node("scale", [node], node.width, **{name: self.array(row) for name, row in rows.items()})

    def linear(self, node: Node, weights: Any, bias: Any = 0.0) -> Node:
        """`x W + b`; weights are `[width, k]`."""
        matrix = np.asarray(weights, dtype=np.float64)
        row = np.broadcast_to(np.asarray(bias, dtype=np.float64), (matrix.shape[1],))
        return self.node("linear", [node], matrix.shape[1], weights=self.array(matrix), bias=self.array(row))

    def map(self, node: Node, function: str, parameter: float | None = None) -> Node:
        """A function of each element."""
        return self.node("map", [node], node.width, function=function, parameter=parameter)

    def combine(self, left: Node, right: Node, function: str) -> Node:
        """A function of the elements of two matrices."""
        return self.node("combine", [left, right], max(left.width, right.width), function=function)

    def sum(self, nodes: Sequence[Node], weights: Any = None, divide: float | None = None) -> Node:
        """Matrices added in order, then divided."""
        kept = None if weights is None else self.array(weights)
        return self.node("sum", nodes, nodes[0].width, weights=kept, divide=divide)

    def gather(self, index: Node, table: Any, default: Any) -> Node:
        """Row `index` of a table; the default row where there is no such row."""
        rows = np.asarray(table, dtype=np.float64)
        default_row = np.broadcast_to(np.asarray(default, dtype=np.float64), (rows.shape[1],))
        return self.node("gather", [index], rows.shape[1], table=self.array(rows), default=self.array(default_row))

    def argmax(self, node: Node) -> Node:
        """The first of the largest."""
        return self.node("argmax", [node], 1)

    def softmax(self, node: Node) -> Node:
        """Exponentials of each row, divided by their sum."""
        self.within(1e-14)
        return self.node("softmax", [node], node.width)

    def sigmoid(self, node: Node) -> Node:
        """`1 / (1 + exp(-x))`."""
        self.within(1e-15)
        return self.map(node, "sigmoid")

    def complement(self, node: Node) -> Node:
        """`1 - x` and `x`, side by side."""
        return self.concat([self.scale(node, multiply=-1.0, add=1.0), node])

    def proportion(self, node: Node, zero: str = "uniform") -> Node:
        """Each row divided by its sum."""
        return self.node("proportion", [node], node.width, zero=zero)


def _plain(value: Any) -> Any:
    """An attribute as JSON holds it: an array by its place."""
    if isinstance(value, Array | np.generic):
        return value if isinstance(value, Array) else value.item()
    return value


def model_bytes(
    graph: Graph, outputs: Sequence[dict[str, Any]], features: Node, names: Sequence[str], others: dict[str, Any]
) -> bytes:
    """The file: the part of the graph that outputs and features need, and the header's other members."""
    wanted = needed(graph, [features.at, *(output["node"] for output in outputs)])
    if len(wanted) > NODES_MAX:
        raise _too_large(f"{len(wanted)} operations", f"{NODES_MAX}")
    used = Renumbered(graph)
    nodes = [used.node(graph.nodes[at]) for at in wanted]
    places = {at: place for place, at in enumerate(wanted)}
    for node in nodes:
        node["of"] = [places[at] for at in node["of"]]
    told = [used.output(output, places) for output in outputs]
    if len(used.arrays) > ARRAYS_MAX:
        raise _too_large(f"{len(used.arrays)} arrays", f"{ARRAYS_MAX}")
    size = sum(len(graph.arrays[at].data) for at in used.arrays)
    if size > FILE_MAX_BYTES:
        raise _too_large(f"{size >> 20} MiB", f"{FILE_MAX_BYTES >> 20}")
    arrays, payload = used.payload()
    model = {
        "inputs": used.inputs, "arrays": arrays, "nodes": nodes, "outputs": told,
        "features": places[features.at], "feature_names": list(names),
    }  # fmt: skip
    return _framed({"model": model, **others}, payload)


def _too_large(found: str, most: str) -> ExportError:
    return ExportError(
        f"pipe: the model has {found}; a component has at most {most}. Fit a smaller one: fewer or smaller trees, "
        "fewer parts, fewer categories"
    )


class Renumbered:
    """What is used of a graph's inputs and arrays, in the order of its use."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        # An array stands in the file as often as it is used: the runtime takes each apart once.
        self.arrays: list[int] = []
        self.fields: dict[int, int] = {}

    @property
    def inputs(self) -> list[dict[str, Any]]:
        return [self.graph.inputs[at] for at in self.fields]

    def node(self, node: dict[str, Any]) -> dict[str, Any]:
        """A node with the new numbers, but for those of the nodes that it reads."""
        told = {name: self._value(value) for name, value in node.items() if name != "width" or node["op"] == "one_hot"}
        if node["op"] == "input":
            told["input"] = self.fields.setdefault(node["input"], len(self.fields))
        return told

    def output(self, output: dict[str, Any], places: dict[int, int]) -> dict[str, Any]:
        """An output with the new numbers."""
        told = {name: self._value(value) for name, value in output.items() if value is not None}
        return {**told, "node": places[output["node"]]}

    def _value(self, value: Any) -> Any:
        if not isinstance(value, Array):
            return value
        self.arrays.append(value.at)
        return len(self.arrays) - 1

    def payload(self) -> tuple[list[dict[str, Any]], bytes]:
        """The arrays' descriptions and their bytes."""
        described, body = [], bytearray()
        for at in self.arrays:
            stored = self.graph.arrays[at]
            body.extend(bytes(-len(body) % ARRAY_ALIGNMENT))
            entry = {"type": stored.type, "shape": list(stored.shape), "at": len(body)}
            described.append(entry if stored.text_bytes is None else {**entry, "bytes": stored.text_bytes})
            body.extend(stored.data)
        return described, bytes(body)


def needed(graph: Graph, wanted: Iterable[int]) -> list[int]:
    """The nodes that these need, in order."""
    found: set[int] = set()
    waiting = list(wanted)
    while waiting:
        at = waiting.pop()
        if at not in found:
            found.add(at)
            waiting.extend(graph.nodes[at]["of"])
    return sorted(found)


def _framed(header: dict[str, Any], payload: bytes) -> bytes:
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    start = struct.pack("<8sIIQQ", MAGIC, FORMAT, 0, len(text), len(payload))
    return start + text + bytes(-(HEADER_AT + len(text)) % PAYLOAD_ALIGNMENT) + payload
