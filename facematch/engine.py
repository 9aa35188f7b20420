"""Engine: everything that makes a score, as one value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from facematch.detection.alignment import crop_faces
from facematch.detection.landmarks import LandmarkLocator
from facematch.detection.largest import competing_faces, detect_largest
from facematch.detection.registry import load_detector
from facematch.detection.turns import Search, locate_at_any_angle, search_turned
from facematch.detection.whole import WholeDetector
from facematch.embedding.photographs import embed_with_warnings
from facematch.embedding.registry import load_embedder
from facematch.errors import OptionError, ResemblanceError
from facematch.photos.given import is_path, photo_in_memory
from facematch.photos.limits import Limits
from facematch.photos.reading import decode_photo, read_photo
from facematch.scoring.cohort import Cohort, model_with_cohort
from facematch.scoring.resemblance import ResemblanceModel, model_for
from facematch.types import (
    UNLIKE_PHOTOGRAPHS,
    Chips,
    Detector,
    Embedder,
    EngineNames,
    Face,
    FaceStore,
    Photo,
    PhotoLike,
    Pixels,
    Portrait,
    Vectors,
)
from facematch.weights.catalogue import engine_weights

if TYPE_CHECKING:
    from facematch.photos.worker import Decoders

T = TypeVar("T")

# The default smallest face fills 5 % of the long side. With 2000 pixels it has 100, which is more
# than the detector's 80 and enough for a chip.
_DECODED_SIDE = 2000

OnPhoto: TypeAlias = Callable[[str], object]  # called with a photo's label

IDENTITY_EMBEDDER = "dlib-resnet"  # its vectors tell people apart


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """A detector, an embedder and what they work with; every analysis is a function of it.

    `embedder` compares relatives, `identity_embedder` tells whether two faces are one person.
    `min_face` is the side, in pixels of the photo's file, of the smallest face to find; None stands
    for 5 % of the long side and at least 24. With `decoders`, photos are decoded in processes of
    their own. A photo is sought in `store` before it is searched. `cohort` takes the place of the
    strangers that the resemblance model was fitted on. `progress` is called with the label of each
    photo of a person, a gallery or an archive once it is searched. `reopen` makes the same engine
    in another process, without its store, its cohort, its progress and the networks it has read.
    """

    detector: Detector
    embedder: Embedder
    min_face: float | None = None
    limits: Limits = field(default_factory=Limits)
    decoders: Decoders | None = None
    store: FaceStore | None = None
    landmarks: LandmarkLocator = field(default_factory=LandmarkLocator)
    identity_embedder: Embedder = field(default_factory=partial(load_embedder, IDENTITY_EMBEDDER))
    reopen: Callable[[], Engine] | None = None
    cohort: Cohort | None = None
    progress: OnPhoto | None = None

    def __reduce__(self) -> tuple[Callable[..., Engine], tuple[Any, ...]]:
        """Pickle what the engine was opened with."""
        if self.reopen is not None:
            return self.reopen, ()
        return Engine, (self.detector, self.embedder, self.min_face, self.limits)

    @property
    def resemblance(self) -> ResemblanceModel | None:
        """The resemblance model that fits the embedder, None where there is none."""
        model = model_for(self.embedder.space)
        if self.cohort is None or model is None:
            return model
        return model_with_cohort(model, self.cohort)

    @property
    def names(self) -> EngineNames:
        """The names of the parts that make a score."""
        model = self.resemblance
        cohort = None if self.cohort is None else f"cohort of {self.cohort.faces} faces"
        name = model.name if model else None
        return EngineNames(self.detector.name, self.embedder.name, name, cohort)

    @property
    def weight_digests(self) -> list[str]:
        """The sha256 of each weight file that decides what is found in a photo."""
        return engine_weights(self.embedder.space)

    def require_resemblance(self) -> ResemblanceModel:
        """The resemblance model. Raises ResemblanceError where none fits the embedder."""
        model = self.resemblance
        if model is None:
            raise ResemblanceError(
                f"no resemblance model fits {self.embedder.name}: verdicts need one, as the "
                "embedder 'kin' has"
            )
        return model

    def read(self, photo: PhotoLike) -> Photo:
        """The photo in a file, with as many pixels as the smallest face to find needs.

        One in memory is taken as it is. Raises a PhotoError that names the photo, OptionError for
        what is no photo.
        """
        if not is_path(photo):
            return photo_in_memory(photo, self.decode, self.limits)
        min_side = _DECODED_SIDE if self.min_face is None else None
        if self.decoders is not None:
            return self.decoders.read(photo, min_side=min_side)
        return read_photo(photo, min_side=min_side, limits=self.limits)

    def decode(self, label: str, data: bytes) -> Photo:
        """As `read`, from the bytes of a file; `label` names them in errors."""
        min_side = _DECODED_SIDE if self.min_face is None else None
        if self.decoders is not None:
            return self.decoders.decode(label, data, min_side=min_side)
        return decode_photo(label, data, min_side=min_side, limits=self.limits)

    def find_faces(self, photo: PhotoLike, *, keep: bool = False) -> Portrait:
        """The faces in a photo, largest first, each with its landmarks and its chip.

        Where none is found, the photo is searched again on its sides and upside down. A photo
        without a face gives a Portrait whose `faces` are empty. With `keep`, the store
        keeps where the faces are. Raises a PhotoError for a file that cannot be read, OptionError
        where `min_face` is too small for this photo.
        """
        photo = self.read(photo)
        return self.portrait(photo, self._all_faces(photo, keep=keep))

    def find_largest(self, photo: PhotoLike, *, keep: bool = False) -> Portrait:
        """What `find_faces` gives, without faces less than half as wide as the largest one.

        That is found in less time. With `keep`, a photo that the store does not know is searched
        for all faces: a store keeps all faces of a photo or none. Raises what `find_faces` raises.
        """
        photo = self.read(photo)
        if self._known_faces(photo) is None and not (keep and self.store is not None):
            found = self._search(photo, partial(detect_largest, self.detector))
        else:
            found = competing_faces(self._all_faces(photo, keep=keep))
        return self.portrait(photo, found)

    def embed(self, chips: Chips) -> tuple[Vectors, list[tuple[str, ...]]]:
        """The vector of each chip, (N, D), and the warnings about it that only the embedder knows.

        A cohort of the user's own says what its faces are like: then there are none.
        """
        vectors, warnings = embed_with_warnings(self.embedder, chips)
        return vectors, [self.applicable(some) for some in warnings]

    def applicable(self, warnings: Sequence[str]) -> tuple[str, ...]:
        """The warnings that hold with this engine's cohort."""
        return tuple(each for each in warnings if self.cohort is None or each != UNLIKE_PHOTOGRAPHS)

    def _all_faces(self, photo: Photo, *, keep: bool) -> list[Face]:
        """All faces of a photo, as the store knows them or as they are found."""
        known = self._known_faces(photo)
        if known is not None:
            return known
        found = self._search(photo, self.detector.detect)
        if keep and self.store is not None and photo.digest:
            self.store.put_faces(photo, found)
        return found

    def _search(self, photo: Photo, search: Search) -> list[Face]:
        """The faces that `search` finds; where it finds none, in the photo turned by quarters."""
        min_face = self._min_face(photo)
        found = search(photo.pixels, min_face=min_face)
        return found or search_turned(search, photo.pixels, min_face=min_face)

    def _known_faces(self, photo: Photo) -> list[Face] | None:
        return self.store.faces(photo) if self.store is not None and photo.digest else None

    def _min_face(self, photo: Photo) -> float | None:
        """The side of the smallest face to find, in pixels of the decoded photo."""
        return None if self.min_face is None else self.min_face * photo.scale

    def portrait(self, photo: Photo, found: Sequence[Face]) -> Portrait:
        """A photo with the faces found in it, largest first, their landmarks and chips."""
        located = self._located(photo.pixels, found)
        faces = tuple(sorted(located, key=lambda face: face.area, reverse=True))
        return Portrait(photo, faces, crop_faces(photo.pixels, faces, self.embedder.frame))

    def _located(self, pixels: Pixels, found: Sequence[Face]) -> list[Face]:
        boxes = [face.box for face in found]
        if isinstance(self.detector, WholeDetector):  # its pictures are upright already
            points = self.landmarks.locate(pixels, boxes)
            return [replace(face, landmarks=each) for face, each in zip(found, points, strict=True)]
        located = zip(*locate_at_any_angle(self.landmarks, pixels, boxes), strict=True)
        return [
            replace(face, landmarks=points, landmark_spread=float(spread))
            for face, (points, spread) in zip(found, located, strict=True)
        ]


