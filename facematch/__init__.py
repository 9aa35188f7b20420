"""facematch: who does this child look like?

from facematch import FaceMatcher
match = FaceMatcher().score("dad.jpg", "child.jpg")
print(match.score, match.cosine, match.likelihood_ratio, match.warnings)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facematch.errors import FacematchError, PhotoError
    from facematch.matcher import FaceMatcher
    from facematch.photos.limits import Limits
    from facematch.photos.reading import read_photo
    from facematch.types import (
        Comparison,
        Detector,
        Embedder,
        Face,
        Frame,
        Gallery,
        Match,
        Photo,
        Portrait,
        Skipped,
        Subject,
    )
    from facematch.video.clip import Clip
    from facematch.video.reader import ClipLimits

_HOMES = {
    "Clip": "video.clip",
    "ClipLimits": "video.reader",
    "ClipRoles": "video.both",
    "Comparison": "types",
    "Detector": "types",
    "Embedder": "types",
    "Face": "types",
    "FaceMatcher": "matcher",
    "FacematchError": "errors",
    "Frame": "types",
    "Gallery": "types",
    "Limits": "photos.limits",
    "Match": "types",
    "Photo": "types",
    "PhotoError": "errors",
    "Portrait": "types",
    "Skipped": "types",
    "Subject": "types",
    "read_photo": "photos.reading",
}

__all__ = [
    "Clip",
    "ClipLimits",
    "ClipRoles",
    "Comparison",
    "Detector",
    "Embedder",
    "Face",
    "FaceMatcher",
    "FacematchError",
    "Frame",
    "Gallery",
    "Limits",
    "Match",
    "Photo",
    "PhotoError",
    "Portrait",
    "Skipped",
    "Subject",
    "read_photo",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import facematch` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'facematch' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"facematch.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
