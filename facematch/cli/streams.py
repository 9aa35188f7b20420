"""The program's own streams: closed, full or broken ones must not stop its work.

stdout is data: what cannot be written there is an error. stderr is talk: what cannot be written
there is left out.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

from facematch.errors import TableError

_FEWEST_COLUMNS, _MOST_COLUMNS = 40, 1000  # of a terminal: no table is narrower or wider


def open_streams() -> None:
    """Replace the program's streams by ones that tests and failures cannot surprise.

    A stream that somebody else put there, a test for one, only gets its errors set.
    """
    _fill_closed_descriptors()
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 (kept open)
    sys.stdout = _opened(sys.stdout, sys.__stdout__, _StdoutFile)
    sys.stderr = _opened(sys.stderr, sys.__stderr__, _StderrFile)


def check_columns() -> None:
    """Correct the variable COLUMNS where no table could be that narrow or that wide."""
    given = os.environ.get("COLUMNS")
    if given is None:
        return
    if given.isascii() and given.isdigit() and len(given) < 10 and int(given):
        columns = min(max(int(given), _FEWEST_COLUMNS), _MOST_COLUMNS)
        os.environ["COLUMNS"] = str(columns)
    else:
        del os.environ["COLUMNS"]


def leave_stdout() -> None:
    """Send what is still unwritten nowhere, since the reader, such as `head`, has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _StdoutFile(io.FileIO):
    """Raises TableError once where stdout cannot be written, then takes everything.

    Python writes what is left when the program ends, and must not fail there again.
    """

    _has_failed = False

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        if self._has_failed:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self._has_failed = True
            if isinstance(error, BrokenPipeError):
                raise
            raise TableError(
                f"stdout cannot be written ({error.strerror}): make room, or write to another place"
            ) from error


class _StderrFile(io.FileIO):
    """Leaves out what cannot be written: no message is worth the work that is done."""

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _fill_closed_descriptors() -> None:
    """Open the null device where descriptor 0, 1 or 2 is closed.

    Otherwise the next file gets that number, and what libraries write to stderr lands in it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _opened(stream: TextIO | None, original: TextIO | None, kind: type[io.FileIO]) -> TextIO:
    if stream is None:  # it was closed when the program started, or there never was one
        return open(os.devnull, "w", encoding="utf-8")
    # Names may hold any character; a terminal that cannot show one must not stop the report.
    if stream is original and os.name == "posix":
        stream.flush()
        return io.TextIOWrapper(
            io.BufferedWriter(kind(stream.fileno(), "w", closefd=False)),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace", line_buffering=True)
    return stream
