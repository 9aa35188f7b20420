"""The nouns: what flows from a photo to a score, and the Protocols of back-ends and stores."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from facematch.errors import EmbeddingError, NoFaceError, OptionError, PhotoError

if TYPE_CHECKING:
    from PIL import Image

Pixels: TypeAlias = NDArray[np.uint8]  # (H, W, 3) RGB, upright
Chips: TypeAlias = NDArray[np.uint8]  # (N, S, S, 3) RGB, aligned faces
Vectors: TypeAlias = NDArray[np.float32]  # (N, D)
Scores: TypeAlias = NDArray[np.float32]  # (P, C) cosines in [-1, 1]
Points: TypeAlias = NDArray[np.float32]  # (5, 2) x, y: see Face.landmarks
Floats: TypeAlias = NDArray[np.floating[Any]]  # an array of any float type
Real = TypeVar("Real", np.float32, np.float64)
Box: TypeAlias = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max in pixels

# The warning about a face that no photograph of the training data is like.
UNLIKE_PHOTOGRAPHS = (
    "the face is unlike the photographs that the program knows, as drawings, dolls and masks are: "
    "its scores say little, and have no likelihood ratio"
)
_MOST_BAD_ROWS = 5  # bad rows that a message names
_NORM_ROWS = 512  # rows whose norms are taken at a time, in float64: 4096 leave the cache


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photograph, upright, in RGB.

    `scale` is the pixels here per pixel of the file: 0.5 where a JPEG was decoded at half size.
    `digest` is the sha256 of the file's bytes (hex), "" where the pixels came from memory.
    """

    label: str
    pixels: Pixels = field(repr=False)
    path: Path | None = None
    taken: datetime | None = None
    scale: float = 1.0
    digest: str = ""

    @classmethod
    def from_rgb(cls, pixels: Pixels, label: str = "") -> Photo:
        """A photo in memory, upright, (H, W, 3) uint8 in RGB; `label` names it in messages.

        Raises OptionError for any other array.
        """
        pixels = np.ascontiguousarray(photo_array(pixels))
        height, width = pixels.shape[:2]
        # The checksum tells two arrays of one size apart.
        label = label or f"array {width}x{height} ({zlib.crc32(pixels.data):08x})"
        return cls(label, pixels)

    @classmethod
    def from_bgr(cls, pixels: Pixels, label: str = "") -> Photo:
        """As `from_rgb`, of an array in BGR, as OpenCV reads photos."""
        return cls.from_rgb(photo_array(pixels)[:, :, ::-1], label)

    @property
    def day(self) -> date | None:
        """The day it was taken, None where the file does not say."""
        return None if self.taken is None else self.taken.date()


# A path, the bytes of a file, an open file, a picture, an RGB array (H, W, 3), or a Photo.
PhotoLike: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | Pixels "
    "| Photo"
)
PhotosLike: TypeAlias = "PhotoLike | Iterable[PhotoLike]"  # one photo, a folder, or several


def refuse_photo(what: str) -> NoReturn:
    """Raise the OptionError for something that is no photo, with what is taken."""
    raise OptionError(
        f"{what} is no photo: give a path, the bytes of a file, an open file, a PIL image or an "
        "RGB array of shape (H, W, 3) and dtype uint8; Photo.from_bgr takes OpenCV's arrays"
    )


