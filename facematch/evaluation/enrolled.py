"""Every photo of a protocol through an engine, once: vectors by two embedders, and colours."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.detection.alignment import crop_faces
from facematch.engine import Engine
from facematch.enrolment.gallery import CHIPS_PER_BATCH, faces
from facematch.errors import OptionError, ProtocolError
from facematch.evaluation.colours import colours, crop_around
from facematch.evaluation.fiw_faces import open_faces
from facematch.evaluation.kin import Indices
from facematch.evaluation.protocols import Trial
from facematch.runtime.distributed import distribute
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import Embedder, PhotoLike, Pixels, Portrait, Vectors, unit_rows

Floats = NDArray[np.float64]
_MeasuredFace = tuple[Vectors, Vectors, Floats]  # (D,) by the engine, (E,) untuned, (6,) colours

# Is given the photos and how many there are, and gives the same photos: it can count them.
OnPhotos = Callable[[Iterable[PhotoLike], int], Iterable[PhotoLike]]


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """Every usable photo's vectors by the engine and by the untuned embedder, and its colours.

    `row` says which row of the arrays (N, ...) a photo has.
    """

    row: dict[str, int]
    vectors: Vectors
    untuned: Vectors
    colours: Floats

    def rows_of(self, trials: Sequence[Trial]) -> tuple[Indices, Indices]:
        """The rows of N trials' parents, (1, N) or (2, N), and of their children, (N,)."""
        parents = [[self.row[photo] for photo in trial.parents] for trial in trials]
        children = [self.row[trial.child] for trial in trials]
        return np.array(parents, np.intp).T, np.array(children, np.intp)


class PhotoSet(typing.Protocol):
    """Photos named by their paths below `root`, a folder or an archive: a protocol, for example."""

    @property
    def root(self) -> Path:
        """The folder, or the archive."""

    def photos(self) -> list[str]:
        """Every photo once."""


def enrol(
    protocol: PhotoSet,
    engine: Engine,
    untuned: Embedder,
    *,
    on_progress: OnPhotos | None = None,
    on: str | None = None,
) -> Enrolled:
    """Every photo's largest face, embedded by both, one batch after another.

    Raises ProtocolError where no photo shows a face, OptionError for a store on a cluster.
    """
    if on is not None and engine.store is not None:
        raise OptionError("--on searches every photo again: leave --cache out with it")
    names = protocol.photos()
    photos: Iterable[PhotoLike] = _open_photos(protocol, names)
    if on_progress is not None:
        photos = on_progress(photos, len(names))
    measured = chain.from_iterable(distribute(partial(_measure, engine, untuned), photos, on=on))
    usable = [(name, *face) for name, face in zip(names, measured, strict=True) if face is not None]
    if not usable:
        raise ProtocolError(f"{protocol.root}: no face found in any of the protocol's photos")
    shown, vectors, plain, shades = zip(*usable, strict=True)
    row = {name: i for i, name in enumerate(shown)}
    return Enrolled(row, unit_rows(np.array(vectors)), unit_rows(np.array(plain)), np.array(shades))


def engine_names(engine: Engine, model: ResemblanceModel | None) -> dict[str, str | None]:
    """The names of the parts that make a score, for a report."""
    return {
        "detector": engine.detector.name,
        "embedder": engine.embedder.name,
        "resemblance": None if model is None else model.name,
    }


def _open_photos(protocol: PhotoSet, names: Sequence[str]) -> Iterator[PhotoLike]:
    if protocol.root.is_file():
        return open_faces(protocol.root, names)
    return (str(protocol.root / name) for name in names)


def _measure(
    engine: Engine, untuned: Embedder, photos: Iterable[PhotoLike]
) -> list[_MeasuredFace | None]:
    """The largest face of each photo; None where a photo cannot be read or shows no face."""
    measured: list[_MeasuredFace | None] = []
    found = faces(engine, photos, largest=True)
    while batch := list(islice(found, CHIPS_PER_BATCH)):
        usable = [each for each in batch if isinstance(each, Portrait) and each.faces]
        rows = _measure_portraits(engine, untuned, usable) if usable else iter(())
        is_usable = (isinstance(each, Portrait) and bool(each.faces) for each in batch)
        measured += [next(rows) if each else None for each in is_usable]
    return measured


def _measure_portraits(
    engine: Engine, untuned: Embedder, portraits: Sequence[Portrait]
) -> Iterator[_MeasuredFace]:
    vectors = plain = engine.embedder.embed(np.stack([each.chips[0] for each in portraits]))
    if untuned.space != engine.embedder.space:
        plain = untuned.embed(np.stack([_largest_chip(each, untuned) for each in portraits]))
    shades = [colours(crop_around(each.photo.pixels, each.faces[0].box)) for each in portraits]
    return zip(vectors, plain, shades, strict=True)


def _largest_chip(portrait: Portrait, embedder: Embedder) -> Pixels:
    """The largest face as that embedder needs it."""
    return np.asarray(crop_faces(portrait.photo.pixels, portrait.faces[:1], embedder.frame)[0])
