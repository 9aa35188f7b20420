"""What was found in photos before, in one SQLite file, so that a second run need not look again.

It holds face templates, so it exists only where the user names it. Photos are known by the sha256
of their content, never by name; an entry belongs to the engine that made it, its weights and its
settings, and another engine does not see it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facematch.engine import Engine
from facematch.errors import CacheError
from facematch.runtime.extras import installed_version
from facematch.types import Face, Photo, StoredFace

if TYPE_CHECKING:
    import sqlite3

MOST_ENTRIES = 1_000_000  # some 1 GB; the longest unused go first
_BUSY_TIMEOUT = 60  # seconds to wait for another process that writes
_APPLICATION = 0x666D6361  # marks the file as ours, in SQLite's own header
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS faces (
        engine TEXT NOT NULL, photo TEXT NOT NULL, used INTEGER NOT NULL,
        entry TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (engine, photo)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_use ON faces (used)
"""
_PUTS_PER_COUNT = 1000  # entries put until they are counted again: other processes put some too


class FaceCache:
    """A FaceStore in one SQLite file. Threads may share it, and processes the file.

    The file is opened when it is first used. Every method raises CacheError where the file is no
    such cache, or cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], engine: Engine, *, most: int = MOST_ENTRIES):
        """`most` entries are kept, the longest unused are deleted first."""
        self._path, self._most = Path(path), most
        self._largest_key = _engine_key(engine, engine.embedder.space)
        self._faces_key = _engine_key(engine, "faces")
        self._lock = threading.RLock()
        self._open: list[sqlite3.Connection] = []  # one, or none
        self._touched: dict[tuple[str, str], int] = {}  # when entries were used, not yet written
        self._clock = self._puts_left = 0
        weakref.finalize(self, _close_all, self._open)

    def largest(self, digest: str) -> StoredFace | None:
        """The largest face of the photo with that sha256, None where the photo is not known."""
        return self._get(self._largest_key, digest)

    def put_largest(self, digest: str, face: StoredFace) -> None:
        """Keep the largest face of a photo, and delete the longest unused beyond the limit."""
        self._put(self._largest_key, digest, face)

    def faces(self, photo: Photo) -> list[Face] | None:
        """All faces of a photo, in its pixels and without landmarks; None if it is not known."""
        entry = self._get(self._faces_key, photo.digest)
        if entry is None:
            return None
        if entry.vector is None:
            return []
        numbers = entry.vector.view(np.float64).reshape(entry.faces_found, 5).tolist()
        return [Face((left, top, right, low), sure) for left, top, right, low, sure in numbers]

    def put_faces(self, photo: Photo, faces: Sequence[Face]) -> None:
        """Keep boxes and confidences of a photo's faces, to the last bit."""
        exact = np.array([(*face.box, face.confidence) for face in faces], np.float64)
        entry = StoredFace(faces_found=len(faces), vector=exact.ravel().view(np.float32))
        self._put(self._faces_key, photo.digest, entry)

    def close(self) -> None:
        """Write when entries were last used, and close the file; the next use opens it again."""
        with self._lock:
            if not self._open:
                return
            try:
                with self._used() as database:
                    self._write_touched(database)
            finally:
                _close_all(self._open)

    def _get(self, key: str, digest: str) -> StoredFace | None:
        with self._used() as database:
            row = database.execute(
                "SELECT entry, vector FROM faces WHERE engine = ? AND photo = ?", (key, digest)
            ).fetchone()
            if row is None:
                return None
            self._clock += 1
            self._touched[key, digest] = self._clock
        return _entry(self._path, *row)

    def _put(self, key: str, digest: str, entry: StoredFace) -> None:
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
                (key, digest, self._clock, json.dumps(fields), vector),
            )
            self._puts_left -= 1
            if self._puts_left < 0:
                self._write_touched(database)
                self._puts_left = self._delete_unused(database)

    def _delete_unused(self, database: sqlite3.Connection) -> int:
        """Delete the longest unused beyond the limit; gives how many puts until the next count."""
        (count,) = database.execute("SELECT count(*) FROM faces").fetchone()
        if count > self._most:
            kept = self._most - self._most // 100  # counting takes long: leave some space
            database.execute(
                "DELETE FROM faces WHERE used <= "
                "(SELECT used FROM faces ORDER BY used LIMIT 1 OFFSET ?)",
                (count - kept - 1,),
            )
            count = kept
        return min(self._most - int(count), _PUTS_PER_COUNT)

    def _write_touched(self, database: sqlite3.Connection) -> None:
        database.executemany(
            "UPDATE faces SET used = ? WHERE engine = ? AND photo = ?",
            [(used, *entry) for entry, used in self._touched.items()],
        )
        self._touched.clear()

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        import sqlite3

        with self._lock:
            try:
                database = self._opened_database()
                with database:
                    yield database
            except sqlite3.Error as error:
                raise CacheError(f"{self._path} cannot be used as a cache ({error})") from error

    def _opened_database(self) -> sqlite3.Connection:
        if not self._open:
            database = _connect(self._path)
            self._open.append(database)
            with database:
                row = database.execute("SELECT ifnull(max(used), 0) FROM faces").fetchone()
                self._clock = int(row[0])
                self._puts_left = self._delete_unused(database)
        return self._open[0]


def _close_all(databases: list[sqlite3.Connection]) -> None:
    while databases:
        databases.pop().close()


def _engine_key(engine: Engine, what: str) -> str:
    """All that decides what is found in a photo: version, names, settings, weights."""
    parts = [
        installed_version(),
        engine.detector.name,
        what,
        engine.min_face,
        engine.weight_digests,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


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
        database = sqlite3.connect(path, timeout=_BUSY_TIMEOUT, check_same_thread=False)
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
