"""Edited and saved-again copies of one photo count once, wherever photos of a person are pooled."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.command import run
from helpers.matchers import matcher
from helpers.places import SAMPLES
from PIL import Image, ImageEnhance, ImageOps

from facematch.analyses.family import Family
from facematch.enrolment.copies import PhotoOfPerson, find_copies, without_copies
from facematch.types import Photo, Subject

PARENTS = {who: [str(SAMPLES / f"{who}.png")] for who in ("father", "mother")}


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Eight copies of the son's photo."""
    folder = tmp_path_factory.mktemp("son")
    photo = Image.open(SAMPLES / "son.png").convert("RGB")
    edits = [
        photo, photo.resize((240, 300)), photo.resize((720, 900)), photo.crop((30, 40, 450, 570)),
        photo.convert("L"), ImageOps.mirror(photo), ImageEnhance.Brightness(photo).enhance(1.15),
        ImageOps.mirror(photo).crop((30, 40, 450, 570)).resize((336, 424)),
    ]  # fmt: skip
    paths = [folder / f"{number}.jpg" for number in range(len(edits))]
    for number, (path, edit) in enumerate(zip(paths, edits, strict=True)):
        edit.save(path, quality=95 - 5 * number)
    return paths


def test_eight_copies_count_as_one_photo(copies: list[Path]) -> None:
    family = matcher.family(PARENTS, {"son": copies})
    assert family.photos["son"] == 1
    assert [each.code for each in family.skipped] == ["copy"] * 7
    assert interval_width(family) == interval_width(matcher.family(PARENTS, {"son": copies[2:3]}))
    for each in family.skipped:
        assert each.reason == f"is one photo with {copies[2]}, edited or saved again: counted once"


def interval_width(family: Family) -> float:
    low, high = family.of("mother", "son").score_interval
    return high - low


def test_a_second_photo_counts_beside_the_copies(copies: list[Path]) -> None:
    family = matcher.family(PARENTS, {"son": [*copies[:2], SAMPLES / "son-2.png"]})
    assert family.photos["son"] == 2
    assert len(family.skipped) == 1


def test_folders_of_match_count_copies_once(copies: list[Path], tmp_path: Path) -> None:
    (tmp_path / "son").mkdir()
    for path in copies[:3]:
        (tmp_path / "son" / path.name).write_bytes(path.read_bytes())
    result = run("match", "samples/father.png", tmp_path, "--people", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["child"] for row in rows if not row["reason"]] == ["son"]
    assert sum("counted once" in row["reason"] for row in rows) == 2


def test_a_gallery_keeps_the_best_copy_of_each_person(copies: list[Path]) -> None:
    gallery = matcher.gallery([*copies[:3], SAMPLES / "father.png", copies[0]])
    names = ["son", "son", "son", "father", "another"]
    counted = without_copies(matcher.engine, gallery, names)
    assert counted.labels == (str(copies[2]), str(SAMPLES / "father.png"), str(copies[0]))
    assert [each.photo for each in counted.skipped] == [str(path) for path in copies[:2]]


def test_a_parent_of_a_clip_counts_copies_once(copies: list[Path]) -> None:
    once, often = (
        matcher.video(SAMPLES / "clip.mp4", {"son": some}) for some in (copies[2:3], copies[:3])
    )
    assert once.people[0].verdicts == often.people[0].verdicts
    assert [each.code for each in often.skipped] == ["copy", "copy"]


def test_photos_in_memory_that_are_alike_count_each() -> None:
    pixels = np.asarray(Image.open(SAMPLES / "son.png").convert("RGB"))
    gallery = matcher.gallery([Photo("one", pixels), Photo("two", pixels)])
    counted = without_copies(matcher.engine, gallery, ["son", "son"])
    assert counted.labels == ("one", "two")


def test_of_copies_one_with_a_date_is_kept_then_one_without_a_warning() -> None:
    plain = PhotoOfPerson(Subject("plain", (0, 0, 9, 9), 1.0, 1, 1), digest="x")
    larger = replace(plain, subject=replace(plain.subject, photo="larger", box=(0, 0, 99, 99)))
    warned = replace(larger, warned=True)
    dated = replace(plain, dated=True, warned=True)
    assert counted([plain, larger, warned]) == [1]
    assert counted([warned, plain]) == [1]
    assert counted([larger, plain, dated]) == [2]
    assert counted([plain, plain]) == [0]
    assert find_copies([]) == []


def counted(photos: list[PhotoOfPerson]) -> list[int]:
    return [row for row, copy in enumerate(find_copies(photos)) if copy is None]
