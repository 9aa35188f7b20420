"""Every face of an archive, in LanceDB tables in a folder or on object storage (extra [archive]).

One row a face in the table "faces", one row a photo that gave none in the table "failed". Every
write is one commit of LanceDB's: whoever dies while writing leaves the rows of the commit before.
The tables hold face templates, so they exist only where the user names them, in a folder that its
owner alone may enter.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facematch.errors import ArchiveError, NoFaceError
from facematch.photos.dates import Span, date_in_name
from facematch.runtime.extras import require
from facematch.scoring.cosine import unit_rows
from facematch.scoring.resemblance import ResemblanceModel, comparable
from facematch.types import Box, Face, Photo, Points, StoredFace, Subject, Vectors

FORMAT = 1  # of the tables, and of what is looked for in a photo: raised when either changes
_FACES, _FAILED = "faces", "failed"
_KEYS = {_FACES: ["photo", "face"], _FAILED: ["photo"]}
_WRITER = "writer"  # a file that whoever writes holds locked
_NAMED = 500  # photos named in one condition
_PARTS = 32  # small files of a table that are made one
_ROWS = 2000  # read at a time
FIRST_FACE = "face = 1"
FACE_COLUMNS = (
    "photo", "digest", "face", "faces_found", "box", "confidence", "landmarks", "warnings",
    "vector", "identity",
)  # fmt: skip
# Faces from which on an index is searched approximately: a pass over fewer takes seconds.
LARGE = 100_000
# Times as many faces as are wanted, the nearest, hold those that are most alike: of FIW's 15,822,
# 4,000 held 200 for each of 40 people asked for.
OVERSAMPLING = 20
_INDEXED, _INDEX = "comparable", "parts_"  # the column, and the name before the number of parts
_SAMPLED = 32  # faces for each part that the parts are found from
_PARTITION = 600  # faces in a part of the index, of which some are searched
_PROBED = 0.2  # share of the parts that are searched: `benchmarks/bench_index.py` prints recall
_KNOWN = ("photo", "digest", "bytes", "modified")


@dataclass(frozen=True, slots=True, eq=False)
class IndexedFace:
    """A face as it is kept: what was found, and its vectors.

    `vector` (D,) is the embedder's, `identity` (E,) tells people apart, `comparable` (K,) is what
    is searched by: its cosines compare relatives. Landmarks and box are in pixels of the file.
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
    """A photo that was looked at: its file as it was then, and the faces, or why there are none.

    `modified` is the file's time in nanoseconds, `code` and `reason` are those of Skipped.
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
    """A photo that an index holds, as its file was when it was looked at."""

    photo: str
    digest: str
    bytes: int
    modified: int
    failed: bool


class Index:
    """The tables in one place. One process writes at a time, in a folder; any number may read.

    On object storage nothing keeps two from writing at once: let only one. Who reads while old
    versions are destroyed may have to begin again. Raises ArchiveError where there is no such
    index, or it cannot be used, MissingExtraError where LanceDB is not installed.
    """

    def __init__(self, where: str | os.PathLike[str], engine: Mapping[str, str] | None = None):
        """Open what `Index.make` made; refuse it where another engine did, if `engine` is given."""
        self.where = os.fspath(where)
        if _is_folder(self.where) and not os.path.exists(self.where):
            raise _no_index(self.where)  # to connect would make the folder
        self._database = _connected(self.where)
        with self._mapped():
            if _FACES not in _names(self._database) or _FAILED not in _names(self._database):
                raise _no_index(self.where)
            self._tables = {name: self._database.open_table(name) for name in _KEYS}
        self.engine = _engine_of(self.where, self._tables[_FACES].schema.metadata)
        _check_engine(self.where, self.engine, engine)

    @classmethod
    def make(
        cls, where: str | os.PathLike[str], engine: Mapping[str, str], sizes: tuple[int, int, int]
    ) -> Index:
        """The index in that place, made where there is none.

        `sizes` are the dimensions of vector, identity and comparable.
        """
        place = os.fspath(where)
        _lancedb()  # before anything is made
        if _is_folder(place):
            _make_private(Path(place))
        database = _connected(place)
        with _mapped(place):
            there = _names(database)
            for name, schema in _schemas(engine, sizes).items():
                if name not in there:
                    database.create_table(name, schema=schema)
        return cls(place, engine)

    # --- what it holds ---

    def known(self) -> Iterator[PhotoRecord]:
        """Every photo, those that failed too, in one pass over the tables."""
        for name, where in ((_FACES, FIRST_FACE), (_FAILED, None)):
            for batch in self._batches(name, _KNOWN, where):
                for row in batch.to_pylist():
                    yield PhotoRecord(**row, failed=name == _FAILED)

    def rows(self, columns: Sequence[str], where: str | None = None) -> Iterator[Any]:
        """The faces, some thousand at a time, as Arrow record batches of these columns."""
        return self._batches(_FACES, columns, where)

    def largest(self, digest: str) -> StoredFace | None:
        """The largest face of the photo with that sha256, None where the index does not hold it."""
        where = both(f"digest = '{digest}'", FIRST_FACE)
        columns = ("box", "confidence", "faces_found", "warnings", "vector")
        for row in self._first(_FACES, columns, where):
            return StoredFace(
                box=tuple(row["box"]),
                confidence=row["confidence"],
                faces_found=row["faces_found"],
                warnings=tuple(row["warnings"]),
                vector=np.array(row["vector"], np.float32),
            )
        for row in self._first(_FAILED, ("reason",), _without_a_face(digest)):
            return StoredFace(reason=row["reason"])
        return None

    def faces(self, photo: Photo) -> list[Face] | None:
        """All faces of a photo, largest first, in its pixels; None where the index lacks it."""
        columns = ("photo", "face", "box", "confidence")
        rows = self._first(_FACES, columns, f"digest = '{photo.digest}'", most=None)
        if not rows:
            failed = self._first(_FAILED, ("photo",), _without_a_face(photo.digest))
            return [] if failed else None
        of_one_copy = sorted(
            (row for row in rows if row["photo"] == rows[0]["photo"]),
            key=lambda row: int(row["face"]),
        )
        boxes = np.array([row["box"] for row in of_one_copy]).reshape(-1, 4) * photo.scale
        return [
            Face(tuple(box), row["confidence"])
            for row, box in zip(of_one_copy, boxes.tolist(), strict=True)
        ]

    def put_largest(self, digest: str, face: StoredFace) -> None:
        """Nothing: only `index_photos` fills an index."""

    def put_faces(self, photo: Photo, faces: Sequence[Face]) -> None:
        """Nothing: only `index_photos` fills an index."""

    def close(self) -> None:
        """Nothing: an index keeps no file open between reads."""

    def failed(self) -> Iterator[dict[str, Any]]:
        """The photos that gave no face: photo, code and reason."""
        for batch in self._batches(_FAILED, ("photo", "code", "reason")):
            yield from batch.to_pylist()

    def count(self, where: str | None = None) -> int:
        """How many faces there are, of those that the condition holds for."""
        with self._mapped():
            return int(self._tables[_FACES].count_rows(where))

    def faults(self) -> Iterator[tuple[str, str]]:
        """Photos whose rows are not what a run writes, each with what is wrong."""
        seen: dict[str, int] = {}
        for batch in self.rows(("photo", "face", "faces_found", "vector")):
            lengths = np.linalg.norm(matrix(batch["vector"]).astype(np.float64), axis=1)
            rows = batch.drop_columns(["vector"]).to_pylist()
            for row, length in zip(rows, lengths, strict=True):
                photo = row["photo"]
                # Of n faces, 1 to n: n rows that sum to n (n + 1) / 2.
                found = row["faces_found"]
                seen[photo] = seen.get(photo, found * (found + 1) // 2) - row["face"]
                if not (np.isfinite(length) and length > 0):
                    yield photo, "a vector says nothing"
        for photo, rest in seen.items():
            if rest:
                yield photo, "faces are missing or twice there"
        for failed in self.failed():
            if failed["photo"] in seen:
                yield failed["photo"], "is among the failed, too"

    @property
    def bytes_on_disk(self) -> int | None:
        """What its files hold, None on object storage."""
        if not _is_folder(self.where):
            return None
        return sum(file.stat().st_size for file in Path(self.where).rglob("*") if file.is_file())

    @property
    def is_large(self) -> bool:
        """Whether it is searched approximately."""
        with self._mapped():
            return self.count() >= LARGE and self._searchable_parts > 0

    def nearest(
        self, query: Vectors, most: int, columns: Sequence[str], where: str | None = None
    ) -> Any:
        """The faces whose `comparable` lies nearest to the query (K,), about, as an Arrow batch."""
        with self._mapped():
            probed = max(round(self._searchable_parts * _PROBED), 20)
            search = self._tables[_FACES].search(query, vector_column_name=_INDEXED)
            search = search.distance_type("cosine").nprobes(probed)
            if where is not None:
                search = search.where(where, prefilter=True)
            found = search.limit(most).select([*columns, "_distance"]).to_arrow()
            return found.combine_chunks().to_batches()[0] if found.num_rows else found

    # --- writing ---

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing; raises ArchiveError where one does."""
        if not _is_folder(self.where):
            yield  # object storage has no locks: LanceDB's commits alone keep its tables whole
            return
        import sqlite3

        # A lock that the system lets go of when its holder dies, on every system.
        file = Path(self.where) / _WRITER
        file.touch(0o600)
        with closing(sqlite3.connect(file, timeout=0)) as lock:
            try:
                lock.execute("PRAGMA journal_mode = MEMORY")  # no second file
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise ArchiveError(f"{self.where} is being written by another: wait") from error
            with self._mapped():
                for table in self._all:
                    table.checkout_latest()
            yield

    def add(self, photos: Sequence[IndexedPhoto]) -> None:
        """Keep photos that the index does not hold yet. A photo's rows come in one commit."""
        import pyarrow

        for name, rows in ((_FACES, _face_rows(photos)), (_FAILED, _failed_rows(photos))):
            if rows:
                with self._mapped():
                    table = self._tables[name]
                    table.add(pyarrow.Table.from_pylist(rows, schema=table.schema))

    def carry(self, files: Mapping[str, PhotoRecord]) -> set[str]:
        """Let photos have the rows of others of the same content; gives those it had rows for.

        `files` has each photo's digest, and its file as it is now. Their own rows are replaced.
        """
        done: set[str] = set()
        for some in _parts(files, _NAMED):
            rest = {photo: files[photo] for photo in some}
            # Both are read before either is written: photos may have changed names with each other.
            found = {name: self._rows_for(name, rest) for name in _KEYS}
            for name, rows in found.items():
                rows = [row for row in rows if row["photo"] not in done]
                done |= self._replace(name, rows)
        return done

    def remove(self, photos: Iterable[str]) -> int:
        """Take photos out; gives how many faces went. What is deleted stays in old versions.

        `compact` destroys those.
        """
        before = self.count()
        self._delete("photo", photos)
        return before - self.count()

    def forget(self, photos: Collection[str], digests: Collection[str]) -> int:
        """Take photos out by name or content and destroy what was kept; gives the faces gone."""
        before = self.count()
        self._delete("photo", photos)
        self._delete("digest", digests)
        self.compact()
        return before - self.count()

    def optimize(self) -> None:
        """What is worth doing now and then: few files, and an index of what has become large."""
        with self._mapped():
            small = [table.stats()["fragment_stats"]["num_small_fragments"] for table in self._all]
            if max(small) > _PARTS:
                self._optimize()
            count = self.count()
            if count >= LARGE and count >= 2 * _PARTITION * self._searchable_parts:
                self._make_searchable()

    def compact(self) -> None:
        """Make few large files of many small ones, and destroy all that was ever removed."""
        faces = self._tables[_FACES]
        with self._mapped():
            was_searchable = self._searchable_parts > 0
            for each in faces.list_indices():
                faces.drop_index(each.name)  # it holds what was removed, too
            self._optimize()
            for table in self._all:
                if int(table.list_versions()[-1]["metadata"]["total_deletion_file_rows"]):
                    # LanceDB rewrites a file only where a tenth of it is gone, or if it changes.
                    table.update(where="true", values_sql={"photo": "photo"})
            self._optimize()
            if was_searchable:
                self._make_searchable()

    # --- inside ---

    def _first(
        self, name: str, columns: Sequence[str], where: str | None, most: int | None = 1
    ) -> list[dict[str, Any]]:
        with self._mapped():
            query = self._tables[name].search().select(list(columns)).where(where).limit(most)
            return list(query.to_arrow().to_pylist())

    def _delete(self, column: str, values: Iterable[str]) -> None:
        with self._mapped():
            for some in _parts(values, _NAMED):
                where = _is_one_of(column, some)
                for table in self._all:
                    if table.count_rows(where):  # else it would note what was asked for
                        table.delete(where)

    def _optimize(self) -> None:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of those who read an older version now
            for table in self._all:
                table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)

    @property
    def _searchable_parts(self) -> int:
        """The parts of the index of what is searched by; 0 where there is none."""
        names = [each.name for each in self._tables[_FACES].list_indices()]
        return max((int(name.removeprefix(_INDEX)) for name in names), default=0)

    def _make_searchable(self) -> None:
        from lancedb.index import IvfSq

        faces = self._tables[_FACES]
        old = [each.name for each in faces.list_indices()]
        parts = max(self.count() // _PARTITION, 1)
        kind = IvfSq(distance_type="cosine", num_partitions=parts, sample_rate=_SAMPLED)
        faces.create_index(_INDEXED, config=kind, name=f"{_INDEX}{parts}")
        for name in {*old} - {f"{_INDEX}{parts}"}:
            faces.drop_index(name)
            self._optimize()

    def _rows_for(self, name: str, files: Mapping[str, PhotoRecord]) -> list[dict[str, Any]]:
        """Rows for these files, of photos with their content."""
        alike: dict[str, dict[int, dict[str, Any]]] = {}
        where = _is_one_of("digest", {known.digest for known in files.values()})
        for batch in self._batches(name, self._tables[name].schema.names, where):
            for row in batch.to_pylist():
                alike.setdefault(row["digest"], {}).setdefault(row.get("face", 1), row)
        return [
            {**row, "photo": photo, "bytes": known.bytes, "modified": known.modified, **_day(photo)}
            for photo, known in files.items()
            for row in alike.get(known.digest, {}).values()
        ]

    def _replace(self, name: str, rows: Sequence[dict[str, Any]]) -> set[str]:
        """Let these be all rows of their photos, which it gives."""
        import pyarrow

        photos = {row["photo"] for row in rows}
        if photos:
            theirs = _is_one_of("photo", photos)
            with self._mapped():
                table = self._tables[name]
                merge = table.merge_insert(_KEYS[name])
                merge = merge.when_matched_update_all().when_not_matched_insert_all()
                merge = merge.when_not_matched_by_source_delete(theirs)
                merge.execute(pyarrow.Table.from_pylist(list(rows), schema=table.schema))
                for other in _KEYS.keys() - {name}:
                    self._tables[other].delete(theirs)
        return photos

    def _batches(
        self, name: str, columns: Sequence[str], where: str | None = None
    ) -> Iterator[Any]:
        with self._mapped():
            query = self._tables[name].search().select(list(columns))
            if where is not None:
                query = query.where(where)
            yield from query.to_batches(_ROWS)

    @property
    def _all(self) -> list[Any]:
        return list(self._tables.values())

    def _mapped(self) -> Any:
        return _mapped(self.where)


def _face_rows(photos: Sequence[IndexedPhoto]) -> list[dict[str, Any]]:
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


def _failed_rows(photos: Sequence[IndexedPhoto]) -> list[dict[str, Any]]:
    columns = (*_KNOWN, "code", "reason")
    return [{name: getattr(seen, name) for name in columns} for seen in photos if not seen.faces]


def subject_of(row: Mapping[str, Any]) -> Subject:
    """Who a row of the faces is."""
    box: Box = tuple(row["box"])
    return Subject(row["photo"], box, row["confidence"], row["face"], row["faces_found"])


def _without_a_face(digest: str) -> str:
    return f"digest = '{digest}' AND code = '{NoFaceError.code}'"


def both(*conditions: str | None) -> str | None:
    """One condition of several, those that are None left out."""
    return " AND ".join(f"({each})" for each in conditions if each) or None


def photos_where(days: Span, without: Collection[str] = ()) -> str | None:
    """The condition for photos of these days, without those of such content; None for all."""
    return both(
        None if days.first is None else f"taken >= DATE '{days.first}'",
        None if days.last is None else f"taken <= DATE '{days.last}'",
        f"NOT {_is_one_of('digest', without)}" if without else None,
    )


def matrix(column: Any) -> Vectors:
    """A column of vectors as an array. Shapes: N rows -> (N, D) float32."""
    width = column.type.list_size
    return np.asarray(column.flatten(), np.float32).reshape(-1, width)


def searched_vectors(model: ResemblanceModel | None, vectors: Vectors) -> Vectors:
    """The unit rows that nearest-neighbour search compares. Shapes: (N, D) -> (N, K)."""
    if model is None:
        return unit_rows(vectors)
    return np.asarray(comparable(vectors, model.mean, model.transform), np.float32)


def _schemas(engine: Mapping[str, str], sizes: tuple[int, int, int]) -> dict[str, Any]:
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
        _FACES: arrow.schema([*file, *face], metadata=made),
        _FAILED: arrow.schema(
            [*file, ("code", arrow.string()), ("reason", arrow.string())], metadata=made
        ),
    }


