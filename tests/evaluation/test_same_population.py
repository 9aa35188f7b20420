from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.command import run
from helpers.data_sets import fiw
from helpers.fakes import ColourEmbedder
from helpers.made_up import families_of_four
from helpers.places import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.engine import open_engine
from facematch.errors import ProtocolError
from facematch.evaluation import same_population
from facematch.evaluation.enrolled import Enrolled
from facematch.evaluation.figures import Evaluation, SamePopulation
from facematch.evaluation.fiw import read_fiw
from facematch.evaluation.labels import OWN_ESTIMATES, POPULATIONS, Labels, read_labels
from facematch.evaluation.measure import evaluate
from facematch.evaluation.protocols import SAME_PERSON, Trial
from facematch.evaluation.report import (
    cllr_line,
    evaluation_as_json,
    same_population_lines,
    same_population_table,
)
from facematch.training.cohort import cohort_model

FAMILIES, DIMENSIONS = 120, 12


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facematch.evaluation.metrics.RESAMPLES", 100)


def two_populations(mixed: int = 0) -> tuple[list[Trial], Enrolled, Labels]:
    """Parents and children; each population looks alike, and so does each family, but less.

    Parents are 40. Of the `mixed` first families the child is of the other population.
    """
    rng = np.random.default_rng(0)
    population = np.arange(FAMILIES) % 2
    of_child = np.where(np.arange(FAMILIES) < mixed, 1 - population, population)
    own = rng.normal(size=(FAMILIES, DIMENSIONS))
    far = np.zeros((2, DIMENSIONS))
    far[:, 0] = 4, -4
    parents = far[population] + own + rng.normal(size=own.shape)
    children = far[of_child] + own + rng.normal(size=own.shape)
    vectors = np.stack([parents, children], axis=1).reshape(-1, DIMENSIONS).astype(np.float32)
    names = [f"F{family}/{who}" for family in range(FAMILIES) for who in ("parent", "child")]
    ages = np.tile([40.0, 0.0], FAMILIES)
    ages[1::2] = np.resize([1, 4, 8, 11, 15, 19], FAMILIES)
    populations = np.stack([population, of_child], axis=1).ravel()
    trials = [
        Trial((f"F{at}/parent",), f"F{at}/child", True, ("fs", "fd")[at // 2 % 2], f"F{at}", 0)
        for at in range(FAMILIES)
    ]
    row = {name: at for at, name in enumerate(names)}
    enrolled = Enrolled(row, vectors, vectors, np.zeros((len(names), 6)))
    return trials, enrolled, Labels("a table", ages, populations, POPULATIONS)


def measured(mixed: int = 0) -> SamePopulation:
    trials, enrolled, labels = two_populations(mixed)
    found = same_population.same_population(trials, enrolled, None, labels)
    assert found is not None
    return found


def columns(size: int = 40) -> st.SearchStrategy[list[tuple[int, int, int]]]:
    row = st.tuples(st.integers(-1, 2), st.integers(-1, 2), st.integers(0, 4))
    return st.lists(row, min_size=1, max_size=size)


@settings(deadline=None)
@given(columns())
def test_a_stranger_is_of_another_family_and_of_what_is_wanted(
    rows: list[tuple[int, int, int]],
) -> None:
    wanted, offered, families = np.array(rows).T
    found = same_population.draw_strangers((wanted, offered), families, np.random.default_rng(0))
    for pair, stranger in enumerate(found.tolist()):
        fits = (offered == wanted[pair]) & (families != families[pair]) & (wanted[pair] >= 0)
        assert fits[stranger] if stranger >= 0 else not fits.any()


def test_every_stranger_is_equally_likely() -> None:
    wanted = np.zeros(30_000, np.intp)
    offered, families = np.ones((2, 30_000), np.intp)
    offered[:6], families[:6] = 0, [0, 1, 1, 2, 3, 3]
    found = same_population.draw_strangers((wanted, offered), families, np.random.default_rng(0))
    of_others = found[families == 1][2:]  # the pairs behind the first six are of family 1
    assert set(of_others.tolist()) == {0, 3, 4, 5}
    assert np.bincount(of_others)[[0, 3, 4, 5]] == pytest.approx(7500, rel=0.05)


def test_strangers_of_the_same_population_are_harder_to_tell_from_kin() -> None:
    trials, enrolled, labels = two_populations()
    one = replace(labels, populations=np.zeros_like(labels.populations))
    any_population = same_population.same_population(trials, enrolled, None, one)
    assert any_population is not None
    assert any_population.every.auc is not None
    same = measured().every.auc
    assert same is not None
    assert any_population.every.auc.value > same.value + 0.05
    assert same.interval[0] < same.value < same.interval[1]


def test_groups_are_those_of_the_childs_age_and_of_the_gap() -> None:
    trials, enrolled, labels = two_populations()
    more = [trial for trial in trials for _ in range(3)]
    found = same_population.same_population(more, enrolled, None, labels)
    assert found is not None
    assert {name: each.kin for name, each in found.by_child_age.items()} == dict.fromkeys(
        ["0-2", "3-5", "6-9", "10-12", "13-17", "18+"], 60
    )
    assert {name: each.kin for name, each in found.by_age_gap.items()} == {
        "under 10": 0, "10-19": 0, "20-29": 180, "30-39": 180, "40+": 0,
    }  # fmt: skip
    assert {name: each.kin for name, each in found.by_population.items()} == {
        "white": 180, "black": 180,
    }  # fmt: skip
    assert all(each.auc is not None for each in found.by_child_age.values())


def test_groups_with_few_pairs_have_no_figures() -> None:
    found = measured()  # 20 pairs of each age
    assert [each.kin for each in found.by_child_age.values()] == [20] * 6
    assert all(each.auc is None for each in found.by_child_age.values())
    rows = list(same_population_table(found).columns[2].cells)
    assert rows.count("too few") == 6 + 3 + 2  # without a gap or a second population too


def test_pairs_of_few_families_have_no_figures() -> None:
    trials, enrolled, labels = two_populations()
    few = [trial for trial in trials[: same_population.FEWEST_FAMILIES - 1] for _ in range(20)]
    found = same_population.same_population(few, enrolled, None, labels)
    assert found is not None
    assert found.every.kin > same_population.FEWEST_PAIRS
    assert found.every.auc is None


def test_families_of_two_populations_stand_beside_both_kinds_of_strangers() -> None:
    found = measured(mixed=60).one_population_or_two
    assert [each.kin for each in found.values()] == [60, 60, 60]
    one, like_parent, like_child = (each.auc for each in found.values())
    assert one is not None
    assert like_parent is not None
    assert like_child is not None
    assert like_parent.value < 0.3  # the stranger looks like the parent, their own child does not
    assert like_child.value > 0.6


def test_the_model_calibrates_scores_of_one_parent_only() -> None:
    trials, enrolled, labels = two_populations()
    rng = np.random.default_rng(0)
    people = rng.normal(size=(240, 1, DIMENSIONS)) + rng.normal(size=(240, 4, DIMENSIONS))
    model = cohort_model(families_of_four(people.reshape(-1, DIMENSIONS)), "made-up")
    found = same_population.same_population(trials, enrolled, model, labels)
    assert found is not None
    assert found.every.score_ks is not None
    assert found.every.kin_score is not None
    assert found.every.kin_score.value > 50
    both = [replace(trial, parents=trial.parents * 2) for trial in trials]
    of_two = same_population.same_population(both, enrolled, model, labels)
    assert of_two is not None
    assert of_two.every.auc is not None
    assert found.every.auc is not None
    assert of_two.every.auc.value == pytest.approx(found.every.auc.value)
    assert of_two.every.score_ks is of_two.cllr is None


def test_parents_of_two_populations_have_no_stranger() -> None:
    trials, enrolled, labels = two_populations()
    both = [
        replace(trial, parents=(*trial.parents, trials[at + 1 - 2 * (at % 2)].parents[0]))
        for at, trial in enumerate(trials)
    ]
    found = same_population.same_population(both, enrolled, None, labels)
    assert found is not None
    assert found.every.kin == 0


def test_trials_that_are_not_about_kin_have_no_such_figures() -> None:
    trials, enrolled, labels = two_populations()
    same_person = [replace(trial, relation=SAME_PERSON) for trial in trials]
    assert same_population.same_population(same_person, enrolled, None, labels) is None
    assert same_population.same_population(trials, enrolled, None, None) is None


def labelled_fiw(root: Path) -> tuple[Path, Path]:
    """FIW's layout, and a table that labels its faces."""
    folder = fiw(root / "fiw")
    lines = ["face,age,sex,population"]
    for path in sorted(folder.rglob("*.jpg")):
        name = path.relative_to(folder).as_posix()
        age = 8 if "MID3" in name else 35
        lines.append(f"{name},{age},male,{('White', 'asian')[int(name[1:5]) % 2]}")
    table = root / "ages.csv"
    table.write_text("\n".join(lines))
    return folder, table


def evaluated(root: Path) -> Evaluation:
    folder, table = labelled_fiw(root)
    protocol = replace(read_fiw(folder, folder / "relations.csv", None), labels=table)
    engine = open_engine(detector="whole", embedder=ColourEmbedder())
    return evaluate(protocol, engine, ColourEmbedder())


def test_labels_come_from_a_table(tmp_path: Path) -> None:
    found = evaluated(tmp_path)
    same = found.same_population
    assert same is not None
    assert same.labels == "ages.csv"
    assert same.photos_labelled == found.photos
    assert [name for name, each in same.by_child_age.items() if each.kin] == ["6-9"]
    assert set(same.by_population) == {"white", "asian"}
    fields = json.loads(evaluation_as_json(found))["same_population"]
    assert fields["auc"] == pytest.approx(
        same.every.auc.value if same.every.auc else None, abs=1e-4
    )
    assert len(fields["auc_interval"]) == 2
    assert fields["by_child_age"]["0-2"] == {
        "kin": 0, "strangers": 0, "auc": None, "score_ks": None, "kin_score": None,
    }  # fmt: skip
    assert cllr_line(same) is None  # without a resemblance model


def test_without_a_table_the_engine_estimates_labels(tmp_path: Path) -> None:
    folder = fiw(tmp_path)
    rng = np.random.default_rng(0)
    colours = rng.uniform(40, 215, (240, 1, 6)) + rng.normal(0, 9, (240, 4, 6))
    model = cohort_model(families_of_four(colours.reshape(-1, 6)), "colour")
    protocol = read_fiw(folder, folder / "relations.csv", None)
    engine = open_engine(detector="whole", embedder=ColourEmbedder())
    same = evaluate(protocol, engine, ColourEmbedder(), model=model).same_population
    assert same is not None
    assert same.labels == OWN_ESTIMATES
    assert list(same.by_population) == ["population 1"]
    assert "So these figures flatter it" in " ".join(same_population_lines(same))
    assert evaluate(protocol, engine, ColourEmbedder()).same_population is None


def test_a_table_that_labels_no_photo_is_named(tmp_path: Path) -> None:
    table = tmp_path / "ages.csv"
    for content, message in (
        ("face,age,population\nx.jpg,3,white\n", "names none of the photos: its column face must"),
        ("face,age\nx.jpg,3\n", "has no column 'population'.* columns face .* are needed"),
        ("face,age,population\na.jpg,three,white\n", "could not convert string.* are needed"),
    ):
        table.write_text(content)
        with pytest.raises(ProtocolError, match=message):
            read_labels(table, ["a.jpg"])
    table.write_text("face,age,population\na.jpg,,martian\nb.jpg,3,\n")
    labels = read_labels(table, ["a.jpg", "b.jpg", "c.jpg"])
    assert np.isnan(labels.ages).tolist() == [True, False, True]
    assert [labels.names[at] for at in labels.populations if at >= 0] == ["martian"]
    assert labels.known == 0


def test_the_command_prints_strangers_of_the_same_population(tmp_path: Path) -> None:
    folder, table = labelled_fiw(tmp_path)
    relations, families = folder / "relations.csv", REPOSITORY / "models" / "held-back.txt"
    fixed = ("evaluate", "fiw", "--root", folder, "--relations", relations, "--families", families)
    shown = run(*fixed, "--labels", table)
    assert shown.returncode == 0, shown.stderr
    assert "Ages and populations: ages.csv, " in shown.stdout
    assert "by the child's age" in shown.stdout
    wrong = run(*fixed, "--labels", relations)
    assert wrong.returncode == 1
    assert "does not label the photos" in wrong.stderr
