"""Arrays in .npz archives: written, and read within limits.

Arrays of objects are refused, because reading them would run pickle.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ARCHIVE_BYTES = 64 * 2**20  # packed and unpacked; the largest that ships has 17 MB
# What zipfile and numpy raise for damaged archives, found by damaging some: RuntimeError for an
# entry that is encrypted or packed in an unknown way, MemoryError for a wrong shape.
_ARCHIVE_ERRORS = (
    ValueError, TypeError, OSError, EOFError, KeyError, RuntimeError, MemoryError, IndexError,
    OverflowError, SyntaxError, zipfile.BadZipFile, zlib.error, TokenError,
)  # fmt: skip


def pack_arrays(kind: str, arrays: Mapping[str, Any]) -> bytes:
    """An .npz of these arrays and its kind; the same arrays give the same bytes."""
    archive = io.BytesIO()
    np.savez(archive, kind=np.asarray(kind), **arrays)
    return archive.getvalue()


def read_arrays(archive: bytes) -> dict[str, NDArray[Any]]:
    """The arrays by name. Raises ValueError for other bytes, or for too large an archive."""
    size = len(archive)
    if size > MOST_ARCHIVE_BYTES:
        raise ValueError(f"{size:,} bytes, where at most {MOST_ARCHIVE_BYTES:,} make sense")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as entries:
            unpacked = sum(entry.file_size for entry in entries.infolist())
        if unpacked > MOST_ARCHIVE_BYTES:
            raise ValueError(f"it unpacks to {unpacked:,} bytes, which is more than makes sense")
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays}
    except _ARCHIVE_ERRORS as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
