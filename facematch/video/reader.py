"""From a clip to single upright RGB frames, within limits.

OpenCV's FFmpeg decodes. This module decides by content what may be opened: no playlist, no address.
It checks the limits before a frame is decoded. It goes to each frame in the cheaper way: through
all frames in between, or by a jump to the keyframe before it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from facematch.errors import (
    NotAVideoError,
    PhotoTooLargeError,
    TruncatedPhotoError,
    UnreadablePhotoError,
)
from facematch.photos.files import opened
from facematch.types import Photo, Pixels

if TYPE_CHECKING:
    import types

    import cv2

_CLIP_MAGIC = (
    (0, b"\x1a\x45\xdf\xa3"),  # WebM, Matroska
    (0, b"\0\0\x01\xba"),  # MPEG program stream
    (0, b"\0\0\x01\xb3"),  # MPEG video
    (0, b"FLV\x01"),
    (0, b"OggS"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF: WMV
    (4, b"ftyp"),  # MP4, MOV, 3GP
    (4, b"moov"),  # MOV of before 2001
    (4, b"mdat"),
    (4, b"wide"),
)
_MPEG_PACKET = (
    188  # bytes of an MPEG transport stream; each begins with 0x47, in an M2TS after 4 more
)
_CLIP_FORMATS = "MP4, MOV, WebM, MKV, AVI, MPEG, WMV, FLV, Ogg"
_PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"[playlist]")
# OpenCV jumps to the keyframe that lies 16 frames or more before the one asked for, and decodes on
# from there; emptying the decoder and filling it again costs about as much as 8 frames of H.264.
_FRAMES_BEFORE_JUMP = 16
_FRAMES_OF_A_JUMP = 8


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """What a clip may hold. All are checked before a frame is decoded."""

    max_bytes: int = 4 * 2**30
    max_pixels: int = 36_000_000  # of a frame; 8K has 33 million, and a frame of it takes 100 MB
    max_seconds: float = 3600.0
    max_frames: int = 500_000  # two hours at 60 a second; counting them takes seconds


_DEFAULT_CLIP_LIMITS = ClipLimits()


class ClipReader:
    """A clip whose frames can be read one at a time; close it, or use it as a context manager.

    `seconds` is its length, `frames` the number of frames, `rate` their number in a second.
    `keyframes` (K,) are the times, in seconds, of the frames that can be decoded alone. `size` is
    width and height as stored. `ends_early` says that the header counts more frames than there are.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, limits: ClipLimits = _DEFAULT_CLIP_LIMITS
    ) -> None:
        """Raises a PhotoError: missing, not a video, truncated, too large or unreadable."""
        self.label = os.fsdecode(path)
        # As an absolute path, "http:x" is the name of a file and not an address.
        self._path = os.path.abspath(self.label)
        _check_file(self.label, limits)
        index = _frame_index(self.label, self._path, limits)
        self.frames, self.rate, self.keyframes = index.frames, index.rate, index.keyframes
        self.seconds, self.ends_early, self.size = index.seconds, index.ends_early, index.size
        self._capture = _open_capture(self._path)
        self._at = -1.0  # the time of the last frame, in seconds
        self._jumps = True
        self.decoded = 0  # frames, without those that OpenCV decodes in a jump

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and the decoder."""
        self._capture.release()

    def stops(self, apart: float, fewest: int, most: int) -> list[float]:
        """The times of the frames to search, in seconds, about `apart` from each other.

        The clip is divided into equal parts, and each part gives one frame: the one just after a
        keyframe, which is cheap to decode, or else the middle one.
        """
        count = min(max(round(self.seconds / apart), fewest), most, self.frames)
        edges = np.linspace(0, self.seconds, count + 1)
        cheap = np.where(
            self.keyframes > 0, self.keyframes + (_FRAMES_BEFORE_JUMP + 1) / self.rate, 0.0
        )
        found = []
        for start, end in pairwise(edges):
            middle = int((start + end) / 2 * self.rate) / self.rate  # a frame's own time
            within = cheap[(cheap >= start) & (cheap < end)]
            nearest = within[np.abs(within - middle).argmin()] if within.size else middle
            found.append(float(nearest))
        return found

    def read(self, at: float) -> Photo | None:
        """The first frame at that time, in seconds, or later, upright; None after the end."""
        import cv2

        if self._is_jump_cheaper(at):
            self._capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * at)
            if not self._grab():  # some streams cannot be decoded from the middle
                self._begin_again()
            elif self._is_reached(at):
                return self._photo()
        while self._grab():
            if self._is_reached(at):
                return self._photo()
        return None

    def _is_jump_cheaper(self, at: float) -> bool:
        if not self._jumps or at <= self._at:
            return self._jumps
        from_key = self.keyframes[self.keyframes <= at - _FRAMES_BEFORE_JUMP / self.rate]
        back = at - (from_key[-1] if from_key.size else 0.0)
        return bool(back * self.rate + _FRAMES_OF_A_JUMP < (at - self._at) * self.rate)

    def _begin_again(self) -> None:
        self._capture.release()
        self._capture, self._jumps, self._at = _open_capture(self._path), False, -1.0

    def _grab(self) -> bool:
        import cv2

        if not self._capture.grab():
            return False
        self.decoded += 1
        self._at = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return True

    def _is_reached(self, at: float) -> bool:
        return self._at >= at - 0.51 / self.rate  # half a frame, and rounding

    def _photo(self) -> Photo | None:
        import cv2

        whole, frame = self._capture.retrieve()
        if not whole or frame is None:
            return None
        pixels: Pixels = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
        return Photo(f"{self.label} at {clock(self._at)}", pixels, Path(self.label))

    @property
    def position(self) -> float:
        """The time of the last frame that was read, in seconds."""
        return self._at


def clock(seconds: float) -> str:
    """A time in a clip, as players show it, with a tenth: "0:12.3"."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _check_file(label: str, limits: ClipLimits) -> None:
    with opened(label, "clip") as (file, size):
        head = file.read(2 * _MPEG_PACKET + 8)
    if not head:
        raise NotAVideoError(label, "is empty (0 bytes): copy or download it again")
    if size > limits.max_bytes:
        raise PhotoTooLargeError(
            label,
            f"has {size:,} bytes, over the limit of {limits.max_bytes:,}: "
            "cut the part out that matters, or raise max_bytes",
        )
    if head.removeprefix(b"\xef\xbb\xbf").startswith(_PLAYLIST_STARTS):
        raise NotAVideoError(label, "is a list of clips, not a clip: name one of them")
    if not _is_video(head):
        raise NotAVideoError(
            label, f"is in no format facematch plays ({_CLIP_FORMATS}): save it as MP4"
        )


