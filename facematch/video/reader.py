"""From a clip to single upright RGB frames with square pixels, within limits.

FFmpeg decodes, through PyAV. `containers` decides by content what may be opened, `frames` turns a
frame upright. This module goes over all packets once, without decoding them: then it knows when
each frame is shown and which can be decoded alone, and has checked the limits. It goes to each
frame in the cheaper way: through the frames in between, or by a jump to the keyframe before it.
"""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, Self

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
from facematch.video.containers import HEAD_BYTES, demuxer_of
from facematch.video.frames import shown_size, upright

if TYPE_CHECKING:
    import types

    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer

_READ_BYTES = 2**16  # of the file at a time
_MOST_THREADS = 4  # of a decoder; each keeps frames of its own
_USUAL_RATE = 25.0  # frames a second of a clip that is one frame and does not say
_MICROSECOND = 1e-6
_LONG_PART = 1.0  # seconds; in shorter ones few frames lie between
_SHORT_WAY = 0.5  # seconds to a keyframe, which a jump does not make shorter
# Seconds before a keyframe: MPEG streams are searched by the time at which frames are decoded,
# which is earlier than that at which they are shown.
_JUMP_MARGINS = (0.0, 1.0)
_TOLERANCE = 1e-4  # seconds, of a time that was rounded
# Where the header counts more than this over what there is, the file was cut off.
_SLACK, _SLACK_FRAMES, _SLACK_SECONDS = 1.02, 2, 2.0


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """What a clip may hold and cost. What it may hold is checked before a frame is decoded."""

    max_bytes: int = 4 * 2**30
    max_pixels: int = 36_000_000  # of a frame; 8K has 33 million, and a frame of it takes 100 MB
    max_seconds: float = 3600.0
    max_frames: int = 500_000  # two hours at 60 a second; counting them takes seconds
    max_wait: float = 120.0  # seconds for the packets or for a frame, in a process of its own
    max_memory: int = 3 * 10**9  # bytes that such a process may take


_DEFAULT_CLIP_LIMITS = ClipLimits()


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """When frames are shown, in seconds from where players begin; what a clip's packets say.

    `times` (N,) are those of all frames, ascending, `keyframes` (K,) those of the frames that can
    be decoded alone. `rate` is the number of frames in a second, on average, `seconds` the length.
    `size` is width and height with square pixels, before the turn. `ends_early` says that the
    header promises more than there is.
    """

    times: NDArray[np.float64]
    keyframes: NDArray[np.float64]
    rate: float
    seconds: float
    size: tuple[int, int]
    ends_early: bool

    def stops(self, apart: float, fewest: int, most: int) -> list[float]:
        """The times of the frames to search, in seconds, about `apart` from each other.

        The clip is divided into equal parts, and each part gives the frame that is shown in its
        middle; a long part the keyframe nearest to its middle, which is cheap to decode. A part in
        which no frame begins gives none.
        """
        count = min(max(round(self.seconds / apart), fewest), most, len(self.times))
        edges = self.times[0] - _TOLERANCE + np.linspace(0, self.seconds, count + 1)
        found = []
        for start, end in pairwise(edges):
            middle = (start + end) / 2
            keys, frames = _between(self.keyframes, start, end), _between(self.times, start, end)
            if keys.size and end - start >= _LONG_PART:
                found.append(float(keys[np.abs(keys - middle).argmin()]))
            elif frames.size:
                shown = int(np.searchsorted(frames, middle + _TOLERANCE)) - 1
                found.append(float(frames[max(shown, 0)]))
        return found


