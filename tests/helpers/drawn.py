"""What a picture says."""

from __future__ import annotations

from typing import Any

import pytest

from facematch.pictures import draw
from facematch.pictures.canvas import Sheet


def written_words(monkeypatch: pytest.MonkeyPatch, result: object, **options: Any) -> list[str]:
    """The lines that the picture of a result has, in the order they were drawn."""
    return [words for words, _ in written(monkeypatch, result, **options)]


def written(
    monkeypatch: pytest.MonkeyPatch, result: object, **options: Any
) -> list[tuple[str, int]]:
    """The lines that the picture of a result has, and how large their letters were meant to be."""
    lines: list[tuple[str, int]] = []
    write = Sheet.write

    def note(self: Sheet, words: str, place: Any, size: int, **more: Any) -> None:
        lines.append((words, size))
        write(self, words, place, size, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Sheet, "write", note)
        draw(result, **options)
    return lines
