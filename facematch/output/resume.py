"""Continue a text file that an earlier run did not finish."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from facematch.errors import TableError

_ZEROS_BLOCK = 2**16  # bytes read at a time


class Continued:
    """A file that is given all text from the start: it checks what it has, and adds the rest.

    Nobody needs to know how far the earlier run came. An incomplete last line is completed. Zeros
    at the end, which a power cut leaves, are cut off. A file that does not exist is made.

    The bytes are the same on one machine with the same packages. Elsewhere the last digit of a
    number may differ, and the file is refused.

    Raises TableError where the text differs from what the file has, OSError as files do.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._line = path, 1
        self._file: BinaryIO = path.open("r+b" if path.exists() else "x+b")
        _cut_zeros(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None and self._file.read(1):
                self._refuse("there are more lines in it")

    def write(self, text: str) -> int:
        """Compare the text with what the file has here, or add it to the file at once."""
        data = text.encode("utf-8", "backslashreplace")
        present = self._file.read(len(data))
        if not data.startswith(present):
            self._refuse(f"line {self._line} is another")
        if len(present) < len(data):
            self._file.write(data[len(present) :])
            self._file.flush()
        self._line += text.count("\n")
        return len(text)

    def _refuse(self, what: str) -> None:
        raise TableError(
            f"{self._path} was not written by this command ({what}): photos, options or engine "
            "have changed; leave out --resume to overwrite it, or name another file"
        )


def _cut_zeros(file: BinaryIO) -> None:
    end, kept = file.seek(0, os.SEEK_END), b""
    while end and not kept:
        start = max(end - _ZEROS_BLOCK, 0)
        file.seek(start)
        kept = file.read(end - start).rstrip(b"\0")
        end = start + len(kept)
    file.truncate(end)
    file.seek(0)
