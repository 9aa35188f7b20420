"""From a decoded frame to pixels as a player shows them: RGB, square, upright, never mirrored."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np

from facematch.types import Pixels

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter

_LARGEST_ASPECT = 4  # of a pixel; a clip that states a flatter or a steeper one states nonsense
_MATRIX_BYTES = 36  # nine 32-bit integers, in the order of bytes of this machine


def shown_size(size: tuple[int, int], aspect: Fraction | None) -> tuple[int, int]:
    """Width and height with square pixels; `aspect` is the width of a pixel over its height.

    Films of a DVD have 720 pixels a line, whether they are shown 4:3 or 16:9. The shorter side
    grows; nothing is scaled down.
    """
    width, height = size
    if not aspect or not 1 / _LARGEST_ASPECT <= aspect <= _LARGEST_ASPECT:
        return size
    if aspect > 1:
        return round(width * aspect), height
    return width, round(height / aspect)


def upright(frame: VideoFrame, aspect: Fraction | None, scaler: VideoReformatter) -> Pixels:
    """The pixels of a frame, scaled, turned and mirrored as its clip says. Shape (H, W, 3).

    `scaler` is used again for the next frame: one of each frame's own would start its own threads.
    Raises av.FFmpegError for pixels that it cannot convert.
    """
    width, height = shown_size((frame.width, frame.height), aspect)
    shown = scaler.reformat(frame, width, height, "rgb24", interpolation="BICUBIC", threads=1)
    pixels = shown.to_ndarray()
    return np.ascontiguousarray(_turned(np.asarray(pixels, np.uint8), *_turn(frame)))


def _turned(pixels: Pixels, a: int, b: int, c: int, d: int) -> Pixels:
    """The pixel at (x, y) goes to (a x + c y, b x + d y): turns by quarters and mirrors it.

    Turns between quarters become the nearest quarter.
    """
    if abs(a) + abs(d) < abs(b) + abs(c):
        pixels = pixels.transpose(1, 0, 2)
        a, d = c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _turn(frame: VideoFrame) -> tuple[int, int, int, int]:
    """The entries a, b, c, d of the display matrix: libavutil/display.h says what they mean."""
    from av.sidedata.sidedata import Type

    try:
        side_data = cast("Mapping[object, bytes]", frame.side_data)
        matrix = bytes(side_data[Type.DISPLAYMATRIX])
    except KeyError:
        return 1, 0, 0, 1
    except ValueError:  # from PyAV, where a frame holds data of a kind that it has no name for
        return _turn_by(frame.rotation)
    a, b, _, c, d = np.frombuffer(matrix[:_MATRIX_BYTES], np.int32)[:5].tolist()
    return a, b, c, d


def _turn_by(degrees: int) -> tuple[int, int, int, int]:
    """The same entries for a turn by quarters, counter-clockwise, without a mirror."""
    quarters = round(degrees / 90) % 4
    return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[quarters]