def _is_video(head: bytes) -> bool:
    if head[:4] == b"RIFF":
        return head[8:12] == b"AVI "
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"heic", b"mif1"):
        return False  # a photo
    transport = any(
        len(head) > start + _MPEG_PACKET and head[start] == head[start + size] == 0x47
        for start, size in ((0, _MPEG_PACKET), (4, _MPEG_PACKET + 4))
    )
    return transport or any(head[at : at + len(magic)] == magic for at, magic in _CLIP_MAGIC)


@dataclass(frozen=True, slots=True, eq=False)
class _FrameIndex:
    frames: int
    rate: float
    seconds: float
    keyframes: NDArray[np.float64]
    ends_early: bool
    size: tuple[int, int]


def _frame_index(label: str, path: str, limits: ClipLimits) -> _FrameIndex:
    """Count frames and find keyframes: every packet is read, none is decoded."""
    import cv2

    packets = _open_capture(path, cv2.CAP_PROP_FORMAT, -1)
    try:
        if not packets.isOpened():
            _refuse_unopened(label)
        size = _checked_size(label, packets, limits)
        frames, last, keyframes = 0, 0.0, []
        while frames <= limits.max_frames and packets.grab():
            frames += 1
            at = packets.get(cv2.CAP_PROP_POS_MSEC) / 1000
            last = max(last, at)
            if packets.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME):
                keyframes.append(at)
        rate, promised = packets.get(cv2.CAP_PROP_FPS), packets.get(cv2.CAP_PROP_FRAME_COUNT)
    finally:
        packets.release()
    if not frames:
        raise NotAVideoError(label, "holds no frame: record or download it again")
    rate = rate if 1 <= rate <= 1000 else 25.0
    seconds = last + 1 / rate
    _check_length(label, frames, seconds, limits)
    early = 0 < 1.02 * frames + 2 < promised < limits.max_frames
    return _FrameIndex(frames, rate, seconds, np.sort(np.array(keyframes, np.float64)), early, size)


def _open_capture(path: str, *properties: int) -> cv2.VideoCapture:
    import cv2

    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, properties)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def _refuse_unopened(label: str) -> NoReturn:
    with open(label, "rb") as file:
        head = file.read(12)
    if head[4:8] in (b"ftyp", b"mdat", b"wide"):
        raise TruncatedPhotoError(
            label, "holds no video, or ends before its index: copy or download it again"
        )
    raise UnreadablePhotoError(
        label, "holds no video that can be opened: copy it again, or save it again as MP4"
    )


def _checked_size(label: str, clip: cv2.VideoCapture, limits: ClipLimits) -> tuple[int, int]:
    """Width and height, after they and the length in the header are checked."""
    import cv2

    width, height = (
        int(clip.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if width * height > limits.max_pixels:
        raise PhotoTooLargeError(
            label,
            f"has frames of {width * height:,} pixels ({width}x{height}), over the limit of "
            f"{limits.max_pixels:,}: scale it down, or raise max_pixels",
        )
    frames, rate = clip.get(cv2.CAP_PROP_FRAME_COUNT), clip.get(cv2.CAP_PROP_FPS)
    if rate > 0:
        _check_length(label, int(frames), frames / rate, limits)
    return width, height


def _check_length(label: str, frames: int, seconds: float, limits: ClipLimits) -> None:
    if seconds > limits.max_seconds:
        raise PhotoTooLargeError(
            label,
            f"is {seconds:,.0f} seconds long, over the limit of {limits.max_seconds:,.0f}: "
            "cut the part out that matters, or raise max_seconds",
        )
    if frames > limits.max_frames:
        raise PhotoTooLargeError(
            label,
            f"has more than {limits.max_frames:,} frames: "
            "cut the part out that matters, or raise max_frames",
        )
