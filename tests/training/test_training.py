from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.command import run
from helpers.data_sets import archive, strangers
from helpers.made_up import families_of_four, labelled, pair_z_scores

from facematch.errors import FacematchError
from facematch.evaluation import fiw
from facematch.evaluation.colours import colours, crop_around
from facematch.evaluation.fiw_faces import ARCHIVE, list_faces
from facematch.evaluation.kin import Kin, average_photos, folds, sample_pairs, split_families
from facematch.evaluation.metrics import auc, ks_from_uniform
from facematch.scoring.resemblance import open_model
from facematch.training import resemblance
from facematch.training.calibration import log_ratio
from facematch.training.cohort import cohort_model
from facematch.training.evidence import choose_group_share, leave_out

SIZE = 24  # dimensions of the made-up embeddings
NOISE = 0.6  # of a photo, in units of what varies between people


def made_up_families(count: int, seed: int = 0) -> Kin:
    """Families of two parents and two children, each child half its parents, four photos each.

    Photos vary most along the first dimensions, which say nothing of who is shown.
    """
    rng = np.random.default_rng(seed)
    parents = rng.normal(size=(count, 2, SIZE))
    children = parents.mean(axis=1, keepdims=True) + rng.normal(0, 0.7, (count, 2, SIZE))
    people = np.concatenate([parents, children], axis=1).reshape(-1, SIZE)
    loud = np.where(np.arange(SIZE) < 6, 5, 1)
    photos = people.repeat(4, axis=0) + NOISE * loud * rng.normal(size=(16 * count, SIZE))
    return families_of_four(photos + 5)


def test_no_family_is_in_two_parts() -> None:
    kin = made_up_families(50)
    fit, held_back = split_families(kin, 0.3, np.random.default_rng(0))
    assert len(held_back) == 15
    assert sorted([*fit, *held_back]) == list(range(50))
    for rest, part in folds(fit, 5, np.random.default_rng(0)):
        assert not set(rest) & set(part)
        assert sorted([*rest, *part]) == sorted(fit)
    photos = kin.of_families(held_back)
    assert set(photos.family[photos.person]) == set(held_back)
    assert set(photos.family[photos.parents]) == set(held_back)


def test_pairs_are_kin_or_strangers_of_the_same_sexes() -> None:
    kin = made_up_families(30)
    pairs = sample_pairs(kin, 3, np.random.default_rng(0))
    family = kin.family[kin.person]
    same = family[pairs.parents] == family[pairs.children]
    np.testing.assert_array_equal(same, pairs.kin)
    assert pairs.kin.mean() == 0.5
    for relation in ("fs", "fd", "ms", "md"):
        assert pairs.kin[pairs.relations == relation].mean() == 0.5


def test_people_without_photos_are_left_out() -> None:
    kin = made_up_families(10)
    shown = kin.person != 2  # a child of the first family
    fewer = Kin(
        kin.vectors[shown], kin.person[shown], kin.family, kin.parents, kin.children, kin.relations
    )
    pairs = sample_pairs(fewer, 1, np.random.default_rng(0))
    assert pairs.kin.sum() == 38
    assert not np.isin(fewer.person[pairs.children], [2]).any()


@pytest.mark.slow
def test_a_model_finds_kin_among_people_it_never_saw() -> None:
    rng = np.random.default_rng(0)
    names = np.array([f"F{at:04}" for at in range(120)])
    fitted = made_up_families(120)
    model = resemblance.fit_resemblance(fitted, labelled(fitted), "made-up", names, rng)
    assert model.families.tolist() == names.tolist()
    unseen = made_up_families(80, seed=1)
    pairs = sample_pairs(unseen, 8, rng)
    z = pair_z_scores(model, unseen, pairs)
    scores = np.interp(z, model.distances, model.scores)
    plain = unseen.vectors / np.linalg.norm(unseen.vectors, axis=1, keepdims=True)
    cosine = np.einsum("nd,nd->n", plain[pairs.parents], plain[pairs.children])
    assert auc(scores, pairs.kin) > auc(cosine, pairs.kin) + 0.05
    tenths, _ = np.histogram(scores[~pairs.kin], np.arange(0, 101, 10))
    assert np.abs(tenths / tenths.sum() - 0.1).max() < 0.03
    ratios = model.compare(unseen.vectors[pairs.parents[:9]], unseen.vectors[pairs.children[:9]])[1]
    assert (ratios > 0).all()


def test_a_likelihood_ratio_says_how_much_commoner_a_distance_is_in_kin() -> None:
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(1, 1, 40_000), rng.normal(0, 1, 20_000)])
    are_kin = np.arange(60_000) < 40_000
    slope, intercept = log_ratio(z, are_kin)
    assert slope == pytest.approx(1, abs=0.05)  # log N(x; 1, 1) / N(x; 0, 1) is x - 1/2
    assert intercept == pytest.approx(-0.5, abs=0.05)
    twice = log_ratio(z, are_kin, np.where(are_kin, 2.0, 1.0))
    assert twice == pytest.approx((slope, intercept), abs=0.05)  # the prior is taken off


