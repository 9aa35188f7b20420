from __future__ import annotations

import csv
import json
from dataclasses import fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime
import pytest
from helpers.command import PATERNITY, run
from helpers.drawn import written_words
from helpers.fakes import ColourEmbedder
from helpers.made_up import noise
from helpers.places import SAMPLES, shared_file
from numpy.typing import NDArray

from facematch import FaceMatcher
from facematch.analyses.explain import (
    AGAINST,
    CARRIES,
    FACE,
    FILLS,
    MIXED,
    NOISE,
    REGIONS,
    Drops,
    Explanation,
    Masks,
    RegionEffect,
    cover,
    explanation,
    fills,
    heat_maps,
    likeness_of_pairs,
    measure_drops,
    noise_levels,
    patch_masks,
    region_effects,
    region_masks,
)
from facematch.detection.alignment import dlib_frame
from facematch.embedding.kin import KinEmbedder
from facematch.output import as_json, rows
from facematch.output.explanation import note
from facematch.pictures import draw
from facematch.pictures.canvas import DARK, LIGHT
from facematch.pictures.explanation import heat_over
from facematch.scoring.resemblance import model_for
from facematch.scoring.wording import signed
from facematch.types import Chips, EngineNames, Frame, Match, Subject, Vectors
from facematch.weights.dlib_format import read_network
from facematch.weights.files import read_weights
from facematch.weights.head import open_head
from facematch.weights.onnx_graphs import tuned_graph
from facematch.weights.sessions import session

FRAME = dlib_frame()
NAMES = list(REGIONS)


class RegionEmbedder:
    """Looks at one region only: its pixels, blurred into a few numbers."""

    name = space = "region"

    def __init__(self, region: str) -> None:
        self.mask = region_masks(FRAME, [REGIONS[region]])[0][..., np.newaxis]

    @property
    def frame(self) -> Frame:
        return FRAME

    def embed(self, chips: Chips) -> Vectors:
        seen = (chips.astype(np.float32) - 128) * self.mask
        return seen.reshape(len(chips), 30, 5, 30, 5, 3).mean(axis=(2, 4)).reshape(len(chips), -1)


class Shuffled(KinEmbedder):
    """The embedder with every array of its tuned head shuffled."""

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        rng = np.random.default_rng(0)

        def shuffled(array: NDArray[np.float32]) -> NDArray[np.float32]:
            return rng.permutation(array.ravel()).reshape(array.shape)

        head = open_head(read_weights("kin-1"))
        one, other = (
            replace(view, **{f.name: shuffled(getattr(view, f.name)) for f in fields(view)})
            for view in head.projections
        )
        head = replace(head, weights=tuple(map(shuffled, head.weights)), projections=(one, other))
        return session(tuned_graph(read_network(read_weights("dlib-resnet")), head))


def twice(seed: int = 0) -> Chips:
    """Two chips with the same smooth picture, the second a little darker."""
    coarse = noise(15, 15, seed).repeat(10, axis=0).repeat(10, axis=1)
    return np.stack([coarse, (coarse * 0.9).astype(np.uint8)])


def drops_of(regions: NDArray[np.float64], whole: float = 2.0) -> Drops:
    vectors = np.ones((2, 3), np.float32)
    patches = np.zeros((2, len(patch_masks(FRAME))))
    return Drops(vectors, "cosine", whole, regions, patches)


def a_match(score: float | None = 91.0) -> Match:
    who = Subject("a.jpg", (0.0, 0.0, 9.0, 9.0), 1.0, 1, 1)
    return Match(
        parent=who, child=who, cosine=0.5, score=score, score_interval=None, likelihood_ratio=None,
        likelihood_ratio_interval=None, neutral_score=None,
        engine=EngineNames("whole", "fake", None), warnings=("blurred",),
    )  # fmt: skip


