"""Whether a component answers as the original does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DifferenceError
from .expected import Answers
from .frame import Row
from .write import Exported, used_inputs

Ask = Callable[[list[Row]], dict[str, Any]]
BATCH_ROWS = 1024


@dataclass(frozen=True)
class Found:
    """How far answers are apart."""

    rows: int
    # Of numbers, relative to values above 1.
    difference: float
    labels: int


def verify(exported: Exported, ask: Ask, rows: list[Row] | None = None) -> Found:
    """Compares answers over rows, or over all of X; raises on what is further apart than the model allows.

    Rows to which the original answers NaN or infinity are left out: a component has no such answers.
    """
    used = used_inputs(exported)
    places = range(exported.frame.rows if rows is None else len(rows))
    found = Found(0, 0.0, 0)
    for start in range(0, len(places), BATCH_ROWS):
        batch_places = places[start : start + BATCH_ROWS]
        batch = exported.frame.records(batch_places, used) if rows is None else [rows[at] for at in batch_places]
        want, kept = answered(exported, batch)
        if kept:
            part = compare(exported, want, ask(kept))
            found = Found(found.rows + part.rows, max(found.difference, part.difference), found.labels + part.labels)
    if found.labels or found.difference > exported.tolerance:
        raise DifferenceError(
            f"the component answers otherwise than the model: {found.labels} of {found.rows} labels differ, numbers "
            f"by up to {found.difference:.1e} (allowed: {exported.tolerance:.1e}). Please report this with the model"
        )
    return found


def answered(exported: Exported, rows: list[Row]) -> tuple[Answers, list[Row]]:
    """The original's answers, and the rows that have finite ones."""
    want = exported.expected_of_rows(rows)
    kept = np.ones(len(rows), dtype=bool)
    for output in exported.outputs:
        column = want[output["name"]]
        if column.dtype.kind == "f" and not output.get("nullable"):
            kept &= np.isfinite(column.reshape(len(rows), -1)).all(axis=1)
    places = np.flatnonzero(kept)
    return {name: column[places] for name, column in want.items()}, [rows[at] for at in places]


def compare(exported: Exported, want: Answers, got: dict[str, Any]) -> Found:
    """How far answers are from the original's."""
    difference, labels, rows = 0.0, 0, 0
    for output in exported.outputs:
        theirs, ours = want[output["name"]], got[output["name"]]
        rows = len(theirs)
        if output["kind"] == "label":
            same = zip(theirs.tolist(), _plain(ours), strict=True)
            labels += sum(str(their) != str(our) for their, our in same)
        else:
            numbers = np.asarray(ours, dtype=np.float64).reshape(theirs.shape)
            difference = max(difference, spread(theirs, numbers))
    return Found(rows, difference, labels)


def _plain(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def spread(want: np.ndarray, got: np.ndarray) -> float:
    """The largest difference, relative to values above 1; infinite where one is missing and the other not."""
    if want.shape != got.shape or not np.array_equal(np.isnan(want), np.isnan(got)):
        return float("inf")
    with np.errstate(invalid="ignore"):
        difference = np.abs(want - got) / np.maximum(1.0, np.abs(want))
    return float(np.nanmax(np.where(want == got, 0.0, difference), initial=0.0))
