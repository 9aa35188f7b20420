"""The command line's app, the options that commands share, and what they all print by."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from facematch.pipeline import FaceMatcher

app = typer.Typer(
    name="facematch",
    help="Who does this child look like? Scores how much a child looks like a parent, from photos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


DetectorName = Annotated[
    str,
    typer.Option("--detector", help="mmod, yunet or face-recognition.", rich_help_panel="Engine"),
]


EmbedderName = Annotated[
    str,
    typer.Option(
        "--embedder",
        help="kin, dlib-resnet, face-recognition, kin+mobilefacenet (see `models list`), or an "
        "ONNX file with a TOML beside it.",
        rich_help_panel="Engine",
    ),
]


MinFace = Annotated[
    float | None,
    typer.Option(
        min=1,
        metavar="PIXELS",
        help="The smallest face worth finding; smaller takes longer. Default: 5 % of the photo's "
        "long side, which scales big photos down to 1600 pixels for the search.",
        rich_help_panel="Engine",
    ),
]


OutputFormat = Annotated[Format, typer.Option("--format", help="How to print the result.")]


FaceNumber = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Which face, 1 being the largest, which is the default."),
]


class TableFormat(StrEnum):
    """How many results are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


TableOption = Annotated[
    TableFormat | None,
    typer.Option("--format", help="Default: by the ending of -o FILE; a table without one."),
]


Out = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write there, not to stdout.")
]


CacheFile = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="FILE",
        help="Keep what is found in photos there, and look it up: it holds face templates.",
    ),
]


def matcher_of(detector: str, embedder: str, min_face: float | None) -> FaceMatcher:
    """The library, as the options say."""
    from facematch.pipeline import FaceMatcher

    return FaceMatcher(detector=detector, embedder=embedder, min_face=min_face)


def watched(photos: Sequence[str], what: str) -> Iterable[str]:
    """The photos, with a progress bar on stderr while a person watches."""
    if not sys.stderr.isatty():
        return photos
    from rich.console import Console
    from rich.progress import track

    return track(photos, description=what, console=Console(stderr=True), transient=True)


def print_table(table: RenderableType) -> None:
    """On stdout, as wide as the terminal."""
    from rich.console import Console

    # In a pipe nobody's window is too narrow.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    Console(highlight=False, emoji=False, width=width).print(table)