def open_engine(
    *,
    detector: str | Detector = "mmod",
    embedder: str | Embedder = "kin",
    min_face: float | None = None,
    limits: Limits | None = None,
    isolate: bool = False,
) -> Engine:
    """The engine of these parts; networks and weights are read when they are first needed.

    `detector` and `embedder` are registered names or objects. With `isolate`, photos are decoded in
    worker processes. Raises UnknownBackendError for a name that is not registered, OptionError for
    a `min_face` below 1 or for an object that is no detector or embedder.
    """
    if min_face is not None and not min_face >= 1:
        raise OptionError(f"the smallest face cannot have {min_face} pixels: try 20 or more")
    limits = Limits() if limits is None else limits
    return Engine(
        detector=(
            load_detector(detector) if isinstance(detector, str) else _checked(detector, "detect")
        ),
        embedder=(
            load_embedder(embedder) if isinstance(embedder, str) else _checked(embedder, "embed")
        ),
        min_face=min_face,
        limits=limits,
        decoders=_decoders(limits) if isolate else None,
        reopen=partial(
            open_engine, detector=detector, embedder=embedder, min_face=min_face, limits=limits,
            isolate=isolate,
        ),
    )  # fmt: skip


def _checked(part: T, method: str) -> T:
    """A part of the engine. Raises OptionError where it lacks the method that is called."""
    if isinstance(part, type) or not hasattr(part, method):
        raise OptionError(
            f"a {type(part).__name__} does not {method} faces: give a registered name, or an "
            f"object with a method `{method}`"
        )
    return part


def _decoders(limits: Limits) -> Decoders:
    from facematch.photos.worker import Decoders

    return Decoders(limits)
