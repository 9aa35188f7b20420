"""The main path: photos, faces, chips, vectors, scores. It reads top to bottom."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from facematch.align import crop_faces
from facematch.errors import NoFaceError, OptionError
from facematch.landmarks import LandmarkLocator
from facematch.photos import Limits, read_photo
from facematch.quality import quality_warnings
from facematch.registry import load_detector, load_embedder
from facematch.resemblance import ResemblanceModel, model_for
from facematch.similarity import cosine_pairs
from facematch.types import (
    Chips,
    Detector,
    Embedder,
    Engine,
    Face,
    Match,
    Photo,
    Subject,
    Vectors,
)

PhotoLike: TypeAlias = str | os.PathLike[str] | Photo

# The default smallest face fills 5 % of the long side; at this many pixels it has 100, which is
# more than the detector's 80 and enough for a chip.
_ENOUGH_PIXELS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A photo, the faces found in it, largest first and with landmarks, and one chip a face."""

    photo: Photo
    faces: tuple[Face, ...]
    chips: Chips

    def subjects(self) -> list[Subject]:
        """Each face as something to score, largest first."""
        return [self.subject(index) for index in range(len(self.faces))]

    def subject(self, index: int) -> Subject:
        """One face as something to score."""
        face = self.faces[index]
        x_min, y_min, x_max, y_max = (side / self.photo.scale for side in face.box)
        return Subject(
            photo=self.photo.label,
            box=(x_min, y_min, x_max, y_max),
            confidence=face.confidence,
            face=index + 1,
            faces_found=len(self.faces),
        )

    def face_index(self, number: int | None) -> int:
        """Where face `number` is in `faces`; None stands for the largest.

        Raises NoFaceError where there are not that many.
        """
        found = len(self.faces)
        if not found:
            raise NoFaceError(self.photo.label, self._no_face())
        if number is not None and not 1 <= number <= found:
            there_are = "1 face" if found == 1 else f"{found} faces"
            reason = f"there is no face {number}: {there_are} found, 1 being the largest"
            raise NoFaceError(self.photo.label, reason)
        return 0 if number is None else number - 1

    def _no_face(self) -> str:
        height, width = (round(side / self.photo.scale) for side in self.photo.pixels.shape[:2])
        smaller = max(max(width, height) // 40, 10)  # half the default
        return f"no face found ({width}x{height}): try --min-face {smaller}, or crop closer"


class FaceMatcher:
    """Tells how much a child looks like a parent.

    Built in no time: networks and weights are read when first needed, then kept. `detector` and
    `embedder` are registered names or back-ends of your own. `min_face` is the side, in pixels of
    the photo's file, of the smallest face worth finding; None stands for 5 % of the long side.
    """

    def __init__(
        self,
        *,
        detector: str | Detector = "mmod",
        embedder: str | Embedder = "dlib-resnet",
        min_face: float | None = None,
        limits: Limits | None = None,
    ) -> None:
        if min_face is not None and not min_face >= 1:
            raise OptionError(f"the smallest face cannot have {min_face} pixels: try 20 or more")
        self.detector = load_detector(detector) if isinstance(detector, str) else detector
        self.embedder = load_embedder(embedder) if isinstance(embedder, str) else embedder
        self.min_face = min_face
        self.limits = Limits() if limits is None else limits
        self._landmarks = LandmarkLocator()

    def score(
        self,
        parent: PhotoLike,
        child: PhotoLike,
        *,
        parent_face: int | None = None,
        child_face: int | None = None,
    ) -> Match:
        """How much the child in one photo looks like the parent in the other.

        `parent_face` and `child_face` choose among several faces, 1 being the largest, which is
        taken where they are None. Raises a PhotoError that names the photo which cannot be used.
        """
        portraits = [self.find_faces(parent), self.find_faces(child)]
        chosen = [
            portrait.face_index(face)
            for portrait, face in zip(portraits, (parent_face, child_face), strict=True)
        ]
        chips = [portrait.chips[at] for portrait, at in zip(portraits, chosen, strict=True)]
        vectors = self.embedder.embed(np.stack(chips))
        warnings = [
            *_choice_warnings(portraits[0], parent_face, "--parent-face"),
            *_choice_warnings(portraits[1], child_face, "--child-face"),
            *_pair_warnings(portraits, chosen),
        ]
        subjects = [portrait.subject(at) for portrait, at in zip(portraits, chosen, strict=True)]
        return self._match(subjects, vectors, warnings)

    def find_faces(self, photo: PhotoLike) -> Portrait:
        """The faces in a photo, largest first, each with its landmarks and its chip.

        None found is no error here: `faces` is empty then.
        """
        photo = photo if isinstance(photo, Photo) else self.read(photo)
        least = None if self.min_face is None else self.min_face * photo.scale
        found = self.detector.detect(photo.pixels, min_face=least)
        landmarks = self._landmarks.locate(photo.pixels, [face.box for face in found])
        located = [
            replace(face, landmarks=points) for face, points in zip(found, landmarks, strict=True)
        ]
        faces = tuple(sorted(located, key=_area, reverse=True))
        return Portrait(photo, faces, crop_faces(photo.pixels, faces, self.embedder.frame))

    def read(self, path: str | os.PathLike[str]) -> Photo:
        """A photo with as many pixels as the smallest face worth finding needs."""
        enough = _ENOUGH_PIXELS if self.min_face is None else None
        return read_photo(path, min_side=enough, limits=self.limits)

    def _match(
        self, subjects: Sequence[Subject], vectors: Vectors, warnings: Sequence[str]
    ) -> Match:
        parent, child = vectors[:1], vectors[1:]
        model = model_for(self.embedder.space)
        score, likelihood_ratio = _resemblance(model, parent, child)
        if model is None:
            nothing = f"no resemblance model fits {self.embedder.name}: only the cosine is known"
            warnings = [*warnings, nothing]
        return Match(
            parent=subjects[0],
            child=subjects[1],
            cosine=float(cosine_pairs(parent, child)[0]),
            score=score,
            likelihood_ratio=likelihood_ratio,
            engine=Engine(self.detector.name, self.embedder.name, model.name if model else None),
            warnings=tuple(dict.fromkeys(warnings)),  # of one photo given twice, once
        )


def _resemblance(
    model: ResemblanceModel | None, parent: Vectors, child: Vectors
) -> tuple[float | None, float | None]:
    if model is None:
        return None, None
    scores, ratios = model.compare(parent, child)
    return float(scores[0, 0]), float(ratios[0, 0])


def _area(face: Face) -> float:
    x_min, y_min, x_max, y_max = face.box
    return (x_max - x_min) * (y_max - y_min)


def _choice_warnings(portrait: Portrait, face: int | None, option: str) -> list[str]:
    found = len(portrait.faces)
    if face is not None or found == 1:
        return []
    return [f"{portrait.photo.label}: {found} faces, the largest was taken; {option} chooses"]


def _pair_warnings(portraits: Sequence[Portrait], chosen: Sequence[int]) -> list[str]:
    """What about the two chosen faces makes the score less sure."""
    warnings = [
        f"{portrait.photo.label}: {phrase}"
        for portrait, at in zip(portraits, chosen, strict=True)
        for phrase in quality_warnings(
            portrait.faces[at], portrait.chips[at], scale=portrait.photo.scale
        )
    ]
    one, other = (portrait.photo for portrait in portraits)
    if one is other or (one.digest and one.digest == other.digest):
        same = chosen[0] == chosen[1]
        warnings.append(
            "parent and child are the same face: --parent-face or --child-face chooses another"
            if same
            else "both faces come from one photograph, whose light and colours make them more alike"
        )
    return warnings
