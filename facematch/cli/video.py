"""The command that scores everyone in a clip."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.options import PictureOptions, ScoringOptions, VerdictFormat, VerdictOption
from facematch.cli.people import photos_by_name, roles_in_photo
from facematch.cli.printing import glyph_warnings_shown, refuse_overwrite, show_result
from facematch.cli.stopping import INTERRUPTED

if TYPE_CHECKING:
    from facematch.video.both import ClipRoles
    from facematch.video.clip import Clip


def video(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A clip that shows the child.")],
    picture: PictureOptions,
    engine: ScoringOptions,
    parent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATH",
            help="A photo of a parent, or a folder of photos; once for each parent. With --names, "
            "a name.",
        ),
    ] = None,
    label: Annotated[
        bool, typer.Option("--label", help="Save the people of the clip, numbered.")
    ] = False,
    names: Annotated[
        str | None,
        typer.Option(metavar="1=dad,2=son", help="Who the people of the clip are, by number."),
    ] = None,
    result_format: VerdictOption = VerdictFormat.TABLE,
) -> None:
    """Score everyone in a clip against parents: the best frames of each person are averaged.

    Without --parent the clip shows both: its children are compared with its adults. Where age does
    not tell them apart, --label numbers everyone, then --names says who they are. Ctrl-C ends the
    search and prints what is known by then. This is no paternity test.
    """
    parents, roles = _parents_and_roles(parent, names, picture.save)
    matcher = engine.matcher(many=True)  # so a clip is decoded in a process of its own
    with _until_interrupted("clip") as on_progress:
        found = matcher.video(
            clip, parents, roles=None if label else roles, on_progress=on_progress
        )
    if label:
        _save_numbered(found, picture)
    else:
        show_result(found, result_format, picture)
    if not found.complete:
        raise typer.Exit(INTERRUPTED)


def _parents_and_roles(
    parent: list[str] | None, names: str | None, save: Path | None
) -> tuple[dict[str, list[str]] | None, ClipRoles | None]:
    """Photos of parents, or who is a parent in the clip itself; the other is None."""
    from facematch.video.both import ClipRoles

    if names is not None:
        return None, ClipRoles(*roles_in_photo(names, parent, None))
    if parent is None:
        return None, ClipRoles()
    return photos_by_name(parent, "--parent", save), None


def _save_numbered(found: Clip, picture: PictureOptions) -> None:
    """Save the people of a clip with their numbers, and say what to do with them."""
    from facematch.pictures import draw
    from facematch.pictures.canvas import save_picture

    path = picture.save or Path(f"{Path(found.clip).stem}-numbered.png")
    refuse_overwrite(path, found.clip)
    with glyph_warnings_shown():
        drawn = draw(found)
    typer.echo(f"{save_picture(drawn, path)}: {len(found.people)} people, numbered")
    typer.echo("now say who they are: --names 1=dad,2=son", err=True)


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
