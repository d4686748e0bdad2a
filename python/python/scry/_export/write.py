"""From a fitted model to its file."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO, Literal

import numpy as np

from .._warn import warn
from ..errors import ExportError, TrainingDataWarning
from . import (  # noqa: F401 They register what they know.
    bayes,
    calibration,
    catboost,
    cluster,
    compose,
    encoders,
    ensemble,
    lightgbm,
    linear,
    multiple,
    neighbors,
    neural,
    preprocessing,
    svm,
    trees,
    words,
    xgboost,
)
from .card import COLUMNS, card_of, checks_of, columns_label, tidy_inputs
from .expected import Answers, answers
from .frame import Frame, Row, read_frame
from .golden import golden_examples
from .graph import Graph, Node, model_bytes, needed
from .registry import Outcome, Step

# Operations that hold rows of the training data.
HELD_ROWS = {"neighbors": "the rows that neighbors are searched in", "kernel": "support vectors"}


@dataclass(frozen=True)
class Written:
    """A file that was written."""

    path: str | None
    digest: str
    size_bytes: int
    inputs: list[str]
    outputs: list[str]
    tolerance: float


@dataclass(frozen=True)
class Exported:
    """A model as a graph, beside the original."""

    model: Any
    frame: Frame
    graph: Graph
    outputs: list[dict[str, Any]]
    features: Node
    feature_names: list[str]
    classes: np.ndarray | None

    @property
    def tolerance(self) -> float:
        """How far answers may be from the original's, relative to values above 1."""
        return self.graph.tolerance

    def expected(self, x: Any) -> Answers:
        """What the original answers to a frame or array."""
        return answers(self.model, x, self.outputs, self.classes)

    def expected_of_rows(self, rows: list[Row]) -> Answers:
        """What the original answers to JSON objects."""
        return self.expected(self.frame.rebuilt(rows))


def export_graph(
    model: Any, x: Any, *, y: Any = None, classes: Any = None, nullable: Iterable[str] = (), path: str = "pipe"
) -> Exported:
    """Translates a fitted model; refuses what cannot be exact, by the name of the step."""
    frame = read_frame(x, nullable)
    _check_names(model, frame)
    graph = Graph()
    table = frame.table(graph)
    step = Step(graph, path)
    named = _class_names(classes)
    if hasattr(model, "predict"):
        outcome = step.predict(model, table)
        told = outcome.features if outcome.features is not None else table
        outputs = _outputs(graph, outcome, named, _target_names(y))
    else:
        told = step.transform(model, table)
        node = step.numbers(model, told, double=False)
        outputs = [{**_output("features", "features", node, shape=[node.width]), "nullable": True}]
    numeric = type(told)(tuple(column for column in told.columns if not column.is_text))
    features = numeric.matrix(graph) if numeric.columns else graph.constant(table.columns[0].node, [0.0])
    return Exported(model, frame, graph, outputs, features, numeric.names, named)


def _check_names(model: Any, frame: Frame) -> None:
    """Refuses a frame without some of the columns that the model was fitted on, or with them in another order."""
    known = getattr(model, "feature_names_in_", None)
    if known is None or frame.kind == "numpy":
        return
    # LightGBM writes spaces as underscores.
    names, wanted = (
        {str(name).replace(" ", "_"): str(name) for name in told}
        for told in ([each.name for each in frame.inputs], known)
    )
    for key, name in wanted.items():
        if key not in names:
            raise ExportError(f"X: it has no column `{name}`, on which the model was fitted. Use the frame of the fit.")
    if [key for key in names if key in wanted] != list(wanted):
        raise ExportError("X: its columns stand in another order than in the fit. Use the frame of the fit.")


def _class_names(classes: Any) -> np.ndarray | None:
    """Names for a classifier that answers numbers: a list, or the LabelEncoder that made them."""
    if classes is None:
        return None
    return np.asarray(getattr(classes, "classes_", classes))


def _target_names(y: Any) -> list[str] | None:
    columns = getattr(y, "columns", None)
    return None if columns is None else [str(name) for name in columns]