class OpenClip(ABC):
    """A clip whose frames can be read one at a time; close it, or use it as a context manager.

    `position` is the time of the last frame that was read, in seconds, -1 before the first.
    """

    label: str
    index: FrameIndex
    position: float

    @abstractmethod
    def read(self, at: float) -> Photo | None:
        """The first frame at that time, in seconds, or later, upright; None after the end."""

    @abstractmethod
    def close(self) -> None:
        """Close the file and the decoder."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.close()


class ClipReader(OpenClip):
    """A clip that this process decodes."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        data: bytes | None = None,
        limits: ClipLimits = _DEFAULT_CLIP_LIMITS,
    ) -> None:
        """`data` are the bytes of a clip that lies in memory; then `path` is only its name.

        Raises a PhotoError: missing, not a video, truncated, too large or unreadable.
        """
        self.label = os.fsdecode(path)
        self._limits = limits
        with ExitStack() as stack:
            self._file, file_size = stack.enter_context(_opened_file(self.label, data))
            _check_bytes(self.label, file_size, limits)
            self._demuxer = demuxer_of(self.label, self._file.read(HEAD_BYTES))
            self._open()
            stack.callback(lambda: self._container.close())
            film = self._stream
            stored = film.width, film.height
            size = _checked_size(self.label, stored, film.sample_aspect_ratio, limits)
            packets = _read_packets(self.label, self._container, film, limits)
            self.index, self._origin = _frame_index(self.label, packets, size, limits)
            self._to_close = stack.pop_all()
        self.position = -1.0
        self.decoded = 0  # frames
        self._jumps = True
        self._frames: Iterator[VideoFrame] | None = None  # from `position` on

    def close(self) -> None:
        """Close the file and the decoder."""
        self._frames = None
        self._to_close.close()

    def read(self, at: float) -> Photo | None:
        """The first frame at that time, in seconds, or later, upright; None after the end."""
        if at > self.index.times[-1] + _TOLERANCE:
            return None
        if self._is_jump_cheaper(at):
            self._jump(at)
        frame = self._next_frame(at)
        if frame is None:
            return None
        pixels = self._upright(frame)
        return Photo(f"{self.label} at {clock(self.position)}", pixels, Path(self.label))

    def _upright(self, frame: VideoFrame) -> Pixels:
        import av

        aspect = self._stream.sample_aspect_ratio
        _checked_size(self.label, (frame.width, frame.height), aspect, self._limits)
        try:
            return upright(frame, aspect, self._scaler)
        except (av.FFmpegError, ValueError) as error:
            raise UnreadablePhotoError(
                self.label, "its frames cannot be converted to RGB: save it again as H.264"
            ) from error

    def _is_jump_cheaper(self, at: float) -> bool:
        if self._frames is None or at <= self.position:
            return True
        return self._jumps and self._key_before(at) > self.position + _SHORT_WAY

    def _key_before(self, at: float) -> float:
        before = _between(self.index.keyframes, -np.inf, at + _TOLERANCE)
        return float(before[-1]) if before.size else float(self.index.times[0])

    def _jump(self, at: float) -> None:
        """Go on from the last keyframe before a time; or from the start, where that fails."""
        for margin in _JUMP_MARGINS if self._jumps else ():
            with _until_damage():
                packets = self._packets_from(self._key_before(at) - margin)
                first = next((packet for packet in packets if packet.is_keyframe), None)
                if first is not None and _time(first) - self._origin <= at + _TOLERANCE:
                    self._frames = _decoded(chain([first], packets))
                    return
        self._jumps = False  # some streams cannot be decoded from the middle
        self._container.close()
        self._open()
        self._frames = _decoded(self._container.demux(self._stream))

    def _packets_from(self, at: float) -> Iterator[Packet[VideoStream]]:
        ticks = round((at + self._origin) / float(self._stream.time_base or 1))
        self._container.seek(ticks, stream=self._stream)
        return self._container.demux(self._stream)

    def _next_frame(self, at: float) -> VideoFrame | None:
        for frame in self._frames or ():
            self.decoded += 1
            if frame.pts is None or frame.is_corrupt:
                continue
            self.position = frame.time - self._origin
            if self.position >= at - _TOLERANCE:
                return frame
        return None

    def _open(self) -> None:
        """Open the container anew, at its start."""
        from av.video.reformatter import VideoReformatter

        self._file.seek(0)
        self._scaler = VideoReformatter()
        self._container = _opened_container(self.label, self._file, self._demuxer)
        self._stream = _film(self.label, self._container)
        decoder = self._stream.codec_context
        decoder.thread_count = min(os.cpu_count() or 1, _MOST_THREADS)
        # A stream may state a larger size later than in its header.
        decoder.options = {"max_pixels": str(self._limits.max_pixels)}


