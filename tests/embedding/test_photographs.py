"""Faces unlike all photographs: drawings are told, and have no likelihood ratio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.made_up import noise
from helpers.places import SAMPLES, SHARED

from facematch import FaceMatcher
from facematch.embedding.kin import KinEmbedder
from facematch.embedding.photographs import (
    Photographs,
    embed_and_check,
    open_photographs,
    photographs_for,
)
from facematch.embedding.registry import load_embedder
from facematch.errors import WeightsError
from facematch.scoring.matching import match, match_pairs
from facematch.training.photographs import SHARE_WITHIN, fit_photographs
from facematch.types import UNLIKE_PHOTOGRAPHS, Chips

DRAWN = sorted((SAMPLES / "strangers").iterdir())
PAIR = SAMPLES / "father.png", SAMPLES / "son.png"


def chips_of(photos: list[Path]) -> Chips:
    engine = FaceMatcher().engine
    found = [engine.find_largest(photo) for photo in photos]
    return np.stack([portrait.chips[0] for portrait in found if portrait.faces])


def test_most_drawings_are_told() -> None:
    _, unlike = embed_and_check(KinEmbedder(), chips_of(DRAWN[:20]))
    assert unlike.mean() >= 0.8


def test_photographs_are_not_told_also_in_grey_or_strongly_compressed() -> None:
    import cv2

    photos = sorted(Path(SHARED, "photos", "people").rglob("*.jp*g"))
    if not photos:
        pytest.skip("photographs under $FACEMATCH_SHARED/photos are needed")
    chips = chips_of(photos[:20])
    grey = chips.mean(axis=3, keepdims=True).astype(np.uint8).repeat(3, axis=3)
    packed = [cv2.imencode(".jpg", chip, [cv2.IMWRITE_JPEG_QUALITY, 40])[1] for chip in chips]
    unpacked = np.stack([cv2.imdecode(data, cv2.IMREAD_COLOR) for data in packed])
    for some in (chips, grey, unpacked):
        _, unlike = embed_and_check(KinEmbedder(), np.asarray(some, np.uint8))
        assert unlike.mean() <= 0.1


def test_a_score_of_a_drawing_says_so_and_has_no_ratio_but_with_a_cohort_of_drawings() -> None:
    found = FaceMatcher().score(*PAIR)
    assert any(UNLIKE_PHOTOGRAPHS in each for each in found.warnings)
    assert found.score is not None
    assert found.likelihood_ratio is None
    assert found.likelihood_ratio_interval is None
    with_cohort = FaceMatcher(cohort=SAMPLES / "strangers.npz").score(*PAIR)
    assert not any(UNLIKE_PHOTOGRAPHS in each for each in with_cohort.warnings)


def test_a_gallery_keeps_the_warning_and_its_pairs_have_no_ratio() -> None:
    matcher = FaceMatcher()
    parents, children = matcher.gallery(PAIR[:1]), matcher.gallery(PAIR[1:])
    assert parents.unlike_photographs.all()
    clear = replace(parents, warnings=((),)), replace(children, warnings=((),))
    drawn = replace(children, warnings=((UNLIKE_PHOTOGRAPHS,),))
    for one, other in ((parents, children), (clear[0], drawn), (parents, clear[1])):
        assert np.isnan(match_pairs(one, other).likelihood_ratios).all()
        for top in (None, 1):
            (compared,) = match(one, other, top=top)
            assert np.isnan(compared.likelihood_ratios).all()
            assert np.isfinite(compared.scores).all()
    assert np.isfinite(match_pairs(*clear).likelihood_ratios).all()


def test_a_family_of_drawings_has_no_ratio() -> None:
    found = FaceMatcher().family({"dad": [PAIR[0]]}, {"son": [PAIR[1]]})
    assert found.likenesses[0].likelihood_ratio is None
    assert any(UNLIKE_PHOTOGRAPHS in each for each in found.warnings)


def test_an_embedder_that_cannot_tell_tells_no_face() -> None:
    assert photographs_for("dlib-resnet") is None
    vectors, unlike = embed_and_check(load_embedder("dlib-resnet"), noise(150, 150)[np.newaxis])
    assert vectors.shape == (1, 128)
    assert not unlike.any()


def test_vectors_are_the_same_with_statistics_and_without() -> None:
    chips = np.stack([noise(150, 150, seed) for seed in range(3)])
    vectors, statistics = KinEmbedder().embed_with_statistics(chips)
    np.testing.assert_array_equal(vectors, KinEmbedder().embed(chips))
    assert statistics.shape == (3, 512)
    assert KinEmbedder().embed_with_statistics(chips[:0])[1].shape == (0, 512)


def test_one_face_in_two_hundred_of_the_same_kind_lies_beyond_the_limit() -> None:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(12, 12))
    faces, others = ((rng.normal(size=(4000, 12)) @ mixed).astype(np.float32) for _ in range(2))
    fitted = fit_photographs(faces, np.arange(4000) // 10)
    assert fitted.unlike(others).mean() == pytest.approx(1 - SHARE_WITHIN, abs=0.004)
    assert fitted.unlike(others + 9 * mixed[0].astype(np.float32)).mean() > 0.95


def test_statistics_survive_their_archive_and_others_are_refused() -> None:
    known = photographs_for("kin-1")
    assert known is not None
    again = open_photographs(known.as_bytes())
    np.testing.assert_array_equal(again.whitening, known.whitening)
    wrong = Photographs(known.mean, known.whitening[:5], known.limit)
    for data in (b"no archive", wrong.as_bytes()):
        with pytest.raises(WeightsError, match="no statistics of photographs"):
            open_photographs(data)