def an_explanation() -> Explanation:
    regions = np.zeros((2, len(NAMES), len(FILLS)))
    regions[:, NAMES.index("nose")] = 0.5, 0.6, 0.7
    regions[:, NAMES.index("chin")] = -0.6, -0.5, -0.7
    return explanation(a_match(), twice(), drops_of(regions), FRAME, None)


def ranked(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.corrcoef(one.argsort().argsort(), other.argsort().argsort())[0, 1])


@pytest.mark.parametrize("region", NAMES)
def test_what_an_embedder_looks_at_is_what_carries(region: str) -> None:
    drops = measure_drops(twice(), RegionEmbedder(region), None)
    found = explanation(a_match(), twice(), drops, FRAME, None)
    assert found.regions[0].region == region
    assert found.regions[0].verdict == CARRIES
    far = [each for each in found.regions if each.drop < 0.1 * found.regions[0].drop]
    assert len(far) == len(NAMES) - 1
    y, x = np.unravel_index(found.heat[0].argmax(), found.heat[0].shape)
    assert region_masks(FRAME, [REGIONS[region]])[0][y, x] > 0.5


def test_what_nobody_looks_at_is_noise() -> None:
    class Blind(ColourEmbedder):
        def embed(self, chips: Chips) -> Vectors:
            return np.ones((len(chips), 4), np.float32)

    drops = measure_drops(twice(), Blind(), None)
    assert np.abs(drops.regions).max() == 0
    assert {each.verdict for each in region_effects(drops, None)} == {NOISE}
    assert np.abs(heat_maps(drops, FRAME)).max() == 0


def test_covering_nothing_changes_nothing() -> None:
    chip, other = twice()[0], noise(150, 150)
    nothing, all_of_it = np.zeros((1, 150, 150), np.float32), np.ones((1, 150, 150), np.float32)
    np.testing.assert_array_equal(cover(chip, nothing, other)[0], chip)
    np.testing.assert_array_equal(cover(chip, all_of_it, other)[0], other)


def test_all_covered_chips_are_embedded_at_once_and_the_same_in_every_run() -> None:
    embedder = ColourEmbedder()
    one, again = (measure_drops(twice(), embedder, None) for _ in range(2))
    masks = len(FILLS) * len(NAMES) + len(patch_masks(FRAME))
    assert embedder.batches == [2 + 2 * masks] * 2
    np.testing.assert_array_equal(one.regions, again.regions)


def test_a_drop_is_that_of_the_face_that_was_covered() -> None:
    class First(ColourEmbedder):
        """Sees the parent's chip, the brighter one, and nothing in the child's."""

        def embed(self, chips: Chips) -> Vectors:
            vectors = RegionEmbedder("mouth").embed(chips)
            half = (len(chips) - 2) // 2
            vectors[[1, *range(2 + half, len(chips))]] = vectors[1]
            return vectors

    drops = measure_drops(twice(), First(), None)
    mouth = NAMES.index("mouth")
    assert (drops.regions[0, mouth] > 0.01).all()
    assert np.abs(drops.regions[1]).max() == 0
    assert drops.patches.shape == (2, len(patch_masks(FRAME)))


def test_regions_lie_where_the_landmarks_are_in_any_frame() -> None:
    for frame in (FRAME, dlib_frame(300), dlib_frame(150, 0.4)):
        masks = dict(zip(NAMES, region_masks(frame, REGIONS.values()), strict=True))
        places = frame.template.round().astype(int)
        for x, y in places[:4].tolist():
            assert masks["eyes"][y, x] > 0.2
        assert masks["nose"][places[4][1], places[4][0]] == 1
        for left, right in ((places[0], places[2]), (places[1], places[3])):
            assert masks["eyes"][left[1], left[0]] == pytest.approx(
                masks["eyes"][right[1], right[0]], abs=0.35
            )


def test_regions_are_apart_and_within_the_chip() -> None:
    masks = region_masks(FRAME, REGIONS.values())
    assert masks.shape == (7, 150, 150)
    assert np.sort(masks, axis=0)[-2].max() <= 0.6
    areas = masks.mean(axis=(1, 2))
    assert 0.03 < areas.min() < areas.max() < 0.12


