"""Commands that score: one pair, many, those a table names; and the faces of a photo."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.options import (
    CacheFile,
    DetectorName,
    EmbedderName,
    FaceNumber,
    Format,
    MinFace,
    Out,
    OutputFormat,
    Resume,
    TableFormat,
    TableOption,
    app,
    matcher_of,
    print_table,
    watched,
)
from facematch.cli.stopping import Tally, stoppable
from facematch.errors import OptionError

if TYPE_CHECKING:
    from facematch.types import Gallery, Portrait

_RESUMED = ("csv", "json", "jsonl")  # formats that grow at their end


@app.command()
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
def match(
    parents: Annotated[
        Path, typer.Argument(metavar="PARENTS", help="A photo, or a folder of photos.")
    ],
    children: Annotated[
        Path, typer.Argument(metavar="CHILDREN", help="A photo, or a folder of photos.")
    ],
    top: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help="Of each child only the K parents most alike."),
    ] = None,
    people: Annotated[
        bool, typer.Option("--people", help="A folder in PARENTS or CHILDREN is one person.")
    ] = False,
    format: TableOption = None,  # noqa: A002 - the option's name
    out: Out = None,
    cache: CacheFile = None,
    resume: Resume = False,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score every child against every parent; the largest face of each photo counts.

    With --people each folder within PARENTS or CHILDREN is one person, whose photos are averaged.

    Photos that cannot be used become rows with a reason. This is no paternity test.
    """
    from facematch.photos import list_photos
    from facematch.report import NO_PATERNITY_TEST
    from facematch.tables import RESULTS, comparison_rows, write_rows
    from facematch.types import joined

    kind = _format(format, out)
    _check_resume(resume, cache, kind, out)
    matcher = matcher_of(detector, embedder, min_face)
    tallies = Tally(), Tally()
    with stoppable(tallies, cache, out):
        listed = [list_photos(folder) for folder in (parents, children)]
        found = [
            tally.galleries(matcher.galleries(watched(photos, role), cache=cache), len(photos))
            for tally, photos, role in zip(tallies, listed, ("parents", "children"), strict=True)
        ]
        all_parents = joined(found[0])
        some_children: Iterable[Gallery] = found[1]
        if people:
            all_parents = _by_person(parents, all_parents)
            some_children = [_by_person(children, joined(found[1]))]
        rows = comparison_rows(all_parents, some_children, partial(matcher.match, top=top))
        write_rows(rows, ["parent", "child", *RESULTS], kind, out, resume=resume)
    typer.echo(NO_PATERNITY_TEST, err=True)
    for tally in tallies:
        tally.fail_if_nothing()


@app.command()
def pairs(
    table: Annotated[
        Path,
        typer.Argument(metavar="PAIRS.csv", help="With columns parent and child: paths of photos."),
    ],
    format: TableOption = None,  # noqa: A002 - the option's name
    out: Out = None,
    cache: CacheFile = None,
    resume: Resume = False,
    detector: DetectorName = "mmod",
    embedder: EmbedderName = "kin",
    min_face: MinFace = None,
) -> None:
    """Score the pairs of photos that a CSV names, a row each; other columns are carried through.

    Paths are relative to the folder you are in. Each photo is read once. This is no paternity test.
    """
    from facematch.report import NO_PATERNITY_TEST
    from facematch.tables import RESULTS, pair_photos, pair_rows, read_pairs, write_rows

    kind = _format(format, out)
    _check_resume(resume, cache, kind, out)
    matcher = matcher_of(detector, embedder, min_face)
    tally = Tally()
    with stoppable([tally], cache, out):
        columns, wanted = read_pairs(table)
        photos = pair_photos(wanted)
        found = matcher.galleries(watched(photos, "photos"), cache=cache)
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
    from facematch.pictures.canvas import save_picture
    from facematch.pictures.faces import draw_faces

    stem = Path(portrait.photo.label).stem
    pictures = {f"face-{at}": chip for at, chip in enumerate(portrait.chips, start=1)}
    pictures["found"] = draw_faces(portrait.photo.pixels, portrait.faces)
    for what, picture in pictures.items():
        typer.echo(save_picture(picture, folder / f"{stem}-{what}.png"), err=True)
