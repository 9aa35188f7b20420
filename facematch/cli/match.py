"""Commands that score many photos: every child against every parent, and pairs of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.options import OnOption, RunOptions, ScoringOptions, TableOptions
from facematch.cli.people import named_photos
from facematch.cli.printing import (
    print_no_paternity_test,
    refuse_overwrite,
    rows_with_flags,
    with_progress,
)
from facematch.cli.stopping import Tally, stoppable
from facematch.errors import OptionError

if TYPE_CHECKING:
    from facematch.archive.index import Index
    from facematch.matcher import FaceMatcher
    from facematch.output.comparison import Row
    from facematch.types import Gallery

_OBJECT_FORMATS = ("json", "jsonl")  # a pair has the fields of `score --format json`
_RESUMABLE_FORMATS = ("csv", "json", "jsonl")  # a row is added at the end of the file


@dataclass(frozen=True, slots=True)
class MatchOptions:
    """What `match` compares."""

    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="For each child only the K parents most alike. Default: all; in an index 10.",
        ),
    ] = None
    people: Annotated[
        bool, typer.Option("--people", help="A folder in PARENTS or CHILDREN is one person.")
    ] = False
    on: OnOption = None


ParentsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PARENTS",
        help="A photo, or a folder of photos. With --db and no CHILDREN, the children.",
    ),
]
ChildrenArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="CHILDREN", help="A photo, or a folder of photos. Not needed with --db."
    ),
]


def match(
    parents: ParentsArgument,
    wanted: MatchOptions,
    table: TableOptions,
    run: RunOptions,
    engine: ScoringOptions,
    children: ChildrenArgument = None,
) -> None:
    """Score every child against every parent, by the largest face of each photo.

    With --people each folder within PARENTS or CHILDREN is one person, whose photos are averaged.
    With --db and one argument, its photos are the children, and every face in the index is a
    parent.

    Photos that cannot be used become rows with a reason. As JSON, each pair of two photos has the
    fields of `score`. This is no paternity test.
    """
    from facematch.output.comparison import RESULTS
    from facematch.output.pair_objects import PAIR_FIELDS
    from facematch.output.writing import check_place, write_rows

    _check_match(children, wanted, table, run)
    check_place(table.out)
    sides = {"children": parents}
    if children is not None:
        sides = {"parents": parents, "children": children}
    store = None if children is None else run.db
    many = any(path.is_dir() for path in sides.values())
    matcher = engine.matcher(many=many, cache=run.cache, index=store)
    archive = matcher.open_index(run.db) if children is None and run.db is not None else None
    tallies = {role: Tally() for role in sides}
    with stoppable(list(tallies.values()), run.cache, table.out):
        listed = {role: named_photos(path) for role, path in sides.items()}
        refuse_overwrite(table.out, run.cache, *chain.from_iterable(listed.values()))
        found: dict[str, Iterable[Gallery]] = {
            role: tallies[role].galleries(
                matcher.galleries(with_progress(photos, role), on=wanted.on), len(photos)
            )
            for role, photos in listed.items()
        }
        if wanted.people:
            found = {role: _by_person(matcher, sides[role], parts) for role, parts in found.items()}
        if archive is None and table.kind in _OBJECT_FORMATS:
            rows, columns = _objects_of_parents(matcher, found, wanted.top), [*PAIR_FIELDS]
        elif archive is None:
            rows = _rows_of_parents(matcher, found, wanted.top)
            columns = ["parent", "child", *RESULTS]
        else:
            rows = _rows_of_index(
                matcher, archive, tallies["children"], found["children"], wanted.top
            )
            columns = ["parent", "parent_face", "child", *RESULTS]
        write_rows(rows_with_flags(rows), columns, table.kind, table.out, resume=run.resume)
    if archive is not None:
        how = "approximate" if archive.is_large else "exact"
        typer.echo(f"{how} search of {archive.count():,} faces", err=True)
    print_no_paternity_test(err=True)
    for tally in tallies.values():
        tally.fail_if_nothing()


def pairs(
    pair_table: Annotated[
        Path,
        typer.Argument(metavar="PAIRS.csv", help="With columns parent and child: paths of photos."),
    ],
    table: TableOptions,
    run: RunOptions,
    engine: ScoringOptions,
) -> None:
    """Score the pairs of photos in a CSV, a row each; other columns are copied.

    Paths are relative to the current folder. Each photo is read once. This is no paternity test.
    """
    from facematch.output.comparison import RESULTS
    from facematch.output.pairs import pair_photos, pair_rows, read_pairs
    from facematch.output.writing import check_place, write_rows

    _check_resume(table, run)
    check_place(table.out)
    matcher = engine.matcher(many=True, cache=run.cache, index=run.db)
    tally = Tally()
    with stoppable([tally], run.cache, table.out):
        columns, wanted = read_pairs(pair_table)
        photos = pair_photos(wanted)
        refuse_overwrite(table.out, pair_table, run.cache, *photos)
        found = matcher.galleries(with_progress(photos, "photos"))
        rows = pair_rows(tally.galleries(found, len(photos)), wanted, matcher.match_pairs)
        told = rows_with_flags(rows)
        write_rows(told, [*columns, *RESULTS], table.kind, table.out, resume=run.resume)
    print_no_paternity_test(err=True)
    tally.fail_if_nothing()


def _check_match(
    children: Path | None, wanted: MatchOptions, table: TableOptions, run: RunOptions
) -> None:
    if children is None and run.db is None:
        raise OptionError("against whom? Name CHILDREN too, or an index with --db")
    if children is None and wanted.people:
        raise OptionError("--people needs PARENTS and CHILDREN: an index knows faces, not people")
    _check_resume(table, run)
    if run.resume and wanted.on is not None:
        raise OptionError("--resume needs a cache, which --on does not use: leave one of them out")


def _check_resume(table: TableOptions, run: RunOptions) -> None:
    kind = table.kind  # raises where the format is not known
    if not run.resume:
        return
    if run.cache is None or table.out is None:
        raise OptionError(
            "--resume continues a file with what a cache kept: name both with -o FILE and "
            "--cache FILE, in the first run too"
        )
    if kind not in _RESUMABLE_FORMATS:
        raise OptionError(
            f"--resume is for {', '.join(_RESUMABLE_FORMATS)}, not for {kind}: end {table.out} so"
        )


def _rows_of_parents(
    matcher: FaceMatcher, found: Mapping[str, Iterable[Gallery]], top: int | None
) -> Iterator[Row]:
    """Rows of every child against every parent."""
    from facematch.output.comparison import comparison_rows
    from facematch.types import Gallery

    parents = Gallery.joined(list(found["parents"]))
    return comparison_rows(parents, found["children"], partial(matcher.match, top=top))


def _objects_of_parents(
    matcher: FaceMatcher, found: Mapping[str, Iterable[Gallery]], top: int | None
) -> Iterator[Row]:
    """As `_rows_of_parents`, with the fields that `score` gives as JSON."""
    from facematch.output.pair_objects import pair_objects
    from facematch.types import Gallery

    parents = Gallery.joined(list(found["parents"]))
    match = partial(matcher.match, top=top)
    return pair_objects(matcher.engine, parents, found["children"], match)


def _rows_of_index(
    matcher: FaceMatcher,
    archive: Index,
    tally: Tally,
    found: Iterable[Gallery],
    top: int | None,
) -> Iterator[Row]:
    """Rows of every child against the faces of an index."""
    from facematch.output.comparison import comparison_rows
    from facematch.types import Gallery

    children = Gallery.joined(list(found))
    tally.fail_if_nothing()
    faces, comparison = matcher.match_index(archive, children, top=top or 10)
    return comparison_rows(faces, [children], lambda *_: [comparison], faces=True)


def _by_person(matcher: FaceMatcher, root: Path, parts: Iterable[Gallery]) -> list[Gallery]:
    """One gallery with a row for each person, whose photos count once each."""
    from facematch.enrolment.copies import without_copies
    from facematch.types import Gallery

    photos = Gallery.joined(list(parts))
    people = [_folder_or_photo(root, photo) for photo in photos.labels]
    photos = without_copies(matcher.engine, photos, people)
    return [photos.by_person([_folder_or_photo(root, photo) for photo in photos.labels])]


def _folder_or_photo(root: Path, photo: str) -> str:
    """The folder within `root` that holds a photo; the photo itself where there is none."""
    parts = Path(photo).relative_to(root).parts if root.is_dir() else ()
    return parts[0] if len(parts) > 1 else photo
