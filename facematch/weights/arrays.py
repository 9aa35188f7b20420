"""Arrays in .npz archives, within bounds.

No pickle is ever read: an array of objects is refused.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_BYTES = 64 * 2**20  # of an archive, packed and unpacked; the largest shipped has 17 MB
# What zipfile and numpy raise for damaged archives, found by damaging some: RuntimeError for an
# entry encrypted or packed in an unknown way, MemoryError for a shape that is not true.
_DAMAGE = (
    ValueError, TypeError, OSError, EOFError, KeyError, RuntimeError, MemoryError, IndexError,
    OverflowError, SyntaxError, zipfile.BadZipFile, zlib.error, TokenError,
)  # fmt: skip


def read_arrays(archive: bytes) -> dict[str, NDArray[Any]]:
    """The arrays by name. Raises ValueError where this is no such archive, or too large a one."""
    if len(archive) > _MOST_BYTES:
        raise ValueError(f"{len(archive):,} bytes, where at most {_MOST_BYTES:,} make sense")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as entries:
            unpacked = sum(entry.file_size for entry in entries.infolist())
        if unpacked > _MOST_BYTES:
            raise ValueError(f"it unpacks to {unpacked:,} bytes, which is more than makes sense")
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays}
    except _DAMAGE as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
