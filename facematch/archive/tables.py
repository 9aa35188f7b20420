"""LanceDB tables of an index: their columns, the rows of a photo, SQL conditions, connections."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from facematch.archive.records import IndexedPhoto
from facematch.errors import ArchiveError, NoFaceError
from facematch.photos.dates import Span, date_in_name
from facematch.runtime.extras import require
from facematch.types import Box, Subject, Vectors

FORMAT = 1  # of the tables, and of what is searched for in a photo: raised when either changes
FACES_TABLE, FAILED_TABLE = "faces", "failed"
TABLE_KEYS = {FACES_TABLE: ["photo", "face"], FAILED_TABLE: ["photo"]}
WRITER_LOCK = "writer"  # a file that the writing process holds locked
FIRST_FACE = "face = 1"  # a condition: one row for each photo
FACE_COLUMNS = (
    "photo", "digest", "face", "faces_found", "box", "confidence", "landmarks", "warnings",
    "vector", "identity",
)  # fmt: skip
FILE_COLUMNS = ("photo", "digest", "bytes", "modified")


def face_rows(photos: Sequence[IndexedPhoto]) -> list[dict[str, Any]]:
    """The rows of the table "faces" for some photos."""
    return [
        {
            "photo": seen.photo,
            "digest": seen.digest,
            "bytes": seen.bytes,
            "modified": seen.modified,
            "taken": seen.taken,
            "face": face.subject.face,
            "faces_found": face.subject.faces_found,
            "box": face.subject.box,
            "confidence": face.subject.confidence,
            "landmarks": face.landmarks.ravel(),
            "warnings": face.warnings,
            "sharpness": face.sharpness,
            "vector": face.vector,
            "identity": face.identity,
            "comparable": face.comparable,
        }
        for seen in photos
        for face in seen.faces
    ]


def failed_rows(photos: Sequence[IndexedPhoto]) -> list[dict[str, Any]]:
    """The rows of the table "failed" for some photos: one for each photo without a face."""
    columns = (*FILE_COLUMNS, "code", "reason")
    return [{name: getattr(seen, name) for name in columns} for seen in photos if not seen.faces]


def subject_of(row: Mapping[str, Any]) -> Subject:
    """The Subject of a row of the table "faces"."""
    box: Box = tuple(row["box"])
    return Subject(row["photo"], box, row["confidence"], row["face"], row["faces_found"])


def without_a_face(digest: str) -> str:
    """The condition for photos with this sha256 that were searched and show no face."""
    return f"digest = '{digest}' AND code = '{NoFaceError.code}'"


def all_of(*conditions: str | None) -> str | None:
    """One SQL condition of several; those that are None are left out. None where all are."""
    return " AND ".join(f"({each})" for each in conditions if each) or None


def photos_where(days: Span, without: Collection[str] = ()) -> str | None:
    """The condition for photos of these days, without those with these digests; None for all."""
    return all_of(
        None if days.first is None else f"taken >= DATE '{days.first}'",
        None if days.last is None else f"taken <= DATE '{days.last}'",
        f"NOT {is_one_of('digest', without)}" if without else None,
    )


def matrix(column: Any) -> Vectors:
    """A column of vectors as an array. Shapes: N rows -> (N, D) float32."""
    width = column.type.list_size
    return np.asarray(column.flatten(), np.float32).reshape(-1, width)


def table_schemas(engine: Mapping[str, str], sizes: tuple[int, int, int]) -> dict[str, Any]:
    """The Arrow schema of each table; `sizes` are those of vector, identity and comparable."""
    import pyarrow as arrow

    file = [
        ("photo", arrow.string()), ("digest", arrow.string()),
        ("bytes", arrow.int64()), ("modified", arrow.int64()),
    ]  # fmt: skip
    vector, identity, comparable = (arrow.list_(arrow.float32(), size) for size in sizes)
    face = [
        ("taken", arrow.date32()), ("face", arrow.int32()), ("faces_found", arrow.int32()),
        ("box", arrow.list_(arrow.float64(), 4)), ("confidence", arrow.float64()),
        ("landmarks", arrow.list_(arrow.float32(), 10)), ("warnings", arrow.list_(arrow.string())),
        ("sharpness", arrow.float32()),
        ("vector", vector), ("identity", identity), ("comparable", comparable),
    ]  # fmt: skip
    made = {"facematch": json.dumps({"format": str(FORMAT), **engine})}
    return {
        FACES_TABLE: arrow.schema([*file, *face], metadata=made),
        FAILED_TABLE: arrow.schema(
            [*file, ("code", arrow.string()), ("reason", arrow.string())], metadata=made
        ),
    }


def dated_by_name(photo: str) -> dict[str, date]:
    """The date in a photo's name, to replace the stored one; nothing where the name has none."""
    day = date_in_name(Path(photo).name)
    return {} if day is None else {"taken": day}


