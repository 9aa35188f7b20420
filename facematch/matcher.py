"""The main path: photos, faces, chips, vectors, scores. It reads top to bottom."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from facematch.analyses.explain import Explanation, explanation, measure_drops
from facematch.archive.index import (
    FACE_COLUMNS,
    OVERSAMPLING,
    Index,
    matrix,
    photos_where,
    subject_of,
)
from facematch.archive.indexing import Indexing
from facematch.detection.alignment import crop_faces
from facematch.detection.landmarks import LandmarkLocator
from facematch.detection.quality import face_warnings, is_same_picture
from facematch.detection.registry import load_detector
from facematch.embedding.registry import load_embedder
from facematch.enrolment.cache import FaceCache, StoredFace
from facematch.errors import EmbeddingError, NoFaceError, OptionError, PhotoError
from facematch.photos.dates import Span
from facematch.photos.limits import Limits
from facematch.photos.reading import photo_digest, read_photo
from facematch.runtime.distributed import distribute
from facematch.scoring.cosine import cosine_matrix_in_full, cosine_pairs, unit_rows
from facematch.scoring.resemblance import Counts, ResemblanceModel, model_for
from facematch.types import (
    Chips,
    Comparison,
    Detector,
    Embedder,
    EngineNames,
    Face,
    Gallery,
    Match,
    Photo,
    PhotoLike,
    Pixels,
    Portrait,
    Scores,
    Skipped,
    Subject,
    Vectors,
    several,
)
from facematch.verbs import Verbs
from facematch.video.search import Clips
from facematch.weights.catalogue import engine_weights

if TYPE_CHECKING:
    from facematch.photos.worker import Decoders

T = TypeVar("T")

# The default smallest face fills 5 % of the long side; at this many pixels it has 100, which is
# more than the detector's 80 and enough for a chip.
_ENOUGH_PIXELS = 2000

_READERS = 2  # threads that decode, and photos they keep ready, reduced: 12 MB each, mostly
_BATCH = 32  # chips embedded at a time
_MOST_PAIRS = 2_000_000  # compared at a time: 60 MB


class FaceMatcher(Verbs, Clips, Indexing):
    """Tells how much a child looks like a parent.

    Built in no time: networks and weights are read when first needed, then kept. `detector` and
    `embedder` are registered names or back-ends of your own. `min_face` is the side, in pixels of
    the photo's file, of the smallest face worth finding; None stands for 5 % of the long side.
    With `isolate` photos are decoded in processes of their own, so that a decoder that crashes or
    hangs costs one photo; see docs/limits.md.
    """

    def __init__(
        self,
        *,
        detector: str | Detector = "mmod",
        embedder: str | Embedder = "kin",
        min_face: float | None = None,
        limits: Limits | None = None,
        isolate: bool = False,
    ) -> None:
        if min_face is not None and not min_face >= 1:
            raise OptionError(f"the smallest face cannot have {min_face} pixels: try 20 or more")
        self.detector = load_detector(detector) if isinstance(detector, str) else detector
        self.embedder = load_embedder(embedder) if isinstance(embedder, str) else embedder
        self.min_face = min_face
        self.limits = Limits() if limits is None else limits
        self._decoders = _decoders(self.limits) if isolate else None
        self.known: Index | None = None  # where photos are looked up before they are searched
        self._landmarks = LandmarkLocator()
        self._made = partial(
            FaceMatcher, detector=detector, embedder=embedder, min_face=min_face, limits=limits,
            isolate=isolate,
        )  # fmt: skip

    def __reduce__(self) -> tuple[Callable[[], FaceMatcher], tuple[()]]:
        """Pickled as what it was built from, without the networks it has read."""
        return self._made, ()

    def score(
        self,
        parent: PhotoLike,
        child: PhotoLike,
        *,
        parent_face: int | None = None,
        child_face: int | None = None,
    ) -> Match:
        """How much the child in one photo looks like the parent in the other.

        `parent_face` and `child_face` choose among several faces, 1 being the largest, which is
        taken where they are None. Raises a PhotoError that names the photo which cannot be used.
        """
        chips, subjects, warnings = self._pair((parent, child), (parent_face, child_face))
        return self._match(subjects, self.embedder.embed(chips), warnings)

    def explain(
        self,
        parent: PhotoLike,
        child: PhotoLike,
        *,
        parent_face: int | None = None,
        child_face: int | None = None,
    ) -> Explanation:
        """Which parts of the two faces carry their likeness; photos and faces as in `score`.

        Some sixty covered faces are embedded at once. Where no resemblance model fits the embedder,
        drops are those of the cosine.
        """
        chips, subjects, warnings = self._pair((parent, child), (parent_face, child_face))
        model = model_for(self.embedder.space)
        drops = measure_drops(chips, self.embedder, model)
        match = self._match(subjects, drops.vectors, warnings)
        return explanation(match, chips, drops, self.embedder.frame, model)

    def _pair(
        self, photos: tuple[PhotoLike, PhotoLike], faces: tuple[int | None, int | None]
    ) -> tuple[Chips, list[Subject], list[str]]:
        """The chosen faces of parent and child as chips, (2, S, S, 3), who they are, warnings."""
        seen = [self.find_faces(photo) for photo in photos]
        chosen = [portrait.face_index(face) for portrait, face in zip(seen, faces, strict=True)]
        chips = [portrait.chips[at] for portrait, at in zip(seen, chosen, strict=True)]
        warnings = [
            *_choice_warnings(seen[0], faces[0], "--parent-face"),
            *_choice_warnings(seen[1], faces[1], "--child-face"),
            *_pair_warnings(seen, chosen),
        ]
        subjects = [portrait.subject(at) for portrait, at in zip(seen, chosen, strict=True)]
        return np.stack(chips), subjects, warnings

    def faces(
        self, photos: Iterable[PhotoLike], *, cache: Path | None = None
    ) -> Iterator[Portrait | Skipped]:
        """The faces in each photo, in order; a photo that cannot be read is Skipped.

        Two threads decode ahead, two photos each and no more, so that memory stays bounded however
        many there are. `cache` is a file to keep where faces are, and to look it up in: most of the
        time goes into finding them. Raises CacheError where that file is no cache.
        """
        with _cached(cache, self._identity("faces")) as known:
            for photo in _ahead(photos, self._read_or_skip):
                yield photo if isinstance(photo, Skipped) else self._look(photo, known)

    def embed(self, portraits: Iterable[Portrait]) -> Vectors:
        """A vector for every face of every portrait, in order, embedded in batches.

        Shapes: N faces in all -> (N, D) float32, not unit. N may be 0.
        """
        none = np.empty((0, *self.embedder.frame.shape), np.uint8)
        chips = (chip for portrait in portraits for chip in portrait.chips)
        vectors = [self.embedder.embed(none)]
        while batch := list(islice(chips, _BATCH)):
            vectors.append(self.embedder.embed(np.stack(batch)))
        return np.concatenate(vectors)

    def gallery(
        self, photos: Iterable[PhotoLike], *, cache: Path | None = None, on: str | None = None
    ) -> Gallery:
        """The largest face of each photo, embedded in batches across photos.

        Photos that cannot be read or show no face are in `skipped`; the rest goes on. `cache` is a
        file to keep what is found in, face templates included, and to look it up in; without one,
        photos are looked up in `known`. `on` is where to work, "ray" or "ray:ADDRESS": see
        cluster.py. Raises CacheError where that file is no cache, OptionError for either of them on
        a cluster, ClusterError where there is no cluster.
        """
        parts = list(self.galleries(photos, cache=cache, on=on))
        return Gallery.joined(parts) if parts else self._as_gallery([])

    def galleries(
        self, photos: Iterable[PhotoLike], *, cache: Path | None = None, on: str | None = None
    ) -> Iterator[Gallery]:
        """As `gallery`, some photos at a time: each part comes as soon as it is embedded and kept.

        So a long run can use what is done, and hold no more. Raises what `gallery` raises.
        """
        if on is None:
            yield from map(self._as_gallery, self._entries(photos, cache))
            return
        if cache is not None or self.known is not None:
            raise OptionError("--on looks at photos anew: leave --cache and --db out with it")
        yield from distribute(self.gallery, photos, on=on)

    def match(
        self, parents: Gallery, children: Gallery, *, top: int | None = None
    ) -> Iterator[Comparison]:
        """Every child against every parent, some children at a time, so that memory stays bounded.

        With `top`, each child with the parents it looks most like, best first; by score, or by
        cosine where no resemblance model fits. Raises EmbeddingError for galleries of two spaces.
        """
        model = _model_for(parents, children)
        step = max(_MOST_PAIRS // max(len(parents.subjects), 1), 1)
        for start in range(0, len(children.subjects), step):
            some = children.vectors[start : start + step]
            photos = parents.counts, children.counts[start : start + step]
            yield _comparison(start, *_compared(model, parents.vectors, some, photos), top)

    def match_pairs(self, parents: Gallery, children: Gallery) -> Comparison:
        """Row i of one gallery against row i of the other.

        Raises EmbeddingError for galleries of two spaces, or of different lengths.
        """
        model = _model_for(parents, children)
        cosines = cosine_pairs(parents.vectors, children.vectors)
        scores, ratios = (
            _unknown(cosines.shape)
            if model is None
            else model.compare_pairs(
                parents.vectors, children.vectors, (parents.counts, children.counts)
            )
        )
        rows = np.arange(len(cosines))
        return Comparison(rows, rows, cosines, scores, ratios)

    def match_index(
        self, index: Index, children: Gallery, *, top: int = 10
    ) -> tuple[Gallery, Comparison]:
        """Every child against everyone in an index in the parent's place, the `top` of each.

        The children's own photos are left out. Gives those found, and who is like whom: by score,
        or by cosine where no resemblance model fits. A large index is searched approximately.
        """
        model = model_for(children.space)
        own = {photo_digest(photo, limits=self.limits) for photo in children.labels}
        best: list[list[_Ranked]] = [[] for _ in children.subjects]
        for which, batch in self._parts(index, children, model, top, photos_where(Span(), own)):
            vectors, some = unit_rows(matrix(batch["vector"])), children.vectors[which]
            photos = np.ones(len(vectors), np.int64), children.counts[which]
            part = _comparison(which.start, *_compared(model, vectors, some, photos), top)
            values = zip(part.scores, part.cosines, part.likelihood_ratios, strict=True)
            rows = batch.take(part.parents).to_pylist()
            for child, value, row in zip(part.children, values, rows, strict=True):
                best[child].append((tuple(map(float, value)), row))
            best = [_most_alike(found, top) for found in best]
        return _as_compared(best, children.space, top)

    def _parts(
        self,
        index: Index,
        children: Gallery,
        model: ResemblanceModel | None,
        top: int,
        where: str | None,
    ) -> Iterator[tuple[slice, Any]]:
        """Some of the children, and rows of the index to compare them with."""
        if not index.is_large:
            for batch in index.rows(FACE_COLUMNS, where):
                yield slice(0, len(children.subjects)), batch
            return
        for at, query in enumerate(self.comparable(children.vectors)):
            yield slice(at, at + 1), index.nearest(query, OVERSAMPLING * top, FACE_COLUMNS, where)

    @property
    def engine(self) -> EngineNames:
        """The names of the parts that make a score."""
        model = model_for(self.embedder.space)
        return EngineNames(self.detector.name, self.embedder.name, model.name if model else None)

    def find_faces(self, photo: PhotoLike) -> Portrait:
        """The faces in a photo, largest first, each with its landmarks and its chip.

        None found is no error here: `faces` is empty then.
        """
        photo = photo if isinstance(photo, Photo) else self.read(photo)
        found = self._known_faces(photo)
        if found is None:
            least = None if self.min_face is None else self.min_face * photo.scale
            found = self.detector.detect(photo.pixels, min_face=least)
        return self.portrait(photo, found)

    def portrait(self, photo: Photo, found: Sequence[Face]) -> Portrait:
        """The faces found, largest first, each with its landmarks and its chip."""
        landmarks = self._landmarks.locate(photo.pixels, [face.box for face in found])
        located = [
            replace(face, landmarks=points) for face, points in zip(found, landmarks, strict=True)
        ]
        faces = tuple(sorted(located, key=lambda face: face.area, reverse=True))
        return Portrait(photo, faces, crop_faces(photo.pixels, faces, self.embedder.frame))

    def read(self, path: str | os.PathLike[str]) -> Photo:
        """A photo with as many pixels as the smallest face worth finding needs."""
        enough = _ENOUGH_PIXELS if self.min_face is None else None
        if self._decoders is not None:
            return self._decoders.read(path, min_side=enough)
        return read_photo(path, min_side=enough, limits=self.limits)

    def _known_faces(self, photo: Photo) -> list[Face] | None:
        """What the index knows of a photo, if there is one."""
        found = self.known.faces_of(photo.digest) if self.known and photo.digest else None
        if found is None:
            return None
        boxes = np.array([face.box for face in found]).reshape(-1, 4) * photo.scale
        return [
            replace(face, box=tuple(box)) for face, box in zip(found, boxes.tolist(), strict=True)
        ]

    def _entries(
        self, photos: Iterable[PhotoLike], cache: Path | None
    ) -> Iterator[list[tuple[str, StoredFace | Skipped]]]:
        """What is found in each photo, a batch at a time; kept where there is a cache."""
        with _cached(cache, self._identity(self.embedder.space)) as kept:
            known = self.known if kept is None else kept
            found = self._remembered(photos, known)
            while batch := list(islice(found, _BATCH)):
                yield self._embedded(batch, known)

    def _remembered(
        self, photos: Iterable[PhotoLike], known: FaceCache | Index | None
    ) -> Iterator[_Found | Skipped]:
        """Each photo's largest face, from the cache or by looking; or why there is none."""
        for read in _ahead(photos, partial(self._recall, known=known)):
            found = self._look(read) if isinstance(read, Photo) else read
            yield _largest(found) if isinstance(found, Portrait) else found

    def _embedded(
        self, batch: Sequence[_Found | Skipped], known: FaceCache | Index | None
    ) -> list[tuple[str, StoredFace | Skipped]]:
        """A batch with its chips embedded at once, and kept where there is a cache."""
        chips = [each.chip for each in batch if isinstance(each, _Found) and each.chip is not None]
        vectors = iter(self.embedder.embed(np.stack(chips)) if chips else ())
        entries: list[tuple[str, StoredFace | Skipped]] = []
        for each in batch:
            if isinstance(each, Skipped):
                entries.append((each.photo, each))
                continue
            entry = each.entry
            if each.chip is not None:
                entry = replace(entry, vector=next(vectors))
            if isinstance(known, FaceCache) and each.is_new and each.digest:
                known.put(each.digest, entry)
            entries.append((each.photo, entry))
        return entries

    def _as_gallery(self, entries: Sequence[tuple[str, StoredFace | Skipped]]) -> Gallery:
        usable, skipped = [], []
        for photo, entry in entries:
            if isinstance(entry, Skipped):
                skipped.append(entry)
            elif entry.vector is None:
                skipped.append(Skipped(photo, NoFaceError.code, entry.reason))
            else:
                usable.append((photo, entry, entry.vector))
        subjects = tuple(
            Subject(photo, entry.box, entry.confidence, face=1, faces_found=entry.faces_found)
            for photo, entry, _ in usable
        )
        vectors = np.stack([vector for *_, vector in usable]) if usable else self.embed([])
        warnings = tuple(entry.warnings for _, entry, _ in usable)
        space = self.embedder.space
        return Gallery(subjects, unit_rows(vectors), space, warnings, tuple(skipped))

    def _identity(self, what: str) -> str:
        """All that decides what is found in a photo: names, weights, settings, version."""
        from facematch.runtime.extras import installed_version

        weights = engine_weights(self.embedder.space)
        identity = [
            installed_version(),
            self.detector.name,
            what,
            self.min_face,
            weights,
        ]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    def _look(self, photo: Photo, known: FaceCache | None = None) -> Portrait | Skipped:
        entry = known.get(photo.digest) if known is not None and photo.digest else None
        if entry is not None:
            return self.portrait(photo, entry.faces())
        try:
            portrait = self.find_faces(photo)
            if known is not None and photo.digest:
                known.put(photo.digest, StoredFace.of_faces(portrait.faces))
            return portrait
        except OptionError as error:  # too small a least face for this photo
            return Skipped(photo.label, "option", str(error))

    def _recall(
        self, photo: PhotoLike, known: FaceCache | Index | None
    ) -> Photo | Skipped | _Found:
        """What the cache knows of a photo, else the photo itself."""
        if known is None or isinstance(photo, Photo):
            return self._read_or_skip(photo)
        try:
            digest = photo_digest(photo, limits=self.limits)
        except PhotoError as error:
            return Skipped.because(error)
        entry = known.get(digest)
        if entry is None:
            return self._read_or_skip(photo)
        return _Found(os.fsdecode(photo), digest, entry)

    def _read_or_skip(self, photo: PhotoLike) -> Photo | Skipped:
        if isinstance(photo, Photo):
            return photo
        try:
            return self.read(photo)
        except PhotoError as error:
            return Skipped.because(error)

    def _match(
        self, subjects: Sequence[Subject], vectors: Vectors, warnings: Sequence[str]
    ) -> Match:
        parent, child = vectors[:1], vectors[1:]
        model = model_for(self.embedder.space)
        score = likelihood_ratio = interval = None
        if model is not None:
            z = model.pair_z_scores(parent, child)
            scores, ratios = model.calibrate(z)
            score, likelihood_ratio = float(scores[0]), float(ratios[0])
            low, high = model.ratio_interval(z)[0].tolist()
            interval = (low, high)
        else:
            nothing = f"no resemblance model fits {self.embedder.name}: only the cosine is known"
            warnings = [*warnings, nothing]
        return Match(
            parent=subjects[0],
            child=subjects[1],
            cosine=float(cosine_pairs(parent, child)[0]),
            score=score,
            likelihood_ratio=likelihood_ratio,
            likelihood_ratio_interval=interval,
            engine=self.engine,
            warnings=tuple(dict.fromkeys(warnings)),  # of one photo given twice, once
        )


