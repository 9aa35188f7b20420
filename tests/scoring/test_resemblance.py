from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.places import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

import facematch
from facematch.errors import EmbeddingError, ResemblanceError
from facematch.scoring import resemblance, strata
from facematch.scoring.resemblance import ResemblanceModel, model_as_bytes, model_for, open_model
from facematch.types import Vectors
from facematch.weights import files as weights


def shipped() -> ResemblanceModel:
    model = model_for("dlib-resnet")
    assert model is not None
    return model


def faces(count: int, seed: int = 0) -> Vectors:
    """Vectors spread as embeddings of faces are, roughly."""
    rng = np.random.default_rng(seed)
    return (shipped().mean + rng.normal(0, 0.05, (count, 128))).astype(np.float32)


def test_parents_are_rows_and_children_columns() -> None:
    scores, ratios = shipped().compare(faces(3), faces(2, seed=1))
    assert scores.shape == ratios.shape == (3, 2)
    assert scores.dtype == ratios.dtype == np.float32


@pytest.mark.parametrize(("parents", "children"), [(0, 0), (0, 2), (2, 0)])
def test_none_at_all_gives_empty_matrices(parents: int, children: int) -> None:
    scores, ratios = shipped().compare(faces(parents), faces(children))
    assert scores.shape == ratios.shape == (parents, children)


@given(st.integers(0, 2**32 - 1))
def test_scores_and_ratios_rise_together_within_their_bounds(seed: int) -> None:
    scores, ratios = shipped().compare(faces(4, seed), faces(5, seed + 1))
    order = np.argsort(scores, axis=None)
    assert (np.diff(ratios.ravel()[order]) >= -1e-5).all()
    assert scores.min() >= 0
    assert scores.max() <= 100
    assert ratios.min() > 0


def test_a_pair_scores_the_same_alone_and_in_company() -> None:
    parents, children = faces(4), faces(5, seed=1)
    scores, _ = shipped().compare(parents, children)
    alone = [
        [shipped().compare(parents[[i]], children[[j]])[0][0, 0] for j in range(5)]
        for i in range(4)
    ]
    np.testing.assert_allclose(scores, alone, rtol=1e-5)


def test_the_length_of_a_vector_does_not_matter() -> None:
    one, _ = shipped().compare(faces(3), faces(3, seed=1))
    other, _ = shipped().compare(faces(3) * 7, faces(3, seed=1) / 3)
    np.testing.assert_allclose(one, other, atol=1e-2)


def test_the_same_face_scores_highest() -> None:
    scores, ratios = shipped().compare(faces(6), faces(6))
    assert (np.diag(scores) >= scores.max(axis=1)).all()
    assert (np.diag(ratios) > 1).all()


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_a_vector_without_direction_is_refused(value: float) -> None:
    wrong = faces(2)
    wrong[1] = value
    with pytest.raises(EmbeddingError, match="rows 1 are all zeros or not finite"):
        shipped().compare(wrong, faces(1))


def test_vectors_of_another_space_are_refused() -> None:
    with pytest.raises(ResemblanceError, match=r"compares vectors \(N, 128\) of dlib-resnet"):
        shipped().compare(np.ones((1, 64), np.float32), faces(1))


def test_no_model_is_shipped_for_an_unknown_space() -> None:
    for space in ("facenet", "../dlib-resnet", ""):
        assert model_for(space) is None


def test_a_model_is_the_same_from_its_bytes() -> None:
    data = model_as_bytes(shipped())
    again = open_model(data)
    for field in fields(again):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(shipped(), field.name))
    assert model_as_bytes(again) == data


def test_the_shipped_model_is_the_one_its_card_describes() -> None:
    models = REPOSITORY / "models"
    data = (models / "dlib-resnet.npz").read_bytes()
    card = (models / "dlib-resnet.md").read_text(encoding="utf-8")
    assert hashlib.sha256(data).hexdigest() in card
    assert shipped().name in card
    assert len(data) < 500_000


def changed(**values: Any) -> bytes:
    """The archive of the shipped model, with other values; None takes one away."""
    arrays: dict[str, Any] = {
        field.name: getattr(shipped(), field.name) for field in fields(ResemblanceModel)
    }
    arrays |= {"kind": np.asarray(resemblance.KIND)} | values
    archive = io.BytesIO()
    np.savez(archive, **{name: value for name, value in arrays.items() if value is not None})
    return archive.getvalue()


