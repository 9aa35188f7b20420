"""Commands for single photos: score and explain a pair, list the faces of a photo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.advice import call_words, refuse_no_photos
from facematch.cli.options import (
    EngineOptions,
    FaceOptions,
    Format,
    FormatOption,
    PictureOptions,
    ScoringOptions,
    VerdictFormat,
    VerdictOption,
    check_folder,
)
from facematch.cli.printing import (
    print_csv,
    print_no_paternity_test,
    print_table,
    print_warning,
    refuse_overwrite,
    show_result,
)
from facematch.errors import OptionError, printable

if TYPE_CHECKING:
    from facematch.matcher import FaceMatcher
    from facematch.types import Portrait

ParentPhoto = Annotated[Path, typer.Argument(metavar="PARENT", help="A photo of the parent.")]
ChildPhoto = Annotated[Path, typer.Argument(metavar="CHILD", help="A photo of the child.")]


def score(
    parent: ParentPhoto,
    child: ChildPhoto,
    chosen: FaceOptions,
    engine: ScoringOptions,
    prior: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="The probability that they are parent and child before the photos are compared, "
            "above 0 and below 1. Then the probability afterwards is printed too.",
        ),
    ] = None,
    result_format: VerdictOption = VerdictFormat.TABLE,
) -> None:
    """Score how much the child in one photo looks like the parent in another.

    This is no paternity test.
    """
    if prior is not None and not 0 < prior < 1:
        raise OptionError(f"--prior {prior}: a share above 0 and below 1 is needed, 0.5 say")
    matcher = _matcher(engine)
    refuse_no_photos(parent, child)
    match = matcher.score(
        parent, child, parent_face=chosen.parent_face, child_face=chosen.child_face
    )
    from facematch.analyses.pair import SWAPPED  # after the number of threads is set
    from facematch.output import match as match_output

    is_table = result_format is VerdictFormat.TABLE
    if result_format is VerdictFormat.JSON:
        typer.echo(match_output.as_json(match, prior))
    elif result_format is VerdictFormat.CSV:
        print_csv(match_output.rows(match, prior))
    else:
        print_table(match_output.table(match, prior))
        for warning in match.warnings:
            print_warning(warning, err=False)
        if SWAPPED in match.warnings:
            swapped = call_words("score", str(child), str(parent))
            typer.echo(printable(f"to swap them: {swapped}"))
    print_no_paternity_test(err=not is_table)


def explain(
    parent: ParentPhoto,
    child: ChildPhoto,
    chosen: FaceOptions,
    picture: PictureOptions,
    engine: ScoringOptions,
    result_format: VerdictOption = VerdictFormat.TABLE,
) -> None:
    """Show which parts of the face carry the likeness: each part is covered in turn.

    Each part is covered in several ways; the noise is how much the result differs between them.
    This is no paternity test.
    """
    refuse_overwrite(picture.save, str(parent), str(child))
    matcher = _matcher(engine)
    refuse_no_photos(parent, child)
    found = matcher.explain(
        parent, child, parent_face=chosen.parent_face, child_face=chosen.child_face
    )
    show_result(found, result_format, picture)


def faces(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo.")],
    engine: EngineOptions,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write to this folder each face as the embedder gets it, and the photo with all "
            "faces marked.",
            callback=check_folder,
        ),
    ] = None,
    result_format: FormatOption = Format.TABLE,
) -> None:
    """List the faces found in a photo, largest first, each with its estimated age."""
    portrait = _matcher(engine).find_faces(photo, ages=True)
    from facematch import output

    if result_format is not Format.JSON:
        portrait.face_index(None)  # raises where there is no face
    if save is not None:
        _save_faces(portrait, save)  # first: a full stdout must not cost the pictures
    if result_format is Format.JSON:
        typer.echo(output.as_json(portrait))
    else:
        print_table(output.table(portrait))


def _matcher(engine: EngineOptions) -> FaceMatcher:
    # For a few faces numpy's own threads take more time to start and to wait than they save.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is first imported
    return engine.matcher()


def _save_faces(portrait: Portrait, folder: Path) -> None:
    from facematch.pictures import draw
    from facematch.pictures.canvas import save_picture

    stem = Path(portrait.photo.label).stem
    pictures = {f"face-{number}": chip for number, chip in enumerate(portrait.chips, start=1)}
    pictures["found"] = draw(portrait)
    for name, picture in pictures.items():
        typer.echo(save_picture(picture, folder / f"{stem}-{name}.png"), err=True)