@contextmanager
def _cached(path: Path | None, engine: str) -> Iterator[FaceCache | None]:
    """The cache in a file, if there is to be one."""
    if path is None:
        yield None
        return
    with closing(FaceCache(path, engine)) as known:
        yield known


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The largest face of a photo, looked up or just seen: then its chip waits to be embedded."""

    photo: str
    digest: str
    entry: StoredFace
    is_new: bool = False
    chip: Pixels | None = None


def _largest(portrait: Portrait) -> _Found:
    label, digest = portrait.photo.label, portrait.photo.digest
    try:
        at = portrait.face_index(None)
    except NoFaceError as error:
        return _Found(label, digest, StoredFace(reason=error.reason), is_new=True)
    subject = portrait.subject(at)
    entry = StoredFace(
        box=subject.box,
        confidence=subject.confidence,
        faces_found=subject.faces_found,
        warnings=tuple(face_warnings(portrait, at)),
    )
    return _Found(label, digest, entry, is_new=True, chip=portrait.chips[at])


def _ahead(photos: Iterable[PhotoLike], read: Callable[[PhotoLike], T]) -> Iterator[T]:
    """What `read` gives for each photo, in order, a few of them before they are asked for."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(_READERS, thread_name_prefix="facematch-read") as threads:
        for photo in several(photos):
            waiting.append(threads.submit(read, photo))
            if len(waiting) > _READERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _decoders(limits: Limits) -> Decoders:
    from facematch.photos.worker import Decoders

    return Decoders(limits)


