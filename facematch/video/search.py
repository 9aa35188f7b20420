"""Clips, as a method of FaceMatcher: some frames are searched, people followed, then scored."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from facematch.errors import NoFaceError, OptionError
from facematch.scoring.cosine import unit_rows
from facematch.scoring.resemblance import model_for
from facematch.types import (
    Box,
    Detector,
    Embedder,
    EngineNames,
    Face,
    Gallery,
    Photo,
    PhotoLike,
    Pixels,
    Portrait,
    Skipped,
)

if TYPE_CHECKING:
    from facematch.video.clip import Clip, ClipPerson
    from facematch.video.reader import ClipLimits, ClipReader
    from facematch.video.tracking import Detection, Tracker

# How a clip is looked at. Searched for faces of a twelfth of the long side, a frame takes a third
# of what one searched for the usual twentieth takes; 30 seconds are looked at 15 times.
_LOOK_EVERY = 2.0  # seconds
_FEWEST_LOOKS, _MOST_LOOKS = 12, 60
_DEEP_EVERY = 4  # looks, of which one searches for small faces too
_COARSE_FACE, _DEEP_FACE = 1 / 12, 1 / 20  # of the long side
_SHRUNK = 0.8  # of its side: how much smaller a face may be a look later
_MOST_FACES = 16  # of a frame, the largest
_MOST_GLANCED = 4  # of them looked at again in a frame shortly after
_GLANCE_AFTER = 0.2  # seconds
_GLANCE_FACE = 0.6  # of the side it had before
_GLANCE_OVERLAP = 0.2
_AROUND = 0.7  # of a box's side, searched on each side of it


class Clips(ABC):
    """What a FaceMatcher can tell of a clip."""

    detector: Detector
    embedder: Embedder
    min_face: float | None

    @property
    @abstractmethod
    def engine(self) -> EngineNames:
        """The names of the parts that make a score."""

    @abstractmethod
    def gallery(self, photos: Iterable[PhotoLike]) -> Gallery:
        """The largest face of each photo."""

    @abstractmethod
    def portrait(self, photo: Photo, found: Sequence[Face]) -> Portrait:
        """Some faces of a photo, with landmarks and chips."""

    def video(
        self,
        clip: str | os.PathLike[str],
        parents: Mapping[str, Sequence[PhotoLike]],
        *,
        limits: ClipLimits | None = None,
        watch: Callable[[float], bool] | None = None,
    ) -> Clip:
        """Who is in a clip, and how much each looks like the parents, a name to photos each.

        Some frames are searched for faces, one in two seconds at most, and of each person the best
        are averaged like photos. `watch` is called before each of them with the share of the clip
        that is done; where it gives False, the search ends and what is known by then is given.
        Raises a PhotoError that names the clip or the parent's photo which cannot be used.
        """
        from facematch.video.clip import Clip, clip_people
        from facematch.video.reader import ClipLimits, ClipReader

        with ClipReader(clip, limits=limits or ClipLimits()) as reader:
            known = self._known(parents)
            tracker, searched, complete = self._follow(reader, watch)
            people = clip_people(tracker, known)
            stopped = None if complete else searched
            if not people and complete:
                raise NoFaceError(reader.label, _nobody(reader, searched))
            return Clip(
                clip=reader.label,
                seconds=reader.seconds,
                frames_searched=searched,
                people=people,
                engine=self.engine,
                warnings=tuple(_clip_warnings(reader, tracker, self.embedder, people, stopped)),
                skipped=known.skipped,
                complete=complete,
            )

    def _known(self, parents: Mapping[str, Sequence[PhotoLike]]) -> Gallery:
        """A row for each parent."""
        if not parents:
            raise OptionError("a clip is compared with parents: name one with --parent PHOTO")
        found = {name: self.gallery(photos) for name, photos in parents.items()}
        for name, each in found.items():
            if not each.subjects:
                _refuse_parent(name, each.skipped)
        names = [name for name, each in found.items() for _ in each.subjects]
        return Gallery.joined(list(found.values())).by_person(names)

    def _follow(
        self, reader: ClipReader, watch: Callable[[float], bool] | None
    ) -> tuple[Tracker, int, bool]:
        """Look at a clip now and then, until its end or until `watch` gives False."""
        from facematch.video.tracking import Tracker

        stops = reader.stops(_LOOK_EVERY, _FEWEST_LOOKS, _MOST_LOOKS)
        apart = reader.seconds / max(len(stops), 1)
        tracker, searched = Tracker(self.embedder.space, apart=apart / 2), 0
        for at, stop in enumerate(stops):
            if watch is not None and not watch(at / len(stops)):
                return tracker, searched, False
            photo = reader.read(stop)
            if photo is None:
                break
            searched += 1
            faces = self._search(photo, at, tracker.smallest())
            first = self._sightings(photo, reader.position, faces)
            glance = min(_GLANCE_AFTER, apart / 3)
            if first and glance > 0.9 / reader.rate:  # else it is the next look's own frame
                again = reader.read(reader.position + glance)
                if again is not None and again.pixels.shape == photo.pixels.shape:
                    first = self._glanced(first, again, reader.position)
            chips = [seen.chip for seen in first]
            none = np.empty((0, *self.embedder.frame.shape), np.uint8)
            vectors = self.embedder.embed(np.stack(chips) if chips else none)
            tracker.add(first, unit_rows(vectors))
        return tracker, searched, True

    def _search(self, photo: Photo, look: int, smallest: float | None) -> list[Face]:
        """The faces of a whole frame.

        Unless `min_face` says otherwise, all that a photo is searched for in every fourth, and in
        the others such as were seen in the last look, or large.
        """
        least = self.min_face
        if least is None and look % _DEEP_EVERY:
            side = max(photo.pixels.shape[:2])
            least = _COARSE_FACE * side
            if smallest is not None:
                least = max(min(_SHRUNK * smallest, least), _DEEP_FACE * side)
        return self.detector.detect(photo.pixels, min_face=least)

    def _sightings(self, photo: Photo, seconds: float, found: Sequence[Face]) -> list[Detection]:
        """The faces of a frame as they are kept, the largest few."""
        from facematch.video.tracking import detection_of

        portrait = self.portrait(
            photo, sorted(found, key=lambda face: face.area, reverse=True)[:_MOST_FACES]
        )
        both = zip(portrait.faces, portrait.chips, strict=True)
        return [detection_of(photo, face, chip.copy(), seconds) for face, chip in both]

    def _glanced(
        self, before: Sequence[Detection], photo: Photo, seconds: float
    ) -> list[Detection]:
        """The same faces, those of a frame shortly after in their stead where they are better.

        Only the surroundings of the few largest are searched, which costs next to nothing.
        """
        from facematch.video.tracking import overlap

        found = list(before)
        for at, seen in enumerate(before[:_MOST_GLANCED]):
            box, side = seen.shot.box, seen.shot.box[2] - seen.shot.box[0]
            crop, (left, top) = _surroundings(photo.pixels, box)
            faces = [
                replace(face, box=_moved(face.box, left, top))
                for face in self.detector.detect(crop, min_face=_GLANCE_FACE * side)
            ]
            best = max(faces, key=lambda face: overlap(face.box, box), default=None)
            if best is None or overlap(best.box, box) < _GLANCE_OVERLAP:
                continue
            (again,) = self._sightings(photo, seconds, [best])
            found[at] = max(seen, again, key=lambda each: each.quality)
        return found


def _surroundings(pixels: Pixels, box: Box) -> tuple[Pixels, tuple[int, int]]:
    """The part of a frame around a box, and where its top left corner lies."""
    room = _AROUND * (box[2] - box[0])
    left, top = (max(int(side - room), 0) for side in box[:2])
    right, bottom = (max(int(side + room), 1) for side in box[2:])
    return np.ascontiguousarray(pixels[top:bottom, left:right]), (left, top)


def _moved(box: Box, right: float, down: float) -> Box:
    return box[0] + right, box[1] + down, box[2] + right, box[3] + down


def _refuse_parent(name: str, skipped: Sequence[Skipped]) -> NoReturn:
    if not skipped:
        raise OptionError(f"{name}: no photo was given of this parent")
    others = f"; no photo of {name} was of use" if len(skipped) > 1 else ""
    raise NoFaceError(skipped[0].photo, skipped[0].reason + others)


def _nobody(reader: ClipReader, searched: int) -> str:
    if not searched:
        return "not one frame can be decoded: save it anew as H.264 in an MP4"
    width, height = reader.size
    smaller = max(max(width, height) // 40, 10)
    return (
        f"no face found in {searched} frames ({width}x{height}): try --min-face {smaller}, "
        "or a clip that shows faces larger"
    )


def _clip_warnings(
    reader: ClipReader,
    tracker: Tracker,
    embedder: Embedder,
    people: Sequence[ClipPerson],
    stopped: int | None,
) -> list[str]:
    """What makes a clip's scores less sure; `stopped` is after how many frames, None if never."""
    from facematch.video.clip import drawbacks

    warnings = [
        f"{person.name}: {phrase} in every frame"
        for person in people
        for phrase in drawbacks(person)
    ]
    if reader.ends_early:
        warnings.append(f"{reader.label}: the file ends before the clip does; the rest is not seen")
    if tracker.forgotten:
        warnings.append(f"so many people: {tracker.forgotten}, seen least, were left out")
    if model_for(embedder.space) is None:
        warnings.append(f"no resemblance model fits {embedder.name}: only the cosine is known")
    if stopped is not None:
        warnings.append(f"stopped after {stopped} frames: the rest is not known")
    return warnings
