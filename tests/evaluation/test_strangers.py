from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.command import run
from helpers.data_sets import archive, strangers
from helpers.fakes import ColourEmbedder
from helpers.made_up import families_of_four
from helpers.places import SAMPLES
from scipy.stats import norm

from facematch.engine import open_engine
from facematch.errors import FacematchError, ProtocolError
from facematch.evaluation.figures import StrangerFigures
from facematch.evaluation.labelled_faces import LabelledFaces
from facematch.evaluation.labels import POPULATIONS, Labels
from facematch.evaluation.strangers import (
    CELLS,
    FITTED_NOTE,
    Strangers,
    enrol_strangers,
    measure_strangers,
    read_strangers,
)
from facematch.evaluation.strangers_report import strangers_as_json, strangers_tables
from facematch.scoring.resemblance import ResemblanceModel
from facematch.training.cohort import cohort_model
from facematch.training.resemblance import refit_strata
from facematch.training.strata import fit_strata

DIMENSIONS = 12


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facematch.evaluation.metrics.RESAMPLES", 20)


def crowd(count: int, seed: int) -> LabelledFaces:
    """Unrelated people of two populations and all ages; babies look alike."""
    rng = np.random.default_rng(seed)
    each = np.arange(count)
    ages = np.resize([1.0, 7.0, 15.0, 40.0, 41.0], count)
    vectors = rng.normal(size=(count, DIMENSIONS)) + 1
    vectors[ages < 3, 0] += 6
    populations = each // 5 % 2
    return LabelledFaces(
        vectors.astype(np.float32), ages, populations, each, each, np.zeros(count, np.intp)
    )


def made_up_model() -> ResemblanceModel:
    rng = np.random.default_rng(0)
    people = rng.normal(size=(240, 1, DIMENSIONS)) + rng.normal(size=(240, 4, DIMENSIONS)) + 1
    model = cohort_model(families_of_four(people.reshape(-1, DIMENSIONS)), "made-up")
    z = np.linspace(-4, 4, 41, dtype=np.float32)
    return replace(
        model,
        distances=z,
        scores=(100 * norm.cdf(z)).astype(np.float32),
        log_ratio=np.array([1, -0.5, -2, 2], np.float32),
    )


def measured(model: ResemblanceModel, faces: LabelledFaces) -> StrangerFigures:
    names = tuple(str(number) for number in faces.people)
    labels = Labels("a table", faces.ages, faces.populations, POPULATIONS)
    engine = open_engine(detector="whole", embedder=ColourEmbedder())
    return measure_strangers(
        Strangers(Path(), names, labels), engine, [(model, faces)], FITTED_NOTE
    )


def test_strangers_that_look_alike_are_found_and_strata_mend_it() -> None:
    plain = made_up_model()
    fitted = fit_strata(plain, crowd(600, 0), np.random.default_rng(0))
    before, after = (
        {(cell.stages, cell.population): cell for cell in measured(model, crowd(500, 1)).cells}
        for model in (plain, fitted)
    )
    assert list(dict.fromkeys(stages for stages, _ in before)) == list(CELLS)
    assert {population for _, population in before} == {"white", "black", "all"}
    babies = before["baby/baby", "all"]
    assert babies.score is not None
    assert babies.score.value > 80
    assert babies.score_ks is not None
    assert babies.score_ks.value > 0.5
    assert babies.ratio_4_or_more is not None
    assert babies.ratio_4_or_more.value > 0.5
    mended = after["baby/baby", "all"].score
    assert mended is not None
    assert 35 < mended.value < 65
    assert mended.interval[0] < mended.value < mended.interval[1]


def test_an_adult_photo_beats_a_childhood_photo_as_often_as_not() -> None:
    found = measured(made_up_model(), crowd(500, 1)).childhood
    assert [row.population for row in found] == ["white", "black", "all"]
    share = found[-1].share
    assert share is not None
    assert share.value > 0.7  # babies look like babies: nothing corrects that here


def test_cells_with_few_strangers_have_no_figures() -> None:
    found = measured(made_up_model(), crowd(50, 0))
    assert {cell.score for cell in found.cells if cell.stages == "baby/baby"} == {None}
    table, childhood, ages = strangers_tables(found)
    assert "too few" in list(table.columns[2].cells)
    assert list(ages.columns[0].cells)[1:] == ["  0-2", "  6-9", "  15-19", "  30-44"]
    assert len(childhood.columns) == 4
    fields = json.loads(strangers_as_json(found))
    assert fields["cells"][0]["stages"] == "adult/baby"
    assert fields["age_errors"][0].keys() == {"ages", "faces", "error", "error_interval"}


def test_a_model_without_ratios_has_no_share_of_them() -> None:
    model = replace(made_up_model(), log_ratio=np.zeros(4, np.float32))
    cells = measured(model, crowd(500, 1)).cells
    assert all(cell.ratio_4_or_more is None for cell in cells)
    assert any(cell.score is not None for cell in cells)


