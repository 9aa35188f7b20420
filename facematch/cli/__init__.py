"""The command line: read arguments, call the library, print. stdout is data, stderr is talk."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from facematch.cli import archives, families, scoring, upkeep
from facematch.cli.options import app
from facematch.errors import FacematchError, printable

# The modules add their commands to app.
__all__ = ["app", "archives", "families", "main", "scoring", "upkeep"]


def _print_version(wanted: bool) -> None:
    if wanted:
        from facematch.runtime.extras import installed_version

        typer.echo(f"facematch {installed_version()}")
        raise typer.Exit


@app.callback()
def _facematch(
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a FacematchError becomes one line on stderr and exit status 1."""
    # Labels may hold any character; a terminal that cannot show one must not stop the report.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    _quiet_libraries()
    try:
        app()
    except FacematchError as error:
        typer.echo(f"facematch: {printable(str(error))}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _quiet_libraries() -> None:
    """Keep decoders' own remarks off stderr: what matters comes as a PhotoError."""
    import logging
    import warnings

    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # read when OpenCV is first imported
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # when it first opens a clip
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
