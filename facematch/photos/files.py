"""Open a file that a person named. Every failure becomes a PhotoError."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import NoReturn

from facematch.errors import MissingPhotoError, UnreadablePhotoError


@contextmanager
def opened(label: str, what: str = "photo") -> Iterator[tuple[BufferedReader, int]]:
    """A regular file, open for reading, and its size in bytes. `what` names it in errors.

    Raises MissingPhotoError or UnreadablePhotoError, also for errors while it is read.
    """
    try:
        with open(label, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadablePhotoError(label, f"is not a regular file: copy the {what} to one")
            yield file, status.st_size
    except (OSError, ValueError) as error:
        _refuse_file(label, what, error)


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a pipe waits until something writes to it, perhaps for ever. Windows has no such flag.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_file(label: str, what: str, error: OSError | ValueError) -> NoReturn:
    """Raise the PhotoError that explains the error. ValueError: a null character in the name."""
    # For a folder, Windows says "permission denied".
    if isinstance(error, OSError) and os.path.isdir(label):
        raise MissingPhotoError(label, f"is a folder: name a {what} in it") from error
    if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):
        raise MissingPhotoError(label, "there is no such file: check the name") from error
    why = error.strerror or type(error).__name__
    raise UnreadablePhotoError(
        label, f"the system does not let it be read ({why}): check its permissions"
    ) from error
