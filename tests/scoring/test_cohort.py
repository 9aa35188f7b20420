"""A cohort of the user's own: the strangers that scores are percentiles of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from facematch import FaceMatcher
from facematch.analyses.report import FamilyReport
from facematch.analyses.timeline import Days
from facematch.app.results import Result
from facematch.app.words import sentences
from facematch.cli.program import app
from facematch.errors import ResemblanceError
from facematch.scoring.cohort import Cohort, model_with_cohort, read_cohort
from facematch.scoring.resemblance import ResemblanceModel, model_for
from facematch.types import Vectors, unit_rows

SAMPLES = Path(__file__).parents[2] / "samples"
DRAWN = SAMPLES / "strangers.npz"


@pytest.fixture(scope="module")
def model() -> ResemblanceModel:
    model = model_for("kin-1")
    assert model is not None
    return model


def alike_strangers(model: ResemblanceModel, count: int, seed: int) -> Vectors:
    """People of one rare population: their vectors lie around one direction."""
    dimensions = len(model.mean)
    shared = np.random.default_rng(0).normal(size=dimensions)
    own = np.random.default_rng(seed).normal(size=(count, dimensions))
    return unit_rows((shared + 0.8 * own).astype(np.float32))


def test_strangers_like_the_cohort_score_50_on_average(model: ResemblanceModel) -> None:
    fitted = model_with_cohort(model, Cohort.from_vectors(model, alike_strangers(model, 200, 1)))
    one, other = alike_strangers(model, 80, 2), alike_strangers(model, 80, 3)
    assert model.compare(one, other)[0].mean() > 90
    scores, ratios = fitted.compare(one, other)
    assert 45 < scores.mean() < 55
    assert 20 < scores.std() < 35  # 29 where they are uniform
    assert np.isnan(ratios).all()


def test_a_saved_cohort_is_the_same_when_read(model: ResemblanceModel, tmp_path: Path) -> None:
    cohort = Cohort.from_vectors(model, alike_strangers(model, 40, 1))
    cohort.save(tmp_path / "one.npz")
    read = read_cohort(tmp_path / "one.npz")
    read.save(tmp_path / "two.npz")
    assert (read.faces, read.z_mean) == (40, cohort.z_mean)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_cohort_of_few_faces_is_refused(model: ResemblanceModel) -> None:
    with pytest.raises(ResemblanceError, match=r"at least 30 faces .* not 29: add photos"):
        Cohort.from_vectors(model, alike_strangers(model, 29, 1))


def test_a_cohort_of_one_face_over_and_over_is_refused(model: ResemblanceModel) -> None:
    with pytest.raises(ResemblanceError, match="do not vary"):
        Cohort.from_vectors(model, np.repeat(alike_strangers(model, 1, 1), 30, axis=0))


def test_a_cohort_of_another_model_is_refused(model: ResemblanceModel) -> None:
    other = model_for("dlib-resnet-1") or model_for("dlib-resnet")
    assert other is not None
    cohort = Cohort.from_vectors(model, alike_strangers(model, 30, 1))
    with pytest.raises(ResemblanceError, match="make it again with the same embedder"):
        model_with_cohort(other, cohort)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_a_file_that_holds_no_cohort_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "wrong.npz").write_bytes(content)
    with pytest.raises(ResemblanceError, match=r"wrong\.npz is no cohort"):
        FaceMatcher(cohort=tmp_path / "wrong.npz")


def test_a_cohort_whose_arrays_do_not_fit_is_refused(tmp_path: Path) -> None:
    drawn = read_cohort(DRAWN)
    wrong = Cohort(
        drawn.model, drawn.faces, drawn.mean[:-1], drawn.covariance, drawn.z_mean, drawn.z_deviation
    )
    wrong.save(tmp_path / "wrong.npz")
    with pytest.raises(ResemblanceError, match="no cohort"):
        read_cohort(tmp_path / "wrong.npz")


def run(*words: str | Path) -> str:
    ran = CliRunner().invoke(app, [str(word) for word in words])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_the_drawn_cohort_tells_the_drawn_family_apart() -> None:
    scores = {}
    for parent in ("father", "mother"):
        words = ("score", "--cohort", DRAWN, SAMPLES / f"{parent}.png", SAMPLES / "son.png")
        found = json.loads(run(*words, "--format", "json"))
        assert found["likelihood_ratio"] is None
        assert found["engine"]["cohort"] == "cohort of 60 faces"
        scores[parent] = found["score"]
    assert scores["father"] > 80
    assert scores["mother"] < 30  # the son has one gene in five from her


def test_every_command_gives_the_score_of_the_cohort(tmp_path: Path) -> None:
    father, son = SAMPLES / "father.png", SAMPLES / "son.png"
    score = json.loads(run("score", "--cohort", DRAWN, father, son, "--format", "json"))["score"]
    (matched,) = json.loads(run("match", "--cohort", DRAWN, father, son, "--format", "json"))
    (tmp_path / "pairs.csv").write_text(f"parent,child\n{father},{son}\n", encoding="utf-8")
    (paired,) = json.loads(
        run("pairs", "--cohort", DRAWN, tmp_path / "pairs.csv", "--format", "json")
    )
    people = ("--parent", father, "--child", son, "--cohort", DRAWN, "--format", "json")
    (in_family,) = json.loads(run("family", *people))["pairs"]
    on_card = json.loads(run("card", father, son, "--save", tmp_path / "card.png", *people[4:]))
    for found in (matched, paired, in_family, on_card):
        assert found["score"] == pytest.approx(score, abs=0.01)
        assert found["likelihood_ratio"] is None


def test_a_report_against_a_cohort_says_nothing_of_likelihood_ratios(tmp_path: Path) -> None:
    people = ("--parent", SAMPLES / "father.png", "--child", SAMPLES / "son.png")
    page = tmp_path / "report.html"
    run("report", *people, "--cohort", DRAWN, "-o", page)
    text = page.read_text(encoding="utf-8")
    assert "81" in text
    assert "likelihood ratio" not in text
    run("report", *people, "-o", page)
    assert "likelihood ratio" in page.read_text(encoding="utf-8")


def test_the_page_calls_no_low_score_a_likeness() -> None:
    matcher = FaceMatcher(cohort=DRAWN)
    people = {"dad": [SAMPLES / "father.png"]}, {"kid": [SAMPLES / "daughter.png"]}
    found = matcher.family(*people)
    result = Result(FamilyReport(found, (), ()), (), (), Days())
    assert sentences(result) == ["kid and dad: 10 of 100 strangers look less like kid."]


def test_a_folder_of_few_faces_says_what_to_do(tmp_path: Path) -> None:
    folder = SAMPLES / "years"
    ran = CliRunner().invoke(app, ["cohort", str(folder), "-o", str(tmp_path / "out.npz")])
    assert ran.exit_code != 0
    assert "at least 30 faces of different people, not 9: add photos" in str(ran.exception)
    assert not (tmp_path / "out.npz").exists()
