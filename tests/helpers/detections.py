"""Faces that the default detector found in a photo, kept for the tests that come after."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from facematch.detection.mmod import MmodDetector
    from facematch.types import Face, Pixels

Key = tuple[bytes, tuple[int, ...], float | None]  # sha256, shape, smallest face


class Detections:
    """Most tests ask about the same ten photos of samples/; a search takes half a second."""

    def __init__(self) -> None:
        self.used = True
        self._known: dict[Key, tuple[Face, ...]] = {}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While `used`, MmodDetector searches no photo twice with the same options."""
        from facematch.detection.mmod import MmodDetector

        search, known = MmodDetector.detect, self._known

        def detect(
            detector: MmodDetector, pixels: Pixels, *, min_face: float | None = None
        ) -> list[Face]:
            if not self.used:
                return search(detector, pixels, min_face=min_face)
            digest = hashlib.sha256(pixels.tobytes()).digest()
            key = (digest, pixels.shape, min_face)
            if key not in known:
                known[key] = tuple(search(detector, pixels, min_face=min_face))
            return list(known[key])

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MmodDetector, "detect", detect)
            yield
