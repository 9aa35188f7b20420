"""A process of its own that answers requests: what crashes or hangs there costs one answer only.

The process is Python and imports no more than its code does. A request is a line of JSON, which
bytes may follow. So is an answer. Nothing is unpickled. The process has a memory limit where the
system has one, and ends when the process that started it ends. It has all rights of its user: this
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from facematch.errors import (
    CrashedPhotoError,
    OptionError,
    PhotoError,
    PhotoTimeoutError,
    PhotoTooLargeError,
)
from facematch.types import Pixels

try:
    import fcntl
    import resource
except ImportError:  # Windows
    fcntl = resource = None  # type: ignore[assignment]

Answer: TypeAlias = tuple[dict[str, Any], memoryview | bytes]  # the head, and the bytes behind it
Answered = TypeVar("Answered")
Responder: TypeAlias = Callable[[dict[str, Any], bytes], Answer]

_SIGKILL = 9
_START_SECONDS = 60.0  # for a process to start
_LONGEST_ANSWER_LINE = 2**16  # bytes
_PIPE_BYTES = 2**20  # where the system lets us choose: a larger pipe takes fewer reads a photo
_ADDRESS_SLACK = 2**30  # bytes of address space for libraries and the stacks of threads
_LONGEST_TIMER = 86_400.0  # seconds; timers and alarms do not take just any number
_OVERTIME = 5  # seconds over the limit; then the alarm ends a process that nobody watches
# The process gets our sys.path. With `-m` it would import a file numpy.py of the current folder.
_CODE = "import sys; sys.path[:] = sys.argv[1:]; from {} import work; work()"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_ERROR_BY_CODE = {kind.code: kind for kind in PhotoError.__subclasses__()}


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is for: the function `work` of a module, which calls `serve`.

    `advice` says what to do about a file that takes too long or crashes it, `option` which limit
    allows more time.
    """

    module: str
    advice: str
    option: str


class WorkerProcess:
    """A process that answers one request at a time. It is killed when it takes too long."""

    def __init__(self, job: Job, limits: Mapping[str, Any], *, memory: int, seconds: float) -> None:
        """`memory` is the most bytes it may take, `seconds` the longest time for an answer.

        Raises OptionError where no process starts.
        """
        self._job, self._seconds = job, seconds
        self._is_late = False
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
                [sys.executable, "-P", "-c", _CODE.format(job.module), *sys.path],
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
                self._ask({"memory": memory, "seconds": seconds, "limits": dict(limits)})
        except (OSError, ValueError) as error:
            self.end()
            raise _cannot_start(error) from error

    def is_running(self) -> bool:
        """Whether it can answer another request."""
        return not self._is_late and self._process.poll() is None

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):  # closing writes the rest of a request, which nobody reads
                pipe.close()

    def ask(
        self,
        label: str,
        request: dict[str, Any],
        read: Callable[[dict[str, Any]], Answered],
        data: bytes = b"",
    ) -> Answered:
        """What `read` makes of the answer's head; it calls `fill` for the bytes that follow.

        Raises the PhotoError that the process answers, CrashedPhotoError or PhotoTimeoutError.
        """
        try:
            with self._within(self._seconds):
                head = self._ask(request, data)
                if "code" not in head:
                    return read(head)
            error = _ERROR_BY_CODE[head["code"]](label, str(head["reason"]))
        except (OSError, ValueError, KeyError, TypeError) as gone:
            # The process ended, or hostile bytes made it answer nonsense.
            raise self._failure(label) from gone
        raise error

    def pixels(self, size: Sequence[int], most: int) -> Pixels:
        """Read an RGB picture of that height and width. Raises ValueError for too many pixels."""
        height, width = map(int, size)
        if not 0 < height * width <= most:
            raise ValueError("more pixels than the limit allows")
        pixels = np.empty((height, width, 3), np.uint8)
        self.fill(pixels)
        return pixels

    def fill(self, array: NDArray[Any]) -> None:
        """Read the bytes of an array. Raises ValueError where fewer follow."""
        if self._answers.readinto(array.data.cast("B")) != array.nbytes:
            raise ValueError("fewer bytes than the answer announced")

    def _ask(self, request: dict[str, Any], data: bytes = b"") -> dict[str, Any]:
        self._requests.write(json.dumps(request).encode() + b"\n")
        self._requests.write(data)
        self._requests.flush()
        return dict(json.loads(self._answers.readline(_LONGEST_ANSWER_LINE)))

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
        """The error for a file whose process ended or answered nonsense."""
        if self._is_late:
            return PhotoTimeoutError(
                label,
                f"took more than {self._seconds:g} seconds to decode: {self._job.advice}, or "
                f"raise {self._job.option}",
            )
        status = self._status()
        if status == -_SIGKILL:
            return PhotoTooLargeError(
                label,
                "the system ended its decoder, most likely because memory ran out: scale it down",
            )
        return CrashedPhotoError(
            label, f"its decoder crashed ({_status_in_words(status)}): {self._job.advice}"
        )

    def _status(self) -> int | None:
        """The exit status; None for a process that still ran, which is then killed."""
        try:
            return self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None


def absolute(label: str) -> str:
    """The absolute path: a process stays in the folder where it was started."""
    try:
        return os.path.join(os.getcwd(), label) if label and not os.path.isabs(label) else label
    except OSError:  # the current folder was deleted, and the files in it too
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


# --- in the process ---


def serve(responder: Callable[[dict[str, Any]], Responder]) -> None:
    """Answer the requests of stdin, one after the other. Answers go to the original stdout.

    `responder` is given the limits, and gives the function that answers a request and its bytes. A
    PhotoError becomes an answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a decoder's prints go to stderr
    requests = sys.stdin.buffer
    first = json.loads(requests.readline())
    _limit_memory(first["memory"])
    respond = responder(first["limits"])
    _answer(answers, {"ready": True})
    for line in requests:
        _set_alarm(first["seconds"] + _OVERTIME)
        request = json.loads(line)
        data = requests.read(request["bytes"]) if "bytes" in request else b""
        try:
            _answer(answers, *respond(request, data))
        except PhotoError as error:
            _answer(answers, {"code": error.code, "reason": error.reason})
        _set_alarm(0)


def _answer(answers: IO[bytes], head: dict[str, Any], content: memoryview | bytes = b"") -> None:
    answers.write(json.dumps(head).encode() + b"\n")
    answers.write(content)
    answers.flush()


def _limit_memory(most: int) -> None:
    """Have the system limit the memory of this process, in bytes. Windows has no such limit."""
    if resource is not None:
        limit = most + _ADDRESS_SLACK
        # macOS refuses it. Elsewhere a lower limit may be set already.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _set_alarm(seconds: float) -> None:
    """Have the system end this process after so many seconds; 0: cancel that."""
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(min(seconds, _LONGEST_TIMER)))
