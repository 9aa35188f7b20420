"""One parent's face against one child's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from facematch.analyses.ages import ages_of, seem_swapped
from facematch.analyses.grouping import SAME_PERSON
from facematch.detection.alignment import recrop
from facematch.detection.quality import face_warnings, is_same_picture
from facematch.engine import Engine
from facematch.photos.given import check_files
from facematch.scoring.cosine import cosine_pairs
from facematch.scoring.intervals import intervals, neutral_score
from facematch.scoring.resemblance import ResemblanceModel, mean_inverse
from facematch.scoring.strata import YOUNG
from facematch.types import Chips, Match, PhotoLike, Portrait, Subject, Vectors

# Two faces with a lower score are not compared as to who they are: that takes a second network, and
# most photos of one person that lie nearer than SAME_PERSON score more.
_ALIKE = 90.0
ONE_PERSON = (
    "both faces look like one person to the program, as drawings often do: then the score says "
    "little"
)
YOUNG_CHILDREN = (
    "both faces look like young children, and those look alike to the program: there is no "
    "likelihood ratio, and an adult photo of the parent says more"
)
SWAPPED = (
    "the first photo seems to show a child and the second an adult: the parent's photo comes first"
)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The chosen faces of a parent and a child: chips (2, S, S, 3), who they are, warnings.

    `clear` says that no warning is about the faces themselves. `unlike_photographs` says that one
    of them is unlike all photographs, so that there is no likelihood ratio.
    """

    chips: Chips
    subjects: tuple[Subject, Subject]
    warnings: tuple[str, ...]
    clear: bool
    unlike_photographs: bool = False


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
    return compare_pair(engine, *embed_pair(engine, pair))


def read_pair(
    engine: Engine, photos: tuple[PhotoLike, PhotoLike], faces: tuple[int | None, int | None]
) -> Pair:
    """The chosen face of each of two photos; None stands for the largest.

    A file that cannot be opened is refused before the other one is searched.
    """
    check_files(photos)
    portraits = [
        engine.find_largest(photo) if face is None else engine.find_faces(photo)
        for photo, face in zip(photos, faces, strict=True)
    ]
    indices = [portrait.face_index(face) for portrait, face in zip(portraits, faces, strict=True)]
    pair = chosen_pair(portraits, indices)
    of_choice = [
        *_choice_warnings(portraits[0], faces[0], "parent_face"),
        *_choice_warnings(portraits[1], faces[1], "child_face"),
    ]
    return replace(pair, warnings=(*of_choice, *pair.warnings))


def chosen_pair(portraits: Sequence[Portrait], indices: Sequence[int]) -> Pair:
    """The pair of two faces that somebody chose: the parent's first, each by its index."""
    parent, child = (
        portrait.subject(index) for portrait, index in zip(portraits, indices, strict=True)
    )
    chips = [portrait.chips[index] for portrait, index in zip(portraits, indices, strict=True)]
    of_faces = _pair_warnings(portraits, indices)
    return Pair(np.stack(chips), (parent, child), tuple(of_faces), clear=not of_faces)


def embed_pair(engine: Engine, pair: Pair) -> tuple[Pair, Vectors]:
    """The pair with the warnings that the embedder gives, and the vectors of its faces, (2, D)."""
    vectors, warnings = engine.embed(pair.chips)
    named = [
        f"{subject.photo}: {warning}"
        for subject, some in zip(pair.subjects, warnings, strict=True)
        for warning in some
    ]
    warned = replace(pair, warnings=(*pair.warnings, *named), unlike_photographs=bool(named))
    return warned, vectors


def compare_pair(engine: Engine, pair: Pair, vectors: Vectors) -> Match:
    """The Match of a pair whose chips were embedded as `vectors`, (2, D)."""
    model = engine.resemblance
    match = Match(
        parent=pair.subjects[0],
        child=pair.subjects[1],
        cosine=float(cosine_pairs(vectors[:1], vectors[1:])[0]),
        score=None,
        score_interval=None,
        likelihood_ratio=None,
        likelihood_ratio_interval=None,
        neutral_score=None,
        engine=engine.names,
        chips=pair.chips,
    )
    if model is None:
        name = engine.embedder.name
        notes = [f"no resemblance model fits {name}: only the cosine is known"]
    else:
        match = _scored(match, model, vectors, pair.unlike_photographs)
        notes = _notes(engine, pair, match)
    # One photo given twice warns once.
    return replace(match, warnings=tuple(dict.fromkeys([*pair.warnings, *notes])))


def _scored(
    match: Match, model: ResemblanceModel, vectors: Vectors, unlike_photographs: bool
) -> Match:
    """The Match with what a resemblance model says of the two `vectors`, (2, D)."""
    z = model.pair_z_scores(vectors[:1], vectors[1:])
    without_ratio = np.array([unlike_photographs or model.young(vectors).all()])
    scores, ratios = model.calibrate(z, without_ratio)
    of_score, of_ratio = intervals(model, z, mean_inverse(1, 1)).of_pair(0)
    has_ratio = not np.isnan(ratios[0])
    return replace(
        match,
        score=float(scores[0]),
        score_interval=of_score,
        likelihood_ratio=float(ratios[0]) if has_ratio else None,
        likelihood_ratio_interval=of_ratio if has_ratio else None,
        neutral_score=neutral_score(model),
        ages=ages_of(model, vectors),
    )


def _notes(engine: Engine, pair: Pair, match: Match) -> list[str]:
    """What the ages and the likeness of the two faces say about the score."""
    if match.ages is None or match.score is None:
        return []
    parent, child = (age.years for age in match.ages)
    if max(parent, child) < YOUNG:
        return [YOUNG_CHILDREN]  # most of them seem one person to dlib's vectors
    if seem_swapped(parent, child):
        return [SWAPPED]
    if match.score >= _ALIKE and _looks_like_one_person(engine, pair):
        return [ONE_PERSON]
    return []


def _looks_like_one_person(engine: Engine, pair: Pair) -> bool:
    """Whether the identity embedder takes both faces for one person.

    It is not asked where a face is small, blurred, cut off or turned: such faces seem alike.
    """
    if not pair.clear:
        return False
    identify = engine.identity_embedder
    one, other = identify.embed(recrop(pair.chips, engine.embedder.frame, identify.frame))
    return bool(np.linalg.norm(one - other) < SAME_PERSON)


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
                "parent and child are the same face: parent_face or child_face chooses another"
            )
            return [*warnings, same_face]
    elif not is_same_picture(one.pixels, other.pixels):
        return warnings
    warnings.append(
        "both faces come from one photograph, whose light and colours make them more alike"
    )
    return warnings