def _model_for(parents: Gallery, children: Gallery) -> ResemblanceModel | None:
    if parents.space != children.space:
        raise EmbeddingError(
            f"vectors of {parents.space} and {children.space} cannot be compared: "
            "embed both with the same embedder"
        )
    return model_for(parents.space)


def _compared(
    model: ResemblanceModel | None,
    parents: Vectors,
    children: Vectors,
    photos: tuple[Counts, Counts],
) -> tuple[Scores, Scores, Scores]:
    """Cosines, scores and likelihood ratios, each (P, C), of means of so many photos."""
    cosines = cosine_matrix_in_full(parents, children)
    if model is None:
        return cosines, *_unknown(cosines.shape)
    return cosines, *model.compare(parents, children, photos)


def _unknown(shape: tuple[int, ...]) -> tuple[Scores, Scores]:
    """Scores and likelihood ratios where no resemblance model fits."""
    return np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)


def _comparison(
    start: int, cosines: Scores, scores: Scores, ratios: Scores, top: int | None
) -> Comparison:
    """Pairs child by child: of each all parents in order, or the `top` of them, best first."""
    parents, children = cosines.shape
    order = np.tile(np.arange(parents), (children, 1))
    if top is not None:
        # Scores end at 99.9; beyond, the cosine goes on telling who is more alike.
        by = np.nan_to_num(scores, nan=0.0)
        order = np.lexsort((-cosines.T, -by.T), axis=1)[:, :top]
    rows, columns = order.ravel(), np.repeat(np.arange(children), order.shape[1])
    return Comparison(
        rows.astype(np.int64),
        columns.astype(np.int64) + start,
        cosines[rows, columns],
        scores[rows, columns],
        ratios[rows, columns],
    )


