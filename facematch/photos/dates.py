"""When a photo was taken: from a table, from its file's name, or from its EXIF."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from facematch.errors import OptionError, TableError

DAYS_A_YEAR = 365.2425
_YEARS = re.compile(r"(\d{4})(?:-(\d{4}))?")

# 2018-05-16, 2018_05_16, 2018.05.16, 20180516, alone or within a name, as IMG_20180516_101530.
_IN_NAME = re.compile(r"(?<!\d)((?:18|19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class Span:
    """The days from `first` to `last`, either open where it is None."""

    first: date | None = None
    last: date | None = None

    def holds(self, day: date | None) -> bool:
        """Whether it is one of them; what has no date is only where both ends are open."""
        if day is None:
            return self.first is None and self.last is None
        return (self.first or day) <= day <= (self.last or day)

    def before(self, day: date) -> Span:
        """Those of its days that are earlier than that one."""
        eve = day - timedelta(days=1)
        return Span(self.first, min(eve, self.last or eve))


def years(words: str) -> Span:
    """The days of a year, or of some, from 1950 or 1950-1970. Raises OptionError."""
    found = _YEARS.fullmatch(words.strip())
    try:
        if found is None:
            raise ValueError
        first, last = int(found[1]), int(found[2] or found[1])
        span = Span(date(first, 1, 1), date(last, 12, 31))
    except ValueError as error:
        raise OptionError(f"{words!r} are no years: write them like 1950-1970") from error
    if first > last:
        raise OptionError(f"{words!r}: the years run backwards")
    return span


def date_of(photo: str, taken: date | None, known: Mapping[str, date]) -> date | None:
    """When a photo was taken: as `known` by its path or file name, by its name, by its EXIF.

    Its name comes before EXIF, which of scanned prints tells when they were scanned.
    """
    name = Path(photo).name
    if photo in known or name in known:
        return known.get(photo) or known[name]
    return date_in_name(name) or taken


def date_in_name(name: str) -> date | None:
    """The first date in a file's name, year first; None where there is none."""
    for found in _IN_NAME.finditer(name):
        try:
            return date(int(found[1]), int(found[3]), int(found[4]))
        except ValueError:  # a 13th month
            continue
    return None


def read_dates(path: Path) -> dict[str, date]:
    """The dates in a CSV with columns photo, a path or a file's name, and date, as 2018-05-16.

    Raises TableError where it cannot be read, or a date is none.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            if not {"photo", "date"} <= set(rows.fieldnames or []):
                raise TableError(f"{path} has no columns 'photo' and 'date': its first line must")
            return {row["photo"]: parsed(row["date"], f"{path}, {row['photo']}") for row in rows}
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror})") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(f"{path} is no CSV in UTF-8 ({error})") from error


def parsed(words: str, where: str) -> date:
    """A date written as 2018-05-16. Raises TableError that says where it is not."""
    try:
        return date.fromisoformat((words or "").strip())
    except ValueError as error:
        raise TableError(f"{where}: {words!r} is no date: write it like 2018-05-16") from error


def years_between(born: date, day: date) -> float:
    """The age in years on a day; negative before the birth."""
    whole = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    last, following = (_birthday(born, born.year + years) for years in (whole, whole + 1))
    return whole + (day - last).days / (following - last).days


def _birthday(born: date, year: int) -> date:
    """Of whom was born on 29 February, 1 March in other years."""
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def spoken(years: float) -> str:
    """An age in words: 4 months, 3 years."""
    if years < 2:
        months = max(round(years * 12), 0)
        return f"{months} month{'' if months == 1 else 's'}"
    return f"{int(years)} years"
