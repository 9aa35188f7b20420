"""Which photos a path stands for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from helpers.matchers import own

from facematch.errors import (
    MissingPhotoError,
    UnreadablePhotoError,
)
from facematch.photos.listing import list_photos

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits as POSIX has them")


def test_a_folder_is_the_photos_in_it_by_name(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "sub/c.heic", ".cache/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    names = [Path(path).relative_to(tmp_path).as_posix() for path in list_photos(tmp_path)]
    assert names == ["a.png", "b.JPG", "sub/c.heic"]
    assert list_photos(tmp_path / "a.png") == [str(tmp_path / "a.png")]
    assert list_photos("none.png") == ["none.png"]
    with pytest.raises(MissingPhotoError, match="holds no photo"):
        list_photos(_empty(tmp_path))


@pytest.mark.parametrize("name", ["DSC0001.HIF", "burst.heics", "a.JFIF", "a.avifs", "a.apng"])
def test_endings_that_cameras_write_are_photos(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert list_photos(tmp_path) == [str(tmp_path / name)]


@pytest.mark.parametrize(
    "kept", ["@eaDir/a.jpg", "#recycle/a.jpg", "__MACOSX/._a.jpg", "__MACOSX/a.jpg", "._a.jpg",
             ".picasaoriginals/a.jpg", ".thumbnails/a.jpg"]
)  # fmt: skip
def test_copies_that_other_programs_keep_are_no_photos(kept: str, tmp_path: Path) -> None:
    for name in (kept, "a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_photos(tmp_path) == [str(tmp_path / "a.jpg")]


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.jpg").touch()
    scan = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UnreadablePhotoError, match=r"shut: .* this folder be read \(Permission"):
        list_photos(tmp_path)


@posix
def test_links_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").touch()
    (tmp_path / "in" / "round").symlink_to(tmp_path)
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    assert list_photos(tmp_path) == [str(tmp_path / "in" / "a.jpg"), str(tmp_path / "self.jpg")]
    (skipped,) = own().gallery([tmp_path / "self.jpg"]).skipped
    assert skipped.code == "unreadable"
