"""Commands for families: who looks like whom, since when, why, on a card, in a clip."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from facematch.cli.options import (
    CacheFile,
    Database,
    DetectorName,
    EmbedderName,
    FaceNumber,
    MinFace,
    app,
    matcher_of,
    print_table,
    reads_photos,
    refuse_overwrite,
    watched,
)
from facematch.cli.stopping import Tally, stoppable
from facematch.errors import MissingPhotoError, OptionError, TableError, printable

if TYPE_CHECKING:
    from datetime import date

    from facematch.archive.index import Index
    from facematch.types import Portrait, Skipped


class VerdictFormat(StrEnum):
    """How a verdict is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


Parents = Annotated[
    list[str] | None,
    typer.Option(
        "--parent",
        metavar="[NAME=]PATH",
        help="A photo of a parent, or a folder of photos; once for each parent.",
    ),
]


Children = Annotated[
    list[str] | None,
    typer.Option("--child", metavar="[NAME=]PATH", help="Of a child, likewise."),
]


def _drawable(path: Path | None) -> Path | None:
    """The path, refused before anything is computed where no picture could be written there."""
    from facematch.pictures.canvas import check_ending

    if path is not None:
        check_ending(path)
    return path


SavePicture = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="PICTURE",
        help="Draw it there: a .png, .jpg or .webp.",
        callback=_drawable,
    ),
]


Dark = Annotated[bool, typer.Option("--dark", help="Draw the picture light on dark.")]


VerdictOption = Annotated[VerdictFormat, typer.Option("--format", help="How to print it.")]


