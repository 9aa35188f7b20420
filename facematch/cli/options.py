"""The command line's app, the options that commands share, and what they all print by."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facematch.errors import OptionError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from facematch.matcher import FaceMatcher

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
    JSONL = "jsonl"
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


Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with -o FILE where an earlier run was cut short, by what --cache kept.",
    ),
]


On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ray[:ADDRESS]",
        help="Work in a process a core, or over the machines of that Ray cluster, which must see "
        "the photos by the same paths.",
    ),
]


Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="DIR",
        help="Look photos up in the index that `facematch index` made, before they are searched.",
    ),
]


def _bounds(
    *,
    isolate: Annotated[
        bool | None,
        typer.Option(
            "--isolate/--no-isolate",
            help="Decode photos in processes of their own, so that one that crashes or hangs a "
            "decoder costs no more than itself. Default: where a folder or a table is given.",
            show_default=False,
            rich_help_panel="Limits",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=86_400,
            metavar="SECONDS",
            help="The longest a photo may take to decode in its process. Default: 30.",
            rich_help_panel="Limits",
        ),
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Refuse photos of more pixels. Default: 200 million.",
            rich_help_panel="Limits",
        ),
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Refuse files of more bytes. Default: 256 MiB.",
            rich_help_panel="Limits",
        ),
    ] = None,
    max_memory: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Refuse photos that take more bytes to decode. Default: 900 MB.",
            rich_help_panel="Limits",
        ),
    ] = None,
) -> dict[str, Any]:
    """What these options say, where they say it: `isolate`, and arguments of Limits."""
    given = {"max_seconds": timeout, "max_pixels": max_pixels, "max_bytes": max_bytes}
    given |= {"max_memory": max_memory, "isolate": isolate}
    return {name: value for name, value in given.items() if value is not None}


_BOUNDS: ContextVar[dict[str, Any]] = ContextVar("_BOUNDS")


def reads_photos(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of `_bounds`, which `matcher_of` heeds."""
    options = inspect.signature(_bounds, eval_str=True).parameters

    @wraps(command)
    def bounded(**given: Any) -> None:
        before = _BOUNDS.set(_bounds(**{name: given.pop(name) for name in options}))
        try:
            command(**given)
        finally:
            _BOUNDS.reset(before)

    signature = inspect.signature(command, eval_str=True)
    parameters = [*signature.parameters.values(), *options.values()]
    bounded.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    )
    bounded.__annotations__ = {each.name: each.annotation for each in parameters}
    return bounded


def matcher_of(
    detector: str,
    embedder: str,
    min_face: float | None,
    db: str | None = None,
    *,
    cache: Path | None = None,
    many: bool = False,
) -> FaceMatcher:
    """The library, as the options say; `many` photos are isolated unless they say otherwise."""
    from facematch.matcher import FaceMatcher
    from facematch.photos.limits import Limits

    bounds = dict(_BOUNDS.get({}))
    return FaceMatcher(
        detector=detector,
        embedder=embedder,
        min_face=min_face,
        isolate=bounds.pop("isolate", many or "max_seconds" in bounds),
        limits=Limits(**bounds),
        cache=cache,
        index=db,
    )


def refuse_overwrite(out: Path | None, *given: str | Path | None) -> None:
    """Refuse to write over a file that was given."""
    if out is None:
        return
    for each in given:
        if each is not None and _is_same(out, each):
            raise OptionError(f"{out} is one of the files given: name another place to write to")


def _is_same(one: Path, other: str | Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one of them is not there, or cannot be
        return os.path.abspath(one) == os.path.abspath(other)


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
