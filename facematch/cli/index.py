"""Commands for an index of an archive: filling it, and what it holds."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.folders import photos_given
from facematch.cli.memory import INDEX_BYTES, check_address_space
from facematch.cli.options import EngineOptions, OnOption
from facematch.cli.printing import print_skipped
from facematch.cli.stopping import INTERRUPTED
from facematch.errors import NoFaceError, printable

if TYPE_CHECKING:
    from facematch.archive.index import Index
    from facematch.archive.indexing import IndexingReport
    from facematch.archive.records import IndexedPhoto

db = typer.Typer(
    help="An index that `facematch index` made: show, check, compact it (extra \\[archive]).",
    no_args_is_help=True,
)

PlaceArgument = Annotated[
    str, typer.Argument(metavar="DIR", help="The folder or address of the index.")
]


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """Which photos that the index knows are searched again."""

    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the files' contents, not times and sizes.")
    ] = False
    retry: Annotated[
        bool, typer.Option("--retry", help="Search photos again that failed before.")
    ] = False


def index(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO…", help="Photos, or folders of photos.")
    ],
    place: Annotated[
        str,
        typer.Option("--db", metavar="DIR", help="A folder, or an address: s3://bucket/faces."),
    ],
    update: UpdateOptions,
    engine: EngineOptions,
    on: OnOption = None,
) -> None:
    r"""Keep every face of an archive in an index, for `find --db` and `match --db`.

    Needs the extra \[archive]. A second run searches only photos that are new or have changed. It
    can be stopped at any moment. Photos that were deleted from the folders given are taken out.
    The index holds face templates: only its owner may read its folder.
    """
    from facematch.archive.changes import IndexingOptions

    # A folder without a photo is an error at first; later all its photos may be deleted.
    is_known = os.path.exists(place)
    listed = [photo for path in photos for photo in photos_given(path, or_none=is_known)]
    folders = tuple(str(path) for path in photos if path.is_dir())
    check_address_space(INDEX_BYTES)
    matcher = engine.matcher(many=True)
    filled = matcher.open_index(place, make=True)
    options = IndexingOptions(folders, verify=update.verify, retry=update.retry)
    try:
        report = matcher.index_photos(
            listed, filled, options=options, on_progress=_with_rate, on=on
        )
    except KeyboardInterrupt:
        typer.echo(
            f"facematch: stopped: {place} keeps what is done, the same command goes on", err=True
        )
        raise typer.Exit(INTERRUPTED) from None
    _print_report(report, filled)


@db.command("info")
def show_index(
    place: PlaceArgument,
    failed: Annotated[
        bool, typer.Option("--failed", help="List the photos that gave no face, and why.")
    ] = False,
) -> None:
    """Say what an index holds, and which engine made it."""
    found = _open_index(place)
    failures = list(found.failed())
    if failed:
        for photo in failures:
            typer.echo(f"{photo['photo']}: {photo['code']}: {photo['reason']}")
        return
    size = found.bytes_on_disk
    facts = {
        "faces": f"{found.count():,}",
        "photos": f"{found.photos_with_faces():,} with a face",
        "failed": _counts_by_code(Counter(photo["code"] for photo in failures)),
        "engine": ", ".join(f"{name} {value}" for name, value in found.engine.items()),
        "size": "not known of object storage" if size is None else f"{size / 1e6:,.1f} MB",
        "search": "approximate" if found.is_large else "exact",
    }
    for name, value in facts.items():
        typer.echo(f"{name:<8}{value}")


@db.command("verify")
def verify_index(
    place: PlaceArgument,
    content: Annotated[
        bool, typer.Option("--content", help="Read the photos and compare their contents.")
    ] = False,
) -> None:
    """Compare an index with the photos' files, and its rows with each other; fails if they differ.

    `facematch index` brings missing and changed photos up to date.
    """
    from facematch.archive.changes import differences

    found = _open_index(place)
    count = 0
    for photo, difference in (*differences(found, verify=content), *found.faults()):
        typer.echo(f"{photo}: {difference}")
        count += 1
    typer.echo(f"{found.where}: {count:,} differences", err=True)
    if count:
        raise typer.Exit(1)


@db.command("compact")
def compact_index(place: PlaceArgument) -> None:
    """Make few large files of many small ones, and destroy what was removed before."""
    found = _open_index(place)
    before = found.bytes_on_disk
    with found.writing():
        found.compact()
    after = found.bytes_on_disk
    if before is not None and after is not None:
        typer.echo(f"{found.where}: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")


@db.command("forget")
def forget_in_index(
    place: PlaceArgument,
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO…", help="Photos, or folders of photos.")
    ],
) -> None:
    """Take photos and their copies out of an index; what was stored is destroyed.

    Photos are found by name, even if the file is gone, and by content. Photos whose files stay
    in an indexed folder are indexed again by the next `facematch index`.
    """
    from facematch.archive.changes import forget_photos, unknown_names
    from facematch.scoring.wording import counted

    found = _open_index(place)
    unknown = unknown_names(found, photos)
    count = forget_photos(found, photos)
    typer.echo(f"{found.where}: {counted(count, 'face')} forgotten")
    for name in unknown:
        line = f"{name}: no such file, and not in this index: check the name"
        typer.secho(printable(line), fg="yellow", err=True)
    if unknown:
        raise typer.Exit(1)


def _open_index(place: str) -> Index:
    check_address_space(INDEX_BYTES)
    from facematch.archive.index import Index

    return Index(place)


def _print_report(report: IndexingReport, filled: Index) -> None:
    """What a run did, in a line each."""
    from facematch.scoring.wording import counted

    where = filled.where if "://" in filled.where else os.path.abspath(filled.where)
    typer.echo(f"{where}: {counted(filled.count(), 'face')}")
    typer.echo(
        f"{counted(report.searched, 'photo')} searched, {counted(report.faces, 'face')} found, "
        f"{report.moved:,} known by content, {report.gone:,} gone, {report.unchanged:,} unchanged"
    )
    if report.failed:
        typer.echo(
            f"without a usable face: {_counts_by_code(report.failed)}; "
            "`facematch db info --failed` names them"
        )
    print_skipped(report.skipped, err=True)
    if not filled.count() and report.skipped:
        first = report.skipped[0]
        raise NoFaceError(first.photo, f"{first.reason}; no usable photo is left")


def _counts_by_code(counts: dict[str, int]) -> str:
    parts = [f"{count:,} {code}" for code, count in sorted(counts.items())]
    return ", ".join(parts) or "none"


def _with_rate(photos: Iterable[IndexedPhoto], total: int) -> Iterator[IndexedPhoto]:
    """The photos, with their rate and the time left on stderr if that is a terminal."""
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
