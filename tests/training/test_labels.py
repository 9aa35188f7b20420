from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.data_sets import archive, strangers
from helpers.fakes import ColourEmbedder

from facematch.errors import FacematchError
from facematch.evaluation.fiw import read_families
from facematch.training.labels import LABELS, label_families, read_pictures


def test_faces_of_families_are_labelled_by_name(tmp_path: Path) -> None:
    data = archive(tmp_path, families=3)
    names, kin, _ = read_families(data, [])
    faces = label_families(kin, names, data / LABELS)
    assert set(faces.ages.tolist()) == {17.0, 26.0, 35.0}
    assert set(faces.populations.tolist()) == {0, 2}
    (data / LABELS).write_text("face,age,population\n" + f"{names[0]},,martian\n")
    faces = label_families(kin, names, data / LABELS)
    assert np.isnan(faces.ages).all()
    assert (faces.populations == -1).all()


def test_labelled_pictures_are_read_from_a_folder_and_an_archive(tmp_path: Path) -> None:
    folder = strangers(tmp_path / "pictures", 3)
    (folder / "notes.txt").write_text("no picture")
    packed = tmp_path / "pictures.zip"
    with zipfile.ZipFile(packed, "w") as entries:
        for each in sorted(folder.iterdir()):
            entries.write(each, f"half/{each.name}")
    for path in (folder, packed):
        found = read_pictures(path, ColourEmbedder(), lambda _: None)
        assert found.ages.tolist() == [20, 21, 22]
        assert found.populations.tolist() == [0, 1, 2]
        assert len(found.chips) == 3


def test_a_place_without_labelled_pictures_is_named(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, "shows no face in a picture named AGE_SEX_POPULATION"),
        (tmp_path / "none.zip", r"none\.zip cannot be read"),
    ):
        with pytest.raises(FacematchError, match=message):
            read_pictures(path, ColourEmbedder(), lambda _: None)


def test_a_picture_that_is_no_jpeg_is_named(tmp_path: Path) -> None:
    (tmp_path / "30_0_1_x.jpg").write_bytes(b"nothing")
    with pytest.raises(FacematchError, match=r"30_0_1_x\.jpg is no JPEG"):
        read_pictures(tmp_path, ColourEmbedder(), lambda _: None)
