"""Which photos a path stands for, and what is passed over in folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from helpers.make_photos import encode, quadrants
from helpers.matchers import own

from facematch.errors import (
    MissingPhotoError,
    UnreadablePhotoError,
)
from facematch.photos.listing import list_folder, list_photos, passed_over_words

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits as POSIX has them")


def place(folder: Path, *names: str, content: bytes = b"") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def listed(folder: Path) -> list[str]:
    return [Path(path).relative_to(folder).as_posix() for path in list_photos(folder)]


def test_a_folder_is_the_photos_in_it_by_name(tmp_path: Path) -> None:
    place(tmp_path, "b.JPG", "a.png", "notes.txt", ".hidden.png", "sub/c.heic", ".cache/d.png")
    assert listed(tmp_path) == ["a.png", "b.JPG", "sub/c.heic"]
    assert list_photos(tmp_path / "a.png") == [str(tmp_path / "a.png")]
    assert list_photos("none.png") == ["none.png"]


@pytest.mark.parametrize(
    "name", ["DSC0001.HIF", "burst.heics", "a.JFIF", "a.avifs", "a.apng", "a.HeIf", "a.dib"]
)
def test_endings_that_cameras_write_are_photos(name: str, tmp_path: Path) -> None:
    place(tmp_path, name)
    assert listed(tmp_path) == [name]


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "tiff", "bmp", "gif", "avif", "heic"])
@pytest.mark.parametrize("name", ["IMG_0001", "photo.dat", "1999.12.31", "scan.txt"])
def test_a_file_of_another_ending_is_a_photo_by_its_first_bytes(
    name: str, format_: str, tmp_path: Path
) -> None:
    place(tmp_path, name, content=encode(quadrants(), format_))
    place(tmp_path, f"no {name}", content=b"BMW, JFIF and TIFF are words.")
    assert listed(tmp_path) == [name]


@pytest.mark.parametrize(
    "kept", ["@eaDir/a.jpg", "#recycle/a.jpg", "__MACOSX/._a.jpg", "__MACOSX/a.jpg", "._a.jpg",
             ".picasaoriginals/a.jpg", ".thumbnails/a.jpg", "Previews.lrdata/a.jpg",
             "$RECYCLE.BIN/a.jpg", "CaptureOne/Cache/a.jpg", "Thumbs/a.jpg", "a.jpg_original",
             "a.jpg~", "a.jpg.part", ".@__thumb/a.jpg", "SYNOFILE_THUMB_M.jpg"]
)  # fmt: skip
def test_copies_that_other_programs_keep_are_no_photos(kept: str, tmp_path: Path) -> None:
    place(tmp_path, kept, "a.jpg", content=encode(quadrants(), "jpeg"))
    assert listed(tmp_path) == ["a.jpg"]


def test_what_is_passed_over_is_counted_by_reason(tmp_path: Path) -> None:
    place(tmp_path, "a.jpg", "a.NEF", "b/c.cr2", "clip.MOV", "notes.txt", "Thumbs.db", ".DS_Store")
    place(tmp_path, "@eaDir/1.jpg", "@eaDir/2.jpg", ".git/config")
    place(tmp_path, "sensor", content=b"FUJIFILMCCD-RAW 0201")
    listing = list_folder(tmp_path)
    assert listing.photos == [str(tmp_path / "a.jpg")]
    counts = {"raw": 3, "clip": 1, "other": 1, "program": 2, "hidden": 2}
    assert listing.passed_over == counts
    assert passed_over_words(listing.passed_over) == (
        "3 raw files (export them as JPEG), 1 clip, 1 file that is no photo, 2 files or folders of "
        "other programs, 2 hidden files or folders"
    )
    assert list_folder(tmp_path / "a.jpg").passed_over == {}
    assert (
        passed_over_words({"raw": 1, "clip": 1200}) == "1 raw file (export it as JPEG), 1,200 clips"
    )


def test_a_folder_without_photos_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(MissingPhotoError, match="holds no photo: name a folder with photos in it"):
        list_photos(tmp_path)
    place(tmp_path, "a.nef", "b.nef")
    with pytest.raises(MissingPhotoError, match=r"holds no photo, but 2 raw files \(export them"):
        list_photos(tmp_path)


@posix
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "lost").symlink_to("nowhere")
    place(tmp_path, "a.jpg")
    assert list_folder(tmp_path).passed_over == {"other": 2}


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
