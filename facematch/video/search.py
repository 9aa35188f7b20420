"""Search a clip: some frames are searched for faces, people are tracked, then scored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NoReturn

import numpy as np

from facematch.detection.boxes import overlap
from facematch.engine import Engine
from facematch.enrolment.people import NamedPhotos, enrol_people
from facematch.errors import NoFaceError, OptionError
from facematch.types import (
    Box,
    Face,
    Gallery,
    Photo,
    Pixels,
    Portrait,
    Skipped,
    unit_rows,
)
from facematch.video.both import ONE_LIGHT, ClipRoles, compared_with_each_other
from facematch.video.clip import Clip, ClipPerson, drawbacks, people_in_clip
from facematch.video.reader import ClipLimits, ClipReader, OpenClip
from facematch.video.tracking import Detection, Track, Tracker, detection_of
from facematch.video.worker import IsolatedClip

# One frame in two seconds is searched, but at least 12 of a clip and at most 60.
_SEARCH_INTERVAL = 2.0  # seconds
_FEWEST_FRAMES, _MOST_FRAMES = 12, 60
# Faces of a twelfth of the long side take a third of the time of the usual twentieth. Every fourth
# frame is searched for small faces too.
_COARSE_FACE, _FINE_FACE = 1 / 12, 1 / 20  # of the long side
_FINE_EVERY = 4  # frames
_SHRINKAGE = 0.8  # of its side: how small a face may be in the next searched frame
_MOST_FACES_IN_FRAME = 16  # the largest
# The largest faces are searched once more in a frame shortly after, which may show them better.
_MOST_SECOND_TRIES = 4
_SECOND_TRY_AFTER = 0.2  # seconds
_SECOND_TRY_FACE = 0.6  # of the side it had
_SECOND_TRY_OVERLAP = 0.2
_CROP_MARGIN = 0.7  # of a box's side, searched on each side of it

OnProgress = Callable[[float], bool]  # given the share that is done; False stops the search


def search_clip(
    engine: Engine,
    clip: str | os.PathLike[str],
    parents: NamedPhotos | None,
    *,
    roles: ClipRoles | None = None,
    limits: ClipLimits | None = None,
    on_progress: OnProgress | None = None,
) -> Clip:
    """Who is in a clip, and how much each looks like the parents, a name to photos each.

    With `roles` in the place of parents, the children of the clip are compared with the parents in
    it; with neither, nobody is compared. At most one frame in two seconds is searched for faces.
    The best frames of each person are averaged like photos. `on_progress` is called before each
    frame with the share of the clip that is done; where it gives False, the search stops and what
    is known by then is given.

    Raises a PhotoError that names the clip, or the parent's photo, which cannot be used.
    """
    with _opened_clip(engine, clip, limits or ClipLimits()) as reader:
        enrolled = _enrolled_parents(engine, parents) if parents else None
        search = _track_people(engine, reader, on_progress)
        tracks = search.tracker.tracks()
        if not tracks and search.complete:
            raise NoFaceError(reader.label, _nobody_found(reader, search.frames))
        people = _scored_people(engine, tracks, enrolled, roles)
        warnings = _clip_warnings(engine, reader, search, people)
        return Clip(
            clip=reader.label,
            seconds=reader.index.seconds,
            frames_searched=search.frames,
            people=people,
            engine=engine.names,
            warnings=tuple(warnings if roles is None else [*warnings, ONE_LIGHT]),
            skipped=enrolled.skipped if enrolled else (),
            complete=search.complete,
        )


def best_portraits(
    engine: Engine, label: str, data: bytes, limits: ClipLimits, *, most: int
) -> Iterator[Portrait]:
    """For each person in a clip's bytes, the frame that shows them best, with that one face.

    Those seen most often come first, at most `most` of them. Frames are large: each is read when
    it is asked for. Raises a PhotoError that names the clip, when the first one is asked for.
    """
    with _opened_clip(engine, label, limits, data) as reader:
        search = _track_people(engine, reader, None)
        tracks = search.tracker.tracks()
        if not tracks:
            raise NoFaceError(reader.label, _nobody_found(reader, search.frames))
        shown = ((reader.read(track.best.seconds), track.best) for track in tracks)
        found = (
            engine.portrait(frame, [Face(best.box, best.confidence)])
            for frame, best in shown
            if frame is not None
        )
        yield from islice(found, most)


def _scored_people(
    engine: Engine, tracks: Sequence[Track], parents: Gallery | None, roles: ClipRoles | None
) -> tuple[ClipPerson, ...]:
    space, model = engine.embedder.space, engine.resemblance
    if roles is not None:
        return compared_with_each_other(tracks, roles, space, model)
    if parents is None:
        nobody = Gallery((), np.empty((0, 0), np.float32), space)
        return people_in_clip(tracks, nobody, scored=(), model=model)
    return people_in_clip(tracks, parents, model=model)


def _opened_clip(
    engine: Engine, clip: str | os.PathLike[str], limits: ClipLimits, data: bytes | None = None
) -> OpenClip:
    """The clip, or the one in `data`; in a process of its own where photos are decoded so."""
    opener = ClipReader if engine.decoders is None else IsolatedClip
    return opener(clip, data=data, limits=limits)


@dataclass(slots=True)
class _Search:
    """How far the search of a clip came."""

    tracker: Tracker
    frames: int = 0
    complete: bool = True


def _enrolled_parents(engine: Engine, parents: NamedPhotos) -> Gallery:
    """One row for each parent."""
    galleries = {}
    for name, photos in parents.items():
        people, skipped = enrol_people(engine, {name: photos})
        if not people:
            _refuse_parent(name, skipped)
        galleries[name] = people[0].gallery
    names = [name for name, found in galleries.items() for _ in found.subjects]
    return Gallery.joined(list(galleries.values())).by_person(names)


def _track_people(engine: Engine, reader: OpenClip, on_progress: OnProgress | None) -> _Search:
    """Search frames until the end of the clip, or until `on_progress` gives False."""
    stops = reader.index.stops(_SEARCH_INTERVAL, _FEWEST_FRAMES, _MOST_FRAMES)
    interval = reader.index.seconds / max(len(stops), 1)
    search = _Search(Tracker(engine.embedder.space, interval=interval / 2))
    for number, stop in enumerate(stops):
        if on_progress is not None and not on_progress(number / len(stops)):
            search.complete = False
            break
        frame = reader.read(stop)
        if frame is None:
            break
        search.frames += 1
        faces = _faces_in_frame(engine, frame, number, search.tracker.smallest_face())
        detections = _detections(engine, frame, reader.position, faces)
        delay = min(_SECOND_TRY_AFTER, interval / 3)
        is_later = delay > 0.9 / reader.index.rate  # else it would be the next searched frame
        if detections and is_later:
            later = reader.read(reader.position + delay)
            if later is not None and later.pixels.shape == frame.pixels.shape:
                detections = _second_try(engine, detections, later, reader.position)
        chips = [detection.chip for detection in detections]
        no_chips = np.empty((0, *engine.embedder.frame.shape), np.uint8)
        vectors = engine.embedder.embed(np.stack(chips) if chips else no_chips)
        search.tracker.add(detections, unit_rows(vectors))
    return search


def _faces_in_frame(
    engine: Engine, frame: Photo, number: int, smallest: float | None
) -> list[Face]:
    """The faces of a whole frame; `smallest` is the smallest face of the frame before.

    Unless `min_face` says otherwise, every fourth frame is searched as a photo is. The others are
    searched for large faces, and for faces about as small as those of the frame before.
    """
    min_face = engine.min_face
    if min_face is None and number % _FINE_EVERY:
        side = max(frame.pixels.shape[:2])
        min_face = _COARSE_FACE * side
        if smallest is not None:
            min_face = max(min(_SHRINKAGE * smallest, min_face), _FINE_FACE * side)
    return engine.detector.detect(frame.pixels, min_face=min_face)


def _detections(
    engine: Engine, frame: Photo, seconds: float, faces: Sequence[Face]
) -> list[Detection]:
    """The largest faces of a frame, with what is kept of each."""
    largest = sorted(faces, key=lambda face: face.area, reverse=True)[:_MOST_FACES_IN_FRAME]
    portrait = engine.portrait(frame, largest)
    return [
        detection_of(frame, face, chip.copy(), seconds)
        for face, chip in zip(portrait.faces, portrait.chips, strict=True)
    ]


def _second_try(
    engine: Engine, detections: Sequence[Detection], frame: Photo, seconds: float
) -> list[Detection]:
    """The same faces, replaced by those of a later frame where the later ones are better.

    Only the surroundings of the few largest faces are searched, which takes little time.
    """
    better = list(detections)
    for place, detection in enumerate(detections[:_MOST_SECOND_TRIES]):
        box = detection.keyframe.box
        side = box[2] - box[0]
        crop, (left, top) = _surroundings(frame.pixels, box)
        faces = [
            replace(face, box=_shifted(face.box, left, top))
            for face in engine.detector.detect(crop, min_face=_SECOND_TRY_FACE * side)
        ]
        best = max(faces, key=lambda face: overlap(face.box, box), default=None)
        if best is None or overlap(best.box, box) < _SECOND_TRY_OVERLAP:
            continue
        (later,) = _detections(engine, frame, seconds, [best])
        better[place] = max(detection, later, key=lambda each: each.quality)
    return better


def _surroundings(pixels: Pixels, box: Box) -> tuple[Pixels, tuple[int, int]]:
    """The part of a frame around a box, and where its top left corner lies."""
    margin = _CROP_MARGIN * (box[2] - box[0])
    left, top = (max(int(side - margin), 0) for side in box[:2])
    right, bottom = (max(int(side + margin), 1) for side in box[2:])
    return np.ascontiguousarray(pixels[top:bottom, left:right]), (left, top)


def _shifted(box: Box, right: float, down: float) -> Box:
    return box[0] + right, box[1] + down, box[2] + right, box[3] + down


def _refuse_parent(name: str, skipped: Sequence[Skipped]) -> NoReturn:
    if not skipped:
        raise OptionError(f"{name}: no photo was given of this parent")
    others = f"; no photo of {name} shows a usable face" if len(skipped) > 1 else ""
    raise NoFaceError(skipped[0].photo, skipped[0].reason + others)


def _nobody_found(reader: OpenClip, frames: int) -> str:
    if not frames:
        return "not one frame can be decoded: save the clip again as H.264 in an MP4"
    width, height = reader.index.size
    smaller = max(max(width, height) // 40, 10)  # half the default
    return (
        f"no face found in {frames} frames ({width}x{height}): try min_face={smaller}, "
        "or a clip that shows faces larger"
    )


def _clip_warnings(
    engine: Engine, reader: OpenClip, search: _Search, people: Sequence[ClipPerson]
) -> list[str]:
    """What makes a clip's scores less sure."""
    warnings = [
        f"{person.name}: {phrase} in every frame"
        for person in people
        for phrase in drawbacks(person)
    ]
    if reader.index.ends_early:
        warnings.append(
            f"{reader.label}: the file ends before the clip does; the rest was not searched"
        )
    if search.tracker.dropped:
        warnings.append(
            f"so many people: {search.tracker.dropped}, in the fewest frames, were left out"
        )
    if engine.resemblance is None:
        name = engine.embedder.name
        warnings.append(f"no resemblance model fits {name}: only the cosine is known")
    if not search.complete:
        warnings.append(f"stopped after {search.frames} frames: the rest was not searched")
    return warnings
