"""The errors of the package. Each says what is wrong, what was expected and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ScryError(Exception):
    """Anything that Scry says about what it was given."""


class ExportError(ScryError):
    """A model, or a part of one, that cannot be exported exactly.

    The message names the step, says why, and says what to do.
    """


class DifferenceError(ExportError):
    """A component that answers otherwise than the model it was made from."""


class RejectedError(ScryError):
    """Rows that the schema, the checks, or the model itself refuse.

    `findings` holds a dictionary for each value that is wrong: `field`, `row`, `element`, `check`, `expected`, `found`,
    `policy`. `field` and `row` are those of the first; `unlisted` counts the others.
    """

    def __init__(
        self, message: str, findings: Sequence[dict[str, Any]] = (), unlisted: int = 0, row: int | None = None
    ) -> None:
        super().__init__(message)
        self.findings = list(findings)
        self.unlisted = unlisted
        first = self.findings[0] if self.findings else {}
        self.field: str | None = first.get("field")
        self.row: int | None = first.get("row", row)


class _CallError(ScryError):
    def __init__(self, message: str, reason: str | None = None, row: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.row = row


class LimitError(_CallError):
    """A call that reached a limit: `reason` is `timeout`, `fuel` or `memory`, or a host's `deadline-too-short`."""


class ComponentError(_CallError):
    """A file that is no component, or a component that fails: `reason` is `trap`, `failed` or `invalid-output`."""


class HostError(ScryError):
    """A host that does not answer, or answers with an error that is not the rows' or the component's.

    `status` is that of HTTP, `None` where there was no answer; `reason` is the error's name, where it has one.
    """

    def __init__(self, message: str, status: int | None = None, reason: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class TrainingDataWarning(UserWarning):
    """A model that holds rows of its training data, which everyone who has its file can read."""


class CheckWarning(UserWarning):
    """Rows that were answered, and that a check warns of."""


class DegradedWarning(UserWarning):
    """Rows that a host's fallback answered in place of the version that was asked."""
