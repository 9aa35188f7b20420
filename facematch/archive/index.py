"""Every face of many photos, in LanceDB tables in a folder or on object storage (extra [archive]).

One row a face in the table "faces", one row a photo without a face in the table "failed". Every
write is one commit of LanceDB's, so a process that dies leaves the rows of the commit before. The
tables hold face templates: they exist only where the user names them, in a folder that only its
owner may enter.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from facematch.archive.records import IndexedPhoto, PhotoRecord
from facematch.archive.tables import (
    FACES_TABLE,
    FAILED_TABLE,
    FILE_COLUMNS,
    FIRST_FACE,
    TABLE_KEYS,
    WRITER_LOCK,
    all_of,
    batches_of,
    check_engine,
    connect,
    dated_by_name,
    engine_of,
    errors_mapped,
    face_rows,
    failed_rows,
    is_folder,
    is_one_of,
    make_private,
    matrix,
    no_index,
    require_lancedb,
    table_names,
    table_schemas,
    without_a_face,
)
from facematch.errors import ArchiveError
from facematch.scoring.resemblance import ResemblanceModel, comparable
from facematch.types import Face, Photo, StoredFace, Vectors, unit_rows

# An index of this many faces or more is searched approximately: a pass over fewer takes seconds.
LARGE = 100_000
# The nearest neighbours that are compared, for each face that is wanted: of FIW's 15,822 faces,
# 4,000 held the best 200 for each of 40 people.
OVERSAMPLING = 20
_SEARCHED_COLUMN = "comparable"
_SEARCH_INDEX = "parts_"  # the name of LanceDB's index, before its number of partitions
_SAMPLES_PER_PARTITION = 32  # faces that the partitions are found from
_FACES_PER_PARTITION = 600
_SHARE_SEARCHED = 0.2  # of the partitions: `benchmarks/bench_index.py` prints recall
_PHOTOS_PER_CONDITION = 500
_SMALL_FILES = 32  # small files of a table that are merged into one
_ROWS_PER_READ = 2000


class Index:
    """A FaceStore of every face of many photos, in one place.

    In a folder one process writes at a time, and any number may read. On object storage nothing
    keeps two processes from writing at once: start only one. A reader may have to start again when
    old versions are deleted meanwhile.

    Raises ArchiveError where there is no such index, or it cannot be used, MissingExtraError where
    LanceDB is not installed.
    """

    def __init__(self, where: str | os.PathLike[str], engine: Mapping[str, str] | None = None):
        """Open what `Index.make` made. With `engine`, refuse an index of another engine."""
        self.where = os.fspath(where)
        if is_folder(self.where) and not os.path.exists(self.where):
            raise no_index(self.where)  # to connect would make the folder
        self._database = connect(self.where)
        with self._mapped():
            if not TABLE_KEYS.keys() <= set(table_names(self._database)):
                raise no_index(self.where)
            self._tables = {name: self._database.open_table(name) for name in TABLE_KEYS}
        self.engine = engine_of(self.where, self._tables[FACES_TABLE].schema.metadata)
        check_engine(self.where, self.engine, engine)

    @classmethod
    def make(
        cls, where: str | os.PathLike[str], engine: Mapping[str, str], sizes: tuple[int, int, int]
    ) -> Index:
        """The index in that place, made where there is none.

        `sizes` are the dimensions of vector, identity and comparable.
        """
        place = os.fspath(where)
        require_lancedb()  # before anything is made
        if is_folder(place):
            make_private(Path(place))
        database = connect(place)
        with errors_mapped(place):
            there = table_names(database)
            for name, schema in table_schemas(engine, sizes).items():
                if name not in there:
                    database.create_table(name, schema=schema)
        return cls(place, engine)

    def known(self) -> Iterator[PhotoRecord]:
        """Every photo, those that failed too, in one pass over the tables."""
        for name, where in ((FACES_TABLE, FIRST_FACE), (FAILED_TABLE, None)):
            for batch in self._batches(name, FILE_COLUMNS, where):
                for row in batch.to_pylist():
                    yield PhotoRecord(**row, failed=name == FAILED_TABLE)

    def rows(self, columns: Sequence[str], where: str | None = None) -> Iterator[Any]:
        """The faces, two thousand at a time, as Arrow record batches of these columns."""
        return self._batches(FACES_TABLE, columns, where)

    def largest(self, digest: str) -> StoredFace | None:
        """The largest face of the photo with that sha256, None where the index does not hold it."""
        where = all_of(f"digest = '{digest}'", FIRST_FACE)
        columns = ("box", "confidence", "faces_found", "warnings", "vector")
        for row in self._first(FACES_TABLE, columns, where):
            return StoredFace(
                box=tuple(row["box"]),
                confidence=row["confidence"],
                faces_found=row["faces_found"],
                warnings=tuple(row["warnings"]),
                vector=np.array(row["vector"], np.float32),
            )
        for row in self._first(FAILED_TABLE, ("reason",), without_a_face(digest)):
            return StoredFace(reason=row["reason"])
        return None

    def faces(self, photo: Photo) -> list[Face] | None:
        """All faces of a photo, largest first, in its pixels; None where the index lacks it."""
        columns = ("photo", "face", "box", "confidence")
        rows = self._first(FACES_TABLE, columns, f"digest = '{photo.digest}'", most=None)
        if not rows:
            failed = self._first(FAILED_TABLE, ("photo",), without_a_face(photo.digest))
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
        for batch in self._batches(FAILED_TABLE, ("photo", "code", "reason")):
            yield from batch.to_pylist()

    def photos_with_faces(self) -> int:
        """How many photos gave at least one face."""
        return self.count(FIRST_FACE)

    def count(self, where: str | None = None) -> int:
        """How many faces there are; with `where`, how many of them fulfil that SQL condition."""
        with self._mapped():
            return int(self._tables[FACES_TABLE].count_rows(where))

    def faults(self) -> Iterator[tuple[str, str]]:
        """Photos with wrong rows, each with what is wrong."""
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
                    yield photo, "a vector is all zeros or not finite"
        for photo, rest in seen.items():
            if rest:
                yield photo, "faces are missing or stored twice"
        for failed in self.failed():
            if failed["photo"] in seen:
                yield failed["photo"], "is also among the failed photos"

    @property
    def bytes_on_disk(self) -> int | None:
        """How many bytes its files have, None on object storage."""
        if not is_folder(self.where):
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
        """About the nearest faces to a query (K,), by `comparable`, as an Arrow record batch."""
        with self._mapped():
            probed = max(round(self._searchable_parts * _SHARE_SEARCHED), 20)
            search = self._tables[FACES_TABLE].search(query, vector_column_name=_SEARCHED_COLUMN)
            search = search.distance_type("cosine").nprobes(probed)
            if where is not None:
                search = search.where(where, prefilter=True)
            found = search.limit(most).select([*columns, "_distance"]).to_arrow()
            return found.combine_chunks().to_batches()[0] if found.num_rows else found

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock for writing. Raises ArchiveError where another process holds it."""
        if not is_folder(self.where):
            yield  # object storage has no locks: LanceDB's commits alone keep its tables whole
            return
        import sqlite3

        # Every system releases this lock when its holder dies.
        file = Path(self.where) / WRITER_LOCK
        file.touch(0o600)
        with closing(sqlite3.connect(file, timeout=0)) as lock:
            try:
                lock.execute("PRAGMA journal_mode = MEMORY")  # no second file
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise ArchiveError(
                    f"{self.where} is being written by another process: wait until it ends"
                ) from error
            with self._mapped():
                for table in self._all:
                    table.checkout_latest()
            yield

    def add(self, photos: Sequence[IndexedPhoto]) -> None:
        """Add photos that the index does not hold yet. All rows of a photo are in one commit."""
        import pyarrow

        for name, rows in ((FACES_TABLE, face_rows(photos)), (FAILED_TABLE, failed_rows(photos))):
            if rows:
                with self._mapped():
                    table = self._tables[name]
                    table.add(pyarrow.Table.from_pylist(rows, schema=table.schema))

    def carry(self, files: Mapping[str, PhotoRecord]) -> set[str]:
        """Copy the rows of photos with the same content; gives the photos that got rows.

        `files` has each photo's digest, and its file as it is now. Rows that these photos had
        before are replaced.
        """
        done: set[str] = set()
        for some in batches_of(files, _PHOTOS_PER_CONDITION):
            rest = {photo: files[photo] for photo in some}
            # Read both tables before writing either: two photos may have swapped names.
            found = {name: self._rows_for(name, rest) for name in TABLE_KEYS}
            for name, rows in found.items():
                rows = [row for row in rows if row["photo"] not in done]
                done |= self._replace(name, rows)
        return done

    def remove(self, photos: Iterable[str]) -> int:
        """Delete photos; gives how many faces that were. Old versions keep them until `compact`."""
        before = self.count()
        self._delete("photo", photos)
        return before - self.count()

    def forget(self, photos: Collection[str], digests: Collection[str]) -> int:
        """Delete photos by name or content for good; gives how many faces were deleted."""
        before = self.count()
        self._delete("photo", photos)
        self._delete("digest", digests)
        self.compact()
        return before - self.count()

    def optimize(self) -> None:
        """Merge small files, and make a search index once there are many faces."""
        with self._mapped():
            small = [table.stats()["fragment_stats"]["num_small_fragments"] for table in self._all]
            if max(small) > _SMALL_FILES:
                self._optimize()
            count = self.count()
            if count >= LARGE and count >= 2 * _FACES_PER_PARTITION * self._searchable_parts:
                self._make_searchable()

    def compact(self) -> None:
        """Merge small files into few large ones, and delete for good all that was ever removed."""
        faces = self._tables[FACES_TABLE]
        with self._mapped():
            was_searchable = self._searchable_parts > 0
            for each in faces.list_indices():
                faces.drop_index(each.name)  # it holds deleted faces too
            self._optimize()
            for table in self._all:
                if int(table.list_versions()[-1]["metadata"]["total_deletion_file_rows"]):
                    # LanceDB rewrites a file only where a tenth is deleted, or where rows change.
                    table.update(where="true", values_sql={"photo": "photo"})
            self._optimize()
            if was_searchable:
                self._make_searchable()

    def _first(
        self, name: str, columns: Sequence[str], where: str | None, most: int | None = 1
    ) -> list[dict[str, Any]]:
        with self._mapped():
            query = self._tables[name].search().select(list(columns)).where(where).limit(most)
            return list(query.to_arrow().to_pylist())

    def _delete(self, column: str, values: Iterable[str]) -> None:
        with self._mapped():
            for some in batches_of(values, _PHOTOS_PER_CONDITION):
                where = is_one_of(column, some)
                for table in self._all:
                    if table.count_rows(where):  # else LanceDB would record the condition
                        table.delete(where)

    def _optimize(self) -> None:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about readers of an older version
            for table in self._all:
                table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)

    @property
    def _searchable_parts(self) -> int:
        """The number of partitions of the search index; 0 where there is none."""
        names = [each.name for each in self._tables[FACES_TABLE].list_indices()]
        return max((int(name.removeprefix(_SEARCH_INDEX)) for name in names), default=0)

    def _make_searchable(self) -> None:
        from lancedb.index import IvfSq

        faces = self._tables[FACES_TABLE]
        old = [each.name for each in faces.list_indices()]
        parts = max(self.count() // _FACES_PER_PARTITION, 1)
        kind = IvfSq(
            distance_type="cosine",
            num_partitions=parts,
            sample_rate=_SAMPLES_PER_PARTITION,
        )
        faces.create_index(_SEARCHED_COLUMN, config=kind, name=f"{_SEARCH_INDEX}{parts}")
        for name in {*old} - {f"{_SEARCH_INDEX}{parts}"}:
            faces.drop_index(name)
            self._optimize()

    def _rows_for(self, name: str, files: Mapping[str, PhotoRecord]) -> list[dict[str, Any]]:
        """Rows for these files, copied from photos with the same content."""
        alike: dict[str, dict[int, dict[str, Any]]] = {}
        where = is_one_of("digest", {known.digest for known in files.values()})
        for batch in self._batches(name, self._tables[name].schema.names, where):
            for row in batch.to_pylist():
                alike.setdefault(row["digest"], {}).setdefault(row.get("face", 1), row)
        return [
            {
                **row,
                "photo": photo,
                "bytes": known.bytes,
                "modified": known.modified,
                **dated_by_name(photo),
            }
            for photo, known in files.items()
            for row in alike.get(known.digest, {}).values()
        ]

    def _replace(self, name: str, rows: Sequence[dict[str, Any]]) -> set[str]:
        """Make these the only rows of their photos; gives those photos."""
        import pyarrow

        photos = {row["photo"] for row in rows}
        if photos:
            theirs = is_one_of("photo", photos)
            with self._mapped():
                table = self._tables[name]
                merge = table.merge_insert(TABLE_KEYS[name])
                merge = merge.when_matched_update_all().when_not_matched_insert_all()
                merge = merge.when_not_matched_by_source_delete(theirs)
                merge.execute(pyarrow.Table.from_pylist(list(rows), schema=table.schema))
                for other in TABLE_KEYS.keys() - {name}:
                    self._tables[other].delete(theirs)
        return photos

    def _batches(
        self, name: str, columns: Sequence[str], where: str | None = None
    ) -> Iterator[Any]:
        with self._mapped():
            query = self._tables[name].search().select(list(columns))
            if where is not None:
                query = query.where(where)
            yield from query.to_batches(_ROWS_PER_READ)

    @property
    def _all(self) -> list[Any]:
        return list(self._tables.values())

    def _mapped(self) -> AbstractContextManager[None]:
        return errors_mapped(self.where)


def searched_vectors(model: ResemblanceModel | None, vectors: Vectors) -> Vectors:
    """The unit rows that nearest-neighbour search compares. Shapes: (N, D) -> (N, K)."""
    if model is None:
        return unit_rows(vectors)
    return np.asarray(comparable(vectors, model.mean, model.transform), np.float32)
