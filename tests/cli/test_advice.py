"""Whoever calls a command in another way than it is called is told the call that works."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.command import run
from helpers.matchers import matcher
from helpers.places import SAMPLES

from facematch.analyses.pair import SWAPPED
from facematch.types import Age

ROLES = "an option before each photo says who it shows: "
DAD = "samples/father.png"


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (
            ("family", "mum.jpg", "dad.jpg", "baby.jpg"),
            ROLES + "`facematch family --parent mum.jpg --parent dad.jpg --child baby.jpg`",
        ),
        (
            ("family", "our baby.jpg", "a.jpg", "--dark"),
            ROLES + "`facematch family --parent 'our baby.jpg' --child a.jpg --dark`",
        ),
        (
            ("family", "--parent", "a", "b", "--child", "c", "d", "--min-face", "30"),
            ROLES + "`facematch family --parent a --parent b --child c --child d --min-face 30`",
        ),
        (
            ("timeline", "Mum=m.jpg", "--child", "kids", "--born", "kids=2020-01-01"),
            ROLES + "`facematch timeline --parent Mum=m.jpg --child kids --born kids=2020-01-01`",
        ),
        (
            ("score", "a.jpg", "b.jpg", "c.jpg"),
            ROLES + "`facematch family --parent a.jpg --parent b.jpg --child c.jpg`",
        ),
        (
            ("score", "--parent", "a.jpg", "--child", "b.jpg"),
            "two photos are given without options: `facematch score a.jpg b.jpg`",
        ),
        (
            ("timeline", "mum.jpg", "kid 1.jpg", "kid2.jpg", "--dark"),
            "a timeline is of one child, whose photos lie in a folder: "
            "`facematch timeline --parent mum.jpg --child FOLDER --dark`",
        ),
        (
            ("score", "mum and baby.jpg"),
            "one photo is given: name a second one or, where mum and baby.jpg shows both, number "
            "its faces: `facematch family --photo 'mum and baby.jpg' --label`",
        ),
        (("family", "all.jpg"), "`facematch family --photo all.jpg --label`"),
        (
            ("score", DAD, "samples/both.mp4"),
            f"samples/both.mp4: is a clip: call `facematch video samples/both.mp4 --parent {DAD}`",
        ),
        (
            ("explain", "samples/both.mp4", "samples/clip.mp4"),
            "samples/clip.mp4: is a clip: call `facematch video samples/clip.mp4`",
        ),
        (
            ("score", "samples/both.mp4", DAD),
            "only the child may be: name a photo of the parent, or compare the people in it: "
            "`facematch video samples/both.mp4`",
        ),
        (
            ("score", DAD, "samples/years"),
            "samples/years: is a folder: call "
            f"`facematch family --parent {DAD} --child samples/years`",
        ),
    ],
)
def test_a_call_that_is_none_is_answered_with_one_that_works(
    call: tuple[str, ...], advice: str
) -> None:
    result = run(*call)
    assert (result.returncode, result.stdout) == (1, "")
    assert advice in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("call", [("score",), ("faces", "a", "b"), ("family", "--dark", "--what")])
def test_other_mistakes_are_those_of_the_usage(call: tuple[str, ...]) -> None:
    result = run(*call)
    assert result.returncode == 2
    assert "Usage:" in result.stderr


def test_a_photo_of_two_is_scored_as_it_was_advised(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "group.jpg", tmp_path / "mum and baby.jpg")
    assert run("family", "--photo", "mum and baby.jpg", "--label", cwd=tmp_path).returncode == 0
    assert (tmp_path / "mum and baby-numbered.png").exists()


def swapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every first face look two years old and every second one forty."""
    from facematch.analyses import pair

    ages = (Age(2.0, 1.0), Age(40.0, 5.0))
    monkeypatch.setattr(pair, "ages_of", lambda *_: ages)


def test_a_swapped_order_is_told_with_the_call_that_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swapped(monkeypatch)
    result = run("score", "samples/son.png", DAD)
    assert SWAPPED in " ".join(result.stdout.split())
    assert f"to swap them: facematch score {DAD} samples/son.png\n" in result.stdout


def test_swapped_people_of_a_family_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = type(matcher.engine.require_resemblance())
    usual = model.ages

    def ages(self: object, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        years, errors = usual(self, vectors)  # type: ignore[arg-type]
        return np.full_like(years, next(steps)), errors

    steps = iter([2.0, 40.0])  # of the parent, of the child
    monkeypatch.setattr(model, "young", lambda _, vectors: np.zeros(len(vectors), bool))
    monkeypatch.setattr(model, "ages", ages)
    family = matcher.family({"tim": SAMPLES / "son.png"}, {"dad": SAMPLES / "father.png"})
    assert (
        "tim, the parent, seems to be a child here and dad an adult: are they the wrong way round?"
    ) in family.warnings


def test_one_parent_has_a_line_for_each_child() -> None:
    both = ("--child", "samples/son.png", "--child", "samples/daughter.png")
    told = " ".join(run("family", "--parent", DAD, *both).stdout.split())
    assert "son looks like father: " in told  # drawn people all score over 99
    assert "daughter looks like father: " in told


def test_the_samples_have_a_table_of_pairs() -> None:
    result = run("pairs", "samples/family.csv", "--format", "json", "--min-face", 60)
    rows = json.loads(result.stdout)
    assert result.returncode == 0
    assert len(rows) == 4
    assert all(row["reason"] is None and row["score"] is not None for row in rows)
