"""A sealed component in this process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from . import _native, _rows
from .errors import ComponentError


class Component:
    """A component, run in the host's sandbox with the host's checks and limits.

    `predict` and `transform` take a frame of pandas or polars, a table of pyarrow or anything else with
    `__arrow_c_stream__`, an array of numpy, or a list of dictionaries, and answer in kind. Any number of threads may
    call it at once; it is pickled by its path.

    Many rows are answered in several calls. Each may take `deadline_ms` (by default ten times a host's) and so much
    `fuel` (by default a host's).
    """

    def __init__(
        self, path: str | os.PathLike[str], *, deadline_ms: int | None = None, fuel: int | None = None
    ) -> None:
        self.path = Path(path)
        self._limits = (deadline_ms, fuel)
        self._native = _native.Component(_read(self.path), deadline_ms, fuel)
        self.card: dict[str, Any] = json.loads(self._native.card)

    @classmethod
    def from_bytes(cls, component: bytes) -> Component:
        """A component that is in no file; it cannot be pickled."""
        made = cls.__new__(cls)
        made.path = None  # type: ignore[assignment]
        made._native = _native.Component(component)
        made.card = json.loads(made._native.card)
        return made

    @property
    def name(self) -> str:
        """The model's name."""
        return self.card["name"]

    @property
    def digest(self) -> str:
        """The component's SHA-256."""
        return self._native.digest

    @property
    def schema(self) -> dict[str, Any]:
        """What it reads (`inputs`), makes of that (`features`), and answers (`outputs`)."""
        return self.card["schema"]

    @property
    def classes(self) -> list[Any] | dict[str, list[Any]] | None:
        """The classes in the order of `probabilities` or `score`; of several targets, a dictionary by output.

        A `score` that is one number is above 0 for the second class. None of a model without classes, one that answers
        labels alone, one whose scores are not one a class, and where the list has more than 4,096 characters.
        """
        return _rows.classes(self.card)

    def predict(self, x: Any) -> Any:
        """Predictions of all rows, or an error."""
        return _rows.ask(self._native, self.card, x, features=False)

    def transform(self, x: Any) -> Any:
        """What the model's pipeline makes of all rows: its features."""
        return _rows.ask(self._native, self.card, x, features=True)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is None:
            raise TypeError("a component that was made from bytes cannot be pickled: write it to a file first")
        return _unpickled, (str(self.path.absolute()), self.digest, *self._limits)

    def __repr__(self) -> str:
        return f"<scry component {self.name}, {self.digest}>"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ComponentError(f"{path}: {error.strerror or error}") from None


def _unpickled(path: str, digest: str, deadline_ms: int | None, fuel: int | None) -> Component:
    made = Component(path, deadline_ms=deadline_ms, fuel=fuel)
    if made.digest != digest:
        raise ComponentError(f"{path}: expected the component with the digest {digest}, found {made.digest}")
    return made