def test_fills_have_the_faces_colour_and_not_its_features() -> None:
    chip = np.where(np.indices((150, 150)).sum(axis=0)[..., np.newaxis] % 2, 60, 140)
    chip = np.broadcast_to(chip, (150, 150, 3)).astype(np.uint8)
    blur, mean, clouds = fills(chip, np.ones((150, 150), np.float32), np.random.default_rng(0))
    assert np.ptp(mean) == 0
    for fill in (blur, mean, clouds):
        assert fill.mean() == pytest.approx(100, abs=8)
    assert blur.std() < 2 < clouds.std()


def test_noise_is_how_far_the_fills_disagree() -> None:
    same = np.ones((2, 7, 3))
    assert noise_levels(same).max() == 0
    apart = same + np.array([-0.1, 0, 0.1])
    assert noise_levels(apart) == pytest.approx(2.14 * 0.1 / np.sqrt(3))
    # Faces that disagree the other way round leave no noise in the mean.
    apart[1] = apart[0, :, ::-1]
    assert noise_levels(apart).max() == pytest.approx(0)


@pytest.mark.parametrize(
    ("drops", "noise", "verdict"),
    [
        ((0.6, 0.4), 0.2, CARRIES),
        ((-0.6, -0.4), 0.2, AGAINST),
        ((0.2, 0.1), 0.2, NOISE),
        ((0.9, -0.4), 0.2, MIXED),
        ((0.9, -0.1), 0.2, CARRIES),
        ((0.0, 0.0), 0.0, NOISE),
    ],
)
def test_a_verdict_needs_more_than_noise(
    drops: tuple[float, float], noise: float, verdict: str
) -> None:
    effect = RegionEffect("nose", sum(drops) / 2, noise, *drops, None)
    assert effect.verdict == verdict


def test_regions_come_with_the_greatest_drop_first() -> None:
    found = an_explanation()
    assert [each.region for each in found.regions][::6] == ["nose", "chin"]
    assert [each.verdict for each in found.regions][::6] == [CARRIES, AGAINST]
    assert found.heat[0, 82, 74] > 0 > found.heat[0, 132, 74]


def test_an_explanation_becomes_json_and_rows() -> None:
    found = an_explanation()
    written = json.loads(as_json(found))
    assert list(written) == ["match", "unit", "whole", "regions"]
    assert (written["unit"], written["whole"]) == ("cosine", 2.0)
    assert written["match"]["warnings"] == ["blurred"]
    assert written["regions"] == list(rows(found))
    assert written["regions"][0] == {
        "region": "nose", "drop": 0.6, "noise": 0.0991, "verdict": CARRIES,
        "parent_drop": 0.6, "child_drop": 0.6, "score_without": None,
    }  # fmt: skip


def test_without_a_resemblance_model_the_cosine_is_explained_and_that_is_said() -> None:
    matcher = FaceMatcher(embedder=ColourEmbedder())
    found = matcher.explain(SAMPLES / "father.png", SAMPLES / "son.png")
    assert found.unit == "cosine"
    assert found.whole == pytest.approx(found.match.cosine)
    assert "no resemblance model" in note(found)
    assert any("no resemblance model fits" in warning for warning in found.warnings)
    assert all(each.score_without is None for each in found.regions)


def test_little_likeness_is_said_to_be_little() -> None:
    found = replace(an_explanation(), unit="standard deviations", whole=0.4)
    assert "little likeness" in note(found)
    assert "0.40 standard deviations more alike" in note(found)
    assert "less alike" in note(replace(found, whole=-0.4))
    assert "little likeness" not in note(replace(found, whole=2.4))


def test_a_number_is_shown_with_its_sign() -> None:
    assert [signed(value) for value in (1.234, -0.5, 0.001, -0.001)] == [
        "+1.23", "−0.50", "0.00", "0.00",
    ]  # fmt: skip