@app.command()
@reads_photos
def family(
    parent: Parents = None,
    child: Children = None,
    photo: Annotated[
        Path | None, typer.Option(metavar="PHOTO", help="One photograph of all of them.")
    ] = None,
    label: Annotated[
        bool, typer.Option("--label", help="Of --photo, draw its faces with their numbers.")
    ] = False,
    names: Annotated[
        str | None,
        typer.Option(metavar="1=mum,2=dad,…", help="Of --photo: who has which number."),
    ] = None,
    save: SavePicture = None,
    dark: Dark = False,
    format: VerdictOption = VerdictFormat.TABLE,  # noqa: A002 - the option's name
    db: Database = None,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Say who looks like whom: each child against each parent, and how sure that is.

    People are photos or folders of photos, named after the file or the folder, or NAME=PATH.

    One photograph will do: --photo PHOTO --label draws numbers on its faces, then --names says who
    they are. mum, mom, mother, dad, father and the like are parents, others are children, unless
    --parent NAME and --child NAME say so. This is no paternity test.
    """
    matcher = matcher_of(detector, embedder, min_face, db, many=_folders(parent, child))
    if photo is None:
        found = matcher.family(_people(parent, "--parent", save), _people(child, "--child", save))
    else:
        if names is None and not label:
            raise OptionError(
                "--photo: --label draws numbers on its faces, then --names says who they are"
            )
        if label or names is None:
            _draw_numbers(matcher.find_faces(photo), save)
            return
        parents, children = _roles(names, parent, child)
        found = matcher.family_in_photo(photo, dict(parents), dict(children))
    _show_verdict(found, format, save, dark)


Dates = Annotated[
    Path | None,
    typer.Option("--dates", metavar="CSV", help="When photos were taken: columns photo and date."),
]


Born = Annotated[
    list[str] | None,
    typer.Option(
        "--born",
        metavar="NAME=DATE",
        help="Who was born when: then ages are told, and the parent's photo at the child's age is "
        "taken where there is one.",
    ),
]


@app.command()
@reads_photos
def timeline(
    parent: Parents = None,
    child: Children = None,
    dates: Dates = None,
    born: Born = None,
    save: SavePicture = None,
    dark: Dark = False,
    format: VerdictOption = VerdictFormat.TABLE,  # noqa: A002 - the option's name
    db: Database = None,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Show how a child's likeness to each parent changes over time.

    Dates come from --dates, from file names such as 2018-05-16.jpg, or from EXIF. This is no
    paternity test.
    """
    matcher = matcher_of(detector, embedder, min_face, db, many=_folders(parent, child))
    found = matcher.timeline(
        _people(parent, "--parent", save),
        _people(child, "--child", save),
        dates=_dates(dates),
        born=_births(born),
    )
    _show_verdict(found, format, save, dark)


@app.command()
@reads_photos
def report(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="A .html file.")],
    parent: Parents = None,
    child: Children = None,
    dates: Dates = None,
    born: Born = None,
    db: Database = None,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Write one page with the verdicts, cards, charts and what they mean.

    It loads nothing from anywhere, and holds these people's faces. This is no paternity test.
    """
    matcher = matcher_of(detector, embedder, min_face, db, many=_folders(parent, child))
    written = matcher.report(
        _people(parent, "--parent", out),
        _people(child, "--child", out),
        dates=_dates(dates),
        born=_births(born),
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(written, encoding="utf-8")
    except OSError as error:
        raise TableError(f"{out} cannot be written ({error.strerror})") from error
    typer.echo(out)


@app.command()
@reads_photos
def find(
    child: Annotated[
        str, typer.Argument(metavar="CHILD", help="A photo or a folder; NAME=PATH names the child.")
    ],
    folder: Annotated[
        Path | None, typer.Option("--in", metavar="FOLDER", help="The archive of photos.")
    ] = None,
    db: Annotated[
        str | None,
        typer.Option("--db", metavar="DIR", help="The archive as `facematch index` keeps it."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, metavar="K", help="How many people to show.")] = 10,
    in_year: Annotated[
        str | None,
        typer.Option(metavar="YEARS", help="Only photos of a year, or of some: 1950-1970."),
    ] = None,
    older_than_child: Annotated[
        bool,
        typer.Option(
            "--older-than-child",
            help="Only photos from before the child was born, or else before its first dated one.",
        ),
    ] = False,
    born: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="When the child was born, for --older-than-child."),
    ] = None,
    save: SavePicture = None,
    dark: Dark = False,
    format: VerdictOption = VerdictFormat.TABLE,  # noqa: A002 - the option's name
    cache: CacheFile = None,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Find who in an archive looks most like a child: every face, grouped by person.

    Grouping keeps siblings apart rather than photos together. Photos are dated by their names or
    EXIF. This is no paternity test.
    """
    from facematch.photos.dates import parse_date, parse_years
    from facematch.photos.listing import list_photos

    if (folder is None) == (db is None):
        raise OptionError("where to look? Name a folder with --in, or an index with --db")
    if db is not None and cache is not None:
        raise OptionError("--cache is for --in: what --db names keeps the archive's faces already")
    if born is not None and not older_than_child:
        raise OptionError("--born is for --older-than-child: name both")
    if folder is not None and not folder.exists():
        raise MissingPhotoError(str(folder), "there is no such folder: check the name")
    span = None if in_year is None else parse_years(in_year)
    birth = None if born is None else parse_date(born.rpartition("=")[2], f"--born {born}")
    matcher = matcher_of(detector, embedder, min_face, cache=cache, many=True)
    people = _people([child], "CHILD", save)
    tally = Tally()
    with stoppable([tally], cache):
        archive: Index | Iterator[str]
        if db is not None:
            archive = matcher.open_index(db)
        else:
            photos = list_photos(folder or "")
            archive = tally.photos(watched(photos, "photos"), len(photos))
        found = matcher.find(
            people, archive, top=top, days=span, older=older_than_child, born=birth
        )
    _show_verdict(found, format, save, dark)


class Style(StrEnum):
    """What a card shows."""

    PAIR = "pair"
    SPLIT = "split"
    BLEND = "blend"
    SWAP = "swap"
    STRIP = "strip"


