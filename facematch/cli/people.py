"""Who is compared: the people, dates and numbered faces that options name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facematch.cli.advice import PARENT_NAMES
from facematch.cli.folders import photos_given
from facematch.cli.printing import refuse_overwrite
from facematch.errors import OptionError

if TYPE_CHECKING:
    from datetime import date


def photos_by_name(
    given: Sequence[str] | None, option: str, save: Path | None = None
) -> dict[str, list[str]]:
    """The photos of each person that `option` names; the file to `save` must be none of them."""
    from facematch.photos.dates import name_key

    if not given:
        raise OptionError(f"nobody to compare: name a photo or a folder with {option}")
    people: dict[str, list[str]] = {}
    for named_path in given:
        name, path = _name_and_path(named_path)
        name = name_key(name)
        if name in people:
            raise OptionError(f"two are called {name!r} in {option}: name them apart, NAME=PATH")
        people[name] = named_photos(path)
        refuse_overwrite(save, *people[name])
    return people


def named_photos(path: str | os.PathLike[str]) -> list[str]:
    """The photos in a folder, or the photo; it is refused where it cannot be opened."""
    from facematch.photos.given import check_files

    photos = photos_given(path)
    if not os.path.isdir(path):
        check_files(photos)
    return photos


def has_folder(*sides: Sequence[str] | None) -> bool:
    """Whether a folder is among the people given."""
    return any(os.path.isdir(_name_and_path(one)[1]) for side in sides for one in side or [])


def photo_dates(path: Path | None) -> dict[str, date]:
    """The dates of photos in the file of --dates."""
    from facematch.photos.dates import read_dates

    return {} if path is None else read_dates(path)


def birth_dates(given: Sequence[str] | None) -> dict[str, date]:
    """Birth dates by name, from NAME=DATE."""
    from facematch.photos.dates import name_key, parse_date

    births = {}
    for name_and_date in given or []:
        name, _, day = name_and_date.partition("=")
        births[name_key(name)] = parse_date(day, f"--born {name_and_date}")
    return births


def roles_in_photo(
    names: str, parents: Sequence[str] | None, children: Sequence[str] | None
) -> tuple[dict[str, int], dict[str, int]]:
    """The numbers of the parents' faces and of the children's, from 1=mum,2=dad,3=child."""
    numbers = _numbers_by_name(names)
    unknown = [name for name in [*(parents or []), *(children or [])] if name not in numbers]
    if unknown:
        raise OptionError(
            f"{unknown[0]!r} is not in --names {names}: with --photo, --parent and --child take "
            "names from there"
        )
    older = set(parents or [name for name in numbers if PARENT_NAMES.fullmatch(name)])
    older -= set(children or [])
    younger = set(children or numbers) - older
    if not older or not younger:
        raise OptionError(f"--names {names}: no parent or no child; say who with --parent NAME")
    sides = [
        {name: number for name, number in numbers.items() if name in side}
        for side in (older, younger)
    ]
    return sides[0], sides[1]


def _numbers_by_name(names: str) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for part in names.split(","):
        number, _, name = part.strip().partition("=")
        if not number.isdecimal() or not name or name in numbers:
            raise OptionError(f"--names {names}: write it like 1=mum,2=dad,3=child")
        numbers[name] = int(number)
    if len(set(numbers.values())) < len(numbers):
        raise OptionError(f"--names {names}: one face has two names")
    return numbers


def _name_and_path(given: str) -> tuple[str, str]:
    """The two parts of NAME=PATH; the name is that of the file or folder where none is given."""
    name, equals, path = given.partition("=")
    if equals and name and not os.path.exists(given):
        if not path:
            raise OptionError(f"{given}: no path is given behind the name")
        return name, os.path.expanduser(path)
    path = given
    return (Path(path).resolve().name if os.path.isdir(path) else Path(path).stem), path
