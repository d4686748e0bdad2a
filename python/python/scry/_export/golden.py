"""Golden examples: rows that are made up, and what the original answers to them.

Edges of ranges, missing values, unseen categories, thresholds of trees and their neighbors, as far as the schema
allows them. No row of the training data is among them unless that is asked for, since all who have the component can
read them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .expected import Answers
from .frame import Frame, Input, Row
from .graph import Graph

CATEGORIES_MAX = 8
THRESHOLDS_MAX = 2
ROWS_MAX = 32
MIXED_ROWS = 24
VALUES_MAX = 40_000
SAMPLE_ROWS = 32
TERMS = 8
LARGEST = 1e38
Ask = Callable[[list[Row]], Answers]


def golden_examples(
    graph: Graph, frame: Frame, used: list[str], outputs: list[dict[str, Any]], ask: Ask, *, sample: bool
) -> dict[str, Any]:
    """The examples, and how far an answer may be from theirs."""
    values = Values(graph, frame, used)
    groups = {
        "edges": values.rows(values.edges),
        "missing": values.rows(lambda each: [None] if each.nullable else []),
        "unseen categories": values.rows(values.unseen),
        "thresholds": values.rows(values.thresholds),
        "mixed": values.mixed(),
    }
    if sample:
        places = np.random.default_rng(0).permutation(frame.rows)[:SAMPLE_ROWS]
        groups["sample of the training data"] = values.fitting(frame.records(sorted(places.tolist()), used))
    examples = [_example(name, rows, outputs, ask) for name, rows in groups.items() if rows]
    kept = [example for example in examples if example["inputs"]]
    return {"rtol": graph.tolerance, "atol": graph.tolerance, "examples": kept}


def _example(name: str, rows: list[Row], outputs: list[dict[str, Any]], ask: Ask) -> dict[str, Any]:
    answered = _answered(rows, ask)
    kept = [(row, told) for row, told in answered if _finite(told, outputs)]
    return {
        "name": name,
        "inputs": [row for row, _ in kept],
        "outputs": [{output["name"]: _json(told[output["name"]][0], output) for output in outputs} for _, told in kept],
    }


def _answered(rows: list[Row], ask: Ask) -> list[tuple[Row, Answers]]:
    """Rows with their answers; rows that the original refuses are left out."""
    try:
        told = ask(rows)
    except Exception:  # noqa: BLE001 Each library has its own way to refuse a row.
        if len(rows) == 1:
            return []
        return _answered(rows[: len(rows) // 2], ask) + _answered(rows[len(rows) // 2 :], ask)
    return [(row, {name: column[at : at + 1] for name, column in told.items()}) for at, row in enumerate(rows)]


def _finite(told: Answers, outputs: list[dict[str, Any]]) -> bool:
    needed = [told[output["name"]] for output in outputs if not output.get("nullable")]
    return all(bool(np.isfinite(column).all()) for column in needed if column.dtype.kind == "f")


def _json(value: Any, output: dict[str, Any]) -> Any:
    if output["shape"]:
        return [float(each) if np.isfinite(each) else None for each in value]
    plain = value.item() if isinstance(value, np.generic) else value
    return {"FP64": float, "INT64": int, "BOOL": bool, "BYTES": str}[output["datatype"]](plain)


class Values:
    """What each input may be tried with."""

    def __init__(self, graph: Graph, frame: Frame, used: list[str]) -> None:
        self.inputs = [each for each in frame.inputs if each.name in set(used)]
        self.graph = graph
        self.schema = {told["name"]: told for told in graph.inputs}
        self.known = {name: told.get("categories", []) for name, told in self.schema.items()}
        self.texts = {name: _texts(terms) for name, terms in _vocabularies(graph).items()}
        self.splits = _thresholds(graph)
        self.usual = {each.name: self._usual(each) for each in self.inputs}

    def _usual(self, each: Input) -> Any:
        if each.is_text:
            known = [*self.known[each.name], *self.texts.get(each.name, [])]
            return next(iter(known), None if each.nullable else "a")
        if each.dtype == "bool":
            return False
        if each.levels:
            return _number(each, each.levels[0])
        if each.minimum is None or each.maximum is None:
            return None if each.nullable else _number(each, 0)
        return _number(each, each.minimum / 2 + each.maximum / 2)

    def edges(self, each: Input) -> list[Any]:
        """The ends of a range; categories."""
        if each.is_text:
            return [*self.known[each.name][:CATEGORIES_MAX], *self.texts.get(each.name, [])]
        if each.dtype == "bool":
            return [False, True]
        if each.levels:
            return [_number(each, level) for level in each.levels[:CATEGORIES_MAX]]
        ends = [end for end in (each.minimum, each.maximum) if end is not None]
        return [_number(each, end) for end in ends]

    def unseen(self, each: Input) -> list[Any]:
        """A text that training has not seen, where that is no error."""
        if not each.is_text or each.name in self.graph.strict:
            return []
        name = "unseen"
        while name in self.known[each.name]:
            name += "_"
        return [name]

    def thresholds(self, each: Input) -> list[Any]:
        """Some thresholds of trees, and their neighbors in 32 bits."""
        if each.is_text or each.dtype == "bool" or each.levels:
            return []
        found = sorted(self.splits.get(each.name, set()))
        step = max(1, len(found) // THRESHOLDS_MAX)
        near = [number for value in found[step // 2 :: step][:THRESHOLDS_MAX] for number in neighbors(value)]
        return list(dict.fromkeys(_number(each, value) for value in near))

    def fitting(self, rows: list[Row]) -> list[Row]:
        """The rows that the schema allows."""
        return [row for row in rows if all(self._fits(name, value) for name, value in row.items())]

    def _fits(self, name: str, value: Any) -> bool:
        told = self.schema[name]
        if value is None:
            return told.get("nullable", False)
        if isinstance(value, str):
            return value in told.get("categories", [value])
        return told.get("minimum", value) <= value <= told.get("maximum", value) and abs(value) < np.inf

    def rows(self, choose: Callable[[Input], list[Any]]) -> list[Row]:
        """The usual row with one value changed: each value of each input, evenly thinned out."""
        made = self.fitting([{**self.usual, each.name: value} for each in self.inputs for value in choose(each)])
        # A wide model has fewer rows, so that its examples stay small.
        step = -(-len(made) // max(1, min(ROWS_MAX, VALUES_MAX // len(self.inputs)))) or 1
        return made[::step]

    def mixed(self) -> list[Row]:
        """Rows of values from everywhere, the same ones each time."""
        random = np.random.default_rng(0)
        choices = {each.name: self._all(each) for each in self.inputs}
        return [
            {name: values[int(random.integers(len(values)))] for name, values in choices.items()}
            for _ in range(max(1, min(MIXED_ROWS, VALUES_MAX // len(self.inputs))))
        ]

    def _all(self, each: Input) -> list[Any]:
        gaps = [None] if each.nullable else []
        tried = [*self.edges(each), *self.thresholds(each), *self.unseen(each), *gaps]
        return [self.usual[each.name], *(value for value in tried if self._fits(each.name, value))]


def neighbors(value: float) -> list[float]:
    """A number, its neighbors, and its neighbors in 32 bits; nothing of a number that is too large for these."""
    if abs(value) > LARGEST:
        return []
    narrow = np.float32(value)
    near = [value, np.nextafter(value, -np.inf), np.nextafter(value, np.inf), narrow]
    return [
        float(each)
        for each in [*near, np.nextafter(narrow, np.float32(-np.inf)), np.nextafter(narrow, np.float32(np.inf))]
    ]


def _number(each: Input, value: float) -> float | int:
    if each.dtype == "float64":
        return float(value)
    if each.dtype == "float32":
        return float(np.float32(value))
    bounds = np.iinfo(each.dtype)
    return int(min(max(int(value), bounds.min), bounds.max))


def _thresholds(graph: Graph) -> dict[str, set[float]]:
    """The thresholds of trees, by the input that they split."""
    found: dict[str, set[float]] = {}
    for node in graph.nodes:
        if node["op"] == "trees":
            flags, feature = graph.read(node["flags"]), graph.read(node["feature"])
            threshold = graph.read(node["threshold"])
            numeric = (flags & 9) == 0
            for column in np.unique(feature[numeric]):
                name = _traced(graph, node["of"][0], int(column))
                if name is not None:
                    found.setdefault(name, set()).update(threshold[numeric & (feature == column)].tolist())
    return found


def _vocabularies(graph: Graph) -> dict[str, list[str]]:
    """The terms that texts are searched for, by the input."""
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node["op"] == "tokens":
            name = _traced(graph, node["of"][0], 0)
            if name is not None:
                found.setdefault(name, []).extend(graph.read_text(node["vocabulary"]))
    return found


def _texts(terms: list[str]) -> list[str]:
    """Texts of some of the terms: one, several, capitals, none, and letters of other scripts."""
    some = terms[:: max(1, len(terms) // TERMS)][:TERMS]
    return [
        " ".join(some),
        some[0],
        ", ".join([*some, *some[:3]]).upper(),
        "",
        f"{some[-1]}-\u00c9\u03a3 x\u00b2 \u4e2d",
    ]


def _traced(graph: Graph, at: int, column: int) -> str | None:
    """The input that a column is, as it is."""
    node = graph.nodes[at]
    if node["op"] == "input":
        return graph.inputs[node["input"]]["name"]
    if node["op"] in ("impute", "text_fill"):
        return _traced(graph, node["of"][0], column)
    if node["op"] == "select":
        return _traced(graph, node["of"][0], int(graph.read(node["columns"])[column]))
    if node["op"] == "concat":
        for parent in node["of"]:
            width = graph.nodes[parent]["width"]
            if column < width:
                return _traced(graph, parent, column)
            column -= width
    return None