def _outputs(graph: Graph, outcome: Outcome, named: Any, targets: list[str] | None) -> list[dict[str, Any]]:
    if outcome.targets:
        names = _suffixes(targets, len(outcome.targets))
        return [
            {**output, "name": f"{output['name']}_{name}", "target": at}
            for at, (name, each) in enumerate(zip(names, outcome.targets, strict=True))
            for output in _outputs(graph, each, named, None)
        ]
    made = []
    if outcome.prediction is not None:
        made += _predictions(graph, outcome.prediction, targets)
    if outcome.index is not None:
        made.append(_label(graph, outcome, named))
    if outcome.probabilities is not None:
        output = _output("probabilities", "probabilities", outcome.probabilities, [outcome.probabilities.width])
        made.append({**output, "description": _class_order("One a class", outcome, named)})
    elif outcome.score is not None:
        shape = [outcome.score.width] if outcome.score.width > 1 else []
        output = _output("score", "score", outcome.score, shape)
        if outcome.scores_classes:
            prefix = "One a class" if shape else "For the second of the classes"
            output["description"] = _class_order(prefix, outcome, named)
        made.append(output)
    return made


def _predictions(graph: Graph, node: Node, targets: list[str] | None) -> list[dict[str, Any]]:
    if node.width == 1:
        return [_output("prediction", "prediction", node, [])]
    names = _suffixes(targets, node.width)
    return [
        {**_output("prediction", f"prediction_{name}", graph.select(node, [at]), []), "target": at}
        for at, name in enumerate(names)
    ]


def _suffixes(targets: list[str] | None, count: int) -> list[str]:
    return targets if targets is not None and len(targets) == count else [str(at) for at in range(count)]


def _output(kind: str, name: str, node: Node, shape: list[int]) -> dict[str, Any]:
    return {"kind": kind, "name": name, "node": node, "datatype": "FP64", "shape": shape, "classes": None}


def _class_order(prefix: str, outcome: Outcome, named: np.ndarray | None) -> str:
    """Which class each probability or score is of, for people and for `Component.classes`."""
    classes = np.asarray(outcome.classes if named is None else named).tolist()
    told = json.dumps(classes, ensure_ascii=False, default=str)
    return f"{prefix}: {told}" if len(told) <= 4096 else f"{prefix}, of {len(classes)}"


def _label(graph: Graph, outcome: Outcome, named: np.ndarray | None) -> dict[str, Any]:
    classes = np.asarray(outcome.classes)
    if named is not None:
        if len(named) != len(classes):
            raise ExportError(f"classes: {len(named)} names for {len(classes)} classes. Give one name a class.")
        classes = named
    assert outcome.index is not None
    output = _output("label", "label", outcome.index, [])
    kinds = {type(each) for each in classes.tolist()}
    if kinds <= {str}:
        return {**output, "datatype": "BYTES", "classes": graph.text(classes.tolist())}
    if kinds <= {bool}:
        return {**output, "datatype": "BOOL", "classes": graph.array(classes, "u8")}
    if kinds <= {int}:
        return {**output, "datatype": "INT64", "classes": graph.array(classes, "i64")}
    if kinds <= {float}:
        return {**output, "classes": graph.array(classes)}
    told = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ExportError(f"y: the classes are {told}. Use text, integers or truth values.")


def write_model(
    model: Any,
    x: Any,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    name: str,
    y: Any = None,
    description: str | None = None,
    owner: str | None = None,
    license: str | None = None,
    version: str | None = None,
    data_from: str | None = None,
    data_until: str | None = None,
    max_age: str | None = None,
    labels: Mapping[str, Any] | None = None,
    checks: Mapping[str, Any] | None = None,
    classes: Any = None,
    nullable: Iterable[str] = (),
    ranges: Literal["warn", "reject", "none"] = "warn",
    golden: Literal["synthetic", "sample"] = "synthetic",
) -> Written:
    """Writes a fitted model as a model file.

    `x` holds rows that the model was fitted on. `classes` are names for a classifier that answers 0, 1, 2, or the
    LabelEncoder that made these numbers. `labels` are what else is to be known of the model, such as
    `{"git": "0a1b2c3", "metrics": {"auc": 0.9}}`, texts and numbers. A value outside the `ranges` of `x` is a warning,
    unless they are to "reject" it or there are "none". With `golden="sample"`, some rows of `x` become golden examples,
    which everyone who has the file can read.
    """
    path = check_target(target) if isinstance(target, str | os.PathLike) else None
    exported, body = draft(
        model, x, name=name, y=y, description=description, owner=owner, license=license, version=version,
        data_from=data_from, data_until=data_until, max_age=max_age, labels=labels, checks=checks, classes=classes,
        nullable=nullable, ranges=ranges, golden=golden,
    )  # fmt: skip
    if path is None:
        target.write(body)  # type: ignore[union-attr]
    else:
        store(body, path)
    outputs = [output["name"] for output in exported.outputs]
    return Written(
        None if path is None else str(path), sha256(body).hexdigest(), len(body), used_inputs(exported), outputs,
        exported.tolerance,
    )  # fmt: skip