def photo_array(pixels: object) -> Pixels:
    """The array. Raises OptionError unless it is (H, W, 3) uint8 with at least one pixel."""
    if not isinstance(pixels, np.ndarray):
        refuse_photo(f"a {type(pixels).__name__}")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        refuse_photo(f"an array of shape {pixels.shape} and dtype {pixels.dtype}")
    return pixels


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a photo; `box` and `landmarks` are in pixels of that photo.

    `confidence` is the detector's own number; numbers of two detectors cannot be compared.
    `landmarks` are five points, as the viewer sees them: outer and inner corner of the right eye,
    outer and inner corner of the left eye, base of the nose. None until they are located.
    `landmark_spread` is how far they move where the box moves by 8 %, in sides of the box: see
    detection/turns.py. `age` is the estimated age, None until it is asked for.
    """

    box: Box
    confidence: float
    landmarks: Points | None = field(default=None, repr=False)
    landmark_spread: float | None = None
    age: Age | None = None

    @property
    def area(self) -> float:
        """The area of the box, in square pixels."""
        x_min, y_min, x_max, y_max = self.box
        return (x_max - x_min) * (y_max - y_min)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """How an embedder's chips are cut: `size` pixels square, landmarks at `template` (5, 2)."""

    size: int
    template: Points

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one chip."""
        return self.size, self.size, 3

    def check(self, chips: Chips) -> None:
        """Raise EmbeddingError unless these are chips of this frame, (N, S, S, 3) uint8."""
        if chips.dtype != np.uint8 or chips.shape[1:] != self.shape:
            wanted = f"(N, {self.size}, {self.size}, 3) uint8"
            raise EmbeddingError(f"chips must be {wanted}, not {chips.shape} {chips.dtype}")


@dataclass(frozen=True, slots=True)
class Subject:
    """One face of one photo that is scored; its box is in pixels of the photo's file.

    `face` counts from 1, the largest face first. `faces_found` is the number of faces in the photo;
    where the photo was only searched for its largest face, of those at least half as wide.
    """

    photo: str
    box: Box
    confidence: float
    face: int
    faces_found: int


@dataclass(frozen=True, slots=True)
class Age:
    """An estimated age in years; `error` is the standard deviation of the estimate."""

    years: float
    error: float


@dataclass(frozen=True, slots=True)
class EngineNames:
    """The names of the parts that made a score; `cohort` is None for the shipped strangers."""

    detector: str
    embedder: str
    resemblance: str | None
    cohort: str | None = None


class ResultMethods:
    """How a result is shown in a notebook, as data, and saved as a picture.

    `output/showing.py` does it. It is imported by its name, since imports go down the layers.
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields of the JSON that the command line prints."""
        fields: dict[str, Any] = _showing().as_dict(self)
        return fields

    def to_frame(self) -> Any:
        """A pandas.DataFrame of the rows that the command line prints as CSV.

        Raises MissingExtraError where pandas is not installed.
        """
        return _showing().as_frame(self)

    def save(self, path: str | os.PathLike[str], *, theme: str = "light", **options: Any) -> Path:
        """Save the picture: a .png, .jpg or .webp, "light" or "dark". Gives its path.

        `options` are those of its picture, such as a card's `style`. Raises UnreadablePhotoError
        where no picture can be written there.
        """
        place: Path = _showing().save(self, path, theme, **options)
        return place

    def _repr_html_(self) -> str:
        """The picture and a sentence, for a notebook."""
        return str(_showing().as_notebook_html(self))

    def __repr__(self) -> str:
        return str(_showing().as_text(self))


def _showing() -> Any:
    return import_module("facematch.output.showing")


@dataclass(frozen=True, slots=True, repr=False)
class Match(ResultMethods):
    """How much a child looks like a parent.

    `cosine` lies in [-1, 1] and compares the two embeddings. `score` is the mini-me score, 0 to
    100: of 100 unrelated people, how many look less like this child than this parent does.
    `likelihood_ratio` says how many times more often such a likeness is seen between parent and
    child than between strangers. The intervals are 95 % confidence intervals over other photos of
    the same people; that of the ratio covers other training families too. A score above
    `neutral_score` speaks for kinship, one below it against. `ages` are those of both faces in the
    photos, the parent's first. All but the cosine are None where no resemblance model fits the
    embedder. `chips` (2, S, S, 3) are both faces as they were embedded. None of the numbers is a
    paternity test.
    """

    parent: Subject
    child: Subject
    cosine: float
    score: float | None
    score_interval: tuple[float, float] | None
    likelihood_ratio: float | None
    likelihood_ratio_interval: tuple[float, float] | None
    neutral_score: float | None
    engine: EngineNames
    warnings: tuple[str, ...] = ()
    ages: tuple[Age, ...] | None = None
    chips: Chips | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A photo that could not be used; `code` is the stable code of its PhotoError."""

    photo: str
    code: str
    reason: str

    @classmethod
    def because(cls, error: PhotoError) -> Skipped:
        """Skip the photo that an error names."""
        return cls(error.photo, error.code, error.reason)


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A photo and the faces found in it: largest first, with landmarks, one chip for each."""

    photo: Photo
    faces: tuple[Face, ...]
    chips: Chips = field(repr=False)

    def subjects(self) -> list[Subject]:
        """The Subject of each face, largest first."""
        return [self.subject(index) for index in range(len(self.faces))]

    def subject(self, index: int) -> Subject:
        """The Subject of one face."""
        face = self.faces[index]
        x_min, y_min, x_max, y_max = (side / self.photo.scale for side in face.box)
        return Subject(
            photo=self.photo.label,
            box=(x_min, y_min, x_max, y_max),
            confidence=face.confidence,
            face=index + 1,
            faces_found=len(self.faces),
        )

    def face_index(self, number: int | None) -> int:
        """The index in `faces` of face `number`, which counts from 1; None stands for the largest.

        Raises NoFaceError where there are not that many.
        """
        found = len(self.faces)
        if not found:
            raise NoFaceError(self.photo.label, self._no_face())
        if number is not None and not 1 <= number <= found:
            there_are = "1 face" if found == 1 else f"{found} faces"
            reason = f"there is no face {number}: {there_are} found, 1 being the largest"
            raise NoFaceError(self.photo.label, reason)
        return 0 if number is None else number - 1

    def _no_face(self) -> str:
        height, width = (round(side / self.photo.scale) for side in self.photo.pixels.shape[:2])
        smaller = max(max(width, height) // 40, 10)  # half the default
        return (
            f"no face found ({width}x{height}): try min_face={smaller}, crop closer, "
            "or turn it upright"
        )


@dataclass(frozen=True, slots=True, eq=False)
class StoredFace:
    """The largest face of a photo as it was embedded; or, with `reason`, why there is none.

    `box` is in pixels of the photo's file, `vector` (D,) is the embedder's and not yet a unit row.
    """

    box: Box = (0.0, 0.0, 0.0, 0.0)
    confidence: float = 0.0
    faces_found: int = 0
    warnings: tuple[str, ...] = ()
    vector: NDArray[np.float32] | None = None
    reason: str = ""


def unit_rows(vectors: Floats) -> Vectors:
    """Scale each row to length 1.

    Norms are taken in float64: a float16 row of 20s has norm `inf` in float16.

    Shapes: (N, D) -> (N, D) float32. N may be 0.
    Raises EmbeddingError naming the rows that are all zeros or not finite.
    """
    return _scale_rows(vectors, np.empty(np.shape(vectors), np.float32))


def unit_rows_in_full(vectors: Floats) -> NDArray[np.float64]:
    """As `unit_rows`, in float64."""
    return _scale_rows(vectors, np.empty(np.shape(vectors), np.float64))


def _scale_rows(vectors: Floats, units: NDArray[Real]) -> NDArray[Real]:
    """Fill `units` with the rows scaled to length 1, some rows at a time."""
    rows = two_dimensional(vectors)
    for start in range(0, len(rows), _NORM_ROWS):
        wide = rows[start : start + _NORM_ROWS].astype(np.float64)
        norms = np.sqrt(np.einsum("nd,nd->n", wide, wide))
        if not (np.isfinite(norms) & (norms > 0)).all():
            refuse_rows(rows)
        units[start : start + _NORM_ROWS] = wide / norms[:, np.newaxis]
    return units


def two_dimensional(vectors: Floats) -> Floats:
    """The vectors as an array. Raises EmbeddingError unless its shape is (N, D)."""
    rows = np.asarray(vectors)
    if rows.ndim != 2:
        raise EmbeddingError(f"vectors must have shape (N, D), not {rows.shape}")
    return rows


def refuse_rows(rows: Floats) -> NoReturn:
    """Raise an EmbeddingError that names the rows which are all zeros or not finite."""
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    named = ", ".join(str(row) for row in bad[:_MOST_BAD_ROWS])
    more = f" and {bad.size - _MOST_BAD_ROWS} more" if bad.size > _MOST_BAD_ROWS else ""
    raise EmbeddingError(f"rows {named}{more} are all zeros or not finite: embed them again")


def mean_direction(
    vectors: Vectors, weights: NDArray[np.float64] | None = None
) -> NDArray[np.float32]:
    """The weighted sum of the rows, scaled to length 1. Shapes: (N, D), (N,) -> (D,)."""
    total = (np.ones(len(vectors)) if weights is None else weights) @ vectors
    return np.asarray(total / np.linalg.norm(total), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """Faces ready to be compared, the largest of each photo.

    `vectors` (N, D) are unit rows of one embedder's `space`. `warnings[n]` tells what makes scores
    of `subjects[n]` less sure. `skipped` are the photos without a usable face. `photos` (N,) is the
    number of photos that each row is the mean of, one where left out. Raises EmbeddingError where
    the numbers of rows and subjects differ, or a row has not length 1.
    """

    subjects: tuple[Subject, ...]
    vectors: Vectors = field(repr=False)
    space: str
    warnings: tuple[tuple[str, ...], ...] = ()
    skipped: tuple[Skipped, ...] = ()
    photos: NDArray[np.int64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        shape = self.vectors.shape
        if len(shape) != 2 or shape[0] != len(self.subjects):
            raise EmbeddingError(f"vectors of shape {shape} for {len(self.subjects)} subjects")
        lengths = np.einsum("nd,nd->n", self.vectors, self.vectors, dtype=np.float64)
        if not (np.abs(lengths - 1) < 1e-4).all():
            raise EmbeddingError("a gallery holds unit rows: call unit_rows first")

    @classmethod
    def joined(cls, galleries: Sequence[Gallery]) -> Gallery:
        """One gallery made of several, in their order; there must be at least one.

        Raises EmbeddingError where their spaces differ.
        """
        if len({gallery.space for gallery in galleries}) > 1:
            raise EmbeddingError("galleries of different embedders cannot be joined")
        return cls(
            subjects=tuple(chain.from_iterable(gallery.subjects for gallery in galleries)),
            vectors=np.concatenate([gallery.vectors for gallery in galleries]),
            space=galleries[0].space,
            warnings=tuple(chain.from_iterable(gallery.phrases for gallery in galleries)),
            skipped=tuple(chain.from_iterable(gallery.skipped for gallery in galleries)),
            photos=np.concatenate([gallery.counts for gallery in galleries]),
        )

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of photos that each row is the mean of, (N,)."""
        return np.ones(len(self.subjects), np.int64) if self.photos is None else self.photos

    @property
    def phrases(self) -> tuple[tuple[str, ...], ...]:
        """The warnings of each row, empty tuples where `warnings` was left out."""
        return self.warnings or ((),) * len(self.subjects)

    @property
    def unlike_photographs(self) -> NDArray[np.bool_]:
        """Whether each row is a face unlike all photographs, (N,): then there is no ratio."""
        return np.array([UNLIKE_PHOTOGRAPHS in warned for warned in self.phrases], bool)

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weight of each photo in a mean, (N,): 0.5 with a warning, 1 without."""
        return np.array([0.5 if warned else 1.0 for warned in self.phrases])

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the photos, in the order of the rows."""
        return tuple(subject.photo for subject in self.subjects)

    def of_rows(self, rows: Sequence[int]) -> Gallery:
        """Some of the rows, in that order; a row may be repeated."""
        return replace(
            self,
            subjects=tuple(self.subjects[at] for at in rows),
            vectors=self.vectors[np.array(rows, np.intp)],
            warnings=tuple(self.phrases[at] for at in rows),
            photos=self.counts[np.array(rows, np.intp)],
        )

    def averaged(self, name: str) -> Gallery:
        """One entry: the mean of all photos, labelled `name`; see `by_person`."""
        return self.by_person([name] * len(self.subjects))

    def by_person(self, people: Sequence[str]) -> Gallery:
        """One row for each person: the weighted mean of their photos, see `weights`.

        `people[n]` names the person on `subjects[n]`. The row is labelled with the name, and has
        box and warnings of the photo with the largest weight. Raises EmbeddingError unless each
        photo has a name.
        """
        if len(people) != len(self.subjects):
            raise EmbeddingError(f"{len(people)} names for {len(self.subjects)} photos")
        photos: dict[str, list[int]] = {}
        for at, person in enumerate(people):
            photos.setdefault(person, []).append(at)
        weights = self.weights
        means = [mean_direction(self.vectors[rows], weights[rows]) for rows in photos.values()]
        best = [max(rows, key=lambda at: (weights[at], -at)) for rows in photos.values()]
        return Gallery(
            subjects=tuple(
                replace(self.subjects[at], photo=person)
                for person, at in zip(photos, best, strict=True)
            ),
            vectors=np.array(means, np.float32).reshape(-1, self.vectors.shape[1]),
            space=self.space,
            warnings=tuple(self.phrases[at] for at in best),
            skipped=self.skipped,
            photos=np.array([len(rows) for rows in photos.values()], np.int64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A person with one face on each of N photos.

    All but the name have the same order. `portraits` (N, S, S, 3) show the faces upright, `squares`
    (N, 3) say which part of its frame each portrait shows, `clearness` (N,) is that of
    detection/quality.py, `digests` are the photos' sha256 ("" where not known), `taken` says when
    the photos were taken.
    """

    name: str
    gallery: Gallery
    portraits: Chips = field(repr=False)
    squares: NDArray[np.float64] = field(repr=False)
    clearness: NDArray[np.float64] = field(repr=False)
    digests: tuple[str, ...]
    taken: tuple[date | None, ...]

    @property
    def averaged(self) -> Gallery:
        """One row: the mean of all their photos; a photo with a warning counts half."""
        return self.gallery.averaged(self.name)

    @property
    def portrait(self) -> Pixels:
        """The portrait of the clearest photo without a warning, of the clearest if all have one."""
        return np.asarray(self.portraits[self._best])

    @property
    def square(self) -> tuple[float, float, float]:
        """The part of its frame that `portrait` shows: left, top, side."""
        left, top, side = self.squares[self._best].tolist()
        return left, top, side

    @property
    def shown(self) -> str:
        """The label of the photo that `portrait` shows."""
        return self.gallery.labels[self._best]

    @property
    def _best(self) -> int:
        phrases, clearness = self.gallery.phrases, self.clearness.tolist()
        return max(range(len(phrases)), key=lambda row: (not phrases[row], clearness[row]))


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Pairs of rows of two galleries, and how alike they are, (N,) each.

    `scores`, `likelihood_ratios` and `z_scores` are NaN where no resemblance model fits the
    embedder. `pair_intervals` in scoring/matching.py gives their confidence intervals.
    """

    parents: NDArray[np.int64]
    children: NDArray[np.int64]
    cosines: NDArray[np.float32]
    scores: NDArray[np.float32]
    likelihood_ratios: NDArray[np.float32]
    z_scores: NDArray[np.float32]


# What programs are given: float32 knows seven digits, the likelihood ratio is not known to four.
DIGITS = {"cosine": 6, "score": 3, "likelihood_ratio": 4}


class Detector(Protocol):
    """Finds faces. To build one reads no weights; the first `detect` reads them."""

    @property
    def name(self) -> str:
        """The name it is registered under."""

    def detect(self, pixels: Pixels, *, min_face: float | None = None) -> list[Face]:
        """The faces, most confident first; [] if there are none.

        `min_face` is the side in pixels of the smallest face to find; None stands for 5 % of the
        photo's long side and at least 24.
        """


class Embedder(Protocol):
    """Turns chips into vectors. Only vectors of one `space` can be compared."""

    @property
    def name(self) -> str:
        """The name it is registered under."""

    @property
    def space(self) -> str:
        """The name of the vector space: two embedders with the same weights share it."""

    @property
    def frame(self) -> Frame:
        """How its chips must be cut."""

    def embed(self, chips: Chips) -> Vectors:
        """A vector for each chip. Shapes: (N, S, S, 3) uint8 RGB -> (N, D) float32. N may be 0."""


class FaceStore(Protocol):
    """What is known of photos before they are searched: a cache file, or an index.

    Photos are known by the sha256 of their bytes, never by name. Threads may share a store.
    """

    def largest(self, digest: str) -> StoredFace | None:
        """The largest face of the photo with that sha256, None where the photo is not known."""

    def put_largest(self, digest: str, face: StoredFace) -> None:
        """Keep the largest face of a photo, where this store takes photos one by one."""

    def faces(self, photo: Photo) -> list[Face] | None:
        """All faces of a photo, in its pixels and without landmarks; None if it is not known."""

    def put_faces(self, photo: Photo, faces: Sequence[Face]) -> None:
        """Keep where the faces of a photo are, where this store takes photos one by one."""

    def close(self) -> None:
        """Write what is pending and close files; the next use opens them again."""
