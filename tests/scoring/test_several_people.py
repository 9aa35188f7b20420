"""A folder of several people, given as one person, is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from helpers.made_up import MODEL, crowd, somebody
from helpers.matchers import matcher

from facematch.analyses.family import compare_family
from facematch.scoring.people import seem_several


def strangers(count: int) -> np.ndarray:
    """Some of a crowd who are little alike: each next one is the least like those before."""
    assert MODEL is not None
    some = crowd(60)
    z = MODEL.z_scores(
        *[(some / np.linalg.norm(some, axis=1, keepdims=True)).astype(np.float32)] * 2
    )
    chosen = [0]
    while len(chosen) < count:
        chosen.append(int(np.argmin(z[chosen].mean(axis=0) + z[:, chosen].mean(axis=1))))
    return np.asarray(some[chosen])


def one_person(count: int) -> np.ndarray:
    """Photos of one person, near enough."""
    return crowd(1, seed=3).repeat(count, axis=0) + crowd(count, seed=4) / 20


def test_photos_of_strangers_seem_several_people_and_those_of_one_do_not() -> None:
    assert MODEL is not None
    assert seem_several(MODEL, somebody("all", strangers(6)).gallery)
    assert not seem_several(MODEL, somebody("ann", one_person(6)).gallery)


def test_two_photos_or_another_embedder_say_nothing() -> None:
    assert MODEL is not None
    mixed = somebody("all", strangers(6)).gallery
    assert not seem_several(MODEL, mixed.of_rows([0, 1]))
    assert not seem_several(MODEL, replace(mixed, space="other"))


def test_a_family_says_whose_photos_show_several_people() -> None:
    mixed, ann = somebody("all", strangers(6)), somebody("ann", one_person(3))
    family = compare_family(matcher.engine, [ann], [mixed])
    told = [each for each in family.warnings if "several people" in each]
    assert told == [
        "all: the photos are as unlike each other as those of several people: give each person a "
        "name and a folder of their own"
    ]