def engine_of(where: str, metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """The engine that made an index. Raises ArchiveError for another program's database."""
    try:
        made = json.loads((metadata or {})[b"facematch"])
        return {str(name): str(value) for name, value in made.items()}
    except (KeyError, ValueError, AttributeError) as error:
        raise ArchiveError(f"{where} is another program's database: name another --db") from error


def check_engine(where: str, made: Mapping[str, str], engine: Mapping[str, str] | None) -> None:
    """Raise ArchiveError that names all_of where they are not the same; templates never mix."""
    wanted = {**(made if engine is None else engine), "format": str(FORMAT)}
    differing = [name for name in {**made, **wanted} if made.get(name) != wanted.get(name)]
    if differing:
        then, now = (
            ", ".join(f"{name} {each.get(name)}" for name in differing) for each in (made, wanted)
        )
        raise ArchiveError(f"{where} was made with {then}, this is {now}: name another --db")


def connect(where: str) -> Any:
    """The LanceDB database in that place. Raises ArchiveError for a place that cannot hold one."""
    if where.startswith("file:"):
        raise ArchiveError(f"{where}: name the folder itself, without file:")
    if where.startswith("db://"):
        raise ArchiveError(f"{where}: an index lies in a folder or on object storage, on no server")
    lancedb = require_lancedb()
    if is_folder(where) and os.path.exists(where) and not os.path.isdir(where):
        raise ArchiveError(f"{where} is a file: name a folder with --db")
    with errors_mapped(where):
        return lancedb.connect(where)


def require_lancedb() -> Any:
    """The module lancedb. Raises MissingExtraError where it is not installed."""
    return require("lancedb", "LanceDB", "archive", "an index of faces")


def no_index(where: str) -> ArchiveError:
    """The error for a place without an index."""
    return ArchiveError(f"{where}: there is no such index: `facematch index PHOTOS --db` makes one")


def table_names(database: Any) -> list[str]:
    """The names of a database's tables."""
    return list(database.list_tables().tables)


def is_folder(where: str) -> bool:
    """Whether a place is a folder, and not an address of object storage."""
    return "://" not in where


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter.

    Raises ArchiveError where it holds other files, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        theirs = {each.name for each in folder.iterdir()} - {
            WRITER_LOCK, *(f"{name}.lance" for name in TABLE_KEYS),
        }  # fmt: skip
        if theirs:
            raise ArchiveError(f"{folder} holds other files ({min(theirs)}): name a new folder")
        folder.chmod(0o700)
    except OSError as error:
        raise ArchiveError(
            f"{folder} cannot be made ({error.strerror}): name another place"
        ) from error


@contextmanager
def errors_mapped(where: str) -> Iterator[None]:
    """Raise errors of LanceDB and Arrow as ArchiveError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArchiveError(f"{where} cannot be used as an index ({first})") from error


def is_one_of(column: str, values: Iterable[str]) -> str:
    """An SQL condition."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(values))
    return f"{column} IN ({quoted})"


def batches_of(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """The values, at most `size` at a time."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
