"""Copies of one photo among those of one person: the best of them counts, the others are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facematch.detection.copies import AlignedFace, aligned_face, is_copy, may_be_copies
from facematch.engine import Engine
from facematch.errors import PhotoError
from facematch.photos.dates import date_of
from facematch.types import Face, Gallery, Photo, Skipped, Subject

# Edited copies have a cosine of 0.835 and more in the space of `kin`, as half of the photos of one
# person have. Photos below are not read again.
_MAY_BE_COPIES = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class PhotoOfPerson:
    """What tells whether a photo is a copy, and which copy is best.

    `dated` says that the photo or its name tells a day. `aligned` is None for a photo that no other
    is like.
    """

    subject: Subject
    warned: bool = False
    dated: bool = False
    digest: str = ""
    aligned: AlignedFace | None = None


def find_copies(photos: Sequence[PhotoOfPerson]) -> list[Skipped | None]:
    """For each photo of one person, why it is left out; None for one that counts.

    Of the copies of a photo one counts: with a date rather than without, then without a warning,
    then with the largest face, then the first.
    """
    skipped: list[Skipped | None] = [None] * len(photos)
    counts = [photo.subject.photo for photo in photos]  # the photo that counts for each
    likely = _likely_copies(photos)
    ranked = sorted(range(len(photos)), key=lambda row: _rank(photos[row]))
    for place, row in enumerate(ranked):
        for other in ranked[:place]:
            reason = _why_copy(photos[row], photos[other], likely=bool(likely[row, other]))
            if reason:
                counts[row] = counts[other]
                text = reason.format(counts[other])
                skipped[row] = Skipped(photos[row].subject.photo, "copy", text)
                break
    return skipped


def _likely_copies(photos: Sequence[PhotoOfPerson]) -> NDArray[np.bool_]:
    """Which pairs of photos are worth a closer look, (N, N)."""
    rows = [row for row, photo in enumerate(photos) if photo.aligned is not None]
    likely = np.zeros((len(photos), len(photos)), bool)
    faces = [face for photo in photos if (face := photo.aligned) is not None]
    likely[np.ix_(rows, rows)] = may_be_copies(faces)
    return likely


def without_copies(engine: Engine, gallery: Gallery, people: Sequence[str]) -> Gallery:
    """A gallery in which each photo of a person counts once; its copies are in `skipped`.

    `people[n]` names the person on `subjects[n]`, see `Gallery.by_person`. Photos whose vectors are
    alike are read once more.
    """
    skipped: list[Skipped | None] = [None] * len(people)
    for name in dict.fromkeys(people):
        rows = [row for row, person in enumerate(people) if person == name]
        found = find_copies(_photos_of_person(engine, gallery.of_rows(rows)))
        for row, copy in zip(rows, found, strict=True):
            skipped[row] = copy
    counted = [row for row, copy in enumerate(skipped) if copy is None]
    left_out = *gallery.skipped, *filter(None, skipped)
    return replace(gallery.of_rows(counted), skipped=left_out)


def is_dated(photo: Photo) -> bool:
    """Whether a photo or its name tells when it was taken."""
    return date_of(photo.label, photo.day, {}) is not None


def _rank(photo: PhotoOfPerson) -> tuple[bool, bool, float]:
    x_min, y_min, x_max, y_max = photo.subject.box
    return not photo.dated, photo.warned, -(x_max - x_min) * (y_max - y_min)


def _why_copy(photo: PhotoOfPerson, other: PhotoOfPerson, *, likely: bool) -> str:
    """Why one photo is a copy of the other, {} for the one that counts; empty where it is none."""
    if photo.digest and photo.digest == other.digest:
        return "is the same file as {}, counted once"
    if not likely or photo.aligned is None or other.aligned is None:
        return ""
    if not is_copy(photo.aligned, other.aligned):
        return ""
    return "is one photo with {}, edited or saved again: counted once"


def _photos_of_person(engine: Engine, gallery: Gallery) -> list[PhotoOfPerson]:
    """The photos of one person in a gallery; those that others are like are read again."""
    cosines = gallery.vectors @ gallery.vectors.T
    np.fill_diagonal(cosines, -1)
    alike = [bool((row >= _MAY_BE_COPIES).any()) for row in cosines]
    rows = zip(gallery.subjects, gallery.phrases, alike, strict=True)
    return [
        _read_again(engine, subject, bool(warned)) if is_like else PhotoOfPerson(subject)
        for subject, warned, is_like in rows
    ]


def _read_again(engine: Engine, subject: Subject, warned: bool) -> PhotoOfPerson:
    try:
        photo = engine.read(subject.photo)
    except PhotoError:  # it was in memory only, or is gone
        return PhotoOfPerson(subject)
    x_min, y_min, x_max, y_max = (side * photo.scale for side in subject.box)
    (face,) = engine.portrait(photo, [Face((x_min, y_min, x_max, y_max), subject.confidence)]).faces
    aligned = aligned_face(photo.pixels, face)
    return PhotoOfPerson(subject, warned, is_dated(photo), photo.digest, aligned)