@app.command()
@reads_photos
def card(
    parent: Annotated[
        str, typer.Argument(metavar="PARENT", help="A photo or a folder; NAME=PATH names them.")
    ],
    child: Annotated[str, typer.Argument(metavar="CHILD", help="Likewise.")],
    save: Annotated[
        Path,
        typer.Option(metavar="PICTURE", help="A .png, .jpg or .webp.", callback=_drawable),
    ],
    style: Annotated[
        Style,
        typer.Option(
            help="Side by side; half and half; one over the other; the parent's face in the "
            "child's photo; or many photos of both."
        ),
    ] = Style.PAIR,
    dark: Dark = False,
    format: VerdictOption = VerdictFormat.TABLE,  # noqa: A002 - the option's name
    db: Database = None,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Draw the picture people post: both faces, the score, a line of meaning.

    The file carries no metadata of the photos. This is no paternity test.
    """
    matcher = matcher_of(detector, embedder, min_face, db, many=_folders([parent], [child]))
    found = matcher.card(_people([parent], "PARENT", save), _people([child], "CHILD", save))
    _show_verdict(found, format, save, dark, style=style.value)


@app.command()
@reads_photos
def explain(
    parent: Annotated[Path, typer.Argument(metavar="PARENT", help="A photo of the parent.")],
    child: Annotated[Path, typer.Argument(metavar="CHILD", help="A photo of the child.")],
    parent_face: FaceNumber = None,
    child_face: FaceNumber = None,
    save: SavePicture = None,
    dark: Dark = False,
    format: VerdictOption = VerdictFormat.TABLE,  # noqa: A002 - the option's name
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Show which parts of the face carry the likeness: each is covered in turn, and what is lost.

    The noise says how far the ways to cover a part disagree. This is no paternity test.
    """
    refuse_overwrite(save, str(parent), str(child))
    matcher = matcher_of(detector, embedder, min_face)
    found = matcher.explain(parent, child, parent_face=parent_face, child_face=child_face)
    _show_verdict(found, format, save, dark)


@app.command()
@reads_photos
def video(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A clip that shows the child.")],
    parent: Parents = None,
    save: SavePicture = None,
    dark: Dark = False,
    format: VerdictOption = VerdictFormat.TABLE,  # noqa: A002 - the option's name
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score everyone in a clip against parents: the best frames of each person are averaged.

    Ctrl-C ends the search and prints what is known by then. This is no paternity test.
    """
    parents = _people(parent, "--parent", save)
    matcher = matcher_of(detector, embedder, min_face, many=_folders(parent))
    with _stoppable("clip") as watch:
        found = matcher.video(clip, parents, on_progress=watch)
    _show_verdict(found, format, save, dark)
    if not found.complete:
        raise typer.Exit(130)


@contextmanager
def _stoppable(what: str) -> Iterator[Callable[[float], bool]]:
    """A `watch` that shows progress while a person watches, and that Ctrl-C turns to False.

    Before it is first called, Ctrl-C ends the program as ever; so does a second one.
    """
    import signal

    usual = signal.getsignal(signal.SIGINT)
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, usual)

    with _progress(what) as show:
        first = True

        def watch(share: float) -> bool:
            nonlocal first
            if first:
                signal.signal(signal.SIGINT, stop)
                first = False
            show(share)
            return not stopped

        try:
            yield watch
        finally:
            signal.signal(signal.SIGINT, usual)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr while a person watches, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=1.0)
        yield lambda share: bars.update(bar, completed=share)


class _Result(Protocol):
    """What every command shows; `facematch.output` and `facematch.pictures` know how."""

    @property
    def warnings(self) -> tuple[str, ...]: ...
    @property
    def skipped(self) -> tuple[Skipped, ...]: ...


def _show_verdict(
    result: _Result, kind: VerdictFormat, save: Path | None, dark: bool = False, **drawn: str
) -> None:
    """Print a result, what makes it less sure, and save its picture."""
    from facematch import output
    from facematch.scoring.wording import NO_PATERNITY_TEST

    is_table = kind is VerdictFormat.TABLE
    if is_table:
        print_table(output.table(result))
    elif kind is VerdictFormat.JSON:
        typer.echo(output.as_json(result))
    else:
        from facematch.output.writing import write_rows

        rows = list(output.rows(result))
        write_rows(rows, list(rows[0]) if rows else [], "csv", None)
    for skipped in result.skipped:
        line = printable(f"left out: {skipped.photo}: {skipped.reason}")
        typer.secho(line, fg="yellow", err=not is_table)
    for warning in result.warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=not is_table)
    if save is not None:
        from facematch.pictures import draw
        from facematch.pictures.canvas import save_picture

        picture = draw(result, "dark" if dark else "light", **drawn)
        typer.echo(save_picture(picture, save), err=True)
    typer.echo(NO_PATERNITY_TEST, err=not is_table)


def _people(
    given: Sequence[str] | None, option: str, save: Path | None = None
) -> dict[str, list[str]]:
    """Photos by name, of what --parent or --child was given; `save` must be none of them."""
    from facematch.photos.listing import list_photos

    if not given:
        raise OptionError(f"nobody to compare: name a photo or a folder with {option}")
    people: dict[str, list[str]] = {}
    for each in given:
        name, path = _named(each)
        if name in people:
            raise OptionError(f"two are called {name!r} in {option}: name them apart, NAME=PATH")
        people[name] = list_photos(path)
        refuse_overwrite(save, *people[name])
    return people


def _folders(*given: Sequence[str] | None) -> bool:
    """Whether a folder is among the people given."""
    return any(os.path.isdir(_named(each)[1]) for side in given for each in side or [])


def _dates(path: Path | None) -> dict[str, date]:
    from facematch.photos.dates import read_dates

    return {} if path is None else read_dates(path)


def _births(given: Sequence[str] | None) -> dict[str, date]:
    """Birth dates by name, from NAME=DATE."""
    from facematch.photos.dates import parse_date

    births = {}
    for each in given or []:
        name, _, day = each.partition("=")
        births[name] = parse_date(day, f"--born {each}")
    return births


def _named(given: str) -> tuple[str, str]:
    """NAME=PATH apart; without a name, that of the file or the folder."""
    name, equals, path = given.partition("=")
    if equals and name and not os.path.exists(given):
        if not path:
            raise OptionError(f"{given}: no path is given behind the name")
        return name, os.path.expanduser(path)
    path = given
    return (Path(path).resolve().name if os.path.isdir(path) else Path(path).stem), path


_PARENTS = re.compile(
    r"(mum(my)?|mom(my)?|mama?|mother|dad(dy)?|father|papa|pop|parent)\d*", re.IGNORECASE
)


def _roles(
    names: str, parents: Sequence[str] | None, children: Sequence[str] | None
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Parents and children with the numbers of their faces, from 1=mum,2=dad,3=child."""
    numbered: dict[str, int] = {}
    for part in names.split(","):
        number, _, name = part.strip().partition("=")
        if not number.isdecimal() or not name or name in numbered:
            raise OptionError(f"--names {names}: write it like 1=mum,2=dad,3=child")
        numbered[name] = int(number)
    if len(set(numbered.values())) < len(numbered):
        raise OptionError(f"--names {names}: one face has two names")
    unknown = [name for name in [*(parents or []), *(children or [])] if name not in numbered]
    if unknown:
        raise OptionError(f"{unknown[0]!r} is not in --names {names}: of --photo, give names there")
    older = set(parents or [name for name in numbered if _PARENTS.fullmatch(name)]) - {
        *(children or [])
    }
    younger = set(children or numbered) - older
    sides = (
        [(name, at) for name, at in numbered.items() if name in side] for side in (older, younger)
    )
    one, other = sides
    if not one or not other:
        raise OptionError(f"--names {names}: no parent or no child; say who with --parent NAME")
    return one, other


def _draw_numbers(portrait: Portrait, save: Path | None) -> None:
    """Save the photo with its faces numbered, and say what to do with it."""
    from facematch.pictures import draw
    from facematch.pictures.canvas import save_picture

    portrait.face_index(None)  # an error where there is none
    path = Path(f"{Path(portrait.photo.label).stem}-numbered.png") if save is None else save
    refuse_overwrite(path, portrait.photo.label)
    picture = draw(portrait)
    typer.echo(f"{save_picture(picture, path)}: {len(portrait.faces)} faces, numbered")
    typer.echo("now say who they are: --names 1=mum,2=dad,3=child", err=True)
