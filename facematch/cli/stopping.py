"""Long runs: photos are counted, and Ctrl-C ends the run within a second with one line."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, TypeVar

import typer

from facematch.errors import NoFaceError

if TYPE_CHECKING:
    from facematch.types import Gallery, Skipped

T = TypeVar("T")

SECONDS_TO_END = 0.7  # then the program is ended
INTERRUPTED = 130  # exit status of a program that Ctrl-C ended


class Tally:
    """Counts how many photos of a run are done, of `total`."""

    def __init__(self) -> None:
        self.total = self.done = self.usable = 0
        self._skipped: Skipped | None = None

    def galleries(self, parts: Iterable[Gallery], total: int) -> Iterator[Gallery]:
        """The parts of a gallery of `total` photos, counted when they come."""
        self.total = total
        return map(self._counted, parts)

    def _counted(self, part: Gallery) -> Gallery:
        self.done += len(part.subjects) + len(part.skipped)
        self.usable += len(part.subjects)
        self._skipped = next(iter(part.skipped), None) if self._skipped is None else self._skipped
        return part

    def photos(self, some: Iterable[T], total: int) -> Iterator[T]:
        """Photos that are searched one by one, counted when the next is asked for."""
        self.total = total
        for photo in some:
            yield photo
            self.done += 1

    def fail_if_nothing(self) -> None:
        """Raise NoFaceError with the reason where photos were read and none was usable."""
        if not self.usable and self._skipped is not None:
            why = self._skipped
            raise NoFaceError(why.photo, f"{why.reason}; no usable photo is left")


@contextmanager
def stoppable(
    tallies: Sequence[Tally], cache: Path | None, out: Path | None = None
) -> Iterator[None]:
    """Within it Ctrl-C ends the program in a second: status 130, a line with what is done.

    Work that does not end by then, such as a network's run, is cut off: the files of --cache and
    --out stay whole whenever the program ends.
    """
    told = Lock()

    def tell() -> None:
        if told.acquire(blocking=False):
            if sys.stderr.isatty():
                typer.echo("\r\x1b[2K", err=True, nl=False)  # over a progress bar
            typer.echo(f"facematch: stopped: {_stopped_words(tallies, cache, out)}", err=True)

    heard, bell = socket.socketpair()
    bell.setblocking(False)  # set_wakeup_fd needs this
    before = signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
    Thread(target=_end_after_ctrl_c, args=(heard, tell), daemon=True).start()
    try:
        yield
    except KeyboardInterrupt:
        tell()
        sys.exit(INTERRUPTED)
    finally:
        signal.set_wakeup_fd(before)
        bell.close()


def _stopped_words(tallies: Sequence[Tally], cache: Path | None, out: Path | None) -> str:
    done, total = sum(each.done for each in tallies), sum(each.total for each in tallies)
    kept = "nothing is kept without --cache"
    if cache is not None:
        kept = f"{cache} keeps them, " + ("--resume goes on" if out else "the same command goes on")
    return f"{done:,} of {total:,} photos are done; {kept}"


def _end_after_ctrl_c(heard: socket.socket, tell: Callable[[], None]) -> None:
    """End the program a while after Ctrl-C, unless it has ended by then."""
    with heard:
        while signals := heard.recv(1):
            if signals[0] == signal.SIGINT:
                time.sleep(SECONDS_TO_END)
                tell()
                if sys.stderr.isatty():
                    typer.echo("\x1b[?25h", err=True, nl=False)  # a progress bar hides the cursor
                os._exit(INTERRUPTED)