def test_pictures_are_read_by_their_names_or_from_a_table(tmp_path: Path) -> None:
    folder = strangers(tmp_path / "half", 6)
    (folder / "other.txt").write_text("")
    found = read_strangers(folder, None, None)
    assert found.labels.ages.tolist() == [20, 20, 21, 21, 22, 22]
    assert found.labels.populations.tolist() == [0, 3, 0, 1, 2, 1]
    table = tmp_path / "labels.csv"
    table.write_text(f"face,age,population\n{found.names[0]},3,Asian\n{found.names[1]},4,nordic\n")
    listed = read_strangers(folder, table, None)
    assert listed.names == found.names[:2]
    assert listed.labels.ages.tolist() == [3, 4]
    assert [listed.labels.names[at] for at in listed.labels.populations] == ["asian", "nordic"]
    with pytest.raises(ProtocolError, match=r"holds no picture named .* give --labels CSV"):
        read_strangers(SAMPLES, None, None)
    with pytest.raises(FacematchError, match=r"nothing\.zip cannot be read"):
        read_strangers(tmp_path / "nothing.zip", None, None)


def test_pictures_that_fitted_the_engine_are_left_out_by_name(tmp_path: Path) -> None:
    folder = strangers(tmp_path / "all", 6)
    names = read_strangers(folder, None, None).names
    fitted = tmp_path / "fitted.zip"
    with zipfile.ZipFile(fitted, "w") as entries:
        for name in names[:4]:
            entries.write(folder / name, f"half/{name}")
    (tmp_path / "list.txt").write_text("\n".join(f"half/{name}" for name in names[:4]))
    for left_out in (fitted, tmp_path / "list.txt"):
        found = read_strangers(folder, None, left_out)
        assert found.names == names[4:]
        assert len(found.labels.ages) == 2
    with pytest.raises(ProtocolError, match="names every picture"):
        read_strangers(folder, None, folder)


def test_a_picture_without_a_face_is_counted_and_left_out(tmp_path: Path) -> None:
    folder = strangers(tmp_path, 6)
    pictures = read_strangers(folder, None, None)
    (folder / pictures.names[2]).write_bytes(b"no picture")
    engine = open_engine(detector="whole", embedder=ColourEmbedder())
    faces = enrol_strangers(pictures, engine)
    assert faces.ages.tolist() == [20, 20, 21, 22, 22]
    assert len(np.unique(faces.families)) == 5
    model = made_up_model()
    found = measure_strangers(pictures, engine, [(model, crowd(5, 0))], FITTED_NOTE)
    assert found.failure_to_enrol == pytest.approx(1 / 6)


def test_strata_are_refitted_without_each_third(tmp_path: Path) -> None:
    data = archive(tmp_path, families=4)
    rng = np.random.default_rng(0)
    colours = rng.uniform(40, 215, (60, 1, 6)) + rng.normal(0, 9, (60, 4, 6))
    model = cohort_model(families_of_four(colours.reshape(-1, 6)), "colour")
    model = replace(model, families=np.array(["F0001", "F0002", "F0003"]))
    faces = replace(crowd(60, 0), vectors=rng.uniform(40, 215, (60, 6)).astype(np.float32))
    parts = refit_strata(model, data, ColourEmbedder(), faces)
    people = [third.people for _, third in parts]
    assert sorted(np.concatenate(people).tolist()) == list(range(60))
    for refitted, third in parts:
        assert len(third.ages) == 20
        assert not np.array_equal(refitted.age_axes, model.age_axes)
        assert np.array_equal(refitted.distances, model.distances)
    assert not np.array_equal(parts[0][0].age_axes, parts[1][0].age_axes)


def test_the_command_prints_strangers_and_says_what_was_fitted(tmp_path: Path) -> None:
    folder = strangers(tmp_path / "half", 6)
    fixed = ("evaluate", "strangers", "--root", folder, "--detector", "whole")
    shown = run(*fixed)
    assert shown.returncode == 0, shown.stderr
    assert "fitted on one half of UTKFace" in " ".join(shown.stdout.split())
    assert "adult/baby" in shown.stdout
    assert "too few" in shown.stdout
    as_json = run(*fixed, "--format", "json", "--leave-out", tmp_path / "half" / "none.txt")
    assert as_json.returncode == 1
    (tmp_path / "none.txt").write_text("other.jpg\n")
    as_json = run(*fixed, "--format", "json", "--leave-out", tmp_path / "none.txt")
    assert json.loads(as_json.stdout)["fitted_on"].startswith("The pictures named by --leave-out")
    no_model = run(*fixed, "--embedder", "mobilefacenet")
    assert no_model.returncode == 1
