"""Decode photos in separate processes: a decoder that crashes or hangs costs one photo only.

A worker is a Python process that imports what decodes photos and nothing else. It reads files
itself, with `read_photo`, and answers with raw pixels.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from facematch.photos.limits import Limits
from facematch.photos.reading import decode_photo, read_photo
from facematch.runtime.worker import Answer, Job, WorkerProcess, absolute, serve
from facematch.types import Photo

_JOB = Job("facematch.photos.worker", advice="save it again as JPEG", option="--timeout")


class Decoders:
    """Workers that decode photos. Each thread that reads at the same time uses a worker of its own.

    Workers are kept and used again.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: list[_Worker] = []
        weakref.finalize(self, _end_workers, self._idle)  # also runs at the end of the program

    def read(self, path: str | os.PathLike[str], *, min_side: int | None = None) -> Photo:
        """The photo as `read_photo` decodes it.

        Raises what `read_photo` raises, CrashedPhotoError, PhotoTimeoutError, and OptionError where
        no worker starts.
        """
        with self._worker() as worker:
            return worker.read(os.fsdecode(path), min_side)

    def decode(self, label: str, data: bytes, *, min_side: int | None = None) -> Photo:
        """The photo in the bytes of a file, as `decode_photo` decodes it.

        Raises what `read` raises.
        """
        with self._worker() as worker:
            return worker.decode(label, data, min_side)

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        """An idle worker or a new one; it is kept where it still runs afterwards."""
        worker = self._idle_worker() or _Worker(self._limits)
        try:
            yield worker
        finally:
            if worker.is_running():
                self._idle.append(worker)
            else:
                worker.end()

    def _idle_worker(self) -> _Worker | None:
        with suppress(IndexError):  # there is none, or another thread took it
            while True:
                worker = self._idle.pop()
                # After a fork the workers belong to the parent process and count as ended here.
                if worker.is_running():
                    return worker
                worker.end()
        return None


def _end_workers(workers: list[_Worker]) -> None:
    while workers:
        workers.pop().end()


class _Worker(WorkerProcess):
    """A process that decodes one photo at a time."""

    def __init__(self, limits: Limits) -> None:
        self._most_pixels = limits.max_pixels
        super().__init__(_JOB, asdict(limits), memory=limits.max_memory, seconds=limits.max_seconds)

    def read(self, label: str, min_side: int | None) -> Photo:
        request = {"path": absolute(label), "min_side": min_side}
        return replace(self.ask(label, request, partial(self._photo, label)), path=Path(label))

    def decode(self, label: str, data: bytes, min_side: int | None) -> Photo:
        request = {"bytes": len(data), "min_side": min_side}
        return self.ask(label, request, partial(self._photo, label), data)

    def _photo(self, label: str, answer: dict[str, Any]) -> Photo:
        pixels = self.pixels(answer["size"], self._most_pixels)
        taken = answer["taken"]
        return Photo(
            label=label,
            pixels=pixels,
            taken=datetime.fromisoformat(taken) if taken else None,
            scale=float(answer["scale"]),
            digest=str(answer["digest"]),
        )


# --- in the worker ---


def work() -> None:
    """Answer the requests of stdin until it ends."""
    serve(lambda limits: partial(_decoded, Limits(**limits)))


def _decoded(limits: Limits, request: dict[str, Any], data: bytes) -> Answer:
    min_side = request["min_side"]
    if "path" in request:
        photo = read_photo(request["path"], min_side=min_side, limits=limits)
    else:
        photo = decode_photo("", data, min_side=min_side, limits=limits)
    taken = photo.taken.isoformat() if photo.taken else None
    head = {"size": photo.pixels.shape[:2], "scale": photo.scale, "taken": taken}
    return head | {"digest": photo.digest}, photo.pixels.data.cast("B")
