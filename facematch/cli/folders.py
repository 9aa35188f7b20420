"""The photos in the folders that a command is given, and one line on what was passed over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import typer

from facematch.errors import FacematchError

# What the command that runs has passed over so far.
_PASSED_OVER: ContextVar[Counter[str] | None] = ContextVar("facematch_passed_over", default=None)


@contextmanager
def passed_over_told() -> Iterator[None]:
    """At the end of a command, say in one line on stderr what it passed over in all folders.

    A command that fails says why it fails, and no more.
    """
    counts: Counter[str] = Counter()
    token = _PASSED_OVER.set(counts)
    try:
        yield
    except FacematchError:
        counts.clear()
        raise
    finally:
        _PASSED_OVER.reset(token)
        if counts:
            from facematch.photos.listing import passed_over_words

            typer.echo(f"passed over in folders: {passed_over_words(counts)}", err=True)


def photos_given(path: str | os.PathLike[str], *, or_none: bool = False) -> list[str]:
    """The photos that a path stands for, as `list_photos` gives them, and the rest counted.

    `or_none` lets a folder be without photos.
    """
    from facematch.photos.listing import list_folder, some_photos

    listing = list_folder(path)
    if not or_none:
        some_photos(path, listing)
    counts = _PASSED_OVER.get()
    if counts is not None:
        counts.update(listing.passed_over)
    return listing.photos
