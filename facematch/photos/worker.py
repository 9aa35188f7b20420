"""Photos decoded in processes of their own: a decoder that crashes or hangs costs one photo.

A worker is a Python that has imported what decodes and nothing else. Requests and answers are a
line of JSON each, pixels follow as they are; nothing is unpickled. A worker reads files itself, as
`read_photo` does, under a limit on memory where the system has one, and ends with whoever started
it. It may still do what its user may do: this contains accidents, it is no sandbox.
"""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from facematch.errors import (
    CrashedPhotoError,
    OptionError,
    PhotoError,
    PhotoTimeoutError,
    PhotoTooLargeError,
)
from facematch.photos.limits import Limits
from facematch.photos.reading import read_photo
from facematch.types import Photo

try:
    import fcntl
    import resource
except ImportError:  # Windows
    fcntl = resource = None  # type: ignore[assignment]

_SIGKILL = 9
_START_SECONDS = 60.0
_LONGEST_LINE = 2**16  # bytes
_PIPE = 2**20  # bytes, where the system lets us choose: a photo takes fewer turns
_SLACK = 2**30  # bytes of addresses beyond what decoding needs: libraries, stacks of threads
_LONGEST_SECONDS = 86_400.0  # what clocks and alarms take is bounded
_OVERTIME = 5  # seconds after which a worker whose starter is gone ends itself
# Our sys.path as it is: with `-m`, a numpy.py among the photos we stand in would be imported.
_WORK = "import sys; sys.path[:] = sys.argv[1:]; from facematch.photos.worker import work; work()"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_BY_CODE = {kind.code: kind for kind in PhotoError.__subclasses__()}


