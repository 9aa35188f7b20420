"""The date of a photo: from a table, from its file's name, or from its EXIF. Ages and years."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from facematch.errors import OptionError, TableError
from facematch.runtime.tables import read_table

DAYS_A_YEAR = 365.2425
_YEARS = re.compile(r"(\d{4})(?:-(\d{4}))?")

# 2018-05-16, 2018_05_16, 2018.05.16 or 20180516, alone or within a name: IMG_20180516_101530.
# The time may follow without a gap: 20180516101530, then parts of a second.
_TIME = r"(?:(?:[01]\d|2[0-3])[0-5]\d[0-5]\d\d{0,6})?"
_DATE_IN_NAME = re.compile(rf"(?<!\d)((?:18|19|20)\d\d)([-_.]?)(\d\d)\2(\d\d){_TIME}(?!\d)")
# Cameras and scanners whose clock was never set begin with these days.
_CLOCK_DEFAULTS = (date(1970, 1, 1), date(1980, 1, 1), date(2000, 1, 1))


@dataclass(frozen=True, slots=True)
class Span:
    """The days from `first` to `last`, both included. None: no limit at that end."""

    first: date | None = None
    last: date | None = None

    def contains(self, day: date | None) -> bool:
        """Whether the day is in the span. A photo without a date is in a span without limits."""
        if day is None:
            return self.first is None and self.last is None
        return (self.first or day) <= day <= (self.last or day)

    def before(self, day: date) -> Span:
        """The days of this span that are earlier than `day`."""
        eve = day - timedelta(days=1)
        return Span(self.first, min(eve, self.last or eve))


def parse_years(text: str) -> Span:
    """The days of one year or several years, written 1950 or 1950-1970. Raises OptionError."""
    match = _YEARS.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        first, last = int(match[1]), int(match[2] or match[1])
        span = Span(date(first, 1, 1), date(last, 12, 31))
    except ValueError as error:
        raise OptionError(f"{text!r} are no years: write them like 1950-1970") from error
    if first > last:
        raise OptionError(f"{text!r}: the first year is later than the last")
    return span


def date_of(photo: str, taken: date | None, known: Mapping[str, date]) -> date | None:
    """The date of a photo: from `known` by its path or file name, then from its name, then `taken`.

    `taken` is the date in the EXIF. The name comes before it, because the EXIF of a scanned print
    tells when it was scanned. A day in the future is no date; in the EXIF, neither is a day with
    which clocks begin that were never set.
    """
    name = Path(photo).name
    for key in (photo, name, name_key(photo), name_key(name)):
        if key in known:
            return known[key]
    if taken in _CLOCK_DEFAULTS:
        taken = None
    tomorrow = date.today() + timedelta(days=1)  # for photos from further east
    days = (date_in_name(name), taken)
    return next((day for day in days if day is not None and day <= tomorrow), None)


def name_key(name: str) -> str:
    """The name in Unicode's normal form C: a Mac writes an accent as a character of its own."""
    return unicodedata.normalize("NFC", name)


def date_in_name(name: str) -> date | None:
    """The first date in a file's name, year first; None if there is none."""
    for match in _DATE_IN_NAME.finditer(name):
        try:
            return date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:  # a 13th month
            continue
    return None


def read_dates(path: Path) -> dict[str, date]:
    """The dates in a CSV file with the columns photo and date.

    A photo is a path or a file's name. A date is written 2018-05-16. Raises TableError where the
    file cannot be read or a date is wrong.
    """
    rows = read_table(path, ("photo", "date"))
    return {
        name_key(row["photo"]): parse_date(row["date"], f"{path}, {row['photo']}") for row in rows
    }


def parse_date(text: str, where: str) -> date:
    """A date written 2018-05-16.

    Raises TableError for any other text; its message begins with `where`.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise TableError(f"{where}: {text!r} is no date: write it like 2018-05-16") from error


def years_between(born: date, day: date) -> float:
    """The age in years on a day; negative before the birth."""
    whole = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    last, following = (_birthday(born, born.year + years) for years in (whole, whole + 1))
    return whole + (day - last).days / (following - last).days


def _birthday(born: date, year: int) -> date:
    """The birthday in a year; for a birth on 29 February, 1 March in years without that day."""
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 3, 1)
