"""Results as text: JSON for programs, rows for CSV, tables for a terminal, an HTML page.

The functions here find the module of a result by its type, and import only that module.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

_OUTPUT_MODULES = {
    "Card": "card",
    "Clip": "clip",
    "Explanation": "explanation",
    "Family": "family",
    "Findings": "findings",
    "Match": "match",
    "Portrait": "faces",
    "Timeline": "timeline",
}


def as_json(result: object) -> str:
    """One JSON object. Raises TypeError for what is no result."""
    return str(_output_module(result).as_json(result))


def rows(result: object) -> Iterator[dict[str, Any]]:
    """The rows of a CSV file, as dicts with the same keys. Raises TypeError likewise."""
    yield from _output_module(result).rows(result)


def sentences(result: object) -> list[str]:
    """What a result says, in one or a few sentences. Raises TypeError likewise."""
    told: list[str] = _output_module(result).sentences(result)
    return told


def table(result: object) -> RenderableType:
    """What rich prints in a terminal. Raises TypeError likewise."""
    shown: RenderableType = _output_module(result).table(result)
    return shown


def _output_module(result: object) -> Any:
    name = type(result).__name__
    if name not in _OUTPUT_MODULES:
        raise TypeError(f"{name} is no result; there are: {', '.join(sorted(_OUTPUT_MODULES))}")
    return import_module(f"facematch.output.{_OUTPUT_MODULES[name]}")
