"""How many more photos would decide a verdict."""

from __future__ import annotations

import numpy as np
import pytest

from facematch.scoring.intervals import PHOTO_SPREAD
from facematch.scoring.more_photos import MOST_MORE, more_photos, verdict_chance
from facematch.scoring.people import PARENTS_APART

TRIO = {"mum": 1, "dad": 1, "kid": 1}
SURE = 0.8


def test_who_has_the_fewest_photos_needs_the_most() -> None:
    wanted = more_photos(0.6, {"mum": 9, "dad": 1, "kid": 8}, "kid", SURE)
    assert max(wanted, key=wanted.__getitem__) == "dad"
    assert wanted["dad"] > wanted.get("mum", 0)


def test_everyone_of_one_photo_needs_some_the_child_no_fewer() -> None:
    wanted = more_photos(1.0, TRIO, "kid", SURE)
    assert set(wanted) == set(TRIO)
    assert wanted["kid"] >= max(wanted["mum"], wanted["dad"])
    assert all(0 < count <= MOST_MORE for count in wanted.values())


def test_the_closer_the_more() -> None:
    some = [more_photos(apart, TRIO, "kid", SURE) for apart in (1.2, 0.8, 0.4)]
    counts = [sum(wanted.values()) if wanted else 3 * MOST_MORE for wanted in some]
    assert counts == sorted(counts)
    assert counts[0] < counts[2]
    assert more_photos(-0.8, TRIO, "kid", SURE) == more_photos(0.8, TRIO, "kid", SURE)


def test_many_photos_that_decide_nothing_give_no_advice() -> None:
    assert more_photos(0.0, {"mum": 30, "dad": 30, "kid": 30}, "kid", SURE) == {}


def test_the_chance_of_a_verdict_is_what_simulated_families_have() -> None:
    rng = np.random.default_rng(0)
    before, after = 2 * PHOTO_SPREAD**2, PHOTO_SPREAD**2 / 2
    true = rng.normal(0, np.sqrt(PARENTS_APART), 400_000)
    later = true + rng.normal(0, np.sqrt(after), true.size)
    first = later + rng.normal(0, np.sqrt(before - after), true.size)
    kept = PARENTS_APART / (PARENTS_APART + after)
    decided = np.abs(later) >= 0.8416 * np.sqrt(after / kept)
    for apart in (0.0, 0.5, 1.0):
        near = np.abs(first - apart) < 0.05
        chance = verdict_chance(apart, before, after, SURE)
        assert chance == pytest.approx(decided[near].mean(), abs=0.02)
