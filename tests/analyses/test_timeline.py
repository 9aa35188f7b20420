from __future__ import annotations

import json
import unicodedata
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.made_up import MODEL, crowd, photos, somebody
from helpers.matchers import matcher
from helpers.places import SAMPLES
from rich.console import Console

from facematch.analyses.timeline import Days, Timeline, _trend, compare_over_time
from facematch.cli.people import birth_dates
from facematch.errors import OptionError, TableError
from facematch.output import as_json, table
from facematch.output.timeline import trend_lines
from facematch.photos.dates import (
    date_in_name,
    date_of,
    parse_date,
    read_dates,
    years_between,
)
from facematch.photos.listing import list_photos
from facematch.pictures import draw
from facematch.scoring.resemblance import ResemblanceModel
from facematch.scoring.wording import age_in_words
from facematch.types import Vectors

BORN = date(2006, 6, 1)


def printed(timeline: Timeline) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table(timeline))
    return capture.get()


@pytest.fixture(scope="module")
def growing() -> Timeline:
    return matcher.timeline(
        {who: photos(who) for who in ("father", "mother")},
        {"daughter": list_photos(SAMPLES / "years")},
        born={"daughter": BORN},
    )


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2018-05-16.jpg", date(2018, 5, 16)),
        ("IMG_20180516_101530.jpg", date(2018, 5, 16)),
        ("beach 2018_05_16 (2).png", date(2018, 5, 16)),
        ("20181316-20180516.jpg", date(2018, 5, 16)),
        ("18-05-16.jpg", None),
        ("20180516101530.jpg", date(2018, 5, 16)),
        ("PXL_20180516101530123~2.jpg", date(2018, 5, 16)),
        ("201805161015301000.jpg", date(2018, 5, 16)),
        ("20180516991530.jpg", None),
        ("12018051612.jpg", None),
        ("2018-0516.jpg", None),
        ("mum.jpg", None),
    ],
)
def test_a_file_name_tells_the_day(name: str, day: date | None) -> None:
    assert date_in_name(name) == day


def test_a_table_comes_before_the_name_and_the_name_before_exif() -> None:
    scanned = date(2020, 1, 1)
    known = {"1987-02-03.jpg": date(1986, 2, 3)}
    assert date_of("box/1987-02-03.jpg", scanned, known) == date(1986, 2, 3)
    assert date_of("box/1987-02-03.jpg", scanned, {}) == date(1987, 2, 3)
    assert date_of("box/beach.jpg", scanned, {}) == scanned
    assert date_of("box/beach.jpg", None, {}) is None


def test_a_day_that_cannot_be_is_no_date() -> None:
    future = date.today() + timedelta(days=300)
    assert date_of("beach.jpg", future, {}) is None
    assert date_of(f"{future}.jpg", date(2001, 2, 3), {}) == date(2001, 2, 3)
    for unset in (date(1970, 1, 1), date(1980, 1, 1), date(2000, 1, 1)):
        assert date_of("beach.jpg", unset, {}) is None
        assert date_of(f"{unset}.jpg", unset, {}) == unset  # somebody wrote it
        assert date_of("beach.jpg", None, {"beach.jpg": unset}) == unset


def test_accents_are_one_name_however_they_are_written(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "noël.jpg") for form in ("NFC", "NFD"))
    table = tmp_path / "dates.csv"
    for written in (composed, apart):
        table.write_text(f"photo,date\n{written},2011-05-06\n", encoding="utf-8")
        known = read_dates(table)
        for name in (composed, apart):
            assert date_of(f"box/{name}", None, known) == date(2011, 5, 6)
            assert birth_dates([f"{name}=2011-05-06"]) == {composed: date(2011, 5, 6)}


