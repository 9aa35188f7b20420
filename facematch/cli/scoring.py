"""Commands that score: one pair, many, those a table names; and the faces of a photo."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.options import (
    CacheFile,
    Database,
    DetectorName,
    EmbedderName,
    FaceNumber,
    Format,
    MinFace,
    On,
    Out,
    OutputFormat,
    Resume,
    TableFormat,
    TableOption,
    app,
    matcher_of,
    print_table,
    reads_photos,
    refuse_overwrite,
    watched,
)
from facematch.cli.stopping import Tally, stoppable
from facematch.errors import OptionError

if TYPE_CHECKING:
    from facematch.types import Gallery, Portrait

_RESUMED = ("csv", "json", "jsonl")  # formats that grow at their end


@app.command()
@reads_photos
def score(
    parent: Annotated[Path, typer.Argument(metavar="PARENT", help="A photo of the parent.")],
    child: Annotated[Path, typer.Argument(metavar="CHILD", help="A photo of the child.")],
    parent_face: FaceNumber = None,
    child_face: FaceNumber = None,
    prior: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How likely they are parent and child before anyone looks, above 0 and below 1; "
            "then how likely they are afterwards is printed too.",
        ),
    ] = None,
    format: OutputFormat = Format.TABLE,  # noqa: A002 - the option's name
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score how much the child in one photo looks like the parent in another.

    This is no paternity test.
    """
    from facematch.output import match as match_output
    from facematch.scoring.wording import NO_PATERNITY_TEST

    if prior is not None and not 0 < prior < 1:
        raise OptionError(f"--prior {prior}: a share above 0 and below 1 is needed, 0.5 say")
    matcher = matcher_of(detector, embedder, min_face)
    match = matcher.score(parent, child, parent_face=parent_face, child_face=child_face)
    if format is Format.JSON:
        typer.echo(match_output.as_json(match, prior))
        typer.echo(NO_PATERNITY_TEST, err=True)
        return
    print_table(match_output.table(match, prior))
    for warning in match.warnings:
        typer.secho(f"warning: {warning}", fg="yellow")
    typer.echo(NO_PATERNITY_TEST)


@app.command()
@reads_photos
def faces(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo.")],
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write each face there as the embedder sees it, and the photo with all marked.",
        ),
    ] = None,
    format: OutputFormat = Format.TABLE,  # noqa: A002 - the option's name
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Show the faces found in a photo, largest first."""
    from facematch import output

    portrait = matcher_of(detector, embedder, min_face).find_faces(photo)
    if format is Format.JSON:
        typer.echo(output.as_json(portrait))
    else:
        portrait.face_index(None)  # an error where there is none
        print_table(output.table(portrait))
    if save is not None:
        _save(portrait, save)


@app.command()
@reads_photos
def match(
    parents: Annotated[
        Path,
        typer.Argument(
            metavar="PARENTS",
            help="A photo, or a folder of photos; of children, if they are alone.",
        ),
    ],
    children: Annotated[
        Path | None, typer.Argument(metavar="CHILDREN", help="Likewise. Not needed with --db.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Of each child only the K parents most alike. Default: all, of an index 10.",
        ),
    ] = None,
    people: Annotated[
        bool, typer.Option("--people", help="A folder in PARENTS or CHILDREN is one person.")
    ] = False,
    format: TableOption = None,  # noqa: A002 - the option's name
    out: Out = None,
    cache: CacheFile = None,
    on: On = None,
    db: Database = None,
    resume: Resume = False,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score every child against every parent; the largest face of each photo counts.

    With --people each folder within PARENTS or CHILDREN is one person, whose photos are averaged.
    With --db and one argument, its photos are the children, and everyone in the index, every face,
    stands in the parents' place.

    Photos that cannot be used become rows with a reason. This is no paternity test.
    """
    from facematch.output.comparison import RESULTS, comparison_rows
    from facematch.output.writing import check_place, write_rows
    from facematch.photos.listing import list_photos
    from facematch.scoring.wording import NO_PATERNITY_TEST
    from facematch.types import Gallery

    if children is None and db is None:
        raise OptionError("against whom? Name CHILDREN too, or an index with --db")
    if children is None and people:
        raise OptionError("--people needs PARENTS and CHILDREN: an index knows faces, not people")
    kind = _format(format, out)
    _check_resume(resume, cache, kind, out)
    if resume and on is not None:
        raise OptionError("--resume goes by a cache, which --on does not use: leave one out")
    check_place(out)
    sides = {"children": parents}
    if children is not None:
        sides = {"parents": parents, "children": children}
    many = any(path.is_dir() for path in sides.values())
    store = None if children is None else db
    matcher = matcher_of(detector, embedder, min_face, store, cache=cache, many=many)
    archive = matcher.open_index(db) if children is None and db is not None else None
    tallies = {role: Tally() for role in sides}
    with stoppable(list(tallies.values()), cache, out):
        listed = {role: list_photos(path) for role, path in sides.items()}
        refuse_overwrite(out, cache, *chain.from_iterable(listed.values()))
        found: dict[str, Iterable[Gallery]] = {
            role: tallies[role].galleries(
                matcher.galleries(watched(photos, role), on=on), len(photos)
            )
            for role, photos in listed.items()
        }
        if people:
            found = {
                role: [_by_person(sides[role], Gallery.joined(list(parts)))]
                for role, parts in found.items()
            }
        if archive is not None:
            some = Gallery.joined(list(found["children"]))
            tallies["children"].fail_if_nothing()
            faces, alike = matcher.match_index(archive, some, top=top or 10)
            rows = comparison_rows(faces, [some], lambda *_: [alike], faces=True)
            write_rows(rows, ["parent", "parent_face", "child", *RESULTS], kind, out, resume=resume)
            how = "approximate" if archive.is_large else "exact"
            typer.echo(f"{how} search of {archive.count():,} faces", err=True)
        else:
            everyone = Gallery.joined(list(found["parents"]))
            rows = comparison_rows(everyone, found["children"], partial(matcher.match, top=top))
            write_rows(rows, ["parent", "child", *RESULTS], kind, out, resume=resume)
    typer.echo(NO_PATERNITY_TEST, err=True)
    for tally in tallies.values():
        tally.fail_if_nothing()


