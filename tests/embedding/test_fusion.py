from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import run
from sys import executable
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.fakes import ColourEmbedder
from helpers.made_up import SIZE, families_of_four, labelled, made_up_families, noise
from helpers.places import SAMPLES, installed, shared_file

from facematch.detection.alignment import dlib_frame
from facematch.embedding.fused import FusedEmbedder, concatenated
from facematch.embedding.kin import KinEmbedder
from facematch.embedding.onnx_model import read_recipe
from facematch.embedding.registry import load_embedder
from facematch.errors import FacematchError, UnknownBackendError, WeightsError
from facematch.evaluation.kin import Indices, Kin
from facematch.evaluation.kin import folds as kin_folds
from facematch.evaluation.metrics import auc
from facematch.matcher import FaceMatcher
from facematch.scoring.cosine import cosine_pairs
from facematch.scoring.resemblance import model_for
from facematch.training import fusion
from facematch.training.labels import LabelledPictures, TrainingData
from facematch.training.resemblance import split_labelled
from facematch.types import Chips, Frame, Vectors, unit_rows_in_full
from facematch.weights.catalogue import KNOWN
from facematch.weights.download import fetch
from facematch.weights.files import models_folder, state

NAME = "kin+mobilefacenet"


class CornerEmbedder:
    """Embeds a chip as its pixels around a landmark; takes chips of another frame."""

    name = "corner"
    space = "corner-1"

    def __init__(self) -> None:
        self.seen: list[Chips] = []

    @property
    def frame(self) -> Frame:
        return Frame(112, dlib_frame().template * np.float32(0.6) + 10)

    def embed(self, chips: Chips) -> Vectors:
        self.frame.check(chips)
        self.seen.append(chips)
        return chips[:, 40:60, 40:60].reshape(len(chips), -1).astype(np.float32) + 1


@pytest.fixture
def fused() -> FusedEmbedder:
    """`kin` and MobileFaceNet; skips where the file of the latter is not at hand."""
    installed("mobilefacenet", "MobileFaceNet.onnx")
    found = load_embedder(NAME)
    assert isinstance(found, FusedEmbedder)
    return found


def test_a_fused_cosine_is_the_mean_of_the_parts_cosines() -> None:
    chips = np.stack([noise(150, 150, seed) // (1 + seed) for seed in range(4)])
    colour, corner = ColourEmbedder(), CornerEmbedder()
    vectors = FusedEmbedder([colour, corner]).embed(chips)
    parts = [colour.embed(chips), corner.embed(corner.seen[0])]
    expected = np.mean([cosine_pairs(part[:2], part[2:]) for part in parts], axis=0)
    np.testing.assert_allclose(cosine_pairs(vectors[:2], vectors[2:]), expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_each_part_is_given_chips_of_its_own_frame() -> None:
    corner = CornerEmbedder()
    embedder = FusedEmbedder([ColourEmbedder(), corner])
    chips = np.zeros((1, 150, 150, 3), np.uint8)
    for x, y in dlib_frame().template.round().astype(int):
        chips[0, y - 2 : y + 3, x - 2 : x + 3] = 255
    embedder.embed(chips)
    for x, y in corner.frame.template.round().astype(int):
        assert corner.seen[0][0, y, x].min() > 200
    assert corner.seen[0].mean() < 10


def test_names_joined_by_plus_are_fused() -> None:
    embedder = load_embedder("kin+dlib-resnet")
    assert embedder.name == "kin+dlib-resnet"
    assert embedder.space == "kin-1+dlib-resnet"
    with pytest.raises(UnknownBackendError, match="no embedder called 'nope'; there are"):
        load_embedder("kin+nope")


def test_kin_sees_alone_what_it_sees_beside_another(fused: FusedEmbedder) -> None:
    chips = np.stack([noise(150, 150, seed) for seed in range(2)])
    alone = KinEmbedder().embed(chips)
    vectors = fused.embed(chips)
    np.testing.assert_allclose(vectors[:, :192] * np.sqrt(2), alone, atol=1e-6)
    assert vectors.shape == (2, 192 + 128)


def test_the_shipped_model_is_of_the_shipped_recipe() -> None:
    recipe = read_recipe(models_folder() / "mobilefacenet.toml")
    assert recipe.sha256 == KNOWN["mobilefacenet"].sha256
    model = model_for(f"kin-1+mobilefacenet-{recipe.digest}")
    assert model is not None
    assert model.mean.size == 192 + 128
    kin = model_for("kin-1")
    assert kin is not None
    assert model.families.tolist() == kin.families.tolist()


def test_father_and_son_are_scored_by_both(fused: FusedEmbedder) -> None:
    matcher = FaceMatcher(embedder=fused)
    match = matcher.score(SAMPLES / "father.png", SAMPLES / "son.png")
    assert match.engine.embedder == NAME
    assert match.engine.resemblance == f"{fused.space}-resemblance"
    assert match.score is not None
    assert match.score > 90


def test_without_the_file_it_is_said_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path))
    command = "facematch models fetch mobilefacenet --from FILE"
    with pytest.raises(
        WeightsError, match=rf"MobileFaceNet\.onnx is not installed: run `{command}"
    ):
        load_embedder(NAME)
    with pytest.raises(WeightsError, match=f"no address to download it from: run `{command}`"):
        fetch("mobilefacenet")
    told = run(
        [executable, "-m", "facematch", "score", "none.jpg", "none.jpg", "--embedder", NAME],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stdout) == (1, "")
    assert len(told.stderr.splitlines()) == 1
    assert command in told.stderr


def test_only_the_known_file_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path / "cache"))
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"is not the MobileFaceNet\.onnx that facematch knows"):
        fetch("mobilefacenet", source=wrong)
    assert state("mobilefacenet") == "not installed"
    fetch("mobilefacenet", source=shared_file("models", "MobileFaceNet.onnx"))
    assert state("mobilefacenet") == "ready"