def _day(photo: str) -> dict[str, date]:
    """When a photo was taken, where its name says so; else what was known stays."""
    day = date_in_name(Path(photo).name)
    return {} if day is None else {"taken": day}


def _engine_of(where: str, metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    try:
        made = json.loads((metadata or {})[b"facematch"])
        return {str(name): str(value) for name, value in made.items()}
    except (KeyError, ValueError, AttributeError) as error:
        raise ArchiveError(f"{where} is another program's database: name another --db") from error


def _check_engine(where: str, made: Mapping[str, str], engine: Mapping[str, str] | None) -> None:
    """Raise ArchiveError that names both where they are not the same; templates never mix."""
    wanted = {**(made if engine is None else engine), "format": str(FORMAT)}
    differing = [name for name in {**made, **wanted} if made.get(name) != wanted.get(name)]
    if differing:
        then, now = (
            ", ".join(f"{name} {each.get(name)}" for name in differing) for each in (made, wanted)
        )
        raise ArchiveError(f"{where} was made with {then}, this is {now}: name another --db")


def _connected(where: str) -> Any:
    if where.startswith("file:"):
        raise ArchiveError(f"{where}: name the folder itself, without file:")
    if where.startswith("db://"):
        raise ArchiveError(f"{where}: an index lies in a folder or on object storage, on no server")
    lancedb = _lancedb()
    if _is_folder(where) and os.path.exists(where) and not os.path.isdir(where):
        raise ArchiveError(f"{where} is a file: name a folder with --db")
    with _mapped(where):
        return lancedb.connect(where)


def _lancedb() -> Any:
    return require("lancedb", "LanceDB", "archive", "an index of faces")


def _no_index(where: str) -> ArchiveError:
    return ArchiveError(f"{where}: there is no such index: `facematch index PHOTOS --db` makes one")


def _names(database: Any) -> list[str]:
    return list(database.list_tables().tables)


def _is_folder(where: str) -> bool:
    return "://" not in where


def _make_private(folder: Path) -> None:
    """A folder that its owner alone may enter. Raises ArchiveError where it holds other things."""
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        theirs = {each.name for each in folder.iterdir()} - {
            _WRITER, *(f"{name}.lance" for name in _KEYS),
        }  # fmt: skip
        if theirs:
            raise ArchiveError(f"{folder} holds other files ({min(theirs)}): name a new folder")
        folder.chmod(0o700)
    except OSError as error:
        raise ArchiveError(
            f"{folder} cannot be made ({error.strerror}): name another place"
        ) from error


@contextmanager
def _mapped(where: str) -> Iterator[None]:
    """What LanceDB and Arrow raise as an ArchiveError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArchiveError(f"{where} cannot be used as an index ({first})") from error


def _is_one_of(column: str, values: Iterable[str]) -> str:
    """An SQL condition."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(values))
    return f"{column} IN ({quoted})"


def _parts(values: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
