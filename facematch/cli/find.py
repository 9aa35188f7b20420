"""The command that searches an archive: who looks most like a child."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.folders import photos_given
from facematch.cli.options import (
    CacheOption,
    PictureOptions,
    ScoringOptions,
    VerdictFormat,
    VerdictOption,
)
from facematch.cli.people import photos_by_name
from facematch.cli.printing import show_result, with_progress
from facematch.cli.stopping import Tally, stoppable
from facematch.errors import MissingPhotoError, OptionError

if TYPE_CHECKING:
    from datetime import date

    from facematch.archive.index import Index
    from facematch.photos.dates import Span


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """The archive that is searched: a folder or an index."""

    folder: Annotated[
        Path | None, typer.Option("--in", metavar="FOLDER", help="The archive, a folder of photos.")
    ] = None
    db: Annotated[
        str | None,
        typer.Option("--db", metavar="DIR", help="The archive, as `facematch index` keeps it."),
    ] = None
    cache: CacheOption = None

    def check(self) -> None:
        """Raise where there is not exactly one archive."""
        if (self.folder is None) == (self.db is None):
            raise OptionError("where to search? Name a folder with --in, or an index with --db")
        if self.db is not None and self.cache is not None:
            raise OptionError("--cache is for --in: an index keeps the faces of its photos already")
        if self.folder is not None and not self.folder.exists():
            raise MissingPhotoError(str(self.folder), "there is no such folder: check the name")


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """Which people of the archive are shown."""

    top: Annotated[int, typer.Option(min=1, metavar="K", help="How many people to show.")] = 10
    in_year: Annotated[
        str | None,
        typer.Option(metavar="YEARS", help="Only photos of one year, or of several: 1950-1970."),
    ] = None
    older_than_child: Annotated[
        bool,
        typer.Option(
            "--older-than-child",
            help="Only photos from before the child was born, or before its first dated photo.",
        ),
    ] = False
    born: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="When the child was born, for --older-than-child."),
    ] = None

    def days(self) -> Span | None:
        """The days of --in-year."""
        from facematch.photos.dates import parse_years

        return None if self.in_year is None else parse_years(self.in_year)

    def birth(self) -> date | None:
        """The day of --born."""
        from facematch.photos.dates import parse_date

        if self.born is None:
            return None
        if not self.older_than_child:
            raise OptionError("--born is for --older-than-child: name both")
        return parse_date(self.born.rpartition("=")[2], f"--born {self.born}")


def find(
    child: Annotated[
        str, typer.Argument(metavar="CHILD", help="A photo or a folder; NAME=PATH names the child.")
    ],
    archive: ArchiveOptions,
    wanted: FilterOptions,
    picture: PictureOptions,
    engine: ScoringOptions,
    result_format: VerdictOption = VerdictFormat.TABLE,
) -> None:
    """Find who in an archive looks most like a child: every face, grouped by person.

    Siblings are kept apart, so one person's photos may form several groups. Photos are dated by
    their names or EXIF. This is no paternity test.
    """
    archive.check()
    days, birth = wanted.days(), wanted.birth()
    matcher = engine.matcher(many=True, cache=archive.cache)
    people = photos_by_name([child], "CHILD", picture.save)
    tally = Tally()
    with stoppable([tally], archive.cache):
        searched: Index | Iterable[str]
        if archive.db is not None:
            searched = matcher.open_index(archive.db)
        else:
            photos = photos_given(archive.folder or "")
            searched = tally.photos(with_progress(photos, "photos"), len(photos))
        found = matcher.find(
            people, searched, top=wanted.top, days=days, older=wanted.older_than_child, born=birth
        )
    show_result(found, result_format, picture)
