"""What was found in photos before, in one SQLite file, so that a second run need not look again.

It holds face templates, so it exists only where the user names it. Photos are known by the sha256
of their content, never by name; an entry belongs to the engine that made it, its weights and its
settings, and another engine does not see it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facematch.errors import CacheError
from facematch.types import Box, Face

if TYPE_CHECKING:
    import sqlite3

MOST_ENTRIES = 1_000_000  # some 1 GB; the longest unused go first
_TIMEOUT = 60  # seconds to wait for another process that writes
_APPLICATION = 0x666D6361  # marks the file as ours, in SQLite's own header
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS faces (
        engine TEXT NOT NULL, photo TEXT NOT NULL, used INTEGER NOT NULL,
        entry TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (engine, photo)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_use ON faces (used)
"""
_COUNTED_EVERY = 1000  # entries put: other processes put some too


@dataclass(frozen=True, slots=True, eq=False)
class StoredFace:
    """The largest face of a photo, as it was embedded; or, with `reason`, why there is none.

    Or, for whoever looks at every face, where all of them are: `of_faces`.
    """

    box: Box = (0.0, 0.0, 0.0, 0.0)
    confidence: float = 0.0
    faces_found: int = 0
    warnings: tuple[str, ...] = ()
    vector: NDArray[np.float32] | None = None
    reason: str = ""

    @classmethod
    def of_faces(cls, faces: Sequence[Face]) -> StoredFace:
        """Where faces are and how sure that is, to the last bit, and nothing else of them."""
        exact = np.array([(*face.box, face.confidence) for face in faces], np.float64)
        return cls(faces_found=len(faces), vector=exact.ravel().view(np.float32))

    def faces(self) -> list[Face]:
        """What `of_faces` was given, without landmarks."""
        if self.vector is None:
            return []
        numbers = self.vector.view(np.float64).reshape(self.faces_found, 5).tolist()
        return [Face((one, two, three, four), sure) for one, two, three, four, sure in numbers]


class FaceCache:
    """Entries of one engine in a file. Threads may share it, and processes the file.

    Raises CacheError where the file is not such a cache, or cannot be used.
    """

    def __init__(self, path: Path, engine: str, *, most: int = MOST_ENTRIES) -> None:
        self._path, self._engine, self._most = path, engine, most
        self._lock = threading.Lock()
        self._database = _connect(path)
        self._touched: dict[str, int] = {}  # when an entry was last used, not yet written
        with self._used() as database:
            (self._clock,) = database.execute("SELECT ifnull(max(used), 0) FROM faces").fetchone()
            self._room = self._counted(database)

    def get(self, photo: str) -> StoredFace | None:
        """What is known of the photo with that sha256, None if nothing is."""
        with self._used() as database:
            row = database.execute(
                "SELECT entry, vector FROM faces WHERE engine = ? AND photo = ?",
                (self._engine, photo),
            ).fetchone()
            if row is None:
                return None
            self._clock += 1
            self._touched[photo] = self._clock
        return _entry(self._path, *row)

    def put(self, photo: str, entry: StoredFace) -> None:
        """Keep an entry, and let go of the longest unused beyond the limit."""
        fields = {
            "box": entry.box,
            "confidence": entry.confidence,
            "faces_found": entry.faces_found,
            "warnings": entry.warnings,
            "reason": entry.reason,
        }
        vector = b"" if entry.vector is None else entry.vector.astype("<f4").tobytes()
        with self._used() as database:
            self._clock += 1
            database.execute(
                "INSERT OR REPLACE INTO faces VALUES (?, ?, ?, ?, ?)",
                (self._engine, photo, self._clock, json.dumps(fields), vector),
            )
            self._room -= 1
            if self._room < 0:
                self._write_touched(database)
                self._room = self._counted(database)

    def close(self) -> None:
        """Write when entries were last used, and close the file."""
        try:
            with self._used() as database:
                self._write_touched(database)
        finally:
            self._database.close()

    def _counted(self, database: sqlite3.Connection) -> int:
        """How many entries may be put before they are counted again; too many are let go of."""
        (count,) = database.execute("SELECT count(*) FROM faces").fetchone()
        if count > self._most:
            kept = self._most - self._most // 100  # room for a while: counting takes long
            database.execute(
                "DELETE FROM faces WHERE used <= "
                "(SELECT used FROM faces ORDER BY used LIMIT 1 OFFSET ?)",
                (count - kept - 1,),
            )
            count = kept
        return min(self._most - int(count), _COUNTED_EVERY)

    def _write_touched(self, database: sqlite3.Connection) -> None:
        database.executemany(
            "UPDATE faces SET used = ? WHERE engine = ? AND photo = ?",
            [(used, self._engine, photo) for photo, used in self._touched.items()],
        )
        self._touched.clear()

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        import sqlite3

        with self._lock:
            try:
                with self._database:
                    yield self._database
            except sqlite3.Error as error:
                raise CacheError(f"{self._path} cannot be used as a cache ({error})") from error


