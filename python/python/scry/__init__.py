"""Scry: serve trained models in a sandbox.

`export` makes a fitted model a sealed component, `Component` runs one in this process, and `Client` asks a host.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    CheckWarning,
    ComponentError,
    DegradedWarning,
    DifferenceError,
    ExportError,
    HostError,
    LimitError,
    RejectedError,
    ScryError,
    TrainingDataWarning,
)

if TYPE_CHECKING:
    from ._client import Client
    from ._component import Component
    from ._export import supported as supported_estimators
    from ._export import write_model
    from ._package import Exported, export

# Where each is. They are imported when they are used: a client needs neither numpy nor the sandbox.
_PLACES = {
    "Client": ("._client", "Client"),
    "Component": ("._component", "Component"),
    "Exported": ("._package", "Exported"),
    "export": ("._package", "export"),
    "supported_estimators": ("._export", "supported"),
    "write_model": ("._export", "write_model"),
}

__all__ = [
    "CheckWarning",
    "Client",
    "Component",
    "ComponentError",
    "DegradedWarning",
    "DifferenceError",
    "ExportError",
    "Exported",
    "HostError",
    "LimitError",
    "RejectedError",
    "ScryError",
    "TrainingDataWarning",
    "export",
    "supported_estimators",
    "write_model",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("._native", __name__).__version__
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, member = _PLACES[name]
    return getattr(import_module(module, __name__), member)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
