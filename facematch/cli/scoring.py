"""Commands that score: one pair, many, those a table names; and the faces of a photo."""

from __future__ import annotations

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
    TableFormat,
    TableOption,
    app,
    matcher_of,
    print_table,
    reads_photos,
    watched,
)
from facematch.errors import NoFaceError, OptionError

if TYPE_CHECKING:
    from facematch.types import Gallery, Portrait


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
    from facematch.report import NO_PATERNITY_TEST, match_as_json, match_table

    if prior is not None and not 0 < prior < 1:
        raise OptionError(f"--prior {prior}: a share above 0 and below 1 is needed, 0.5 say")
    matcher = matcher_of(detector, embedder, min_face)
    match = matcher.score(parent, child, parent_face=parent_face, child_face=child_face)
    if format is Format.JSON:
        typer.echo(match_as_json(match, prior))
        typer.echo(NO_PATERNITY_TEST, err=True)
        return
    print_table(match_table(match, prior))
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
    from facematch.report import faces_as_json, faces_table

    portrait = matcher_of(detector, embedder, min_face).find_faces(photo)
    if format is Format.JSON:
        typer.echo(faces_as_json(portrait.photo.label, portrait.subjects()))
    else:
        portrait.face_index(None)  # an error where there is none
        print_table(faces_table(portrait.subjects()))
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
    from facematch.photos import list_photos
    from facematch.report import NO_PATERNITY_TEST
    from facematch.tables import RESULTS, comparison_rows, write_rows

    if children is None and db is None:
        raise OptionError("against whom? Name CHILDREN too, or an index with --db")
    if children is None and people:
        raise OptionError("--people needs PARENTS and CHILDREN: an index knows faces, not people")
    sides = {"children": parents}
    if children is not None:
        sides = {"parents": parents, "children": children}
    listed = {role: list_photos(folder) for role, folder in sides.items()}
    kind = _format(format, out)
    many = any(path.is_dir() for path in sides.values())
    matcher = matcher_of(detector, embedder, min_face, db, many=many)
    galleries = [
        matcher.gallery(watched(photos, role), cache=cache, on=on)
        for role, photos in listed.items()
    ]
    if people:
        galleries = [
            gallery.by_person([_person(root, photo) for photo in gallery.labels])
            for root, gallery in zip(sides.values(), galleries, strict=True)
        ]
    if children is None and matcher.known is not None:
        _fail_if_nothing(*galleries)
        found, alike = matcher.match_index(matcher.known, galleries[0], top=top or 10)
        rows = comparison_rows(found, galleries[0], [alike], faces=True)
        write_rows(rows, ["parent", "parent_face", "child", *RESULTS], kind, out)
        how = "approximate" if matcher.known.is_large else "exact"
        typer.echo(f"{how} search of {matcher.known.count():,} faces", err=True)
    else:
        compared = matcher.match(galleries[0], galleries[-1], top=top)
        rows = comparison_rows(galleries[0], galleries[-1], compared)
        write_rows(rows, ["parent", "child", *RESULTS], kind, out)
    typer.echo(NO_PATERNITY_TEST, err=True)
    _fail_if_nothing(*galleries)


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
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score the pairs of photos that a CSV names, a row each; other columns are carried through.

    Paths are relative to the folder you are in. Each photo is read once. This is no paternity test.
    """
    from facematch.report import NO_PATERNITY_TEST
    from facematch.tables import RESULTS, pair_rows, read_pairs, write_rows

    columns, wanted = read_pairs(table)
    kind = _format(format, out)
    matcher = matcher_of(detector, embedder, min_face, db, many=True)
    photos = list(dict.fromkeys(row[role] for row in wanted for role in ("parent", "child")))
    gallery = matcher.gallery(watched(photos, "photos"), cache=cache)
    rows = pair_rows(gallery, wanted, matcher.match_pairs)
    write_rows(rows, [*columns, *RESULTS], kind, out)
    typer.echo(NO_PATERNITY_TEST, err=True)
    _fail_if_nothing(gallery)


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


def _fail_if_nothing(*galleries: Gallery) -> None:
    """Say of galleries without a single face why, in one line."""
    for gallery in galleries:
        if not gallery.subjects and gallery.skipped:
            first = gallery.skipped[0]
            raise NoFaceError(first.photo, f"{first.reason}; no photo was of use")


def _save(portrait: Portrait, folder: Path) -> None:
    from facematch.pictures.canvas import save_picture
    from facematch.pictures.faces import draw_faces

    stem = Path(portrait.photo.label).stem
    pictures = {f"face-{at}": chip for at, chip in enumerate(portrait.chips, start=1)}
    pictures["found"] = draw_faces(portrait.photo.pixels, portrait.faces)
    for what, picture in pictures.items():
        typer.echo(save_picture(picture, folder / f"{stem}-{what}.png"), err=True)
