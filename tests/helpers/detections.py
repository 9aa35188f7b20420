"""Faces that the default detector found in a photo, kept for the tests that come after."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from facematch.detection.mmod import MmodDetector
    from facematch.types import Face, Pixels

# The method, the photo's sha256 and shape, the smallest face.
Key = tuple[str, bytes, tuple[int, ...], float | None]
Search = Callable[..., "list[Face]"]


class Detections:
    """Most tests ask about the same ten photos of samples/; a search takes half a second."""

    def __init__(self) -> None:
        self.used = True
        self._known: dict[Key, tuple[Face, ...]] = {}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While `used`, MmodDetector searches no photo twice with the same options."""
        from facematch.detection.mmod import MmodDetector

        with pytest.MonkeyPatch.context() as patch:
            for name in ("detect", "detect_largest"):
                search = self._kept_search(name, getattr(MmodDetector, name))
                patch.setattr(MmodDetector, name, search)
            yield

    def _kept_search(self, name: str, search: Search) -> Search:
        known = self._known

        def kept_search(
            detector: MmodDetector, pixels: Pixels, *, min_face: float | None = None
        ) -> list[Face]:
            if not self.used:
                return search(detector, pixels, min_face=min_face)
            digest = hashlib.sha256(pixels.tobytes()).digest()
            key = (name, digest, pixels.shape, min_face)
            if key not in known:
                known[key] = tuple(search(detector, pixels, min_face=min_face))
            return list(known[key])

        return kept_search