class Decoders:
    """Workers that decode photos: as many as threads ask at the same time, used again and again."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: list[_Worker] = []
        weakref.finalize(self, _end_all, self._idle)  # also at the end of the program

    def read(self, path: str | os.PathLike[str], *, min_side: int | None = None) -> Photo:
        """The photo as `read_photo` gives it, and its errors.

        Raises CrashedPhotoError and PhotoTimeoutError too, OptionError where no worker starts.
        """
        worker = self._idle_worker() or _Worker(self._limits)
        try:
            return worker.read(os.fsdecode(path), min_side)
        finally:
            if worker.is_well():
                self._idle.append(worker)
            else:
                worker.end()

    def _idle_worker(self) -> _Worker | None:
        with suppress(IndexError):  # none, or another thread was faster
            while True:
                worker = self._idle.pop()
                if worker.is_well():  # after a fork they are the other process's, and count as gone
                    return worker
                worker.end()
        return None


def _end_all(workers: list[_Worker]) -> None:
    while workers:
        workers.pop().end()


class _Worker:
    """A process that decodes one photo at a time; killed where it takes longer than it may."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._is_late = False
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
                [sys.executable, "-P", "-c", _WORK, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | _ONE_THREAD,
            )
        except (OSError, ValueError) as error:
            raise _no_start(error) from error
        self._requests, self._answers = _pipes(self._process)
        try:
            with self._within(_START_SECONDS):
                self._ask(asdict(limits))
        except (OSError, ValueError) as error:
            self.end()
            raise _no_start(error) from error

    def is_well(self) -> bool:
        return not self._is_late and self._process.poll() is None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):  # what was not written yet is of no use any more
                pipe.close()

    def read(self, label: str, min_side: int | None) -> Photo:
        request = {"path": _absolute(label), "min_side": min_side}
        try:
            with self._within(self._limits.max_seconds):
                answer = self._ask(request)
                if "size" in answer:
                    return self._photo(label, answer)
            error = _BY_CODE[answer["code"]](label, str(answer["reason"]))
        except (OSError, ValueError, KeyError, TypeError) as gone:
            raise self._blame(label) from gone  # or answers nonsense, after hostile bytes
        raise error

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._requests.write(json.dumps(request).encode() + b"\n")
        self._requests.flush()
        return dict(json.loads(self._answers.readline(_LONGEST_LINE)))

    def _photo(self, label: str, answer: dict[str, Any]) -> Photo:
        height, width = map(int, answer["size"])
        if not 0 < height * width <= self._limits.max_pixels:
            raise ValueError("more pixels than were asked for")
        pixels = np.empty((height, width, 3), np.uint8)
        if self._answers.readinto(pixels.data.cast("B")) != pixels.nbytes:
            raise ValueError("fewer pixels than were promised")
        taken = answer["taken"]
        return Photo(
            label=label,
            pixels=pixels,
            path=Path(label),
            taken=datetime.fromisoformat(taken) if taken else None,
            scale=float(answer["scale"]),
            digest=str(answer["digest"]),
        )

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Kill the process unless this ends in time."""
        clock = threading.Timer(min(seconds, _LONGEST_SECONDS), self._give_up)
        clock.daemon = True
        clock.start()
        try:
            yield
        finally:
            clock.cancel()
            clock.join()  # then it is known whether it was late

    def _give_up(self) -> None:
        self._is_late = True
        self._process.kill()

    def _blame(self, label: str) -> PhotoError:
        """What the end of the process says of the photo that it was given."""
        if self._is_late:
            most = f"{self._limits.max_seconds:g} seconds"
            return PhotoTimeoutError(
                label, f"took more than {most} to decode: save it anew as JPEG, or raise --timeout"
            )
        status = self._status()
        if status == -_SIGKILL:
            return PhotoTooLargeError(
                label, "the system ended its decoder, for want of memory most likely: scale it down"
            )
        return CrashedPhotoError(
            label, f"its decoder crashed ({_end_of(status)}): save it anew as JPEG"
        )

    def _status(self) -> int | None:
        """How the process ended; None where it goes on, and then it is ended."""
        try:
            return self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None


def _absolute(label: str) -> str:
    """The path from the root on: a worker stays in the folder that it was started in."""
    try:
        return os.path.join(os.getcwd(), label) if label and not os.path.isabs(label) else label
    except OSError:  # the folder that we stand in is gone, and what lay in it
        return label


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], io.BufferedReader]:
    """Where to write requests and read answers."""
    if process.stdin is None or not isinstance(process.stdout, io.BufferedReader):
        raise AssertionError("a process without the pipes it was started with")
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # a user may have only so much in pipes
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE)
    return process.stdin, process.stdout


def _no_start(error: Exception) -> OptionError:
    return OptionError(
        f"no process can be started to decode photos in ({error}): --no-isolate, or isolate=False, "
        "decodes them in this one"
    )


def _end_of(status: int | None) -> str:
    if status is None:
        return "it answers nonsense"
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"status {status}"


# --- in the worker ---


def work() -> None:
    """Answer the requests on stdin on what was stdout, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for who started this
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a decoder prints
    requests = sys.stdin.buffer
    limits = Limits(**json.loads(requests.readline()))
    _bound_memory(limits)
    _answer(answers, {"ready": True})
    for line in requests:
        _end_at(limits.max_seconds + _OVERTIME)
        _decode(json.loads(line), limits, answers)
        _end_at(0)


def _decode(request: dict[str, Any], limits: Limits, answers: IO[bytes]) -> None:
    try:
        photo = read_photo(request["path"], min_side=request["min_side"], limits=limits)
    except PhotoError as error:
        _answer(answers, {"code": error.code, "reason": error.reason})
        return
    taken = photo.taken.isoformat() if photo.taken else None
    head = {"size": photo.pixels.shape[:2], "scale": photo.scale, "taken": taken}
    _answer(answers, head | {"digest": photo.digest}, photo.pixels.data.cast("B"))


def _answer(answers: IO[bytes], head: dict[str, Any], content: memoryview | bytes = b"") -> None:
    answers.write(json.dumps(head).encode() + b"\n")
    answers.write(content)
    answers.flush()


def _bound_memory(limits: Limits) -> None:
    """Have the system refuse memory beyond the limit, where it can: not on Windows."""
    if resource is not None:
        most = limits.max_memory + _SLACK
        with suppress(OSError, ValueError):  # macOS takes no such limit; or one is lower already
            resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _end_at(seconds: float) -> None:
    """Be ended after so many seconds, whoever is still there to watch; 0: not any more."""
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(min(seconds, _LONGEST_SECONDS)))
