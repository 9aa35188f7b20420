"""dlib's CNN face detector (max-margin object detection, King 2015), run by onnxruntime.

The network takes one picture that holds all levels of a pyramid side by side. It scores a window of
80 pixels every 8 pixels. The windows and the overlap rule follow dlib (dlib/dnn/loss.h), so that it
finds the same faces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.detection.boxes import dlib_overlaps
from facematch.detection.face_size import check_size, smallest_face
from facematch.detection.largest import Candidates
from facematch.detection.pyramid import LEVEL_SCALE, Pyramid, Rect
from facematch.types import Box, Face, Pixels
from facematch.weights.sessions import Network

if TYPE_CHECKING:
    import onnxruntime

# Boxes (N, 4) in level 0, scores (N,) and levels (N,) of windows, best first.
Windows: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.intp]]

_MMOD_WINDOW = 80  # pixels: the side of the faces the network was trained on
_MMOD_MOST_PIXELS = 100_000_000  # at level 0; searching that many takes a minute

_LEVEL_SHIFT = 0.3  # pixels that dlib adds on the way from a level to the one before
_SAME_FACE_OVERLAP = 0.3382761351109955  # from the training options in the weight file
_STRIDE, _FIRST_CENTRE = 8, 14  # three 5x5 convolutions of stride 2, unpadded
_ROWS_SEEN = 29  # pixel rows that one row of their output depends on
_HALO = 10  # rows of their output beyond a band's edge that the padded convolutions depend on
_BAND_PIXELS = 4_000_000  # run through the network at a time: some 250 MB

# The level at which the search for the largest face begins, the levels of a further step, and how
# many fine levels are one step: levels 8 and coarser have 5 % of all pixels, levels 0 and 1 half of
# them. Fewer steps are better, since each also searches the surroundings of its levels.
_FIRST_LEVEL, _LEVELS_PER_STEP, _LAST_LEVELS = 8, 2, 2
# A window three levels finer, in the middle of another, overlaps it by 0.334 to 0.339, a window
# four levels finer by 0.236 at most, which is below _SAME_FACE_OVERLAP.
_OVERLAP_LEVELS = 3
_COMPETING_LEVELS = 3  # sides shrink by 1.2 a level: 1.2**3 is below 2, 1.2**4 above
_OUTSIDE = 11  # pixels that a window's centre may lie outside the photo: dlib's own margin


class MmodDetector:
    """Finds faces with dlib's CNN detector. Confidences are dlib's own; faces score above 0."""

    name = "mmod"

    def __init__(self) -> None:
        self._network = Network("dlib-mmod", _mmod_graph)

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """Faces, most confident first, as dlib finds them in the photo scaled by 80 / `min_face`.

        Raises OptionError where so small a `min_face` would make the photo too large to search.
        """
        pyramid = Pyramid.of(_base_level(pixels, _MMOD_WINDOW / smallest_face(pixels, min_face)))
        scores = self._scores(pyramid.picture(0, pyramid.size[1], 0, pyramid.size[0]))
        boxes, confidences, _ = _candidates(scores, pyramid.rects)
        return _faces(pixels, pyramid, *_best_boxes(boxes, confidences))

    def detect_largest(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """What `competing_faces` gives of the faces that `detect` finds, in less time.

        Windows of a finer level are smaller. So coarse levels are searched first, until no finer
        level can hold a face that competes with the largest one, or a better window that overlaps
        such a face. Raises what `detect` raises.
        """
        pyramid = Pyramid.of(_base_level(pixels, _MMOD_WINDOW / smallest_face(pixels, min_face)))
        finest = len(pyramid.rects)
        finer = min(_FIRST_LEVEL, finest - 1)
        found = Candidates.none()
        while finer < finest:
            found = found.joined(*self._search(pyramid, finer, finest))
            finest = finer
            found.suppress(finest, _OVERLAP_LEVELS, _SAME_FACE_OVERLAP)
            finer = _next_finest(found, finest)
        faces = found.kept & found.competing
        return _faces(pixels, pyramid, found.boxes[faces], found.scores[faces])

    def _search(self, pyramid: Pyramid, start: int, stop: int) -> Windows:
        """The candidates of the levels from `start` to before `stop`."""
        parts = [
            self._search_column(pyramid, first, last)
            for first, last in pyramid.columns(start, stop)
        ]
        boxes, scores, levels = zip(*parts, strict=True)
        return np.concatenate(boxes), np.concatenate(scores), np.concatenate(levels)

    def _search_column(self, pyramid: Pyramid, start: int, stop: int) -> Windows:
        """The candidates of levels that lie in one column of the pyramid."""
        first, last = _cells_of(pyramid.rects[start:stop])
        seen_first, seen_last = np.maximum(first - _HALO, 0), last + _HALO
        left, top = (seen_first * _STRIDE).tolist()
        right, bottom = (seen_last * _STRIDE + _ROWS_SEEN).tolist()
        scores = self._scores(pyramid.picture(top, bottom, left, right))
        (left, top), (right, bottom) = first - seen_first, last - seen_first + 1
        found = _candidates(scores[top:bottom, left:right], pyramid.rects, first)
        wanted = (found[2] >= start) & (found[2] < stop)
        return found[0][wanted], found[1][wanted], found[2][wanted]

    def _scores(self, picture: Pixels) -> NDArray[np.float32]:
        """The network's scores (h, w), computed band by band so that memory stays bounded."""
        height, width = picture.shape[:2]
        rows = max((height - _ROWS_SEEN) // _STRIDE + 1, 0)
        if not rows or width < _ROWS_SEEN:
            return np.empty((0, 0), np.float32)
        step = max(_BAND_PIXELS // (width * _STRIDE), 4 * _HALO)
        bands = [
            self._band(picture, start, min(start + step, rows), rows)
            for start in range(0, rows, step)
        ]
        return np.concatenate(bands)

    def _band(self, picture: Pixels, start: int, stop: int, rows: int) -> NDArray[np.float32]:
        first, last = max(start - _HALO, 0), min(stop + _HALO, rows)
        band = picture[first * _STRIDE : (last - 1) * _STRIDE + _ROWS_SEEN]
        (scores,) = self._session.run(None, {"pixels": band[np.newaxis]})
        return np.asarray(scores, np.float32)[0, 0, start - first : stop - first]

    @property
    def _session(self) -> onnxruntime.InferenceSession:
        return self._network.session


def _mmod_graph(data: bytes) -> bytes:
    from facematch.weights.dlib_format import read_network
    from facematch.weights.onnx_graphs import mmod_graph

    return mmod_graph(read_network(data))


def _base_level(pixels: Pixels, scale: float) -> Pixels:
    """Level 0, where a face of the smallest size is 80 pixels wide."""
    import cv2

    check_size(pixels, scale, _MMOD_MOST_PIXELS, _MMOD_WINDOW)
    height, width = pixels.shape[:2]
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    if size == (width, height):
        return pixels
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=smooth), np.uint8)


