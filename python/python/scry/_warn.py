"""Warnings of the line that called this package."""

from __future__ import annotations

import sys
import warnings
from typing import Any


def warn(message: str, category: type[Warning]) -> None:
    """Warns of the first line outside of this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_ours(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_ours(frame: Any) -> bool:
    return (frame.f_globals.get("__package__") or "").split(".")[0] == __package__
