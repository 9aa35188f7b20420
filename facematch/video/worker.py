"""Decode a clip in a process of its own: a decoder that crashes or hangs costs that clip only."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facematch.runtime.worker import Answer, Job, WorkerProcess, absolute, serve
from facematch.types import Photo
from facematch.video.reader import ClipLimits, ClipReader, FrameIndex, OpenClip, clock

_JOB = Job("facematch.video.worker", advice="save it again as H.264 in an MP4", option="max_wait")


class IsolatedClip(OpenClip):
    """A ClipReader in a process of its own."""

    def __init__(
        self, path: str | os.PathLike[str], *, data: bytes | None = None, limits: ClipLimits
    ) -> None:
        """Raises what ClipReader raises, CrashedPhotoError, PhotoTimeoutError and OptionError."""
        self.label = os.fsdecode(path)
        self.position = -1.0
        self._most_pixels = limits.max_pixels
        self._process = WorkerProcess(
            _JOB, asdict(limits), memory=limits.max_memory, seconds=limits.max_wait
        )
        try:
            request: dict[str, Any] = {"path": absolute(self.label)}
            if data is not None:
                request = {"path": self.label, "bytes": len(data)}
            self.index = self._process.ask(self.label, request, self._index, data or b"")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        self._process.end()

    def read(self, at: float) -> Photo | None:
        """The first frame at that time, in seconds, or later, upright; None after the end."""
        return self._process.ask(self.label, {"at": at}, self._photo)

    def _index(self, answer: dict[str, Any]) -> FrameIndex:
        times = np.empty(int(answer["frames"]), np.float64)
        keyframes = np.empty(int(answer["keys"]), np.float64)
        self._process.fill(times)
        self._process.fill(keyframes)
        width, height = map(int, answer["size"])
        return FrameIndex(
            times=times,
            keyframes=keyframes,
            rate=float(answer["rate"]),
            seconds=float(answer["seconds"]),
            size=(width, height),
            ends_early=bool(answer["ends_early"]),
        )

    def _photo(self, answer: dict[str, Any]) -> Photo | None:
        if answer["size"] is None:
            return None
        pixels = self._process.pixels(answer["size"], self._most_pixels)
        self.position = float(answer["position"])
        return Photo(f"{self.label} at {clock(self.position)}", pixels, Path(self.label))


# --- in the process ---


def work() -> None:
    """Answer the requests of stdin until it ends: the first opens the clip, others read frames."""
    serve(lambda limits: partial(_answered, ClipLimits(**limits), []))


def _answered(
    limits: ClipLimits, clips: list[ClipReader], request: dict[str, Any], content: bytes
) -> Answer:
    """`clips` holds the clip once it is open."""
    if not clips:
        data = content if "bytes" in request else None
        clips.append(ClipReader(request["path"], data=data, limits=limits))
        return _index_answer(clips[0].index)
    (clip,) = clips
    photo = clip.read(request["at"])
    if photo is None:
        return {"size": None}, b""
    head = {"size": photo.pixels.shape[:2], "position": clip.position}
    return head, photo.pixels.data.cast("B")


def _index_answer(index: FrameIndex) -> Answer:
    head = {
        "frames": len(index.times),
        "keys": len(index.keyframes),
        "rate": index.rate,
        "seconds": index.seconds,
        "size": index.size,
        "ends_early": index.ends_early,
    }
    return head, index.times.tobytes() + index.keyframes.tobytes()
