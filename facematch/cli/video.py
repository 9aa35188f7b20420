"""The command that scores everyone in a clip."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.options import PictureOptions, ScoringOptions, VerdictFormat, VerdictOption
from facematch.cli.people import photos_by_name
from facematch.cli.printing import show_result
from facematch.cli.stopping import INTERRUPTED


def video(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A clip that shows the child.")],
    picture: PictureOptions,
    engine: ScoringOptions,
    parent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATH",
            help="A photo of a parent, or a folder of photos; once for each parent.",
        ),
    ] = None,
    result_format: VerdictOption = VerdictFormat.TABLE,
) -> None:
    """Score everyone in a clip against parents: the best frames of each person are averaged.

    Ctrl-C ends the search and prints what is known by then. This is no paternity test.
    """
    parents = photos_by_name(parent, "--parent", picture.save)
    matcher = engine.matcher(many=True)  # so a clip is decoded in a process of its own
    with _until_interrupted("clip") as on_progress:
        found = matcher.video(clip, parents, on_progress=on_progress)
    show_result(found, result_format, picture)
    if not found.complete:
        raise typer.Exit(INTERRUPTED)


@contextmanager
def _until_interrupted(what: str) -> Iterator[Callable[[float], bool]]:
    """An `on_progress` that shows a bar on a terminal, and that Ctrl-C makes False.

    Before it is first called, Ctrl-C ends the program as usual; so does a second one.
    """
    usual = signal.getsignal(signal.SIGINT)
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, usual)

    with _progress_bar(what) as show:
        first = True

        def on_progress(share: float) -> bool:
            nonlocal first
            if first:
                signal.signal(signal.SIGINT, stop)
                first = False
            show(share)
            return not stopped

        try:
            yield on_progress
        finally:
            signal.signal(signal.SIGINT, usual)


@contextmanager
def _progress_bar(what: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr if that is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=1.0)
        yield lambda share: bars.update(bar, completed=share)
