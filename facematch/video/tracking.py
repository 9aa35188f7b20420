"""Faces over the frames of a clip become tracks, one a person.

Each searched frame gives some detections. A detection belongs to the track whose last box it
overlaps, unless the vectors disagree; or to the track whose vector it is like, so that a person who
leaves and comes back stays one person. Two faces of one frame are never one person. Of each track
the best few keyframes are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.detection.boxes import overlap
from facematch.detection.portraits import portraits
from facematch.detection.quality import BLURRED, quality_warnings, sharpness, turn
from facematch.types import Box, Face, Gallery, Photo, Pixels, Subject, Vectors

MOST_KEYFRAMES = 8  # kept of each person
MOST_TRACKS = 32  # at a time; with their keyframes they take 60 MB
KEYFRAME_SIDE = 240  # pixels
_SAME_PLACE = 0.3  # intersection over union of one face in two searched frames
_FORGET_PLACE_AFTER = 2  # searched frames
_CHIP_SIDE = 150.0  # pixels: a face larger than its chip gains nothing
_SHARP = 4 * BLURRED  # a face sharper than this gains nothing
_PROFILE_TURN = 0.5  # the turn of a face in profile


@dataclass(frozen=True, slots=True)
class Identity:
    """What cosines in one space say of identity, measured on families held back from training.

    `one_person` is the mean of two photos of one person. Two faces with a cosine of `same` or more
    are one person: a hundredth to a half of the pairs of close kin have such a cosine, under a
    thousandth of strangers, about half of one person's photos taken years apart. Below `other`, as
    nineteen in twenty pairs of close kin are, two faces at one place are two people: a cut.
    """

    one_person: float
    same: float
    other: float


# 767 faces of 29 of the families in models/held-back.txt; for the fused one 2,682 of 100. In other
# spaces people are tracked by place alone.
_IDENTITIES = {
    "kin-1": Identity(one_person=0.76, same=0.79, other=0.72),
    "kin-1+mobilefacenet-6d7e9ef4": Identity(one_person=0.63, same=0.68, other=0.56),
    "dlib-resnet": Identity(one_person=0.94, same=0.95, other=0.92),
}


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """One frame of one person: when, where in the frame, and what lowers its quality.

    `portrait` is (240, 240, 3), upright, to be shown.
    """

    label: str
    seconds: float
    box: Box
    confidence: float
    portrait: Pixels
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face in one frame; `quality`, 0 to 1, is how sharp, frontal and large it is."""

    keyframe: Keyframe
    chip: Pixels
    quality: float


def detection_of(photo: Photo, face: Face, chip: Pixels, seconds: float) -> Detection:
    """What is kept of a face: its chip and portrait, never the frame."""
    warnings = quality_warnings(face, chip, scale=photo.scale)
    portrait = portraits(photo.pixels, [face], KEYFRAME_SIDE)[0]
    keyframe = Keyframe(photo.label, seconds, face.box, face.confidence, portrait, tuple(warnings))
    return Detection(keyframe, chip, _quality(face, chip) * (0.5 if warnings else 1.0))


def _quality(face: Face, chip: Pixels) -> float:
    large = min(_shorter_side(face.box) / _CHIP_SIDE, 1.0)
    sharp = min(sharpness(chip) / _SHARP, 1.0)
    turned = 0.0 if face.landmarks is None else turn(face.landmarks)
    return large * sharp * max(1 - turned / _PROFILE_TURN, 0.0)