_Ranked: TypeAlias = tuple[tuple[float, ...], dict[str, Any]]  # score, cosine, ratio; a row


def _most_alike(found: Sequence[_Ranked], top: int) -> list[_Ranked]:
    """The `top` of them, by score and then by cosine."""
    return sorted(found, key=lambda pair: (-np.nan_to_num(pair[0][0]), -pair[0][1]))[:top]


def _as_compared(
    best: Sequence[Sequence[_Ranked]], space: str, top: int
) -> tuple[Gallery, Comparison]:
    """Of each child the `top` rows; values are score, cosine and likelihood ratio."""
    chosen = [
        (child, values, row)
        for child, each in enumerate(best)
        for values, row in _most_alike(each, top)
    ]
    scores, cosines, ratios = (
        np.array([values for _, values, _ in chosen], np.float32).reshape(-1, 3).T
    )
    vectors = np.array([row["vector"] for _, _, row in chosen], np.float32)
    gallery = Gallery(
        subjects=tuple(subject_of(row) for _, _, row in chosen),
        vectors=unit_rows(vectors) if chosen else np.empty((0, 0), np.float32),
        space=space,
        warnings=tuple(tuple(row["warnings"]) for _, _, row in chosen),
    )
    rows = np.arange(len(chosen))
    children = np.array([child for child, _, _ in chosen], np.int64)
    return gallery, Comparison(rows, children, cosines, scores, ratios)


def _choice_warnings(portrait: Portrait, face: int | None, option: str) -> list[str]:
    found = len(portrait.faces)
    if face is not None or found == 1:
        return []
    return [f"{portrait.photo.label}: {found} faces, the largest was taken; {option} chooses"]


def _pair_warnings(portraits: Sequence[Portrait], chosen: Sequence[int]) -> list[str]:
    """What about the two chosen faces makes the score less sure."""
    warnings = [
        f"{portrait.photo.label}: {phrase}"
        for portrait, at in zip(portraits, chosen, strict=True)
        for phrase in face_warnings(portrait, at)
    ]
    one, other = (portrait.photo for portrait in portraits)
    if one is other or (one.digest and one.digest == other.digest):
        if chosen[0] == chosen[1]:
            same = (
                "parent and child are the same face: --parent-face or --child-face chooses another"
            )
            return [*warnings, same]
    elif not is_same_picture(one.pixels, other.pixels):
        return warnings
    warnings.append(
        "both faces come from one photograph, whose light and colours make them more alike"
    )
    return warnings
