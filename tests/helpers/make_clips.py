"""Writes clips with PyAV's encoders: painted or drawn, never filmed."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from facematch.types import Pixels

CLOCK = Fraction(1, 90_000)  # seconds a tick, in every clip made here
_CODEC_BY_SUFFIX = {
    ".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".ts": "libx264", ".flv": "libx264",
    ".avi": "mpeg4", ".mpg": "mpeg2video", ".m2v": "mpeg2video", ".webm": "libvpx", ".wmv": "wmv2",
}  # fmt: skip
_OPTIONS_BY_CODEC = {
    "libx264": {"preset": "ultrafast", "crf": "10"},
    "libx265": {"preset": "ultrafast", "crf": "10", "x265-params": "log-level=none"},
    "libsvtav1": {"preset": "12", "crf": "20"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "4M"},
    "mpeg2video": {"b": "4M"},
}  # fmt: skip


def write_clip(
    path: Path,
    frames: Iterable[Pixels],
    *,
    rate: int = 10,
    codec: str | None = None,
    aspect: Fraction | None = None,
    times: Sequence[float] | None = None,
    sound: float = 0.0,
    container: dict[str, str] | None = None,
    **settings: Any,
) -> Path:
    """A clip of these frames, at these seconds or `rate` a second, and so many seconds of sound.

    `aspect` is that of a pixel. `container` are options of the container, `settings` those of the
    encoder's context: gop_size, pix_fmt, max_b_frames.
    """
    codec = codec or _CODEC_BY_SUFFIX[path.suffix]
    with (
        _usual_priority(),
        av.open(str(path), "w", container_options=container) as clip,
    ):
        film: Any = clip.add_stream(codec, rate=rate)
        film.pix_fmt, film.gop_size = "yuv420p", 12
        film.options = _OPTIONS_BY_CODEC.get(codec, {})
        if times is not None and codec == "libx264":
            film.codec_context.time_base = CLOCK
        for name, value in settings.items():
            setattr(film, name, value)
        if aspect is not None:
            film.codec_context.sample_aspect_ratio = aspect
        track = clip.add_stream("aac", rate=44_100, layout="mono") if sound else None
        for number, pixels in enumerate(frames):
            if number == 0:
                film.height, film.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
            at = number / rate if times is None else times[number]
            frame.pts, frame.time_base = round(at / CLOCK), CLOCK
            clip.mux(film.encode(frame))
        clip.mux(film.encode())
        if track is not None:
            _add_sound(clip, track, sound)
    return path


@contextmanager
def _usual_priority() -> Iterator[None]:
    """Undo what SVT-AV1 does: run by root, it gives the process priority over all others."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def _add_sound(container: Any, track: Any, seconds: float) -> None:
    for number in range(int(seconds * 44_100 / 1024)):
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate, silence.pts = 44_100, 1024 * number
        silence.time_base = Fraction(1, 44_100)
        container.mux(track.encode(silence))
    container.mux(track.encode())


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The MP4 with a display matrix of which a, b, c, d are these, as a phone writes it."""
    data = path.read_bytes()
    a, b, c, d = matrix
    written = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:at] + written + data[at + len(written) :])
    return path


def trimmed(path: Path, start: float, seconds: float) -> Path:
    """The MP4 with an edit list that shows only so many seconds from a start on."""
    data = bytearray(path.read_bytes())
    (film_clock,) = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)
    (clip_clock,) = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)
    at = data.index(b"elst") + 12  # behind the version and the number of entries, which is 1
    (first,) = struct.unpack_from(">i", data, at + 4)
    entry = round(seconds * clip_clock), first + round(start * film_clock)
    struct.pack_into(">Ii", data, at, *entry)
    path.write_bytes(data)
    return path


def without_first_packets(path: Path, count: int) -> Path:
    """The clip without its first packets, as a recorder writes that starts in the middle."""
    shorter = path.with_stem("cut")
    with av.open(str(path)) as source, av.open(str(shorter), "w") as container:
        film = container.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(source.streams.video[0])):
            if number >= count and packet.dts is not None:
                packet.stream = film
                container.mux(packet)
    return shorter


def write_sound(path: Path, cover: bytes | None = None, seconds: float = 2.0) -> Path:
    """Sound, with a JPEG as its cover picture."""
    codec = {".mp3": "libmp3lame", ".flac": "flac", ".wav": "pcm_s16le"}.get(path.suffix, "aac")
    format_ = "mp4" if path.suffix == ".m4a" else None  # the muxer "ipod" takes no picture
    with av.open(str(path), "w", format=format_) as container:
        track: Any = container.add_stream(codec, rate=44_100, layout="mono")
        if cover is not None:
            picture: Any = container.add_stream("mjpeg", rate=1)
            picture.width = picture.height = 64
            picture.pix_fmt, picture.disposition = "yuvj420p", Disposition.attached_pic.value
            container.start_encoding()
            packet = av.Packet(cover)
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = picture, 0, 0, True
            container.mux(packet)
        _add_sound(container, track, seconds)
    return path