@pytest.mark.slow
def test_a_model_and_its_card_are_made_from_an_archive(tmp_path: Path) -> None:
    data, out, held_back = archive(tmp_path), tmp_path / "out", tmp_path / "held-back.txt"
    held_back.write_text("\n".join(f"F{at:04}" for at in range(1, 10)))
    result = run(
        "train", "resemblance", "--embedder", "dlib-resnet", "--data", str(data), "--out", str(out),
        "--strangers", str(strangers(tmp_path / "strangers")),
        "--held-back", str(held_back),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    content = (out / "dlib-resnet.npz").read_bytes()
    card = (out / "dlib-resnet.md").read_text(encoding="utf-8")
    model = open_model(content)
    assert model.families.tolist() == [f"F{at:04}" for at in range(10, 31)]
    assert hashlib.sha256(content).hexdigest() in card
    assert "21 families took part; the 9 of" in " ".join(card.split())
    assert len(re.findall(r"^\| .* \| 0\.\d{3} \|", card, re.MULTILINE)) >= 5


def test_an_archive_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    path = tmp_path / "fiw-train.zip"
    with pytest.raises(FacematchError, match=r"fiw-train\.zip cannot be read"):
        list_faces(path)
    with zipfile.ZipFile(path, "w") as entries:
        entries.writestr("README", "not a face")
    with pytest.raises(FacematchError, match="holds no face named FAMILY/MEMBER"):
        list_faces(path)


def test_relations_are_those_of_people_with_photos(tmp_path: Path) -> None:
    names, kin, families = fiw.read_relations(
        archive(tmp_path, families=3) / ARCHIVE, tmp_path / fiw.RELATIONS
    )
    assert len(names) == 18
    assert families.tolist() == ["F0001", "F0002", "F0003"]
    assert sorted(kin.relations.tolist()) == ["fd"] * 3 + ["md"] * 3
    assert (kin.family[kin.parents] == kin.family[kin.children]).all()


@pytest.mark.slow
def test_an_embedder_tuned_on_families_is_calibrated_by_evidence_from_others() -> None:
    kin, names, rng = made_up_families(120), np.array(["F0001"]), np.random.default_rng(0)
    rest, part = np.arange(60), np.arange(60, 120)
    faces = labelled(kin)
    halves = [
        leave_out(
            cohort_model(kin.of_families(one), ""), kin, other,
            resemblance.split_labelled(*faces, fold), rng,
        )
        for fold, (one, other) in enumerate(((rest, part), (part, rest)))
    ]  # fmt: skip
    model = resemblance.fit_tuned(kin, faces, "made-up", names, halves, rng)
    assert model.group_share.item() == pytest.approx(choose_group_share(halves))
    np.testing.assert_array_equal(model.transform, np.eye(SIZE))
    assert model.log_ratio_draws.shape == (200, 2)
    strangers = made_up_families(80, seed=1)
    pairs = sample_pairs(strangers, 8, rng)
    z = pair_z_scores(model, strangers, pairs)
    assert ks_from_uniform(model.calibrate(z)[0][~pairs.kin].astype(float)) < 0.06
    width = np.diff(model.ratio_interval(np.array([1.0]))).item()
    assert 0 < width < 2


def test_averaged_photos_are_of_one_person_and_counted() -> None:
    kin = made_up_families(5)
    photos = np.array([0, 5, 17])
    for count in (1, 3, 10):
        vectors, inverse = average_photos(kin, photos, count, np.random.default_rng(0))
        assert inverse.tolist() == [1 / min(count, 4)] * 3
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    own = kin.vectors[:4].mean(axis=0)
    np.testing.assert_allclose(vectors[0], own / np.linalg.norm(own), atol=1e-6)


@pytest.mark.slow
def test_strangers_are_as_uniform_with_several_photos_as_with_one() -> None:
    rng = np.random.default_rng(0)
    names = np.array(["F0001"])
    fitted = made_up_families(150)
    model = resemblance.fit_resemblance(fitted, labelled(fitted), "made-up", names, rng)
    unseen = made_up_families(100, seed=1)
    pairs = sample_pairs(unseen, 8, rng)
    for count in (1, 4):
        parents, fewer = average_photos(unseen, pairs.parents, count, rng)
        children, few = average_photos(unseen, pairs.children, count, rng)
        z = model.pair_z_scores(parents, children)
        z = model.correct_for_averaging(z, (fewer + few) / 2)
        scores, _ = model.calibrate(z)
        assert ks_from_uniform(scores[~pairs.kin].astype(float)) < 0.06


def test_a_handful_of_families_is_too_few() -> None:
    kin = made_up_families(5)
    with pytest.raises(FacematchError, match="5 families to fit; at least 20 are needed"):
        resemblance.fit_resemblance(
            kin, labelled(kin), "made-up", np.array(["F0001"]), np.random.default_rng(0)
        )


def test_relations_that_are_missing_are_named(tmp_path: Path) -> None:
    folder = archive(tmp_path, families=1)
    (folder / "fiw-train-relations.csv").unlink()
    with pytest.raises(FacematchError, match=r"relations\.csv cannot be read"):
        fiw.read_relations(folder / ARCHIVE, folder / fiw.RELATIONS)


def test_colours_are_means_and_spreads_of_three_channels() -> None:
    flat = np.full((4, 4, 3), 255, np.uint8)
    np.testing.assert_array_equal(colours(flat), (255, 128, 128, 0, 0, 0))
    half = np.concatenate([flat, np.zeros_like(flat)])
    np.testing.assert_allclose(colours(half)[[0, 3]], 127.5)


def test_colours_are_taken_around_the_face_and_never_of_nothing() -> None:
    pixels = np.arange(100 * 200 * 3, dtype=np.uint8).reshape(100, 200, 3)
    assert crop_around(pixels, (50, 20, 90, 60)).shape == (60, 60, 3)
    for box in ((-50, -50, 500, 500), (190, 90, 300, 300), (300, 300, 400, 400), (-9, -9, -8, -8)):
        assert crop_around(pixels, box).size > 0
