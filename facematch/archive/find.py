"""Who in an index looks most like a child; the same as analyses/find.py, from stored vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from facematch.analyses.find import (
    FACES_PER_PERSON,
    ArchiveFace,
    Candidates,
    Findings,
    FindOptions,
    FoundPerson,
    SoughtChild,
    findings,
    seek_child,
    z_scores_of_faces,
)
from facematch.archive.index import OVERSAMPLING, Index, searched_vectors
from facematch.archive.tables import (
    FACE_COLUMNS,
    FIRST_FACE,
    all_of,
    matrix,
    photos_where,
    subject_of,
)
from facematch.detection.portraits import portraits
from facematch.engine import Engine
from facematch.enrolment.people import PORTRAIT_SIDE, NamedPhotos
from facematch.errors import NoFaceError, PhotoError
from facematch.photos.dates import Span
from facematch.types import Face, Pixels, Skipped, Subject, unit_rows

_GREY_PORTRAIT = np.full((PORTRAIT_SIDE, PORTRAIT_SIDE, 3), 200, np.uint8)


def find_in_index(
    engine: Engine, child: NamedPhotos, index: Index, options: FindOptions
) -> Findings:
    """Who in an index looks most like a child: every face, by person.

    `child` is one name and its photos, which are left out where the index holds them. A large index
    is searched approximately: only the faces nearest to the child's are compared. Raises what
    `find` raises.
    """
    wanted = seek_child(engine, child, options)
    candidates = Candidates(wanted, FACES_PER_PERSON * options.top)
    condition = photos_where(wanted.days, wanted.digests)
    _count(candidates, wanted, index, condition)
    rows: dict[Subject, Mapping[str, Any]] = {}  # what portraits are cut by
    for batch in _batches(engine, wanted, candidates, index, condition):
        _add_batch(engine, wanted, candidates, batch, rows)
    found = findings(engine, wanted, candidates, options.top)
    warnings: list[str] = []
    people = tuple(_with_portrait(engine, person, rows, warnings) for person in found.found)
    return replace(found, found=people, warnings=(*found.warnings, *warnings))


def _count(
    candidates: Candidates, wanted: SoughtChild, index: Index, condition: str | None
) -> None:
    """Count the photos and faces that are searched, and what is left out."""
    days, without = wanted.days, wanted.digests
    candidates.faces = index.count(condition)
    candidates.photos = index.count(all_of(condition, FIRST_FACE))
    for failed in index.failed():
        if failed["code"] != NoFaceError.code:
            candidates.skipped.append(Skipped(failed["photo"], failed["code"], failed["reason"]))
        elif days == Span():
            candidates.photos += 1
    if days != Span():
        others = photos_where(Span(), without)
        candidates.undated = index.count(all_of("taken IS NULL", FIRST_FACE, others))


def _batches(
    engine: Engine,
    wanted: SoughtChild,
    candidates: Candidates,
    index: Index,
    condition: str | None,
) -> Iterator[Any]:
    """The rows to compare: all of them, of a large index the nearest."""
    if not index.is_large:
        yield from index.rows(FACE_COLUMNS, condition)
        return
    mean = wanted.person.averaged.vectors
    query = searched_vectors(engine.require_resemblance(), mean)[0]
    nearest = index.nearest(query, OVERSAMPLING * candidates.most, FACE_COLUMNS, condition)
    candidates.compared = nearest.num_rows
    yield nearest


def _add_batch(
    engine: Engine,
    wanted: SoughtChild,
    candidates: Candidates,
    batch: Any,
    rows: dict[Subject, Mapping[str, Any]],
) -> None:
    """Add the faces of a batch that are most alike, and all that may be the child."""
    vectors = unit_rows(matrix(batch["vector"]))
    z = z_scores_of_faces(engine.require_resemblance(), vectors, wanted.person)
    is_other = wanted.is_somebody_else(matrix(batch["identity"]))
    order = np.argsort(-z, kind="stable")
    chosen = [*order[is_other[order]][: candidates.most], *np.flatnonzero(~is_other)]
    for place, row in zip(chosen, batch.take(chosen).to_pylist(), strict=True):
        subject = subject_of(row)
        rows[subject] = row
        face = ArchiveFace(
            z=float(z[place]),
            subject=subject,
            vector=vectors[place],
            identity=np.array(row["identity"], np.float32),
            portrait=_GREY_PORTRAIT,
            warnings=engine.applicable(row["warnings"]),
        )
        candidates.add(face)


def _with_portrait(
    engine: Engine,
    person: FoundPerson,
    rows: Mapping[Subject, Mapping[str, Any]],
    warnings: list[str],
) -> FoundPerson:
    """Somebody with the portrait of their first face, cut from its photo."""
    first, *others = person.faces
    portrait = _portrait(engine, rows[first.subject], warnings)
    return replace(person, faces=(replace(first, portrait=portrait), *others))


def _portrait(engine: Engine, row: Mapping[str, Any], warnings: list[str]) -> Pixels:
    """The face of a row, cut from its photo; grey where the photo is gone or has changed."""
    try:
        photo = engine.read(row["photo"])
    except PhotoError as error:
        warnings.append(f"{error}, so its face is not shown: run `facematch index` again")
        return _GREY_PORTRAIT
    if photo.digest != row["digest"]:
        warnings.append(f"{photo.label} has changed: run `facematch index` again")
        return _GREY_PORTRAIT
    points = np.array(row["landmarks"], np.float32).reshape(5, 2) * np.float32(photo.scale)
    face = Face(subject_of(row).box, row["confidence"], points)
    return np.asarray(portraits(photo.pixels, [face], PORTRAIT_SIDE)[0])
