"""One parent's face against one child's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facematch.detection.quality import face_warnings, is_same_picture
from facematch.engine import Engine
from facematch.scoring.cosine import cosine_pairs
from facematch.types import Chips, Match, PhotoLike, Portrait, Subject, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The chosen faces of a parent and a child: chips (2, S, S, 3), who they are, warnings."""

    chips: Chips
    subjects: tuple[Subject, Subject]
    warnings: tuple[str, ...]


def score(
    engine: Engine,
    parent: PhotoLike,
    child: PhotoLike,
    *,
    parent_face: int | None = None,
    child_face: int | None = None,
) -> Match:
    """How much the child in one photo looks like the parent in the other.

    `parent_face` and `child_face` choose among several faces, 1 being the largest, which is taken
    where they are None. Raises a PhotoError that names the photo which cannot be used.
    """
    pair = read_pair(engine, (parent, child), (parent_face, child_face))
    return compare_pair(engine, pair, engine.embedder.embed(pair.chips))


def read_pair(
    engine: Engine, photos: tuple[PhotoLike, PhotoLike], faces: tuple[int | None, int | None]
) -> Pair:
    """The chosen face of each of two photos; None stands for the largest."""
    portraits = [engine.find_faces(photo) for photo in photos]
    indices = [portrait.face_index(face) for portrait, face in zip(portraits, faces, strict=True)]
    parent, child = (
        portrait.subject(index) for portrait, index in zip(portraits, indices, strict=True)
    )
    chips = [portrait.chips[index] for portrait, index in zip(portraits, indices, strict=True)]
    warnings = [
        *_choice_warnings(portraits[0], faces[0], "--parent-face"),
        *_choice_warnings(portraits[1], faces[1], "--child-face"),
        *_pair_warnings(portraits, indices),
    ]
    return Pair(np.stack(chips), (parent, child), tuple(warnings))


def compare_pair(engine: Engine, pair: Pair, vectors: Vectors) -> Match:
    """The Match of a pair whose chips were embedded as `vectors`, (2, D)."""
    parent, child = vectors[:1], vectors[1:]
    model = engine.resemblance
    score = likelihood_ratio = interval = None
    warnings = list(pair.warnings)
    if model is not None:
        z = model.pair_z_scores(parent, child)
        scores, ratios = model.calibrate(z)
        score, likelihood_ratio = float(scores[0]), float(ratios[0])
        low, high = model.ratio_interval(z)[0].tolist()
        interval = (low, high)
    else:
        name = engine.embedder.name
        warnings.append(f"no resemblance model fits {name}: only the cosine is known")
    return Match(
        parent=pair.subjects[0],
        child=pair.subjects[1],
        cosine=float(cosine_pairs(parent, child)[0]),
        score=score,
        likelihood_ratio=likelihood_ratio,
        likelihood_ratio_interval=interval,
        engine=engine.names,
        warnings=tuple(dict.fromkeys(warnings)),  # one photo given twice warns once
    )


def _choice_warnings(portrait: Portrait, face: int | None, option: str) -> list[str]:
    found = len(portrait.faces)
    if face is not None or found == 1:
        return []
    return [f"{portrait.photo.label}: {found} faces, the largest was taken; {option} chooses"]


def _pair_warnings(portraits: Sequence[Portrait], indices: Sequence[int]) -> list[str]:
    """What about the two chosen faces makes the score less sure."""
    warnings = [
        f"{portrait.photo.label}: {phrase}"
        for portrait, index in zip(portraits, indices, strict=True)
        for phrase in face_warnings(portrait, index)
    ]
    one, other = (portrait.photo for portrait in portraits)
    if one is other or (one.digest and one.digest == other.digest):
        if indices[0] == indices[1]:
            same_face = (
                "parent and child are the same face: --parent-face or --child-face chooses another"
            )
            return [*warnings, same_face]
    elif not is_same_picture(one.pixels, other.pixels):
        return warnings
    warnings.append(
        "both faces come from one photograph, whose light and colours make them more alike"
    )
    return warnings