def test_the_picture_shows_both_faces_and_all_bars() -> None:
    found = an_explanation()
    light, dark = draw(found), draw(found, "dark")
    assert light.shape == dark.shape == (light.shape[0], 1080, 3)
    assert light[0, 0].tolist() == list(LIGHT.ground)
    assert dark[0, 0].tolist() == list(DARK.ground)
    assert light[200:650, 100:450].std() > 20
    assert light[200:650, 620:1000].std() > 20
    for colour in (LIGHT.accent, LIGHT.second):
        assert (light[840:] == colour).all(axis=2).sum() > 1000  # in the bars


def test_the_picture_says_in_words_where_the_likeness_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found = an_explanation()
    carries = [each.region for each in found.regions if each.verdict == CARRIES][:2]
    assert found.in_words == f"mostly the {' and the '.join(carries)}"
    words = written_words(monkeypatch, found)
    assert f"Mostly the {' and the '.join(carries)}" in words
    assert not any("deviations" in each or "±" in each for each in words)
    nothing = replace(found, regions=())
    assert nothing.in_words == "the whole face, no part more than the others"
    little = replace(found, unit="standard deviations", whole=0.4)
    assert any("little likeness to explain" in each for each in written_words(monkeypatch, little))


def test_heat_is_coloured_by_its_sign_and_grey_where_there_is_none() -> None:
    faces = np.full((2, 4, 4, 3), 100, np.uint8)
    heat = np.zeros((2, 4, 4), np.float32)
    heat[0, 0, 0], heat[1, 0, 0] = 1, -1
    coloured = heat_over(faces, heat, 1.0).astype(int)
    assert coloured[0, 1, 1].tolist() == [100, 100, 100]
    for at, colour in enumerate((LIGHT.accent, LIGHT.second)):
        assert np.abs(coloured[at, 0, 0] - np.array(colour)).max() < 30


def test_the_library_explains_the_score_it_gives() -> None:
    matcher = FaceMatcher()
    pair = SAMPLES / "father.png", SAMPLES / "son.png"
    found, match = matcher.explain(*pair), matcher.score(*pair)
    assert found.match.cosine == pytest.approx(match.cosine, abs=1e-5)
    assert found.match.parent == match.parent
    assert found.unit == "standard deviations"
    model = model_for("kin-1")
    assert model is not None
    assert model.calibrate(np.array([found.whole]))[0][0] == pytest.approx(match.score)
    assert found.whole > 2  # which no cosine is
    for each in found.regions:
        score = model.calibrate(np.array([found.whole - each.drop]))[0][0]
        assert each.score_without == pytest.approx(float(score))


@pytest.fixture(scope="module")
def related() -> list[tuple[Chips, Drops]]:
    """Fathers and sons nobody was fitted on, and what covering their regions costs."""
    folder = shared_file("kinship", "KinFaceW-I", "images", "father-son")
    matcher, model = FaceMatcher(detector="whole-tight"), model_for("kin-1")
    found = []
    for number in range(1, 13):
        pair = [folder / f"fs_{number:03}_{who}.jpg" for who in (1, 2)]
        chips = np.stack([matcher.find_faces(photo).chips[0] for photo in pair])
        found.append((chips, measure_drops(chips, matcher.engine.embedder, model)))
    return found


@pytest.mark.slow
def test_shuffled_weights_destroy_the_map(related: list[tuple[Chips, Drops]]) -> None:
    shuffled, model = Shuffled(), model_for("kin-1")
    others = [measure_drops(chips, shuffled, model).regions for chips, _ in related]
    maps = [drops.regions.mean(axis=0) for _, drops in related]
    between = [
        ranked(one.mean(axis=1), other.mean(axis=(0, 2)))
        for one, other in zip(maps, others, strict=True)
    ]
    within = [ranked(one[:, 0], one[:, 1:].mean(axis=1)) for one in maps]
    assert abs(np.mean(between)) < 0.35
    assert np.mean(within) > 0.6
    assert np.abs(others).mean() < 0.2 * np.abs(maps).mean()