def clock(seconds: float) -> str:
    """A time in a clip, as players show it, with a tenth: "0:12.3"."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _between(times: NDArray[np.float64], start: float, end: float) -> NDArray[np.float64]:
    """Those of ascending times that are `start` or later, and before `end`."""
    first, last = np.searchsorted(times, (start, end))
    return times[first:last]


# --- opening ---


def _check_bytes(label: str, size: int, limits: ClipLimits) -> None:
    if size > limits.max_bytes:
        raise PhotoTooLargeError(
            label,
            f"has {size:,} bytes, over the limit of {limits.max_bytes:,}: "
            "cut the part out that matters, or raise max_bytes",
        )


@contextmanager
def _opened_file(label: str, data: bytes | None) -> Iterator[tuple[BinaryIO, int]]:
    """The file of that name, or `data` in its place, and its size in bytes."""
    if data is not None:
        yield io.BytesIO(data), len(data)
        return
    with opened(label, "clip") as (file, size):
        yield file, size


def _opened_container(label: str, file: BinaryIO, demuxer: str) -> InputContainer:
    import av

    try:
        return av.open(
            file,
            "r",
            format=demuxer,
            io_open=_refuse_other_file,
            buffer_size=_READ_BYTES,
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError) as error:
        if demuxer == "mov":
            raise TruncatedPhotoError(
                label, "holds no video, or ends before its index: copy or download it again"
            ) from error
        raise UnreadablePhotoError(
            label, "holds no video that can be opened: copy it again, or save it again as MP4"
        ) from error


def _refuse_other_file(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    """Called where a clip names another file or an address: it is never opened."""
    raise PermissionError(f"a clip opens no other file: {url}")


def _film(label: str, container: InputContainer) -> VideoStream:
    """The video of a clip: no cover picture, no previews; that which players show first."""
    from av.stream import Disposition

    stills = Disposition.attached_pic | Disposition.timed_thumbnails
    films = [stream for stream in container.streams.video if not stream.disposition & stills]
    if not films:
        raise NotAVideoError(
            label, "holds no video, only sound or a picture: name a clip that shows a face"
        )
    films = [stream for stream in films if stream.codec_context is not None]
    if not films:
        raise UnreadablePhotoError(
            label, "its video is in a format that cannot be decoded: save it again as H.264"
        )
    return max(
        films,
        key=lambda film: (bool(film.disposition & Disposition.default), film.width * film.height),
    )


def _checked_size(
    label: str, size: tuple[int, int], aspect: Fraction | None, limits: ClipLimits
) -> tuple[int, int]:
    """Width and height with square pixels. Raises PhotoTooLargeError for too many of them."""
    width, height = shown_size(size, aspect)
    if width * height > limits.max_pixels:
        raise PhotoTooLargeError(
            label,
            f"has frames of {width * height:,} pixels ({width}x{height}), over the limit of "
            f"{limits.max_pixels:,}: scale it down, or raise max_pixels",
        )
    return width, height


# --- packets ---


@dataclass(slots=True)
class _Packets:
    """The packets of a film, in the order of decoding; times in seconds on the clip's own clock.

    Players begin at `start`. `first_key` is the time of the first frame that can be decoded alone,
    `end` that at which the last one ends, `end_of_all` the same with sound. `count` counts frames
    that are hidden too. `end_early` says that the header promises more frames, or seconds.
    """

    start: float
    times: array[float] = field(default_factory=lambda: array("d"))
    keyframes: array[float] = field(default_factory=lambda: array("d"))
    first_key: float = -np.inf
    end: float = -np.inf
    end_of_all: float = -np.inf
    count: int = 0
    end_early: bool = False

    def add(self, packet: Packet[Any]) -> None:
        at = _time(packet)
        self.count += 1
        if packet.is_keyframe and self.first_key == -np.inf:
            self.first_key = at
        if packet.is_discard:  # an edit list hides the frame
            return
        self.times.append(at)
        if packet.is_keyframe:
            self.keyframes.append(at)
        self.end = max(self.end, _end(packet))


def _frame_index(
    label: str, packets: _Packets, size: tuple[int, int], limits: ClipLimits
) -> tuple[FrameIndex, float]:
    """The index, and the seconds on the clip's own clock at which players begin.

    Raises NotAVideoError where there is no frame, PhotoTooLargeError where it is too long.
    """
    # Frames before the first that can be decoded alone lack what they are made from.
    times = np.unique(np.array(packets.times, np.float64))
    times = times[times >= packets.first_key]
    if not times.size:
        raise NotAVideoError(label, "holds no frame: record or download it again")
    first, last = float(times[0]), float(times[-1])
    rate = (len(times) - 1) / (last - first) if len(times) > 1 else _USUAL_RATE
    seconds = max(packets.end, last + 1 / rate) - first
    _check_length(label, len(times), seconds, limits)
    origin = packets.start if 0 <= first - packets.start <= limits.max_seconds else first
    index = FrameIndex(
        times=times - origin,
        keyframes=np.unique(np.array(packets.keyframes, np.float64)) - origin,
        rate=rate,
        seconds=seconds,
        size=size,
        ends_early=packets.end_early,
    )
    return index, origin


def _read_packets(
    label: str, container: InputContainer, stream: VideoStream, limits: ClipLimits
) -> _Packets:
    """Go over all packets, without decoding them. Raises PhotoTooLargeError for too many."""
    packets = _Packets(start=(container.start_time or 0) * _MICROSECOND)
    promised = (container.duration or 0) * _MICROSECOND  # in Matroska, when the clip ends
    _check_length(label, 0, promised - packets.start, limits)
    whole = False
    with _until_damage():
        for packet in container.demux():
            if packet.pts is None and packet.dts is None:
                continue
            packets.end_of_all = max(packets.end_of_all, _end(packet))
            if packet.stream_index == stream.index:
                packets.add(packet)
                _check_length(label, packets.count, 0, limits)
        whole = True
    fewer = stream.frames > _SLACK * packets.count + _SLACK_FRAMES
    shorter = promised > _SLACK * packets.end_of_all + _SLACK_SECONDS
    packets.end_early = fewer or shorter or not whole
    return packets


def _time(packet: Packet[Any]) -> float:
    """When the frame of a packet is shown, in seconds; AVI says when it is decoded."""
    ticks = packet.dts if packet.pts is None else packet.pts
    return float((ticks or 0) * packet.time_base)


def _end(packet: Packet[Any]) -> float:
    """When the frame of a packet is no longer shown, in seconds."""
    return _time(packet) + float((packet.duration or 0) * packet.time_base)


def _decoded(packets: Iterator[Packet[VideoStream]]) -> Iterator[VideoFrame]:
    """The frames of packets, in order of time; damaged packets give none."""
    with _until_damage():
        for packet in packets:
            with _until_damage():
                yield from packet.decode()


@contextmanager
def _until_damage() -> Iterator[None]:
    """End the `with` block, and raise nothing, where FFmpeg cannot read on."""
    import av

    with suppress(av.FFmpegError, OSError):
        yield


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