def two_witnesses(count: int, seed: int, *, noisy: float) -> Kin:
    """Families as two embedders see them, the second the less clearly the noisier it is."""
    one, other = made_up_families(count, seed), made_up_families(count, seed + 1000)
    rng = np.random.default_rng(seed)
    blurred = other.vectors - 5 + rng.normal(0, noisy, other.vectors.shape)
    return families_of_four(
        concatenated([one.vectors - 5, blurred.astype(np.float32)]).astype(float)
    )


def fold_of(kin: Kin) -> fusion.Fold:
    families = np.unique(kin.family)
    half = len(families) // 2
    rng = np.random.default_rng(0)
    parts = families[:half], families[half:]
    return fusion.fit_fold(kin, parts, [SIZE, SIZE], split_labelled(*labelled(kin), 0), rng)


@pytest.fixture(scope="module")
def fold() -> fusion.Fold:
    """What half of 80 families gives, with pairs of the others; both embedders tell as much."""
    return fold_of(two_witnesses(80, 0, noisy=0.0))


def test_an_embedder_counts_for_what_it_tells(fold: fusion.Fold) -> None:
    clear, noise_only = (
        fusion.fit_weights([each]) for each in (fold, fold_of(two_witnesses(80, 0, noisy=20.0)))
    )
    assert clear.sum() == pytest.approx(1)
    assert clear[1] > 0.3
    assert noise_only[1] < 0.1


def test_two_witnesses_tell_more_than_either(fold: fusion.Fold) -> None:
    alike, are_kin = fold.cosines()
    both = fold.with_weights(fusion.fit_weights([fold])).auc_of_single_photos(share=0)
    assert both > max(auc(each, are_kin) for each in alike.T) + 0.02


def test_the_fused_cosine_weighs_the_likenesses(fold: fusion.Fold) -> None:
    weights = np.array([0.7, 0.3])
    mean, transform = fold.comparisons.comparison(weights)
    one, other = fold.pairs.parents[:50], fold.pairs.children[:50]
    seen = [(unit_rows_in_full(rows) - mean) @ transform for rows in (one, other)]
    alike = fold.comparisons.cosines(one, other) @ weights
    assert (fold.pairs.count[:50] == 1).all()
    np.testing.assert_allclose(2 * np.einsum("nk,nk->n", *seen), alike, atol=1e-5)


class MadeUpKin(KinEmbedder):
    """Stands in for `kin`, with vectors as short as those made up here."""

    def embed(self, chips: Chips) -> Vectors:
        return np.empty((len(chips), SIZE), np.float32)


class MadeUpOther(CornerEmbedder):
    def embed(self, chips: Chips) -> Vectors:
        return np.empty((len(chips), SIZE), np.float32)


@pytest.fixture
def _no_torch_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusion, "require", lambda *_: SimpleNamespace(manual_seed=int))


@pytest.mark.slow
@pytest.mark.usefixtures("_no_torch_needed")
def test_the_fused_model_is_calibrated_by_tails_that_saw_other_families(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = two_witnesses(40, 0, noisy=0.0)
    families = np.array([f"F{at:04}" for at in range(40)])
    # The tail tuned on all finds relatives among them alike; those of the folds less so.
    tuned = seen.vectors[:, :SIZE]
    blurred = tuned + np.random.default_rng(0).normal(0, 0.1, tuned.shape).astype(np.float32)

    faces, others = labelled(seen)
    pictures = LabelledPictures(np.empty((0, 150, 150, 3), np.uint8), others.ages, others.people)
    data = TrainingData(seen, families, faces, pictures, others)

    def folds(
        _: None, maps: None, rng: np.random.Generator
    ) -> Iterator[tuple[Kin, Vectors, Indices, Indices]]:
        for rest, part in kin_folds(np.arange(40), 2, rng):
            yield replace(seen, vectors=blurred), others.vectors[:, :SIZE], rest, part

    monkeypatch.setattr(fusion, "read_training_data", lambda *_: data)
    monkeypatch.setattr(fusion, "read_faces", lambda *_: None)
    monkeypatch.setattr(fusion, "frozen_maps_of_chips", lambda _: None)
    monkeypatch.setattr(fusion, "tuned_on_the_rest", folds)
    lines: list[str] = []
    embedder = FusedEmbedder([MadeUpKin(), MadeUpOther()])
    model = fusion.train_fusion(tmp_path, embedder, [], tmp_path, report=lines.append)
    assert model.space == "kin-1+corner-1"
    assert model.families.tolist() == families.tolist()
    assert model.mean.shape == (2 * SIZE,)
    found = re.fullmatch(r"weights: (\d\.\d\d) kin, (\d\.\d\d) corner", lines[0])
    assert found is not None
    assert float(found[1]) < float(found[2])
    kept = model.transform[:SIZE, :SIZE]
    np.testing.assert_allclose(kept, np.eye(SIZE) * kept[0, 0], atol=1e-6)
    assert kept[0, 0] ** 2 == pytest.approx(float(found[1]), abs=0.006)


@pytest.mark.usefixtures("_no_torch_needed")
def test_what_is_fused_is_kin_and_others(tmp_path: Path) -> None:
    for parts in ([ColourEmbedder(), KinEmbedder()], [KinEmbedder(), KinEmbedder()]):
        with pytest.raises(FacematchError, match="name kin first, and then the others, once each"):
            fusion.train_fusion(tmp_path, FusedEmbedder(parts), [], tmp_path)
