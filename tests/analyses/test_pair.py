"""Two photos of one person are told, and what a pair's table says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.made_up import MODEL, crowd
from helpers.matchers import matcher
from rich.console import Console

from facematch.analyses.grouping import SAME_PERSON
from facematch.analyses.pair import ONE_PERSON, SWAPPED, YOUNG_CHILDREN, Pair, _notes, compare_pair
from facematch.detection.alignment import dlib_frame
from facematch.output.match import UNDECIDED, as_json, table
from facematch.scoring.resemblance import ResemblanceModel
from facematch.scoring.strata import AGE_BANDS
from facematch.types import Age, Chips, Frame, Match, Subject, Vectors

CHIPS = np.zeros((2, 150, 150, 3), np.uint8)
SUBJECTS = (Subject("a.jpg", (0, 0, 90, 90), 1, 1, 1), Subject("b.jpg", (0, 0, 90, 90), 1, 1, 1))


class FarApart:
    """An identity embedder whose two vectors have this distance; counts its calls."""

    name = space = "far-apart"

    def __init__(self, distance: float) -> None:
        self.distance, self.calls = distance, 0

    @property
    def frame(self) -> Frame:
        return dlib_frame()

    def embed(self, chips: Chips) -> Vectors:
        self.calls += 1
        return np.array([[0, 0], [self.distance, 0]], np.float32)


def compared(identities: FarApart, *, alike: bool, clear: bool = True) -> Match:
    """A pair of made-up faces, as alike as can be or not at all."""
    assert MODEL is not None
    (one,) = crowd(1)
    vectors = np.stack([one, one if alike else 2 * MODEL.mean - one]).astype(np.float32)
    engine = replace(matcher.engine, identity_embedder=identities)
    return compare_pair(engine, Pair(CHIPS, SUBJECTS, (), clear), vectors)


@pytest.mark.parametrize(("distance", "told"), [(0.2, True), (0.44, True), (0.46, False)])
def test_two_photos_of_one_person_are_told(distance: float, told: bool) -> None:
    assert (distance < SAME_PERSON) is told
    assert (ONE_PERSON in compared(FarApart(distance), alike=True).warnings) is told


def test_who_is_not_alike_costs_no_second_network() -> None:
    identities = FarApart(0.0)
    assert compared(identities, alike=False).warnings == ()
    assert identities.calls == 0


def of_age(model: ResemblanceModel, band: int) -> ResemblanceModel:
    """A model that takes every face for one of this age band."""
    sure = np.where(np.arange(len(AGE_BANDS)) == band, 100, 0).astype(np.float32)
    return replace(model, age_axes=model.age_axes * 0, age_offsets=sure)


@pytest.mark.parametrize(("band", "young"), [(0, True), (2, True), (3, False), (6, False)])
def test_two_young_children_are_told_and_not_taken_for_one_person(
    band: int, young: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MODEL is not None
    model = of_age(MODEL, band)
    monkeypatch.setattr("facematch.engine.model_for", lambda _: model)
    identities = FarApart(0.0)
    match = compared(identities, alike=True)
    assert (YOUNG_CHILDREN in match.warnings) is young
    assert (ONE_PERSON in match.warnings) is not young
    assert (match.likelihood_ratio is None) is young
    assert (match.likelihood_ratio_interval is None) is young
    assert ("no data says how alike young relatives look" in printed(match)) is young
    assert identities.calls == (0 if young else 1)
    low, high = AGE_BANDS[band]
    assert match.ages is not None
    assert all(low <= age.years <= high + 1 for age in match.ages)
    assert printed(match).count(" years old") == 2
    told = json.loads(as_json(match))["child"]["age"]
    assert told == {
        "years": pytest.approx(match.ages[1].years, abs=0.05),
        "error": pytest.approx(match.ages[1].error, abs=0.05),
    }


@pytest.mark.parametrize(("band", "told"), [(0, True), (5, False)])
def test_a_child_in_the_parents_place_is_told(band: int, told: bool) -> None:
    match = compared(FarApart(1.0), alike=False)
    years = float(AGE_BANDS[band][0] + 1)
    ages = Age(years, 1.0), Age(40.0, 5.0)
    pair = Pair(CHIPS, SUBJECTS, (), clear=True)
    notes = _notes(matcher.engine, pair, replace(match, ages=ages))
    assert (notes == [SWAPPED]) is told


def test_a_poor_photo_is_not_asked_who_it_shows() -> None:
    identities = FarApart(0.0)
    assert compared(identities, alike=True, clear=False).warnings == ()
    assert identities.calls == 0


def printed(match: Match) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table(match))
    return capture.get()


def test_a_table_says_what_is_neutral_and_what_would_help() -> None:
    match = compared(FarApart(1.0), alike=True)
    wide = replace(match, score=70.0, score_interval=(30.0, 97.0), neutral_score=72.0)
    words = printed(wide)
    assert "70 of 100 (30 to 97)" in words
    assert "72 is neutral: more speaks for kinship, less against it" in words
    assert UNDECIDED in words
    assert UNDECIDED not in printed(replace(wide, score_interval=(30.0, 71.0)))
    assert "neutral" not in printed(replace(wide, neutral_score=None))


def test_what_is_not_known_is_said_so() -> None:
    match = compared(FarApart(1.0), alike=True)
    unknown = replace(
        match, score=None, score_interval=None, likelihood_ratio=None,
        likelihood_ratio_interval=None, neutral_score=None,
    )  # fmt: skip
    assert printed(unknown).count("not known") == 2
    with_cohort = replace(match.engine, cohort="cohort of 40 faces")
    unrated = replace(match, likelihood_ratio=None, engine=with_cohort)
    assert "among the strangers of your cohort" in printed(unrated)
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table(unrated, prior=0.5))
    assert "it needs a likelihood ratio" in capture.get()