@app.command()
@reads_photos
def pairs(
    table: Annotated[
        Path,
        typer.Argument(metavar="PAIRS.csv", help="With columns parent and child: paths of photos."),
    ],
    format: TableOption = None,  # noqa: A002 - the option's name
    out: Out = None,
    cache: CacheFile = None,
    db: Database = None,
    resume: Resume = False,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score the pairs of photos that a CSV names, a row each; other columns are carried through.

    Paths are relative to the folder you are in. Each photo is read once. This is no paternity test.
    """
    from facematch.output.comparison import RESULTS
    from facematch.output.pairs import pair_photos, pair_rows, read_pairs
    from facematch.output.writing import check_place, write_rows
    from facematch.scoring.wording import NO_PATERNITY_TEST

    kind = _format(format, out)
    _check_resume(resume, cache, kind, out)
    check_place(out)
    matcher = matcher_of(detector, embedder, min_face, db, cache=cache, many=True)
    tally = Tally()
    with stoppable([tally], cache, out):
        columns, wanted = read_pairs(table)
        photos = pair_photos(wanted)
        refuse_overwrite(out, table, cache, *photos)
        found = matcher.galleries(watched(photos, "photos"))
        rows = pair_rows(tally.galleries(found, len(photos)), wanted, matcher.match_pairs)
        write_rows(rows, [*columns, *RESULTS], kind, out, resume=resume)
    typer.echo(NO_PATERNITY_TEST, err=True)
    tally.fail_if_nothing()


def _check_resume(resume: bool, cache: Path | None, kind: str, out: Path | None) -> None:
    if not resume:
        return
    if cache is None or out is None:
        raise OptionError(
            "--resume goes on with a file, by what a cache kept: name both with -o FILE and "
            "--cache FILE, in the first run too"
        )
    if kind not in _RESUMED:
        raise OptionError(f"--resume is for {', '.join(_RESUMED)}, not for {kind}: end {out} so")


def _by_person(root: Path, gallery: Gallery) -> Gallery:
    return gallery.by_person([_person(root, photo) for photo in gallery.labels])


def _person(root: Path, photo: str) -> str:
    """The folder within `root` that a photo lies in; the photo itself where it lies in none."""
    parts = Path(photo).relative_to(root).parts if root.is_dir() else ()
    return parts[0] if len(parts) > 1 else photo


def _format(chosen: TableFormat | None, out: Path | None) -> str:
    """The format asked for, or the one of the file's ending, or a table."""
    if chosen is not None:
        return chosen.value
    ending = "" if out is None else out.suffix.lower().removeprefix(".")
    if ending in {each.value for each in TableFormat}:
        return ending
    if out is not None:
        raise OptionError(f"{out}: what format? Name one with --format, or end the name in .csv")
    return TableFormat.TABLE.value


def _save(portrait: Portrait, folder: Path) -> None:
    from facematch.pictures import draw
    from facematch.pictures.canvas import save_picture

    stem = Path(portrait.photo.label).stem
    pictures = {f"face-{at}": chip for at, chip in enumerate(portrait.chips, start=1)}
    pictures["found"] = draw(portrait)
    for what, picture in pictures.items():
        typer.echo(save_picture(picture, folder / f"{stem}-{what}.png"), err=True)