def draft(model: Any, x: Any, *, name: str, version: str | None, **told: Any) -> tuple[Exported, bytes]:
    """What `write_model` writes, given its words, and the graph in it."""
    _check_choice("ranges", told["ranges"], ("warn", "reject", "none"))
    _check_choice("golden", told["golden"], ("synthetic", "sample"))
    known = ("description", "owner", "license", "data_from", "data_until", "max_age")
    words = {"name": name, "crate_version": version, **{key: told[key] for key in known}}
    card = card_of(model, words, told["labels"] or {})
    exported = export_graph(model, x, y=told["y"], classes=told["classes"], nullable=told["nullable"])
    card["labels"][COLUMNS] = columns_label(exported.frame, used_inputs(exported))
    body = file_bytes(exported, card, told["checks"] or {}, told["ranges"], told["golden"])
    held = _held_rows(exported)
    if held:
        warn(f"the model holds rows of the training data: {', '.join(held)}", TrainingDataWarning)
    return exported, body


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        known = ", ".join(f'"{choice}"' for choice in choices)
        raise ExportError(f"{name}: {value!r} is none of {known}. Use one of them.")


def file_bytes(exported: Exported, card: dict[str, Any], checks: Mapping[str, Any], ranges: str, golden: str) -> bytes:
    """The bytes of the file."""
    used = used_inputs(exported)
    tidy_inputs(exported.graph, ranges)
    made = checks_of(exported.graph, used, checks, ranges)
    told = {**card, "checks": made} if made else card
    examples = golden_examples(
        exported.graph, exported.frame, used, exported.outputs, exported.expected_of_rows,
        sample=golden == "sample",
    )  # fmt: skip
    outputs = [
        {key: value for key, value in output.items() if key not in ("kind", "target")} | {"node": output["node"].at}
        for output in exported.outputs
    ]
    others = {"card": told, "golden": examples}
    return model_bytes(exported.graph, outputs, exported.features, exported.feature_names, others)


def used_inputs(exported: Exported) -> list[str]:
    """The inputs that outputs and features need, in the order of the fit."""
    graph = exported.graph
    nodes = (graph.nodes[at] for at in _reached(exported))
    return [graph.inputs[at]["name"] for at in sorted({node["input"] for node in nodes if node["op"] == "input"})]


def _reached(exported: Exported) -> list[int]:
    return needed(exported.graph, [exported.features.at, *(output["node"].at for output in exported.outputs)])


def _held_rows(exported: Exported) -> list[str]:
    """What of the model is rows that it was fitted on."""
    kinds = {exported.graph.nodes[at]["op"] for at in _reached(exported)}
    return [told for kind, told in HELD_ROWS.items() if kind in kinds]


def check_target(target: str | os.PathLike[str]) -> Path:
    """The path of a file that can be written; refuses any other before the work."""
    path = Path(target)
    if path.is_dir():
        raise ExportError(f"{path}: it is a folder. Name a file in it.")
    if not path.parent.is_dir():
        raise ExportError(f"{path.parent}: there is no such folder. Make it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ExportError(f"{path.parent}: nothing can be written there. Use another folder.")
    return path


def store(body: bytes, path: Path) -> None:
    """Writes beside and renames, so that no half of a file is left."""
    beside = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        with open(beside, "xb") as file:
            file.write(body)
        os.replace(beside, path)
    except OSError as error:
        raise ExportError(f"{path}: it cannot be written: {error.strerror}. Make room, or use another path.") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(beside)
