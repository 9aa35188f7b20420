"""What strangers of one population score, by their ages; uniform scores would average 50."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.engine import Engine
from facematch.errors import ProtocolError
from facematch.evaluation.enrolled import OnPhotos, engine_names, enrol
from facematch.evaluation.figures import AgeError, ChildhoodShare, StrangerCell, StrangerFigures
from facematch.evaluation.kin import Indices
from facematch.evaluation.labelled_faces import LabelledFaces, sample_strangers
from facematch.evaluation.labels import POPULATIONS, Labels, labelled_photos, read_labels
from facematch.evaluation.metrics import (
    Estimate,
    Statistic,
    counted_ks,
    counted_mean,
    estimate,
    resample_faces,
)
from facematch.evaluation.protocols import read_lines
from facematch.evaluation.utkface import NAMED_SO, age_and_population, list_pictures
from facematch.scoring.resemblance import ResemblanceModel
from facematch.scoring.strata import AGE_BANDS

Floats = NDArray[np.float64]
Part = tuple[ResemblanceModel, LabelledFaces]  # a model, and faces that it is measured on

BABY, CHILD, TEENAGER, ADULT = range(4)
CELLS = {
    "adult/baby": (ADULT, BABY),
    "adult/child": (ADULT, CHILD),
    "adult/teen": (ADULT, TEENAGER),
    "adult/adult": (ADULT, ADULT),
    "child/baby": (CHILD, BABY),
    "child/child": (CHILD, CHILD),
    "baby/baby": (BABY, BABY),
}
EVERY = "all"  # populations together; each pair is of one
STRANGER_PAIRS = 6000  # of a cell and a population, in all parts together
FEWEST_STRANGERS = 400  # pairs of a cell with figures
MODERATE = 4  # the likelihood ratio that the program calls moderate support


# What a model saw of the pictures that it is measured on.
FITTED_NOTE = (
    "The strata of the shipped models were fitted on one half of UTKFace. If these pictures are of "
    "it, the figures flatter the engine: leave them out (--leave-out), or fit anew (--refit)."
)
LEFT_OUT_NOTE = "The pictures named by --leave-out took no part."
REFITTED_NOTE = (
    "Strata were fitted three times anew, without a third of the pictures each time. The figures "
    "are of these thirds: no picture took part in the fit that it measures."
)


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """Photos of unrelated people below `root`, a folder or an archive, with their labels (N,)."""

    root: Path
    names: tuple[str, ...]
    labels: Labels

    def photos(self) -> list[str]:
        """Every photo once."""
        return list(self.names)


def read_strangers(root: Path, table: Path | None, left_out: Path | None) -> Strangers:
    """The photos that a table labels, or those named as UTKFace names them.

    `left_out` is a folder, an archive or a list: photos with these file names take no part. Raises
    ProtocolError where no photo is left, FacematchError where a place cannot be read.
    """
    names = list_pictures(root) if table is None else labelled_photos(table)
    if not names:
        raise ProtocolError(
            f"{root} holds no picture named {NAMED_SO}: give --labels CSV for pictures with others"
        )
    fitted = set() if left_out is None else _file_names(left_out)
    names = [name for name in names if Path(name).name not in fitted]
    if not names:
        raise ProtocolError(f"{left_out} names every picture in {root}: none is left to measure on")
    if table is not None:
        return Strangers(root, tuple(names), read_labels(table, names))
    ages, populations = zip(*(age_and_population(name) for name in names), strict=True)
    labels = Labels(
        "the pictures' names", np.array(ages), np.array(populations, np.intp), POPULATIONS
    )
    return Strangers(root, tuple(names), labels)


def _file_names(place: Path) -> set[str]:
    """The names of the files in a folder or an archive, or on a list."""
    if place.is_dir() or zipfile.is_zipfile(place):
        return {Path(name).name for name in list_pictures(place)}
    return {Path(line.strip()).name for line in read_lines(place)}


def enrol_strangers(
    strangers: Strangers,
    engine: Engine,
    *,
    on_progress: OnPhotos | None = None,
    on: str | None = None,
) -> LabelledFaces:
    """The largest face of each photo, each of another person. Raises what `enrol` raises."""
    enrolled = enrol(strangers, engine, engine.embedder, on_progress=on_progress, on=on)
    rows = [i for i, name in enumerate(strangers.names) if name in enrolled.row]
    labels, each = strangers.labels.of_rows(rows), np.arange(len(rows))
    return LabelledFaces(
        enrolled.vectors, labels.ages, labels.populations, each, each, np.zeros_like(each)
    )


def measure_strangers(
    strangers: Strangers, engine: Engine, parts: Sequence[Part], fitted_on: str
) -> StrangerFigures:
    """The figures of all parts together; `fitted_on` says what the models were fitted on.

    Intervals come from a bootstrap of the faces: each is in many pairs.
    """
    rng, names = np.random.default_rng(0), strangers.labels.names
    faces = sum(len(part.ages) for _, part in parts)
    return StrangerFigures(
        engine=engine_names(engine, parts[0][0]),
        labels=strangers.labels.source,
        fitted_on=fitted_on,
        photos=len(strangers.names),
        failure_to_enrol=1 - faces / len(strangers.names),
        cells=tuple(
            _cell(cell, name, pairs, rng)
            for cell, stages in CELLS.items()
            for name, pairs in _by_population(parts, names, _sampler(stages, len(parts)))
        ),
        childhood=tuple(
            _childhood_share(name, triples, rng)
            for name, triples in _by_population(parts, names, _childhood_triples)
        ),
        age_errors=tuple(_age_errors(parts, rng)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Sampled:
    """Comparisons of strangers: the numbers of their faces, (K, N), and what is measured, (M, N).

    Of pairs that is the score and the likelihood ratio, of triples whether the childhood photo won.
    """

    faces: Indices
    values: Floats

    @classmethod
    def joined(cls, several: Sequence[_Sampled]) -> _Sampled:
        return cls(
            np.concatenate([each.faces for each in several], axis=1),
            np.concatenate([each.values for each in several], axis=1),
        )

    def estimate(self, statistic: Statistic, rng: np.random.Generator) -> Estimate:
        return estimate(statistic, resample_faces(rng, *self.faces), self.faces.shape[1])


def _by_population(
    parts: Sequence[Part], names: Sequence[str], sample: Callable[[Part], _Sampled]
) -> Iterator[tuple[str, _Sampled]]:
    """What is sampled of each population that is shown, and then of all together."""
    found = []
    for number, name in enumerate(names):
        like = [(model, faces.of_rows(faces.populations == number)) for model, faces in parts]
        if any(len(faces.ages) for _, faces in like):
            found.append(_Sampled.joined([sample(part) for part in like]))
            yield name, found[-1]
    if found:
        yield EVERY, _Sampled.joined(found)


def _sampler(stages: tuple[int, int], parts: int) -> Callable[[Part], _Sampled]:
    def sample(part: Part) -> _Sampled:
        model, faces = part
        rng = np.random.default_rng(0)
        one, other = sample_strangers(faces, stages, STRANGER_PAIRS // parts, rng)
        values = model.compare_pairs(faces.vectors[one], faces.vectors[other])
        return _Sampled(faces.people[np.stack([one, other])], np.array(values, np.float64))

    return sample


def _cell(cell: str, population: str, pairs: _Sampled, rng: np.random.Generator) -> StrangerCell:
    scores, ratios = pairs.values
    if len(scores) < FEWEST_STRANGERS:
        return StrangerCell(cell, population, len(scores))
    above = None
    if np.isfinite(ratios).any():  # two young children get no ratio: they count as less than 4
        above = pairs.estimate(counted_mean(ratios >= MODERATE), rng)
    return StrangerCell(
        cell,
        population,
        len(scores),
        score=pairs.estimate(counted_mean(scores), rng),
        ratio_4_or_more=above,
        score_ks=pairs.estimate(counted_ks(scores), rng),
    )


def _childhood_triples(part: Part) -> _Sampled:
    """Whether a stranger under 10 scores higher with a baby than an adult stranger does."""
    model, faces = part
    rows = [np.flatnonzero(np.isin(faces.stages, of)) for of in ((BABY,), (ADULT,), (BABY, CHILD))]
    if min(len(each) for each in rows) < 2:
        return _Sampled(np.empty((3, 0), np.intp), np.empty((1, 0)))
    rng = np.random.default_rng(0)
    baby, adult, young = (rng.choice(each, STRANGER_PAIRS // 3) for each in rows)
    others = young != baby
    baby, adult, young = baby[others], adult[others], young[others]
    with_young, with_adult = (
        model.compare_pairs(faces.vectors[older], faces.vectors[baby])[0]
        for older in (young, adult)
    )
    won = np.asarray(with_young > with_adult, np.float64)
    return _Sampled(faces.people[np.stack([baby, adult, young])], won[np.newaxis])


def _childhood_share(
    population: str, triples: _Sampled, rng: np.random.Generator
) -> ChildhoodShare:
    won = triples.values[0]
    if len(won) < FEWEST_STRANGERS:
        return ChildhoodShare(population, len(won))
    return ChildhoodShare(population, len(won), triples.estimate(counted_mean(won), rng))


def _age_errors(parts: Sequence[Part], rng: np.random.Generator) -> Iterator[AgeError]:
    """The mean absolute error of estimated ages in each age band that is shown."""
    ages = np.concatenate([faces.ages for _, faces in parts])
    people = np.concatenate([faces.people for _, faces in parts])
    off = np.abs(np.concatenate([model.ages(faces.vectors)[0] for model, faces in parts]) - ages)
    for low, high in AGE_BANDS:
        shown = (ages >= low) & (ages < high + 1)
        if shown.any():
            sampled = _Sampled(people[np.newaxis, shown], off[np.newaxis, shown])
            error = sampled.estimate(counted_mean(off[shown]), rng)
            yield AgeError(f"{low}-{high}", int(shown.sum()), error)
