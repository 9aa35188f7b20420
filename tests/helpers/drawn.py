"""What a picture says."""

from __future__ import annotations

from typing import Any

import pytest

from facematch.pictures import draw
from facematch.pictures.canvas import Sheet


def written_words(monkeypatch: pytest.MonkeyPatch, result: object, **options: Any) -> list[str]:
    """The lines that the picture of a result has, in the order they were drawn."""
    lines: list[str] = []
    write = Sheet.write

    def note(self: Sheet, words: str, *rest: Any, **more: Any) -> None:
        lines.append(words)
        write(self, words, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Sheet, "write", note)
        draw(result, **options)
    return lines