def cache_entries(path: Path) -> int:
    """How many photos a cache knows, of all engines. Raises CacheError where it is none."""
    if not path.exists():
        raise CacheError(f"{path}: there is no such cache")
    with closing(_connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM faces").fetchone()[0])


def clear_cache(path: Path) -> int:
    """Forget everything; gives how many entries there were. The file stays, emptied.

    Raises CacheError where it is no cache: no other file is ever emptied.
    """
    return _forget(path, "DELETE FROM faces", [()])


def forget(path: Path, photos: Sequence[str]) -> int:
    """Forget some photos by their sha256, of all engines; gives how many entries there were.

    Raises CacheError where `path` is no cache.
    """
    return _forget(path, "DELETE FROM faces WHERE photo = ?", [(photo,) for photo in photos])


def _forget(path: Path, statement: str, rows: Sequence[tuple[str, ...]]) -> int:
    import sqlite3

    before = cache_entries(path)
    try:
        with closing(_connect(path)) as database:
            # Templates are overwritten, not just unlinked.
            database.execute("PRAGMA secure_delete = ON")
            with database:
                database.executemany(statement, rows)
            database.execute("VACUUM")
    except sqlite3.Error as error:
        raise CacheError(f"{path} cannot be used as a cache ({error})") from error
    return before - cache_entries(path)


def _connect(path: Path) -> sqlite3.Connection:
    import sqlite3

    _make_private(path)
    try:
        database = sqlite3.connect(path, timeout=_TIMEOUT, check_same_thread=False)
        try:
            # Tables first: whoever else is making the file just now marks it before it has any.
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (mark,) = database.execute("PRAGMA application_id").fetchone()
            if tables and mark != _APPLICATION:
                raise CacheError(f"{path} is another program's database: name another file")
            if not tables:
                database.execute(f"PRAGMA application_id = {_APPLICATION}")
                database.executescript(_SCHEMA)
        except BaseException:
            database.close()
            raise
    except sqlite3.Error as error:
        raise CacheError(f"{path} is no cache, or cannot be used as one ({error})") from error
    return database


def _make_private(path: Path) -> None:
    """An empty file that its owner alone may read, unless there is one; SQLite fills it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise CacheError(f"{path} cannot be made ({error.strerror}): name another place") from error


def _entry(path: Path, text: str, vector: bytes) -> StoredFace:
    try:
        fields = json.loads(text)
        x_min, y_min, x_max, y_max = fields["box"]
        return StoredFace(
            box=(x_min, y_min, x_max, y_max),
            confidence=float(fields["confidence"]),
            faces_found=int(fields["faces_found"]),
            warnings=tuple(map(str, fields["warnings"])),
            vector=np.frombuffer(vector, "<f4").astype(np.float32) if vector else None,
            reason=str(fields["reason"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CacheError(f"{path} is damaged ({error!r}): clear it") from error
