"""Matchers that tests share, so that a process reads each network once."""

from __future__ import annotations

from pathlib import Path

from facematch import FaceMatcher
from facematch.engine import OnPhoto
from helpers.fakes import ColourEmbedder, CountingDetector
from helpers.places import SAMPLES

matcher = FaceMatcher(min_face=60)  # several times faster than the default
FAMILY = [str(SAMPLES / f"{name}.png") for name in ("father", "mother", "son", "daughter")]


def own(
    *boxes: tuple[float, float, float, float],
    cache: Path | None = None,
    progress: OnPhoto | None = None,
) -> FaceMatcher:
    """A matcher of the fakes, which finds these boxes; needs no weights."""
    detector = CountingDetector(*(boxes or ((10, 10, 60, 60),)))
    return FaceMatcher(detector=detector, embedder=ColourEmbedder(), cache=cache, progress=progress)