def _shorter_side(box: Box) -> float:
    return min(box[2] - box[0], box[3] - box[1])


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person: the best keyframes in order of time and their unit vectors (N, D).

    `best` is the sharpest, most frontal and largest of them. The person was detected in
    `detections` of the searched frames, over a `span` in seconds.
    """

    keyframes: tuple[Keyframe, ...]
    vectors: Vectors
    detections: int
    span: tuple[float, float]
    best: Keyframe


class Tracker:
    """Assigns detections to people, frame after frame; holds at most MOST_TRACKS people."""

    def __init__(self, space: str, *, interval: float) -> None:
        """Of the detections in each `interval` of seconds, the best one is kept."""
        self._identity = _IDENTITIES.get(space)
        self._interval = interval
        self._tracks: list[_OpenTrack] = []
        self._frames = 0
        self.dropped = 0  # people above MOST_TRACKS

    def smallest_face(self) -> float | None:
        """The side in pixels of the smallest face in the last frame; None where it had none."""
        boxes = [track.box for track in self._tracks if max(track.frames) == self._frames]
        return min(map(_shorter_side, boxes), default=None)

    def add(self, detections: Sequence[Detection], vectors: Vectors) -> None:
        """Add the faces of one frame, and their unit vectors (N, D)."""
        self._frames += 1
        matched = self._matched(detections, vectors)
        for i, detection in enumerate(detections):
            track = matched.get(i)
            if track is None:
                track = _OpenTrack()
                self._tracks.append(track)
            track.add(detection, vectors[i], self._frames, self._interval)
        while len(self._tracks) > MOST_TRACKS:
            rarest = min(self._tracks, key=lambda track: (len(track.frames), max(track.frames)))
            self._tracks.remove(rarest)
            self.dropped += 1

    def tracks(self) -> list[Track]:
        """Everyone, those detected most often first."""
        tracks = self._merged()
        tracks.sort(key=lambda track: (-len(track.frames), track.span[0]))
        return [track.finished() for track in tracks]

    def _matched(self, detections: Sequence[Detection], vectors: Vectors) -> dict[int, _OpenTrack]:
        """The track of each detection, best fit first, no track twice."""
        if not self._tracks or not detections:
            return {}
        cosines = np.stack([track.mean() for track in self._tracks]) @ vectors.T
        overlaps = np.array([
            [overlap(track.box, detection.keyframe.box) * self._is_recent(track)
             for detection in detections]
            for track in self._tracks
        ])  # fmt: skip
        clear = np.array([not detection.keyframe.warnings for detection in detections])
        fits = self._may_be_one(cosines, overlaps, clear)
        values = np.where(fits, cosines + overlaps / 5, -np.inf)
        matched: dict[int, _OpenTrack] = {}
        while np.isfinite(values).any():
            row, column = np.unravel_index(int(values.argmax()), values.shape)
            matched[int(column)] = self._tracks[int(row)]
            values[row, :] = values[:, column] = -np.inf
        return matched

    def _is_recent(self, track: _OpenTrack) -> bool:
        return self._frames - max(track.frames) <= _FORGET_PLACE_AFTER

    def _may_be_one(
        self,
        cosines: NDArray[np.float32],
        overlaps: NDArray[np.float64],
        clear: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Whether track and detection may be one person: by place, or by a clear face's vector.

        Faces in profile are alike whoever they are, so only clear faces count. Shapes: (T, N).
        """
        if self._identity is None:
            return overlaps >= _SAME_PLACE
        by_place = (overlaps >= _SAME_PLACE) & (cosines >= self._identity.other)
        are_clear = np.array([[track.is_clear()] for track in self._tracks]) & clear
        return by_place | (are_clear & (cosines >= self._identity.same))

    def _merged(self) -> list[_OpenTrack]:
        """Tracks with means that agree, never detected in one frame, are one person."""
        tracks = list(self._tracks)
        while self._identity is not None:
            first, second, cosine = _most_alike(tracks)
            if cosine < self._identity.same:
                break
            tracks[first] = tracks[first].merged(tracks.pop(second), self._interval)
        return tracks


def _most_alike(tracks: Sequence[_OpenTrack]) -> tuple[int, int, float]:
    """The two most alike of the clear tracks never detected in one frame, and their cosine.

    The first index is the smaller one; the cosine is -1 where there are no such two.
    """
    best = 0, 0, -1.0
    means = [track.mean() if track.is_clear() else None for track in tracks]
    for second, second_mean in enumerate(means):
        for first, first_mean in enumerate(means[:second]):
            if first_mean is None or second_mean is None:
                continue
            if tracks[first].frames & tracks[second].frames:
                continue
            pair = first, second, float(first_mean @ second_mean)
            best = max(best, pair, key=lambda pair: pair[2])
    return best