def without_groups() -> dict[str, Any]:
    names = [field.name for field in fields(ResemblanceModel) if "group" in field.name]
    return {name: getattr(shipped(), name)[:0] for name in names} | {
        "group_share": shipped().group_share
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no archive of a resemblance model"),
        (b"PK\3\4 rubbish", "no archive of a resemblance model"),
        (changed()[:5000], "no archive of a resemblance model"),
        (changed(mean=np.array([{}], object)), "no archive of a resemblance model"),
        (changed(kind=np.asarray("siamese-9")), "a model of kind 'siamese-9'"),
        (changed(kind=None), "a model of kind 'unknown'"),
        (changed(scores=None), "a model that lacks scores"),
        (changed(mean=np.zeros(7, np.float32)), "a model whose transform is not"),
        (changed(mean=np.float32(1)), "a model whose mean is not"),
        (changed(transform=np.float32(1)), "a model whose transform is not"),
        (changed(distances=np.float32(1)), "a model whose distances is not"),
        (changed(mean=np.full(128, np.nan, np.float32)), "a model whose mean is not"),
        (changed(scores=shipped().scores[::-1].copy()), "scores do not rise"),
        (changed(scores=shipped().scores * 2), "scores do not rise"),
        (changed(distances=shipped().distances * 0), "scores do not rise"),
        (
            changed(child_covariance=shipped().child_covariance * 0),
            "a model whose cohort does not vary",
        ),
        (changed(log_ratio=-shipped().log_ratio), "likelihood ratio falls"),
        (changed(group_share=None), "a model that lacks group_share"),
        (changed(group_axes=shipped().group_axes[:2]), "a model whose group_axes is not"),
        (changed(group_axes=np.float32(1)), "a model whose group_axes is not"),
        (changed(group_offsets=shipped().group_offsets[:0]), "a model whose group_axes is not"),
        (changed(child_group_means=shipped().child_group_means * np.nan), "child_group_means is"),
        (changed(parent_group_covariances=shipped().parent_covariance), "covariances is not"),
        (
            changed(parent_group_covariances=-shipped().parent_group_covariances),
            "a model whose cohort does not vary",
        ),
        (changed(group_share=np.array([1.5], np.float32)), "whose group_share is not 0 to 1"),
        (changed(group_share=np.array([-0.5], np.float32)), "whose group_share is not 0 to 1"),
        (changed(**without_groups()), "a model without groups"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_model_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ResemblanceError, match=message):
        open_model(data)


def compressed() -> bytes:
    archive = io.BytesIO()
    with np.load(io.BytesIO(changed())) as arrays:
        np.savez_compressed(archive, **arrays)
    return archive.getvalue()


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("data", [changed(), compressed()], ids=["stored", "compressed"])
def test_a_model_with_a_wrong_byte_is_refused_or_unharmed(data: bytes, every: int) -> None:
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(io.BytesIO(data)) as entries:
        starts = [entry.header_offset for entry in entries.infolist()]
    anywhere, headers = rng.integers(0, len(data), 30), rng.choice(starts, 120)
    headers += rng.integers(0, 150, len(headers))
    directory = rng.integers(len(data) - 1000, len(data), 60)
    for at in [*anywhere, *headers, *directory][::every]:
        damaged = bytearray(data)
        damaged[at] ^= rng.integers(1, 256)
        try:
            model = open_model(bytes(damaged))
        except ResemblanceError:
            continue
        assert model_as_bytes(model) == model_as_bytes(shipped())


def test_a_shape_that_is_not_true_is_refused() -> None:
    data = bytearray(changed())
    for shape in (b"(999999999999999,)", b"(-1,)"):
        lying = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(data)) as entries,
            zipfile.ZipFile(lying, "w") as others,
        ):
            for name in entries.namelist():
                content = entries.read(name)
                if name == "mean.npy":
                    padding = b" " * (len(shape) - len(b"(128,)"))
                    content = content.replace(b"(128,)", shape).replace(padding + b"\n", b"\n")
                others.writestr(name, content)
        with pytest.raises(ResemblanceError, match="no archive of a resemblance model"):
            open_model(lying.getvalue())


def test_a_vector_on_which_the_cohort_does_not_vary_is_refused() -> None:
    flat = np.zeros_like(shipped().parent_covariance)
    flat[0, 0] = 1
    transform = np.eye(128, len(flat), dtype=np.float32)
    model = sharing(0, mean=shipped().mean * 0, transform=transform, parent_covariance=flat)
    child = np.eye(128, dtype=np.float32)[1:2]
    with pytest.raises(ResemblanceError, match="equally like everyone in the cohort"):
        model.compare(faces(1), child)


def test_a_model_too_large_to_make_sense_is_not_unpacked() -> None:
    archive = io.BytesIO()
    np.savez_compressed(archive, mean=np.zeros(2**25, np.float32))
    assert len(archive.getvalue()) < 2**20
    with pytest.raises(ResemblanceError, match="unpacks to 134,217,856 bytes, which is more"):
        open_model(archive.getvalue())
    with pytest.raises(ResemblanceError, match="67,108,865 bytes, where at most"):
        open_model(bytes(2**26 + 1))


def test_a_model_is_checked_however_it_is_built() -> None:
    with pytest.raises(ResemblanceError, match="whose mean is not"):
        replace(shipped(), mean=shipped().mean.astype(np.float64))


def test_the_models_folder_is_found_beside_the_package_or_in_it() -> None:
    assert weights.models_folder().name == "models"
    assert (weights.models_folder() / "dlib-resnet.npz").is_file()
    assert Path(facematch.__file__).parent in {
        weights.models_folder().parent,
        weights.models_folder().parent / "facematch",
    }


