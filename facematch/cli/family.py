"""Commands for people with photos: who looks like whom, since when, on a card, on a page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.options import (
    DateOptions,
    PeopleOptions,
    PictureOptions,
    ScoringOptions,
    StoreOption,
    VerdictFormat,
    VerdictOption,
    check_page_place,
    check_picture_place,
)
from facematch.cli.people import (
    birth_dates,
    has_folder,
    photo_dates,
    photos_by_name,
    roles_in_photo,
)
from facematch.cli.printing import glyph_warnings_shown, refuse_overwrite, show_result
from facematch.errors import OptionError, TableError

if TYPE_CHECKING:
    from facematch.types import Portrait


@dataclass(frozen=True, slots=True)
class GroupPhotoOptions:
    """One photograph of a family."""

    photo: Annotated[
        Path | None, typer.Option(metavar="PHOTO", help="One photograph of all of them.")
    ] = None
    label: Annotated[
        bool, typer.Option("--label", help="With --photo: save it with its faces numbered.")
    ] = False
    names: Annotated[
        str | None,
        typer.Option(metavar="1=mum,2=dad,…", help="With --photo: who has which number."),
    ] = None


def family(
    people: PeopleOptions,
    group: GroupPhotoOptions,
    picture: PictureOptions,
    engine: ScoringOptions,
    result_format: VerdictOption = VerdictFormat.TABLE,
    db: StoreOption = None,
) -> None:
    """Say who looks like whom: each child against each parent, and how sure that is.

    People are photos or folders of photos, named after the file or the folder, or NAME=PATH.

    One photograph is enough: --photo PHOTO --label numbers its faces, then --names says who they
    are. mum, mom, mother, dad, father and the like are parents, others are children, unless
    --parent NAME and --child NAME say so. This is no paternity test.
    """
    matcher = engine.matcher(many=has_folder(people.parent, people.child), index=db)
    if group.photo is None:
        found = matcher.family(
            photos_by_name(people.parent, "--parent", picture.save),
            photos_by_name(people.child, "--child", picture.save),
        )
    elif group.label:
        _save_numbered(matcher.find_faces(group.photo), picture.save)
        return
    elif group.names is None:
        raise OptionError("--photo: --label numbers its faces, then --names says who they are")
    else:
        parents, children = roles_in_photo(group.names, people.parent, people.child)
        refuse_overwrite(picture.save, group.photo)
        found = matcher.family_in_photo(group.photo, parents, children)
    show_result(found, result_format, picture)


def timeline(
    people: PeopleOptions,
    dates: DateOptions,
    picture: PictureOptions,
    engine: ScoringOptions,
    result_format: VerdictOption = VerdictFormat.TABLE,
    db: StoreOption = None,
) -> None:
    """Show how a child's likeness to each parent changes over time.

    Dates come from --dates, from file names such as 2018-05-16.jpg, or from EXIF. This is no
    paternity test.
    """
    matcher = engine.matcher(many=has_folder(people.parent, people.child), index=db)
    found = matcher.timeline(
        photos_by_name(people.parent, "--parent", picture.save),
        photos_by_name(people.child, "--child", picture.save),
        dates=photo_dates(dates.dates),
        born=birth_dates(dates.born),
    )
    show_result(found, result_format, picture)


class CardStyle(StrEnum):
    """What a card shows."""

    PAIR = "pair"
    SPLIT = "split"
    BLEND = "blend"
    SWAP = "swap"
    STRIP = "strip"


@dataclass(frozen=True, slots=True)
class CardOptions:
    """The picture that `card` saves."""

    save: Annotated[
        Path,
        typer.Option(
            metavar="PICTURE", help="A .png, .jpg or .webp.", callback=check_picture_place
        ),
    ]
    style: Annotated[
        CardStyle,
        typer.Option(
            help="Side by side; half and half; one over the other; the parent's face in the "
            "child's photo; or many photos of both."
        ),
    ] = CardStyle.PAIR
    dark: Annotated[bool, typer.Option("--dark", help="Give the card a dark background.")] = False


def card(
    parent: Annotated[
        str, typer.Argument(metavar="PARENT", help="A photo or a folder; NAME=PATH names them.")
    ],
    child: Annotated[
        str, typer.Argument(metavar="CHILD", help="A photo or a folder; NAME=PATH names them.")
    ],
    drawing: CardOptions,
    engine: ScoringOptions,
    result_format: VerdictOption = VerdictFormat.TABLE,
    db: StoreOption = None,
) -> None:
    """Make the picture that people post: both faces, the score, a line of meaning.

    The file has no metadata of the photos. This is no paternity test.
    """
    matcher = engine.matcher(many=has_folder([parent], [child]), index=db)
    found = matcher.card(
        photos_by_name([parent], "PARENT", drawing.save),
        photos_by_name([child], "CHILD", drawing.save),
    )
    picture = PictureOptions(drawing.save, drawing.dark)
    show_result(found, result_format, picture, style=drawing.style.value)


def report(
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="FILE", help="A .html file.", callback=check_page_place
        ),
    ],
    people: PeopleOptions,
    dates: DateOptions,
    engine: ScoringOptions,
    db: StoreOption = None,
) -> None:
    """Write one HTML page with the verdicts, cards, charts and what they mean.

    The page loads nothing from elsewhere. It holds these people's faces. This is no paternity test.
    """
    matcher = engine.matcher(many=has_folder(people.parent, people.child), index=db)
    with glyph_warnings_shown():
        page = matcher.report(
            photos_by_name(people.parent, "--parent", out),
            photos_by_name(people.child, "--child", out),
            dates=photo_dates(dates.dates),
            born=birth_dates(dates.born),
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise TableError(f"{out} cannot be written ({error.strerror})") from error
    typer.echo(out)


def _save_numbered(portrait: Portrait, save: Path | None) -> None:
    """Save the photo with its faces numbered, and say what to do with it."""
    from facematch.pictures import draw
    from facematch.pictures.canvas import save_picture

    portrait.face_index(None)  # raises where there is no face
    path = Path(f"{Path(portrait.photo.label).stem}-numbered.png") if save is None else save
    refuse_overwrite(path, portrait.photo.label)
    picture = draw(portrait)
    typer.echo(f"{save_picture(picture, path)}: {len(portrait.faces)} faces, numbered")
    typer.echo("now say who they are: --names 1=mum,2=dad,3=child", err=True)
