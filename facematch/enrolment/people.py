"""People with several photos each: one face of each photo, enrolled under a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from facematch.detection.copies import aligned_face
from facematch.detection.portraits import portrait_squares, portraits
from facematch.detection.quality import clearness, face_warnings
from facematch.engine import Engine
from facematch.enrolment.copies import PhotoOfPerson, find_copies, is_dated
from facematch.enrolment.gallery import CHIPS_PER_BATCH, faces, largest_face
from facematch.errors import NoFaceError, OptionError
from facematch.types import (
    Gallery,
    Person,
    PhotosLike,
    Pixels,
    Portrait,
    Skipped,
    Vectors,
    unit_rows,
)

PORTRAIT_SIDE = 240  # pixels, of a Person's portraits
# Who is shown, and their photos: one, several, or a folder.
NamedPhotos = Mapping[str, PhotosLike]


def enrol_people(
    engine: Engine, photos: NamedPhotos, *, portrait_side: int = PORTRAIT_SIDE
) -> tuple[list[Person], list[Skipped]]:
    """Everyone by the largest face of each of their photos, and the photos without a usable face.

    A person without a usable photo is left out.
    """
    enrolled: list[Person] = []
    skipped: list[Skipped] = []
    for name, some in photos.items():
        found = map(largest_face, faces(engine, some, largest=True))
        somebody = enrol_person(engine, name, found, portrait_side=portrait_side)
        skipped += somebody.gallery.skipped
        if somebody.gallery.subjects:
            enrolled.append(somebody)
    return enrolled, skipped


def enrol_person(
    engine: Engine,
    name: str,
    found: Iterable[tuple[Portrait, int] | Skipped],
    *,
    portrait_side: int = PORTRAIT_SIDE,
) -> Person:
    """One person by portraits, each with the index of their face in it; embedded in batches."""
    samples: list[_Sample] = []
    skipped: list[Skipped] = []
    # What is kept of a photo is taken at once: a batch of photos would fill the memory.
    usable = (
        (_sample(portrait, index, portrait_side), portrait.chips[index])
        for portrait, index in without_skipped(found, skipped)
    )
    while batch := list(islice(usable, CHIPS_PER_BATCH)):
        vectors, warnings = engine.embed(np.stack([chip for _, chip in batch]))
        samples += [
            replace(sample, vector=vector, warnings=(*sample.warnings, *more))
            for (sample, _), vector, more in zip(batch, vectors, warnings, strict=True)
        ]
    return _as_person(name, samples, skipped, engine.embedder.space)


def parents_and_children(
    engine: Engine,
    parents: NamedPhotos,
    children: NamedPhotos,
    *,
    portrait_side: int = PORTRAIT_SIDE,
) -> tuple[list[Person], list[Person], list[Skipped]]:
    """Parents and children with a usable photo, and the photos without a usable face.

    Raises NoFaceError where no parent or no child has a usable photo. Before any photo is searched:
    OptionError where two people have one name or none, ResemblanceError where no resemblance model
    fits the embedder.
    """
    check_people(parents, children)
    engine.require_resemblance()
    older, skipped = enrol_people(engine, parents, portrait_side=portrait_side)
    if not older:
        raise no_usable_photo(skipped)
    younger, more = enrol_people(engine, children, portrait_side=portrait_side)
    if not younger:
        raise no_usable_photo(more)
    return older, younger, [*skipped, *more]


def check_people(parents: NamedPhotos, children: NamedPhotos) -> None:
    """Raise OptionError where people are not given by name, or two have one name."""
    for side in (parents, children):
        if not isinstance(side, Mapping):
            raise OptionError(
                f"people are given as names with photos, {{'mum': 'mum.jpg'}}, not as a "
                f"{type(side).__name__}"
            )
    check_names([*parents, *children])


def check_names(names: Sequence[str]) -> None:
    """Raise OptionError where two people have one name."""
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise OptionError(f"two people are called {twice[0]!r}: name them apart")


def no_usable_photo(skipped: Sequence[Skipped]) -> NoFaceError:
    """The error for somebody without a usable photo; it says why the first one is not."""
    first = skipped[0] if skipped else Skipped("nobody", "missing", "no photo was given")
    return NoFaceError(first.photo, f"{first.reason}; no usable photo is left")


def without_skipped(
    found: Iterable[tuple[Portrait, int] | Skipped], skipped: list[Skipped]
) -> Iterator[tuple[Portrait, int]]:
    """The usable faces; the others are added to `skipped`."""
    for face in found:
        if isinstance(face, Skipped):
            skipped.append(face)
        else:
            yield face


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """What a Person keeps of one photo; `vector` is set once its chip is embedded.

    Copies of one photo are told by `seen`.
    """

    seen: PhotoOfPerson
    warnings: tuple[str, ...]
    taken: date | None
    picture: Pixels
    square: NDArray[np.float64]
    clearness: float
    vector: Vectors | None = None


def _sample(portrait: Portrait, index: int, portrait_side: int) -> _Sample:
    photo, face = portrait.photo, portrait.faces[index]
    warnings = tuple(face_warnings(portrait, index))
    return _Sample(
        seen=PhotoOfPerson(
            subject=portrait.subject(index),
            warned=bool(warnings),
            dated=is_dated(photo),
            digest=photo.digest,
            aligned=aligned_face(photo.pixels, face),
        ),
        warnings=warnings,
        taken=photo.day,
        picture=portraits(photo.pixels, [face], portrait_side)[0],
        square=portrait_squares(photo.pixels.shape, [face])[0],
        clearness=clearness(portrait, index),
    )


def _as_person(
    name: str, samples: Sequence[_Sample], skipped: Sequence[Skipped], space: str
) -> Person:
    copies = find_copies([sample.seen for sample in samples])
    samples = [sample for sample, copy in zip(samples, copies, strict=True) if copy is None]
    vectors = [sample.vector for sample in samples if sample.vector is not None]
    pictures = [sample.picture for sample in samples]
    no_pictures = np.empty((0, PORTRAIT_SIDE, PORTRAIT_SIDE, 3), np.uint8)
    return Person(
        name=name,
        gallery=Gallery(
            subjects=tuple(sample.seen.subject for sample in samples),
            vectors=unit_rows(np.stack(vectors)) if vectors else np.empty((0, 0), np.float32),
            space=space,
            warnings=tuple(sample.warnings for sample in samples),
            skipped=(*skipped, *filter(None, copies)),
        ),
        portraits=np.stack(pictures) if pictures else no_pictures,
        squares=np.array([sample.square for sample in samples]).reshape(-1, 3),
        clearness=np.array([sample.clearness for sample in samples]),
        digests=tuple(sample.seen.digest for sample in samples),
        taken=tuple(sample.taken for sample in samples),
    )
