"""From a fitted model in Python to Scry's model file."""

from .registry import supported
from .write import Exported, Written, export_graph, write_model

__all__ = ["Exported", "Written", "export_graph", "supported", "write_model"]