def test_a_table_of_dates_is_read_or_refused(tmp_path: Path) -> None:
    table = tmp_path / "dates.csv"
    table.write_text("photo,date\na.jpg,1987-02-03\n")
    assert read_dates(table) == {"a.jpg": date(1987, 2, 3)}
    table.write_text("photo,date\na.jpg,3.2.1987\n")
    with pytest.raises(TableError, match=r"dates\.csv, a\.jpg: '3\.2\.1987' is no date"):
        read_dates(table)
    table.write_text("photo,day\n")
    with pytest.raises(TableError, match="has no column 'date'"):
        read_dates(table)
    with pytest.raises(TableError, match="cannot be read"):
        read_dates(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("day", "age"),
    [("2011-06-01", 5.0), ("2011-05-31", 4 + 364 / 365), ("2006-06-01", 0.0), ("2005-06-01", -1.0)],
)
def test_ages_turn_on_birthdays(day: str, age: float) -> None:
    assert years_between(date(2006, 6, 1), date.fromisoformat(day)) == pytest.approx(age)
    assert years_between(date(2004, 2, 29), date(2005, 3, 1)) == 1


def test_an_age_is_told_in_months_or_years() -> None:
    assert [age_in_words(years) for years in (0.0, 1 / 12, 0.33, 1.5, 2, 7.9)] == [
        "0 months", "1 month", "4 months", "18 months", "2 years", "7 years",
    ]  # fmt: skip
    with pytest.raises(TableError, match="--born kid=x: 'x' is no date"):
        parse_date("x", "--born kid=x")


def test_a_timeline_shows_itself_in_a_line(growing: Timeline) -> None:
    assert repr(growing) == (
        "<Timeline: daughter is about as much like father over all these years. daughter becomes "
        "a little more like mother every year.>"
    )


def test_a_timeline_is_told_to_a_program(growing: Timeline) -> None:
    told = json.loads(as_json(growing))
    assert list(told) == [
        "child", "born", "parents", "moments", "trends", "words", "engine", "warnings", "skipped",
    ]  # fmt: skip
    assert list(told["moments"][0]) == [
        "parent", "photo", "taken", "age", "score", "score_interval", "z", "parent_photo",
        "parent_age", "age_estimated",
    ]  # fmt: skip
    assert len(told["moments"]) == 2 * 9
    assert [moment["age"] for moment in told["moments"][:3]] == [5.0, 6.0, 7.0]
    assert told["born"] == "2006-06-01"


def test_the_drawn_daughter_is_more_like_her_mother_at_every_age(growing: Timeline) -> None:
    mother, father = (
        np.array([each.z for each in growing.moments if each.parent == parent])
        for parent in ("mother", "father")
    )
    assert (mother > father).all()
    assert trend_lines(growing)[1] == "daughter becomes a little more like mother every year."


def test_a_parents_photo_at_the_same_age_is_taken() -> None:
    grown, young = crowd(2)
    dad = somebody("dad", np.stack([grown, young]))
    kid = somebody("kid", crowd(2, seed=7))
    known = {
        "dad-0.jpg": date(2015, 1, 1), "dad-1.jpg": date(1985, 5, 1),
        "kid-0.jpg": date(2015, 6, 1), "kid-1.jpg": date(2030, 6, 1),
    }  # fmt: skip
    born = {"dad": date(1985, 1, 1), "kid": date(2015, 1, 1)}
    assert MODEL is not None
    first, second = compare_over_time(matcher.engine, [dad], kid, Days(known, born)).moments
    assert first.parent_photo == "dad-1.jpg"
    assert first.parent_age == pytest.approx(1 / 3, abs=0.02)
    assert second.parent_photo is None  # at fifteen there is none within years


