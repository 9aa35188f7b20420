from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLES
from test_family import photos

from facematch import FaceMatcher
from facematch.archive import SAME_PERSON, Sighting, by_person, most_alike
from facematch.errors import MissingPhotoError, OptionError
from facematch.photos import list_photos
from facematch.types import Subject

matcher = FaceMatcher(min_face=60)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("box")
    for name in ("father.png", "father-2.png", "mother.png", "mother-2.png", "group.jpg"):
        shutil.copy(SAMPLES / name, folder / name)
    shutil.copy(SAMPLES / "son.png", folder / "a copy.png")
    (folder / "broken.jpg").write_text("no photo")
    return folder


def test_an_archive_is_searched_face_by_face(archive: Path) -> None:
    found = matcher.find({"son": photos("son")}, list_photos(archive), top=3)
    assert found.photos == 5  # the child's own photo is left out
    assert found.faces == 8
    assert [each.code for each in found.skipped] == ["not-an-image"]
    first = next(each for each in found.found if each.may_be_child)
    assert (first.sightings[0].subject.photo, len(first.sightings)) == (
        str(archive / "group.jpg"), 1,
    )  # fmt: skip
    told = json.loads(found.as_json())
    assert [each["rank"] for each in told["found"]] == [1, 2, 3]
    assert told["found"][0]["photos"] == [{"photo": str(archive / "group.jpg"), "face": 2}]
    assert found.picture().std() > 20


def test_photos_of_one_person_are_together_and_siblings_apart() -> None:
    rng = np.random.default_rng(0)
    one, step = rng.normal(0, 1, (2, 128))
    one *= 1.4 / np.linalg.norm(one)
    step *= SAME_PERSON * 1.3 / np.linalg.norm(step)
    people = np.repeat([one, one + step], 3, axis=0)
    identities = (people + rng.normal(0, 0.015, people.shape)).astype(np.float32)
    names = [f"{at}.jpg" for at in range(6)]
    assert by_person(names, identities) == [[0, 1, 2], [3, 4, 5]]


def test_two_faces_of_one_photo_are_never_one_person() -> None:
    identities = np.zeros((3, 128), np.float32)
    assert by_person(["a", "a", "b"], identities) == [[0, 2], [1]]
    assert by_person([], identities[:0]) == []


def test_only_the_most_alike_are_kept_in_memory() -> None:
    def sighting(at: int) -> Sighting:
        blank = np.zeros((1, 1, 3), np.uint8)
        subject = Subject(str(at), (0, 0, 1, 1), 1, 1, 1)
        none = np.zeros(1, np.float32)
        return Sighting(float(at % 10), subject, none, none, blank, ())

    best = most_alike((sighting(at) for at in range(100)), 4)
    assert [seen.subject.photo for seen in best] == ["9", "19", "29", "39"]  # ties: first come
    assert most_alike(iter(()), 4) == []


def test_one_child_is_searched_for(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="one child is searched for, not 0"):
        matcher.find({}, [])
    with pytest.raises(MissingPhotoError, match="holds no photo"):
        list_photos(tmp_path)


def test_many_photos_of_the_child_crowd_nobody_out(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facematch.verbs._CANDIDATES", 1)  # of each kind one is kept
    found = matcher.find({"son": photos("son")}, list_photos(archive), top=1)
    assert found.faces == 8
    everyone = matcher.find({"son": photos("son")}, list_photos(archive), top=2).found
    assert [each.may_be_child for each in everyone].count(True) <= 1
    assert not all(each.may_be_child for each in everyone)
