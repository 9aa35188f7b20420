"""Decode photos in separate processes: a decoder that crashes or hangs costs one photo only.

A worker is a Python process that imports what decodes photos and nothing else. A request is a line
of JSON, which the bytes of a photo may follow. So is an answer, and the raw pixels follow it.
Nothing is unpickled. A worker reads files itself, with `read_photo`, under a memory limit where the
system has one. It ends when the process that started it ends. It has all rights of its user: this
guards against accidents, and is no sandbox.
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
from dataclasses import asdict, replace
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
from facematch.photos.reading import decode_photo, read_photo
from facematch.types import Photo

try:
    import fcntl
    import resource
except ImportError:  # Windows
    fcntl = resource = None  # type: ignore[assignment]

_SIGKILL = 9
_START_SECONDS = 60.0  # for a worker to start
_LONGEST_ANSWER_LINE = 2**16  # bytes
_PIPE_BYTES = 2**20  # where the system lets us choose: a larger pipe takes fewer reads a photo
_ADDRESS_SLACK = 2**30  # bytes of address space for libraries and the stacks of threads
_LONGEST_TIMER = 86_400.0  # seconds; timers and alarms do not take just any number
_OVERTIME = 5  # seconds over the limit; then the alarm ends a worker that nobody watches
# The worker gets our sys.path. With `-m` it would import a file numpy.py of the current folder.
_WORKER_CODE = (
    "import sys; sys.path[:] = sys.argv[1:]; from facematch.photos.worker import work; work()"
)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_ERROR_BY_CODE = {kind.code: kind for kind in PhotoError.__subclasses__()}


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


class _Worker:
    """A process that decodes one photo at a time. It is killed when it takes too long."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._is_late = False
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
                [sys.executable, "-P", "-c", _WORKER_CODE, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | _ONE_THREAD,
            )
        except (OSError, ValueError) as error:
            raise _cannot_start(error) from error
        self._requests, self._answers = _pipes(self._process)
        try:
            with self._within(_START_SECONDS):
                self._ask(asdict(limits))
        except (OSError, ValueError) as error:
            self.end()
            raise _cannot_start(error) from error

    def is_running(self) -> bool:
        return not self._is_late and self._process.poll() is None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):  # closing writes the rest of a request, which nobody reads
                pipe.close()

    def read(self, label: str, min_side: int | None) -> Photo:
        photo = self._decoded(label, {"path": _absolute(label), "min_side": min_side})
        return replace(photo, path=Path(label))

    def decode(self, label: str, data: bytes, min_side: int | None) -> Photo:
        return self._decoded(label, {"bytes": len(data), "min_side": min_side}, data)

    def _decoded(self, label: str, request: dict[str, Any], data: bytes = b"") -> Photo:
        try:
            with self._within(self._limits.max_seconds):
                answer = self._ask(request, data)
                if "size" in answer:
                    return self._photo(label, answer)
            error = _ERROR_BY_CODE[answer["code"]](label, str(answer["reason"]))
        except (OSError, ValueError, KeyError, TypeError) as gone:
            # The process ended, or hostile bytes made it answer nonsense.
            raise self._failure(label) from gone
        raise error

    def _ask(self, request: dict[str, Any], data: bytes = b"") -> dict[str, Any]:
        self._requests.write(json.dumps(request).encode() + b"\n")
        self._requests.write(data)
        self._requests.flush()
        return dict(json.loads(self._answers.readline(_LONGEST_ANSWER_LINE)))

    def _photo(self, label: str, answer: dict[str, Any]) -> Photo:
        height, width = map(int, answer["size"])
        if not 0 < height * width <= self._limits.max_pixels:
            raise ValueError("more pixels than the limit allows")
        pixels = np.empty((height, width, 3), np.uint8)
        if self._answers.readinto(pixels.data.cast("B")) != pixels.nbytes:
            raise ValueError("fewer pixels than the answer announced")
        taken = answer["taken"]
        return Photo(
            label=label,
            pixels=pixels,
            taken=datetime.fromisoformat(taken) if taken else None,
            scale=float(answer["scale"]),
            digest=str(answer["digest"]),
        )

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Kill the process if the `with` block takes longer than this."""
        timer = threading.Timer(min(seconds, _LONGEST_TIMER), self._give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # from here on `_is_late` does not change

    def _give_up(self) -> None:
        self._is_late = True
        self._process.kill()

    def _failure(self, label: str) -> PhotoError:
        """The error for a photo whose worker ended or answered nonsense."""
        if self._is_late:
            most = f"{self._limits.max_seconds:g} seconds"
            return PhotoTimeoutError(
                label, f"took more than {most} to decode: save it again as JPEG, or raise --timeout"
            )
        status = self._status()
        if status == -_SIGKILL:
            return PhotoTooLargeError(
                label,
                "the system ended its decoder, most likely because memory ran out: scale it down",
            )
        return CrashedPhotoError(
            label, f"its decoder crashed ({_status_in_words(status)}): save it again as JPEG"
        )

    def _status(self) -> int | None:
        """The exit status; None for a process that still ran, which is then killed."""
        try:
            return self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None


def _absolute(label: str) -> str:
    """The absolute path: a worker stays in the folder where it was started."""
    try:
        return os.path.join(os.getcwd(), label) if label and not os.path.isabs(label) else label
    except OSError:  # the current folder was deleted, and the photos in it too
        return label


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], io.BufferedReader]:
    """The pipe for requests and the pipe for answers."""
    if process.stdin is None or not isinstance(process.stdout, io.BufferedReader):
        raise AssertionError("the process has no pipes")
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # the system limits the sum of a user's pipes
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return process.stdin, process.stdout


def _cannot_start(error: Exception) -> OptionError:
    return OptionError(
        f"no process can be started that decodes photos ({error}): --no-isolate, or isolate=False, "
        "decodes them in this process"
    )


def _status_in_words(status: int | None) -> str:
    if status is None:
        return "it answers nonsense"
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"status {status}"


# --- in the worker ---


def work() -> None:
    """Answer the requests of stdin, one after the other. Answers go to the original stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a decoder's prints go to stderr
    requests = sys.stdin.buffer
    limits = Limits(**json.loads(requests.readline()))
    _limit_memory(limits)
    _answer(answers, {"ready": True})
    for line in requests:
        _set_alarm(limits.max_seconds + _OVERTIME)
        request = json.loads(line)
        data = requests.read(request["bytes"]) if "bytes" in request else None
        _decode_and_answer(request, data, limits, answers)
        _set_alarm(0)


def _decode_and_answer(
    request: dict[str, Any], data: bytes | None, limits: Limits, answers: IO[bytes]
) -> None:
    min_side = request["min_side"]
    try:
        if data is None:
            photo = read_photo(request["path"], min_side=min_side, limits=limits)
        else:
            photo = decode_photo("", data, min_side=min_side, limits=limits)
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


def _limit_memory(limits: Limits) -> None:
    """Have the system limit the memory of this process. Windows has no such limit."""
    if resource is not None:
        most = limits.max_memory + _ADDRESS_SLACK
        # macOS refuses it. Elsewhere a lower limit may be set already.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _set_alarm(seconds: float) -> None:
    """Have the system end this process after so many seconds; 0: cancel that."""
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(min(seconds, _LONGEST_TIMER)))