def test_without_birth_dates_ages_are_estimated_and_a_childhood_photo_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    years = {"dad": [35.0, 6.0], "kid": [5.0, 30.0, 12.0]}
    dad, kid = somebody("dad", crowd(2)), somebody("kid", crowd(3, seed=7))

    def ages(_: ResemblanceModel, vectors: Vectors) -> tuple[Any, Any]:
        known = {2: years["dad"], 3: years["kid"]}.get(len(vectors), [0.0] * len(vectors))
        return np.array(known), np.ones(len(vectors))

    monkeypatch.setattr(ResemblanceModel, "ages", ages)
    taken = {f"kid-{at}.jpg": date(2010 + at, 1, 1) for at in range(3)}
    found = compare_over_time(matcher.engine, [dad], kid, Days(taken))
    assert [each.parent_photo for each in found.moments] == ["dad-1.jpg", None, None]
    first = found.moments[0]
    assert (first.parent_age, first.age_estimated, first.age) == (6.0, True, None)
    assert "dad at about 6 years" in printed(found)


def test_likeness_that_rises_is_said_to_rise_and_chance_is_not() -> None:
    assert MODEL is not None
    dad, other = crowd(2, seed=11)
    rng = np.random.default_rng(0)
    share = np.linspace(0, 0.8, 10)[:, np.newaxis]
    growing = somebody("kid", share * dad + (1 - share) * other)
    steady = somebody("kid", other + rng.normal(0, 0.02, (10, other.size)))
    known = {f"kid-{at}.jpg": date(2010 + at, 1, 1) for at in range(10)}
    found = [
        compare_over_time(matcher.engine, [somebody("dad", dad[np.newaxis])], kid, Days(known))
        for kid in (growing, steady)
    ]
    assert trend_lines(found[0]) == ["kid becomes a little more like dad every year."]
    assert trend_lines(found[1]) == ["kid is about as much like dad over all these years."]
    curve = found[0].curves[0]
    assert curve.z[-1] > curve.z[0] + 0.5
    assert (curve.band[0] <= curve.z + 1e-9).all()
    assert (curve.z <= curve.band[1] + 1e-9).all()


def test_undated_photos_are_left_out_and_said() -> None:
    child = {"son": photos("son")}
    with pytest.raises(TableError, match="no photo of son tells when it was taken"):
        matcher.timeline({"father": photos("father")}, child)
    dates = {"son-2.png": date(2020, 2, 2)}
    found = matcher.timeline({"father": photos("father")}, child, dates=dates)
    assert found.taken == (date(2020, 2, 2),)
    assert any("son.png: it has no date" in each for each in found.warnings)
    assert trend_lines(found) == [
        "Too few days with photos to say whether son becomes more like father."
    ]


def test_a_photo_before_the_birth_is_warned_of() -> None:
    dates, born = {"son.png": date(2000, 2, 2)}, {"son": date(2001, 1, 1)}
    child = {"son": photos("son")[:1]}
    found = matcher.timeline({"father": photos("father")}, child, dates=dates, born=born)
    assert any("before son was born on 2001-01-01" in each for each in found.warnings)
    with pytest.raises(OptionError, match="a birth date for 'sun': nobody is called so"):
        matcher.timeline({"father": photos("father")}, child, born={"sun": BORN})


def test_a_timeline_is_drawn_with_a_curve_where_photos_are_many(growing: Timeline) -> None:
    few = matcher.timeline(
        {"father": photos("father")}, {"daughter": list_photos(SAMPLES / "years")[:2]}
    )
    for found in (growing, few):
        picture = draw(found)
        assert picture.shape == (770, 1100, 3)
        assert picture.std() > 10
    assert draw(few, "dark")[2, 2].mean() < 60


def test_a_trend_is_rarely_seen_where_there_is_none() -> None:
    rng = np.random.default_rng(0)
    for count in (6, 20):
        lines = [
            _trend(np.arange(count, dtype=float), rng.normal(0, 1, count)) for _ in range(2000)
        ]
        named = [line is not None and not line[1] <= 0 <= line[2] for line in lines]
        assert 0.03 < np.mean(named) < 0.07
    a_day = np.repeat([0.0, 9.0], [9, 1])
    assert _trend(a_day, rng.normal(0, 1, 10)) is None  # nine photos of one day are one day
