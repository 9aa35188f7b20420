"""What commands say of the folders they are given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.command import run
from helpers.places import SAMPLES

from facematch.cli.folders import passed_over_told, photos_given
from facematch.errors import MissingPhotoError


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A parent's folder and a child's, each with a photo, a raw file, and a clip or a note."""
    parent, child = tmp_path / "father", tmp_path / "son"
    for folder, other in ((parent, "clip.mp4"), (child, "notes.txt")):
        folder.mkdir()
        shutil.copy(SAMPLES / f"{folder.name}.png", folder / "2018-05-16.png")
        (folder / "DSC0001.NEF").touch()
        (folder / other).touch()
    return parent, child


TOLD = (
    "passed over in folders: 2 raw files (export them as JPEG), 1 clip, 1 file that is no photo\n"
)


@pytest.mark.parametrize("command", ["family", "match", "find", "timeline", "report"])
def test_one_line_on_stderr_says_what_was_passed_over_in_all_folders(
    command: str, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    parent, child = folders
    named = ("--parent", parent, "--child", child)
    arguments = {
        "family": named,
        "match": (parent, child),
        "find": (child, "--in", parent),
        "timeline": named,
        "report": (*named, "-o", tmp_path / "page.html"),
    }
    result = run(command, *map(str, arguments[command]), "--min-face", 60)
    assert result.stderr.count("passed over") == 1, result.stderr
    assert TOLD in result.stderr
    assert "passed over" not in result.stdout


def test_a_command_that_fails_says_one_line(folders: tuple[Path, Path]) -> None:
    result = run("match", folders[0], "none.png")
    assert result.returncode == 1
    assert result.stderr == "facematch: none.png: there is no such file: check the name\n"


def test_nothing_is_said_where_nothing_is_passed_over(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with passed_over_told():
        assert len(photos_given(folders[0] / "2018-05-16.png")) == 1
    assert capsys.readouterr() == ("", "")
    with passed_over_told():
        photos_given(folders[0])
        photos_given(folders[1])
    assert capsys.readouterr() == ("", TOLD)


def test_a_folder_without_photos_is_an_error_unless_it_may_be_empty(tmp_path: Path) -> None:
    assert photos_given(tmp_path, or_none=True) == []
    with pytest.raises(MissingPhotoError, match="holds no photo"):
        photos_given(tmp_path)
