"""What an index holds: photos, the faces found in them, and why some photos have none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from facematch.types import Points, Subject


@dataclass(frozen=True, slots=True, eq=False)
class IndexedFace:
    """A face in an index, and its vectors.

    `vector` (D,) is the embedder's. `identity` (E,) tells people apart. `comparable` (K,) is what
    nearest-neighbour search compares: its cosines compare relatives. Landmarks and box are in
    pixels of the photo's file.
    """

    subject: Subject
    landmarks: Points
    warnings: tuple[str, ...]
    sharpness: float
    vector: NDArray[np.float32]
    identity: NDArray[np.float32]
    comparable: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class IndexedPhoto:
    """A photo that was searched: its file as it was then, and the faces, or why there are none.

    `modified` is the file's time in nanoseconds; `code` and `reason` are those of Skipped.
    """

    photo: str
    digest: str
    bytes: int
    modified: int
    taken: date | None = None
    faces: tuple[IndexedFace, ...] = ()
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """A photo that an index holds, and its file as it was when it was searched."""

    photo: str
    digest: str
    bytes: int
    modified: int
    failed: bool