@pytest.mark.slow
def test_the_top_region_costs_more_than_a_random_one_of_its_size(
    related: list[tuple[Chips, Drops]],
) -> None:
    """Chosen under two fills, measured under the third."""
    embedder, rng = KinEmbedder(), np.random.default_rng(0)
    more = []
    for chips, drops in related:
        best = int(drops.regions[:, :, [0, 2]].mean(axis=(0, 2)).argmax())
        discs = some_discs(float(region_masks(FRAME, [REGIONS[NAMES[best]]]).sum()), rng)
        more.append(drops.regions[:, best, 1].mean() - cost(chips, discs, embedder))
    assert np.mean(more) > 2 * np.std(more) / np.sqrt(len(more))


def some_discs(area: float, rng: np.random.Generator) -> Masks:
    """Three discs of that area, their middles anywhere in the face."""
    middles = np.argwhere(region_masks(FRAME, [FACE])[0] > 0.5)
    radius = float(np.sqrt(area / np.pi))
    places = rng.choice(middles, 3).tolist()
    return region_masks(FRAME, [((x, y, radius, radius),) for y, x in places])


def cost(chips: Chips, masks: Masks, embedder: KinEmbedder) -> float:
    """What covering either face with its mean colour costs, over all the masks."""
    model, face = model_for("kin-1"), region_masks(FRAME, [FACE])[0]
    flat = [fills(chip, face, np.random.default_rng(0))[1] for chip in chips]
    covered = [cover(chip, masks, fill) for chip, fill in zip(chips, flat, strict=True)]
    vectors = embedder.embed(np.concatenate([chips, *covered]))
    parent, child = (vectors[[at] * len(masks)] for at in (0, 1))
    parents, children = np.split(vectors[2:], 2)
    left = [likeness_of_pairs(parents, child, model), likeness_of_pairs(parent, children, model)]
    return float(likeness_of_pairs(vectors[:1], vectors[1:2], model)[0] - np.mean(left))


def test_the_command_prints_a_table_and_saves_a_picture(tmp_path: Any) -> None:
    picture = tmp_path / "why.png"
    result = run("explain", SAMPLES / "father.png", SAMPLES / "son.png", "--save", picture)
    assert result.returncode == 0
    for word in (
        *NAMES,
        "±",
        CARRIES,
        "over 99",
        "the noise is how far",
        PATERNITY,
    ):
        assert word in result.stdout
    assert result.stderr == f"{picture}\n"
    assert picture.stat().st_size > 50_000


def test_the_command_prints_json_and_csv_for_programs() -> None:
    pair = ("explain", SAMPLES / "group.jpg", SAMPLES / "son.png", "--parent-face", "2")
    as_json, as_csv = (run(*pair, "--format", kind) for kind in ("json", "csv"))
    written = json.loads(as_json.stdout)
    assert written["match"]["parent"]["faces_found"] == 4
    rows = list(csv.DictReader(as_csv.stdout.splitlines()))
    assert [row["region"] for row in rows] == [each["region"] for each in written["regions"]]
    assert float(rows[0]["drop"]) == written["regions"][0]["drop"]
    assert PATERNITY in as_json.stderr
    assert PATERNITY in as_csv.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["none.png", "samples/son.png"], 1, "none.png: there is no such file"),
        (["samples/father.png"], 1, "one photo is given"),
        (["samples/father.png", "samples/son.png", "--child-face", "2"], 1, "there is no face 2"),
        (["a", "b", "--format", "xml"], 2, "--format"),
        (["samples/father.png", "samples/son.png", "--save", "why.gif"], 1, "end its name in .png"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(arguments: list[str], status: int, message: str) -> None:
    result = run("explain", *arguments)
    assert result.returncode == status
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