class _OpenTrack:
    """A person whose track may still go on."""

    def __init__(self) -> None:
        self._kept: list[tuple[Detection, NDArray[np.float32]]] = []
        self.frames: set[int] = set()  # the numbers of the frames with this person
        self.box: Box = (0, 0, 0, 0)
        self.span = (np.inf, -np.inf)

    def add(
        self, detection: Detection, vector: NDArray[np.float32], frame: int, interval: float
    ) -> None:
        seconds = detection.keyframe.seconds
        self.frames.add(frame)
        self.box = detection.keyframe.box
        self.span = min(self.span[0], seconds), max(self.span[1], seconds)
        self._keep(detection, vector, interval)

    def mean(self) -> NDArray[np.float32]:
        """The unit mean of the detections kept, (D,)."""
        keyframes = [detection.keyframe for detection, _ in self._kept]
        vectors = np.stack([vector for _, vector in self._kept])
        return np.asarray(keyframe_gallery(keyframes, vectors).averaged("").vectors[0])

    def is_clear(self) -> bool:
        """Whether at least one detection kept is sharp, frontal and large."""
        return any(not detection.keyframe.warnings for detection, _ in self._kept)

    def merged(self, other: _OpenTrack, interval: float) -> _OpenTrack:
        both = _OpenTrack()
        both.frames = self.frames | other.frames
        both.span = min(self.span[0], other.span[0]), max(self.span[1], other.span[1])
        for detection, vector in [*self._kept, *other._kept]:
            both._keep(detection, vector, interval)
        return both

    def finished(self) -> Track:
        kept = sorted(self._kept, key=lambda pair: pair[0].keyframe.seconds)
        keyframes = tuple(detection.keyframe for detection, _ in kept)
        vectors = np.stack([vector for _, vector in kept])
        best = max(self._kept, key=lambda pair: pair[0].quality)[0].keyframe
        return Track(keyframes, vectors, len(self.frames), self.span, best)

    def _keep(self, detection: Detection, vector: NDArray[np.float32], interval: float) -> None:
        for i, (other, _) in enumerate(self._kept):
            if other.keyframe.seconds // interval == detection.keyframe.seconds // interval:
                if detection.quality > other.quality:
                    self._kept[i] = detection, vector
                return
        self._kept.append((detection, vector))
        if len(self._kept) > MOST_KEYFRAMES:
            self._kept.remove(min(self._kept, key=lambda pair: pair[0].quality))


def keyframe_gallery(keyframes: Sequence[Keyframe], vectors: Vectors) -> Gallery:
    """One person's keyframes as a gallery, one row each."""
    subjects = tuple(
        Subject(keyframe.label, keyframe.box, keyframe.confidence, face=1, faces_found=1)
        for keyframe in keyframes
    )
    return Gallery(subjects, vectors, "", tuple(keyframe.warnings for keyframe in keyframes))


def photos_worth(vectors: Vectors, space: str) -> float:
    """How many photos of different days the frames (N, D) of a clip are worth, from 1 to N.

    Frames of one clip share light and the look of one day, so averaging them removes less of that
    than averaging photos does. The value is (1 - a) / ((c - a) + (1 - c) / N): c is the mean cosine
    of two of these frames, a that of two photos of one person.
    """
    count = len(vectors)
    identity = _IDENTITIES.get(space)
    if identity is None or count == 1:
        return 1.0
    cosines = (vectors @ vectors.T).astype(np.float64)
    alike = float(cosines[np.triu_indices(count, 1)].mean())
    left = max(alike - identity.one_person, 0.0) + (1 - alike) / count
    return float(np.clip((1 - identity.one_person) / max(left, 1e-6), 1.0, count))