def _cells_of(rects: list[Rect]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last window, (column, row) each, whose centre is in or near one of the levels."""
    places = np.array(rects)
    low = places[:, :2].min(axis=0) - _OUTSIDE
    high = (places[:, :2] + places[:, 2:]).max(axis=0) + _OUTSIDE
    first = np.maximum(low - _FIRST_CENTRE + _STRIDE - 1, 0) // _STRIDE
    return first, (high - _FIRST_CENTRE) // _STRIDE


def _next_finest(found: Candidates, finest: int) -> int:
    """The finest level of the next step; `finest` where nothing is left to search for."""
    competing = found.competing
    finer = finest - _LEVELS_PER_STEP
    if competing.any():
        smallest = int(found.levels[competing].max()) - _COMPETING_LEVELS
        is_open = (found.open & competing).any()
        finer = finer if is_open and smallest >= finest else min(smallest, finest)
    return finer if finer >= _LAST_LEVELS else 0


def _candidates(
    scores: NDArray[np.float32], rects: list[Rect], corner: NDArray[np.intp] | None = None
) -> Windows:
    """Windows that score above 0, best first. `corner` is the (column, row) of the first score."""
    rows, columns = np.nonzero(scores > 0)
    best = np.argsort(-scores[rows, columns], kind="stable")
    rows, columns = rows[best], columns[best]
    cells = np.stack([columns, rows], axis=1)
    centres = (cells if corner is None else cells + corner) * _STRIDE + _FIRST_CENTRE
    places = np.array(rects)
    low, high = places[:, :2], places[:, :2] + places[:, 2:] - 1
    nearest = np.clip(centres[:, np.newaxis], low, high)
    level = np.argmin(np.linalg.norm(nearest - centres[:, np.newaxis], axis=2), axis=1)
    half = (_MMOD_WINDOW - 1) / 2
    corners = (centres - low[level])[:, np.newaxis] + np.array([[-half] * 2, [half] * 2])
    grown = (1 / LEVEL_SCALE) ** level[:, np.newaxis]
    shift = _LEVEL_SHIFT / (1 / LEVEL_SCALE - 1)
    boxes = corners.reshape(-1, 4) * grown + shift * (grown - 1)
    # dlib rounds with lround of C, which rounds halves to the larger magnitude.
    rounded = np.copysign(np.floor(np.abs(boxes) + 0.5), boxes)
    return rounded, scores[rows, columns], level


def _best_boxes(
    boxes: NDArray[np.float64], scores: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The boxes that overlap no better one, best first, and their scores."""
    kept: list[int] = []
    for index, box in enumerate(boxes):
        if not (dlib_overlaps(box, boxes[kept]) > _SAME_FACE_OVERLAP).any():
            kept.append(index)
    return boxes[kept], scores[kept]


def _faces(
    pixels: Pixels, pyramid: Pyramid, boxes: NDArray[np.float64], scores: NDArray[np.float32]
) -> list[Face]:
    """Boxes in level 0 as faces of the photo."""
    height, width = pyramid.levels[0].shape[:2]
    scale = np.array([pixels.shape[1] / width, pixels.shape[0] / height] * 2)
    return [
        Face(_in_photo(box, scale), float(score)) for box, score in zip(boxes, scores, strict=True)
    ]


def _in_photo(box: NDArray[np.float64], scale: NDArray[np.float64]) -> Box:
    # At every scale, the centre of pixel x lies at x + 0.5.
    x_min, y_min, x_max, y_max = ((box + 0.5) * scale - 0.5).tolist()
    return x_min, y_min, x_max, y_max
