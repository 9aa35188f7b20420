"""Commands for archives: an index of every face, and its upkeep."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.options import (
    DetectorName,
    EmbedderName,
    MinFace,
    On,
    app,
    matcher_of,
    reads_photos,
)
from facematch.errors import NoFaceError, printable

if TYPE_CHECKING:
    from facematch.archive.index import Index
    from facematch.archive.indexing import IndexingReport
    from facematch.archive.records import IndexedPhoto


database = typer.Typer(
    help="An index that `facematch index` made: what it holds, and its upkeep (extra \\[archive]).",
    no_args_is_help=True,
)

app.add_typer(database, name="db")

Place = Annotated[str, typer.Argument(metavar="DIR", help="The folder or address of the index.")]


@app.command()
@reads_photos
def index(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO…", help="Photos, or folders of photos.")
    ],
    db: Annotated[
        str,
        typer.Option(metavar="DIR", help="A folder, or an address such as s3://bucket/faces."),
    ],
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare contents, not files' times and sizes.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Look again at photos that failed before.")
    ] = False,
    on: On = None,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    r"""Keep every face of an archive in an index, for `find --db` and the like (extra \[archive]).

    A second run looks only at photos that are new or have changed; it can be stopped at any moment.
    Photos gone from the folders given are taken out. The index holds face templates: its folder is
    yours alone to read.
    """
    from facematch.archive.changes import IndexingOptions
    from facematch.photos.listing import list_photos, photos_in

    # An empty folder is none at first; later all its photos may be gone.
    listed = [
        photo
        for path in photos
        for photo in (photos_in(path) if os.path.exists(db) else list_photos(path))
    ]
    folders = [str(path) for path in photos if path.is_dir()]
    matcher = matcher_of(detector, embedder, min_face, many=True)
    kept = matcher.open_index(db, make=True)
    options = IndexingOptions(tuple(folders), verify=verify, retry=retry)
    try:
        told = matcher.index_photos(listed, kept, options=options, on_progress=_watched, on=on)
    except KeyboardInterrupt:
        typer.echo(f"facematch: stopped: {db} keeps what is done, run it again to go on", err=True)
        raise typer.Exit(130) from None
    _tell(told, kept)


@database.command("info")
def info(
    place: Place,
    failed: Annotated[
        bool, typer.Option("--failed", help="Name the photos that gave no face, and why.")
    ] = False,
) -> None:
    """Say what an index holds, and which engine made it."""

    found = _opened(place)
    useless = list(found.failed())
    if failed:
        for each in useless:
            typer.echo(f"{each['photo']}: {each['code']}: {each['reason']}")
        return
    size = found.bytes_on_disk
    facts = {
        "faces": f"{found.count():,}",
        "photos": f"{found.photos_with_faces():,} with a face",
        "failed": _codes(Counter(each["code"] for each in useless)),
        "engine": ", ".join(f"{name} {value}" for name, value in found.engine.items()),
        "size": "not known of object storage" if size is None else f"{size / 1e6:,.1f} MB",
        "search": "approximate" if found.is_large else "exact",
    }
    for name, value in facts.items():
        typer.echo(f"{name:<8}{value}")


@database.command("verify")
def verify_index(
    place: Place,
    content: Annotated[
        bool, typer.Option("--content", help="Read the photos and compare their contents.")
    ] = False,
) -> None:
    """Compare an index with the photos' files, and its rows with each other; fails if they differ.

    `facematch index` brings missing and changed photos up to date.
    """
    from facematch.archive.changes import differences

    found = _opened(place)
    wrong = 0
    for photo, what in (*differences(found, verify=content), *found.faults()):
        typer.echo(f"{photo}: {what}")
        wrong += 1
    typer.echo(f"{found.where}: {wrong:,} differences", err=True)
    if wrong:
        raise typer.Exit(1)


@database.command("compact")
def compact(place: Place) -> None:
    """Make few large files of many small ones, and destroy what was removed before."""
    found = _opened(place)
    before = found.bytes_on_disk
    with found.writing():
        found.compact()
    after = found.bytes_on_disk
    if before is not None and after is not None:
        typer.echo(f"{found.where}: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")


@database.command("forget")
def forget(
    place: Place,
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO…", help="Photos, or folders of a person's.")
    ],
) -> None:
    """Take photos out of an index, and their copies; what was stored is destroyed.

    Photos are known by name, though there be no file any more, and by content. Those that stay
    where they are would be indexed again.
    """
    from facematch.archive.changes import forget_photos, unknown_names
    from facematch.scoring.wording import counted

    found = _opened(place)
    strange = unknown_names(found, photos)
    gone = forget_photos(found, photos)
    typer.echo(f"{found.where}: {counted(gone, 'face')} forgotten")
    for name in strange:
        line = f"{name}: no such file, and not in this index: check the name"
        typer.secho(printable(line), fg="yellow", err=True)
    if strange:
        raise typer.Exit(1)


def _opened(place: str) -> Index:
    from facematch.archive.index import Index

    return Index(place)


def _tell(told: IndexingReport, kept: Index) -> None:
    """What a run did, in a line each."""
    from facematch.scoring.wording import counted

    where = kept.where if "://" in kept.where else os.path.abspath(kept.where)
    typer.echo(f"{where}: {counted(kept.count(), 'face')}")
    seen = f"{counted(told.searched, 'photo')} searched, {counted(told.faces, 'face')} found"
    typer.echo(
        f"{seen}, {told.moved:,} known by content, {told.gone:,} gone, {told.unchanged:,} unchanged"
    )
    if told.failed:
        failed = _codes(told.failed)
        typer.echo(f"without a usable face: {failed}; `facematch db info --failed` names them")
    for skipped in told.skipped:
        line = printable(f"left out: {skipped.photo}: {skipped.reason}")
        typer.secho(line, fg="yellow", err=True)
    if not kept.count() and told.skipped:
        first = told.skipped[0]
        raise NoFaceError(first.photo, f"{first.reason}; no usable photo is left")


def _codes(counts: dict[str, int]) -> str:
    parts = [f"{count:,} {code}" for code, count in sorted(counts.items())]
    return ", ".join(parts) or "none"


def _watched(photos: Iterable[IndexedPhoto], total: int) -> Iterator[IndexedPhoto]:
    """The photos, with rate and time left on stderr while a person watches."""
    if not sys.stderr.isatty():
        yield from photos
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f} a second, left" if task.speed else "")

    columns = TextColumn("photos"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield from bars.track(photos, total=total)
