"""Photos and people made up from seeded random numbers, and the drawn family of samples/."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.kin import Kin, Pairs
from facematch.evaluation.labelled_faces import LabelledFaces
from facematch.scoring.resemblance import ResemblanceModel, model_for
from facematch.types import EngineNames, Gallery, Person, Pixels, Subject
from helpers.places import SAMPLES

MODEL = model_for("kin-1")
SIZE, INHERITED = 24, 8  # dimensions of the made-up embeddings; the first come from the parents
ENGINE = EngineNames("mmod", "kin", "kin-1-resemblance")


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """A picture with nothing in it."""
    values: NDArray[np.uint8] = np.random.default_rng(seed).integers(
        0, 256, (height, width, 3), np.uint8
    )
    return values


def families_of_four(photos: NDArray[np.float64]) -> Kin:
    """Families of two parents and two children, four photos each, from their vectors in order."""
    count = len(photos) // 16
    first = 4 * np.arange(count)
    pairs = [(parent, child) for parent in (0, 1) for child in (2, 3)]
    return Kin(
        vectors=photos.astype(np.float32),
        person=np.arange(4 * count).repeat(4),
        family=np.arange(count).repeat(4),
        parents=np.concatenate([first + parent for parent, _ in pairs]),
        children=np.concatenate([first + child for _, child in pairs]),
        relations=np.repeat(["fs", "fd", "ms", "md"], count),
    )


def labelled(kin: Kin, seed: int = 0) -> tuple[LabelledFaces, LabelledFaces]:
    """The faces of families, and of 300 strangers: of one population, and of any age."""
    rng = np.random.default_rng(seed)
    spread = kin.vectors.std(axis=0)
    strangers = kin.vectors.mean(axis=0) + spread * rng.normal(size=(300, len(spread)))

    def of(
        vectors: NDArray[np.floating], people: NDArray[np.intp], families: NDArray[np.intp]
    ) -> LabelledFaces:
        count = len(vectors)
        nobody = np.zeros(count, np.intp)
        ages = rng.uniform(0, 60, count)
        return LabelledFaces(vectors.astype(np.float32), ages, nobody, people, families, nobody)

    each = np.arange(300)
    return of(kin.vectors, kin.person, kin.family[kin.person]), of(strangers, each, each)


def pair_z_scores(model: ResemblanceModel, kin: Kin, pairs: Pairs) -> NDArray[np.float64]:
    """The z-score of each pair, (N,)."""
    return model.pair_z_scores(kin.vectors[pairs.parents], kin.vectors[pairs.children])


def photos(who: str) -> list[str]:
    return [str(SAMPLES / f"{who}{nth}.png") for nth in ("", "-2")]


def somebody(name: str, vectors: np.ndarray) -> Person:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    subjects = tuple(Subject(f"{name}-{at}.jpg", (0, 0, 9, 9), 1, 1, 1) for at in range(len(unit)))
    return Person(
        name=name,
        gallery=Gallery(subjects, unit.astype(np.float32), "kin-1"),
        portraits=np.zeros((len(unit), 8, 8, 3), np.uint8),
        squares=np.tile([0.0, 0.0, 1.0], (len(unit), 1)),
        clearness=np.ones(len(unit)),
        digests=("",) * len(unit),
        taken=(None,) * len(unit),
    )


def crowd(count: int, seed: int = 0) -> np.ndarray:
    """Vectors as unrelated people have them, near enough."""
    assert MODEL is not None
    rng = np.random.default_rng(seed)
    return MODEL.mean + rng.normal(0, 0.06, (count, MODEL.mean.size))


def made_up_families(
    count: int, seed: int = 0, *, likeness: float = 1.0, along: int = INHERITED
) -> Kin:
    """Families of two parents and two children, four photos each.

    Along the first dimensions a child is like its parents, along all others like nobody.
    """
    rng = np.random.default_rng(seed)
    parents = rng.normal(size=(count, 2, SIZE))
    children = rng.normal(size=(count, 2, SIZE))
    children[..., :along] *= 0.5
    children[..., :along] += likeness * parents.mean(axis=1, keepdims=True)[..., :along]
    people = np.concatenate([parents, children], axis=1).reshape(-1, SIZE)
    photos = people.repeat(4, axis=0) + rng.normal(0, 0.6, (16 * count, SIZE))
    return families_of_four(photos + 5)
