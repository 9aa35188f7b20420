"""What cannot work is said before any photo is searched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers.command import run
from helpers.places import SAMPLES

from facematch.detection.mmod import MmodDetector

DAD, SON = str(SAMPLES / "father.png"), str(SAMPLES / "son.png")
PEOPLE = ("--parent", DAD, "--child", SON)


@pytest.fixture(autouse=True)
def no_search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a photo was searched")

    for name in ("detect", "detect_largest"):
        monkeypatch.setattr(MmodDetector, name, refuse)
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder.png").mkdir()


def refused(words: str, *arguments: str, cwd: Path) -> None:
    result = run(*arguments, cwd=cwd)
    assert result.returncode == 1
    assert words in result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", DAD, "none.png"),
        ("explain", DAD, "none.png"),
        ("card", DAD, "none.png", "--save", "card.png"),
        ("family", "--parent", DAD, "--child", "none.png"),
        ("family", "--parent", DAD, "--parent", "none.png", "--child", SON),
        ("timeline", "--parent", DAD, "--child", "none.png"),
        ("report", "--parent", DAD, "--child", "none.png", "-o", "page.html"),
        ("video", "none.png", "--parent", DAD),
        ("video", str(SAMPLES / "clip.mp4"), "--parent", "none.png"),
        ("find", "none.png", "--in", str(SAMPLES)),
        ("match", str(SAMPLES), "none.png"),
        ("match", "none.png", str(SAMPLES), "-o", "out.csv"),
    ],
)
def test_a_missing_file_is_said_first(arguments: tuple[str, ...], tmp_path: Path) -> None:
    refused("none.png: there is no such file", *arguments, cwd=tmp_path)


PICTURES = [
    ("explain", DAD, SON),
    ("card", DAD, SON),
    ("family", *PEOPLE),
    ("timeline", *PEOPLE),
    ("video", str(SAMPLES / "clip.mp4"), "--parent", DAD),
    ("find", SON, "--in", str(SAMPLES)),
]


@pytest.mark.parametrize("arguments", PICTURES)
@pytest.mark.parametrize(
    ("place", "why"), [("file/out.png", "file is no folder"), ("folder.png", "is a folder")]
)
def test_a_picture_that_cannot_be_written_is_said_first(
    arguments: tuple[str, ...], place: str, why: str, tmp_path: Path
) -> None:
    refused(why, *arguments, "--save", place, cwd=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("report", *PEOPLE, "-o", "file/page.html"), "file is no folder"),
        (("report", *PEOPLE, "-o", "folder.png"), "folder.png cannot be written (is a folder"),
        (("match", DAD, SON, "-o", "new/out.csv"), "new is missing"),
        (("match", DAD, SON, "-o", "file/out.csv"), "file is no folder"),
        (("match", DAD, SON, "-o", "folder.png", "--format", "csv"), "is a folder"),
        (("pairs", "pairs.csv", "-o", "new/out.csv"), "new is missing"),
        (("faces", DAD, "--save", "file"), "file is no folder"),
        (("evaluate", "pairs", "pairs.csv", "--plots", "file"), "file is no folder"),
        (("train", "embedder", "--data", ".", "--out", "file/new"), "file is no folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_said_first(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    refused(words, *arguments, cwd=tmp_path)


def test_a_timeline_without_dates_is_said_first(tmp_path: Path) -> None:
    refused("no photo of son tells when it was taken", "timeline", *PEOPLE, cwd=tmp_path)


def test_an_engine_without_a_model_is_said_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("facematch.engine.model_for", lambda space: None)
    for command in (("family", *PEOPLE), ("card", DAD, SON, "--save", "card.png")):
        refused("no resemblance model fits kin", *command, cwd=tmp_path)


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_folder_without_permission_is_said_first(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    refused("may not be written to", "card", DAD, SON, "--save", "locked/a.png", cwd=tmp_path)


def test_checks_write_nothing(tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    run("card", DAD, "none.png", "--save", "new/card.png", cwd=tmp_path)
    assert sorted(tmp_path.iterdir()) == before
