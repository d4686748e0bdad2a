"""What the file says of a model in words: its card. Checks here what `scry import` would refuse later."""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from ..errors import ExportError
from .expected import parts
from .frame import Frame
from .graph import Graph

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?"
)
AGE = re.compile(r"P(?=.)([0-9]+W)?([0-9]+D)?(T(?=.)([0-9]+H)?([0-9]+M)?([0-9]+S)?)?")
CATEGORIES_MAX = 10_000
LABELS_MAX = 64
LABEL_NAME_MAX_BYTES = 64
LABEL_MAX_BYTES = 1024
# The label of the columns of the fit.
COLUMNS = "columns"
LIBRARIES = {"sklearn": "scikit-learn", "lightgbm": "lightgbm", "xgboost": "xgboost", "catboost": "catboost"}


def card_of(model: Any, words: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, Any]:
    """The card, but for its checks. `words` are its members; those that are None are left out."""
    name, age = words["name"], words["max_age"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ExportError(f"name: `{name}` is no model name. Use 1 to 64 of a-z, 0-9, - and _, not - or _ first.")
    for key in ("data_from", "data_until"):
        if words[key] is not None and not _is_date(words[key]):
            raise ExportError(f"{key}: `{words[key]}` is no date. Write 2026-11-23 or 2026-11-23T10:00:00Z.")
    if age is not None and not AGE.fullmatch(str(age)):
        raise ExportError(f"max_age: `{age}` is no duration of weeks, days and times. Write P90D or PT12H.")
    card = {key: value for key, value in words.items() if value is not None}
    for key, value in card.items():
        if not isinstance(value, str):
            raise ExportError(f"{key}: {type(value).__name__} is no text. Give a text.")
    card.setdefault("description", _description(model))
    return {**card, "card_version": 1, "labels": {**_versions(model), **_labels(labels)}}


def _is_date(told: Any) -> bool:
    if not isinstance(told, str) or not DATE.fullmatch(told):
        return False
    try:
        datetime.fromisoformat(told[:19].upper())
    except ValueError:
        return False
    return True


def _description(model: Any) -> str:
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    return f"{type(last).__name__}, exported from Python"


def _versions(model: Any) -> dict[str, str]:
    """Versions of Python and of the libraries that the model is of."""
    roots = {type(part).__module__.split(".")[0] for part in parts(model)}
    found = {LIBRARIES[root]: sys.modules[root].__version__ for root in sorted(roots) if root in LIBRARIES}
    return {"python": platform.python_version(), "numpy": np.__version__, **found}


def _labels(labels: Mapping[str, Any]) -> dict[str, str]:
    told = dict(_flat("", labels))
    if COLUMNS in told:
        raise ExportError(f"labels: `{COLUMNS}` is Scry's own. Use another name.")
    if len(told) > LABELS_MAX - len(LIBRARIES) - 3:
        raise ExportError(f"labels: there are {len(told)}; a component has at most {LABELS_MAX}. Leave some out.")
    for name, value in told.items():
        if not 1 <= len(name.encode()) <= LABEL_NAME_MAX_BYTES:
            raise ExportError(
                f"labels: the name {name[:40]!r} is not of 1 to {LABEL_NAME_MAX_BYTES} bytes. Shorten it."
            )
        if len(value.encode()) > LABEL_MAX_BYTES:
            raise ExportError(f"labels: `{name}` has more than {LABEL_MAX_BYTES} bytes. Shorten it, or give a link.")
    return told


def columns_label(frame: Frame, used: Sequence[str]) -> str:
    """What the model was fitted on, so that columns without names find their inputs, which stand in the same order."""
    told: dict[str, Any] = {
        "kind": "array" if frame.kind == "numpy" else "frame", "width": len(frame.inputs),
        "unused": [at for at, each in enumerate(frame.inputs) if each.name not in set(used)],
    }  # fmt: skip
    label = json.dumps({key: value for key, value in told.items() if value != []}, separators=(",", ":"))
    if len(label) <= LABEL_MAX_BYTES:
        return label
    return json.dumps({"kind": told["kind"], "width": told["width"]}, separators=(",", ":"))


def _flat(prefix: str, labels: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Texts and numbers as they are; what is within a mapping by both names."""
    for name, value in labels.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        elif isinstance(value, str | int | float | np.number):
            yield f"{prefix}{name}", str(value)
        else:
            raise ExportError(f"labels: `{prefix}{name}` is {type(value).__name__}. Give a text or a number.")


def tidy_inputs(graph: Graph, ranges: str) -> None:
    """Leaves out ranges that are not wanted, and lists of categories that no card can hold."""
    for told in graph.inputs:
        if ranges == "none":
            told.pop("minimum", None)
            told.pop("maximum", None)
        if not 1 <= len(told.get("categories", [])) <= CATEGORIES_MAX:
            told.pop("categories", None)


def checks_of(graph: Graph, used: Sequence[str], checks: Mapping[str, Any], ranges: str) -> dict[str, Any]:
    """What follows from values outside what training has seen: a warning, unless told otherwise."""
    fields: dict[str, Any] = {}
    for told in graph.inputs:
        policies = {}
        if "minimum" in told and ranges == "warn":
            policies["range"] = "warn"
        if "categories" in told and told["name"] not in graph.strict:
            policies["category"] = "warn"
        if policies and told["name"] in used:
            fields[told["name"]] = {"policies": policies}
    for name, wanted in checks.get("fields", {}).items():
        if name not in used:
            raise ExportError(f"checks: `{name}` is no input of the model. Use one of {', '.join(used)}.")
        ours = fields.get(name, {})
        fields[name] = {**ours, **wanted, "policies": {**ours.get("policies", {}), **wanted.get("policies", {})}}
    return {**checks, "fields": fields} if fields else dict(checks)