def test_the_interval_holds_the_likelihood_ratio_and_stays_within_its_bounds() -> None:
    model = shipped()
    z = np.linspace(-4, 6, 21)
    _, ratios = model.calibrate(z)
    intervals = model.ratio_interval(z)
    assert intervals.shape == (21, 2)
    assert (intervals[:, 0] <= ratios * 1.001).all()
    assert (ratios <= intervals[:, 1] * 1.001).all()
    least, greatest = np.exp(model.log_ratio[2:])
    assert intervals.min() >= least * 0.999
    assert intervals.max() <= greatest * 1.001
    assert model.ratio_interval(z[:0]).shape == (0, 2)


def test_single_photos_are_judged_as_they_are_and_averages_moved_and_widened() -> None:
    model = replace(shipped(), averaging=np.array([1, -1, 0.25, 0.75], np.float32))
    z = np.array([-1.0, 0.0, 2.0])
    np.testing.assert_allclose(model.correct_for_averaging(z, np.ones(3)), z, atol=1e-6)
    # Endlessly many photos: strangers' mean is 1 and their spread a half, of single ones 0 and 1.
    many = model.correct_for_averaging(z, np.zeros(3))
    np.testing.assert_allclose(many, 2 * (z - 1), atol=1e-6)
    ones = np.ones(4, np.int64), np.ones(5, np.int64)
    for one, other in zip(
        model.compare(faces(4), faces(5, 1)),
        model.compare(faces(4), faces(5, 1), ones),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4)


def standardised(model: ResemblanceModel, z: Any, parents: Vectors, children: Vectors) -> Any:
    """What is left of z-scores when that of strangers of these strata is taken off."""
    one, other = (strata_of(model, vectors) for vectors in (parents, children))
    spreads = [np.exp(each @ model.stratum_deviations) for each in (one, other)]
    return (z - one @ model.stratum_means @ other.T) / np.outer(*spreads)


def strata_of(model: ResemblanceModel, vectors: Vectors) -> Any:
    rows = resemblance.comparable(vectors, model.mean, model.transform)
    return strata.strata(
        strata.probabilities(rows, model.population_axes, model.population_offsets),
        strata.probabilities(rows, model.age_axes, model.age_offsets),
    )


def sharing(share: float, **values: Any) -> ResemblanceModel:
    """The shipped model with that share of groups in its cohort, and other values."""
    return replace(shipped(), group_share=np.array([share], np.float32), **values)


def test_without_a_share_of_groups_the_cohort_is_everyone() -> None:
    model, parents, children = sharing(0), faces(4), faces(5, seed=1)
    rows, columns = (
        resemblance.comparable(vectors, model.mean, model.transform)
        for vectors in (parents, children)
    )

    def above(judged: Any, others: Any, mean: Any, covariance: Any) -> Any:
        spread = np.sqrt(np.diag(judged @ covariance @ judged.T))
        return (judged @ others.T - (judged @ mean)[:, np.newaxis]) / spread[:, np.newaxis]

    expected = above(rows, columns, model.child_mean, model.child_covariance)
    expected = expected + above(columns, rows, model.parent_mean, model.parent_covariance).T
    z = model.z_scores(parents, children)
    np.testing.assert_allclose(z, standardised(model, expected / 2, parents, children), rtol=1e-6)
    assert np.abs(sharing(1).z_scores(parents, children) - z).max() > 0.1


def test_a_vector_between_two_groups_scores_between() -> None:
    covariances = np.stack([shipped().child_covariance] * 3)

    def distances(*offsets: float) -> Any:
        """Of vectors that belong to the groups in proportion to the exponentials, all alike."""
        model = sharing(
            1,
            group_axes=shipped().group_axes * 0,
            group_offsets=np.array(offsets, np.float32),
            child_group_covariances=covariances,
            parent_group_covariances=covariances,
        )
        return model.z_scores(faces(6), faces(7, seed=1))

    one, other, both = distances(99, 0, 0), distances(0, 99, 0), distances(0, 0, -99)
    np.testing.assert_allclose(both, (one + other) / 2, rtol=1e-6)
    assert np.abs(one - other).max() > 0.1


def test_no_score_jumps_between_near_vectors() -> None:
    model = sharing(1)
    towards = np.linalg.pinv(model.transform.astype(np.float64).T) @ model.group_axes.T
    ends = shipped().mean + 0.1 * (towards / np.linalg.norm(towards, axis=0)).T
    steps = np.linspace(0, 1, 201)[:, np.newaxis]
    path = ((1 - steps) * ends[0] + steps * ends[1]).astype(np.float32)
    belongs = model.memberships(path)
    assert belongs[0].argmax() != belongs[-1].argmax()
    np.testing.assert_allclose(belongs.sum(axis=1), 1)
    z = model.z_scores(path, faces(20))
    assert np.abs(np.diff(z, axis=0)).max() < 0.4
    assert model.memberships(path[:0]).shape == (0, 3)


def test_how_strangers_vary_must_make_sense() -> None:
    with pytest.raises(ResemblanceError, match="whose strangers do not vary"):
        replace(shipped(), averaging=np.array([0, 0, 1, -2], np.float32))
