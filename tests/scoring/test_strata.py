from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.made_up import MODEL, crowd, labelled, made_up_families

from facematch.evaluation.labelled_faces import LabelledFaces, sample_strangers
from facematch.scoring import strata
from facematch.training.cohort import cohort_model
from facematch.training.strata import fit_strata


def test_bands_follow_one_another_and_belong_to_four_stages() -> None:
    for (_, end), (start, _) in zip(strata.AGE_BANDS, strata.AGE_BANDS[1:], strict=False):
        assert start == end + 1
    each = strata.stages(np.eye(len(strata.AGE_BANDS)))
    assert each.argmax(axis=1).tolist() == [0, 1, 1, 2, 2, 3, 3, 3, 3]


def test_a_face_belongs_to_all_strata_in_part() -> None:
    rng = np.random.default_rng(0)
    populations, bands = rng.dirichlet(np.ones(3), 5), rng.dirichlet(np.ones(9), 5)
    joint = strata.strata(populations, bands)
    assert joint.shape == (5, 12)
    np.testing.assert_allclose(joint.sum(axis=1), 1)
    np.testing.assert_allclose(joint.reshape(5, 3, 4).sum(axis=2), populations)
    assert strata.strata(populations[:0], bands[:0]).shape == (0, 12)


def test_an_age_that_is_sure_has_a_smaller_error() -> None:
    sure, unsure = np.eye(9)[1], (np.eye(9)[1] + np.eye(9)[7]) / 2
    years, errors = strata.estimated_age(np.stack([sure, unsure]))
    assert years[0] == pytest.approx(4.5)
    assert errors[0] < 2
    assert errors[1] > 20


def test_ages_of_the_shipped_model_are_years() -> None:
    assert MODEL is not None
    years, errors = MODEL.ages(crowd(20).astype(np.float32))
    assert years.shape == errors.shape == (20,)
    assert ((years >= 0) & (years <= 100)).all()
    assert (errors > 0).all()


def two_stages(count: int, seed: int) -> LabelledFaces:
    """Strangers; babies look like one another along the first dimension, adults do not."""
    rng = np.random.default_rng(seed)
    each = np.arange(count)
    babies = each % 2 == 0
    vectors = rng.normal(size=(count, 24)) + 5
    vectors[babies, 0] += 6
    nobody = np.zeros(count, np.intp)
    ages = np.where(babies, 1.0, 35.0)
    return LabelledFaces(vectors.astype(np.float32), ages, nobody, each, each, nobody)


def test_strata_make_strangers_of_all_ages_comparable() -> None:
    model = cohort_model(made_up_families(60), "made-up")
    rng = np.random.default_rng(0)
    fitted = fit_strata(model, two_stages(400, 0), rng)
    unseen = two_stages(300, 1)

    def spread(judged: object) -> tuple[float, float]:
        means = []
        for stages in ((0, 0), (3, 0), (3, 3)):
            one, other = sample_strangers(unseen, stages, 2000, np.random.default_rng(1))
            z = judged.pair_z_scores(unseen.vectors[one], unseen.vectors[other])  # type: ignore[attr-defined]
            means.append(z.mean())
        return float(np.ptp(means)), float(z.std())

    before, _ = spread(model)
    after, deviation = spread(fitted)
    assert before > 1
    assert after < 0.35
    assert deviation == pytest.approx(1, abs=0.3)


def test_strangers_are_of_other_families_and_of_the_stages_asked_for() -> None:
    faces, _ = labelled(made_up_families(20))
    one, other = sample_strangers(faces, (3, 1), 500, np.random.default_rng(0))
    assert len(one)
    assert (faces.stages[one] == 3).all()
    assert (faces.stages[other] == 1).all()
    assert (faces.families[one] != faces.families[other]).all()


def test_faces_without_a_label_take_no_part() -> None:
    faces = two_stages(100, 0)
    unknown = replace(
        faces,
        ages=np.full(100, np.nan),
        populations=np.full(100, -1, np.intp),
        people=faces.people + 100,
    )
    both = LabelledFaces.joined(faces, unknown)
    assert (both.stages[100:] == -1).all()
    one, other = sample_strangers(both, (3, 3), 500, np.random.default_rng(0))
    assert max(one.max(), other.max()) < 100
