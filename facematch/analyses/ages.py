"""The estimated ages of faces."""

from __future__ import annotations

from dataclasses import replace

from facematch.engine import Engine
from facematch.scoring.resemblance import ResemblanceModel
from facematch.scoring.strata import YOUNG
from facematch.types import Age, Portrait, Vectors

_GENERATION = 15.0  # years by which a child must look older than the parent to be told


def seem_swapped(parent: float, child: float) -> bool:
    """Whether by their ages in years the parent looks like a child, and the child is far older."""
    return parent < YOUNG and child > parent + _GENERATION


def with_ages(engine: Engine, portrait: Portrait) -> Portrait:
    """The portrait with the estimated age of each face.

    Ages stay None where no resemblance model fits the embedder.
    """
    model = engine.resemblance
    if model is None or not portrait.faces:
        return portrait
    ages = ages_of(model, engine.embedder.embed(portrait.chips))
    faces = (replace(face, age=age) for face, age in zip(portrait.faces, ages, strict=True))
    return replace(portrait, faces=tuple(faces))


def ages_of(model: ResemblanceModel, vectors: Vectors) -> tuple[Age, ...]:
    """The estimated age of each face, (N, D)."""
    years, errors = model.ages(vectors)
    return tuple(Age(float(age), float(error)) for age, error in zip(years, errors, strict=True))
