"""What commands print: results, tables, warnings and progress. stdout is data, stderr is talk."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from facematch.cli.options import PictureOptions, VerdictFormat
from facematch.errors import OptionError, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from facematch.types import Skipped


# Arguments of the library that messages name, and that are options with a value here.
_ARGUMENTS = re.compile(
    r"\b(parent_face|child_face|min_face|max_bytes|max_pixels|max_memory)\b(=?)"
)
_NAMED_ARGUMENTS = re.compile("`(born|dates)`")


class Result(Protocol):
    """What `show_result` prints; `facematch.output` and `facematch.pictures` know how."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the result less sure."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The photos without a usable face."""


def show_result(
    result: Result, result_format: VerdictFormat, picture: PictureOptions, **drawing: str
) -> None:
    """Print a result and what makes it less sure; save its picture, which `drawing` is about."""
    from facematch import output

    if picture.save is not None:
        # First: a stdout that is full or closed must not cost the picture.
        _save_drawing(result, picture, picture.save, drawing)
    is_table = result_format is VerdictFormat.TABLE
    if is_table:
        print_table(output.table(result))
    elif result_format is VerdictFormat.JSON:
        typer.echo(output.as_json(result))
    else:
        print_csv(output.rows(result))
    print_skipped(result.skipped, err=not is_table)
    for warning in result.warnings:
        print_warning(warning, err=not is_table)
    print_no_paternity_test(err=not is_table)


def _save_drawing(
    result: Result, picture: PictureOptions, save: Path, drawing: dict[str, str]
) -> None:
    from facematch.pictures import draw
    from facematch.pictures.canvas import save_picture

    with glyph_warnings_shown():
        pixels = draw(result, "dark" if picture.dark else "light", **drawing)
    typer.echo(save_picture(pixels, save), err=True)


@contextmanager
def glyph_warnings_shown() -> Iterator[None]:
    """Say on stderr, each once, which characters of the pictures drawn within no font has."""
    from facematch.pictures.letters import MissingGlyphWarning

    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always", MissingGlyphWarning)
        yield
    for each in given:
        if each.category is not MissingGlyphWarning:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    lines = [str(each.message) for each in given if each.category is MissingGlyphWarning]
    for line in dict.fromkeys(lines):
        typer.secho(f"warning: {printable(line)}", fg="yellow", err=True)


def print_csv(rows: Iterable[dict[str, Any]]) -> None:
    """Rows with the same columns as CSV on stdout."""
    from facematch.output.writing import write_rows

    found = list(rows)
    write_rows(found, list(found[0]) if found else [], "csv", None)


def print_skipped(skipped: Iterable[Skipped], *, err: bool) -> None:
    """A line for each photo that was left out, with the reason."""
    for photo in skipped:
        line = printable(f"left out: {photo.photo}: {with_flags(photo.reason)}")
        typer.secho(line, fg="yellow", err=err)


def print_warning(warning: str, *, err: bool) -> None:
    """What makes a result less sure, in yellow."""
    typer.secho(printable(f"warning: {with_flags(warning)}"), fg="yellow", err=err)


def with_flags(message: str) -> str:
    """A message of the library with options in place of arguments: "--min-face 10"."""
    told = _ARGUMENTS.sub(
        lambda found: f"--{found[1].replace('_', '-')}{' ' if found[2] else ''}", message
    )
    return _NAMED_ARGUMENTS.sub(r"--\1", told)


def rows_with_flags(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows whose reasons name options in place of arguments."""
    for row in rows:
        reason = row.get("reason")
        yield row | {"reason": with_flags(reason)} if isinstance(reason, str) else row


def print_no_paternity_test(*, err: bool) -> None:
    """Say what a score is not."""
    from facematch.scoring.wording import NO_PATERNITY_TEST

    typer.echo(NO_PATERNITY_TEST, err=err)


def print_table(table: RenderableType) -> None:
    """On stdout, as wide as the terminal."""
    from rich.console import Console

    # A pipe has no width that a table must fit.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    Console(highlight=False, emoji=False, width=width).print(table)


def with_progress(photos: Sequence[str], what: str) -> Iterable[str]:
    """The photos, with a progress bar on stderr if that is a terminal."""
    if not sys.stderr.isatty():
        return photos
    from rich.console import Console
    from rich.progress import track

    return track(photos, description=what, console=Console(stderr=True), transient=True)


def refuse_overwrite(out: Path | None, *given: str | Path | None) -> None:
    """Raise OptionError where a file to write is one of the files given."""
    if out is None:
        return
    for path in given:
        if path is not None and _is_same_file(out, path):
            raise OptionError(f"{out} is one of the files given: name another place to write to")


def _is_same_file(one: Path, other: str | Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one of them does not exist, or its name is no path
        return os.path.abspath(one) == os.path.abspath(other)
