"""Runs a search: every probe against the whole gallery; mAP and rank@k beside the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.engine import Engine
from facematch.errors import ProtocolError
from facematch.evaluation.enrolled import Enrolled, OnPhotos, engine_names, enrol
from facematch.evaluation.fiw_faces import photograph_of
from facematch.evaluation.metrics import average_precision, chance_precision, mean_interval
from facematch.evaluation.protocols import Listed, Search, refuse_fitted
from facematch.scoring.cosine import cosine_matrix
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import Embedder, Vectors, mean_direction

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

RANKS = (1, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class SearchFigures:
    """How early relatives rank; each figure has a 95 % interval over the probes' families.

    `mean_average_precision` is 1 where all relatives come first. `rank_at[k]` is the share of
    probes with a relative among the first k.
    """

    probes: int
    mean_average_precision: float
    map_interval: tuple[float, float]
    rank_at: dict[str, float]
    rank_intervals: dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The result of a search.

    `other_photographs` leaves out faces that FIW cut from a photograph that also shows the probe;
    None where there are no such faces. `chance` holds the expected figures of a random order.
    `gallery` is the number of faces.
    """

    protocol: str
    engine: dict[str, str | None]
    photos: int
    failure_to_enrol: float
    gallery: int
    probes_lost: int
    figures: SearchFigures
    other_photographs: SearchFigures | None
    untuned_cosine: SearchFigures
    colour_only: SearchFigures
    chance: dict[str, float]


def evaluate_search(
    search: Search,
    engine: Engine,
    untuned: Embedder,
    *,
    on_progress: OnPhotos | None = None,
    on: str | None = None,
) -> Retrieval:
    """The figures of a search for an engine; the photos of a probe are averaged.

    A probe's own faces in the gallery do not count. A probe without a face, or without a relative
    in the gallery, is left out and counted. The other parameters are those of `measure.evaluate`.

    Raises ProtocolError where the engine was fitted on people of the search, or no probe is left.
    """
    model = engine.resemblance
    if model is not None:
        refuse_fitted(search, model.families)
    enrolled = enrol(search, engine, untuned, on_progress=on_progress, on=on)
    probes = [each for each in search.probes if any(photo in enrolled.row for photo in each.photos)]
    gallery = [each for each in search.gallery if each.photos[0] in enrolled.row]
    kin, own, shared = _relations(probes, gallery)
    usable = np.flatnonzero((kin & ~own).any(axis=0))
    if not len(usable):
        raise ProtocolError(f"{search.name}: no probe has a relative's face in the gallery")
    probes = [probes[i] for i in usable]
    kin, own, shared = kin[:, usable], own[:, usable], shared[:, usable]
    families = np.array([each.family for each in probes])

    def figures(values: Floats, without: Mask) -> SearchFigures:
        return _figures(values, kin, without, families, np.random.default_rng(0))

    values_by = _values_by_method(enrolled, probes, gallery, model)
    found = {name: figures(values, own) for name, values in values_by.items()}
    left_out = own | shared
    has_shared = bool(shared.any() and (kin & ~left_out).any())
    photos = len(search.photos())
    return Retrieval(
        protocol=search.name,
        engine=engine_names(engine, model),
        photos=photos,
        failure_to_enrol=1 - len(enrolled.row) / photos,
        gallery=len(gallery),
        probes_lost=len(search.probes) - len(probes),
        figures=found["engine"],
        other_photographs=figures(values_by["engine"], left_out) if has_shared else None,
        untuned_cosine=found["untuned"],
        colour_only=found["colours"],
        chance=_chance(kin & ~own, ~own),
    )


def _relations(probes: Sequence[Listed], gallery: Sequence[Listed]) -> tuple[Mask, Mask, Mask]:
    """Whether each face and probe (G, Q) share a family, a person, a photograph of FIW's."""

    def equal(of_gallery: Sequence[str], of_probes: Sequence[str]) -> Mask:
        return np.asarray(np.array(of_gallery)[:, np.newaxis] == np.array(of_probes))

    kin = equal([each.family for each in gallery], [each.family for each in probes])
    own = equal([each.person for each in gallery], [each.person for each in probes])
    cut_from = [photograph_of(each.photos[0]) for each in gallery]
    shown = [{photograph_of(photo) for photo in each.photos} - {None} for each in probes]
    return kin, own, np.array([[each in some for some in shown] for each in cut_from])


def _values_by_method(
    enrolled: Enrolled,
    probes: Sequence[Listed],
    gallery: Sequence[Listed],
    model: ResemblanceModel | None,
) -> dict[str, Floats]:
    """How alike each face and each probe are (G, Q), by each method."""
    rows = [enrolled.row[each.photos[0]] for each in gallery]
    probe_rows = [
        [enrolled.row[photo] for photo in each.photos if photo in enrolled.row] for each in probes
    ]
    spread = enrolled.colours.std(axis=0)
    shades = enrolled.colours / np.where(spread > 0, spread, 1)
    means = np.array([shades[some].mean(axis=0) for some in probe_rows])
    return {
        "engine": _by_vectors(enrolled.vectors, rows, probe_rows, model),
        "untuned": _by_vectors(enrolled.untuned, rows, probe_rows, None),
        "colours": -np.linalg.norm(shades[rows][:, np.newaxis] - means, axis=2),
    }


def _by_vectors(
    vectors: Vectors,
    rows: Sequence[int],
    probe_rows: Sequence[Sequence[int]],
    model: ResemblanceModel | None,
) -> Floats:
    means = np.array([mean_direction(vectors[some]) for some in probe_rows])
    if model is None:
        return cosine_matrix(vectors[rows], means).astype(np.float64)
    return model.z_scores(vectors[rows], means)


def _figures(
    values: Floats, kin: Mask, left_out: Mask, families: NDArray[np.str_], rng: np.random.Generator
) -> SearchFigures:
    """The figures over all probes with a relative among the faces that are not left out."""
    usable, precisions, firsts = [], [], []
    for i, (probe_values, are_kin, out) in enumerate(zip(values.T, kin.T, left_out.T, strict=True)):
        order = np.argsort(-probe_values[~out], kind="stable")
        ranks = np.flatnonzero(are_kin[~out][order]) + 1
        if len(ranks):
            usable.append(i)
            precisions.append(average_precision(ranks))
            firsts.append(int(ranks[0]))
    of_family, first = families[usable], np.array(firsts)
    hits = {str(rank): (first <= rank).astype(np.float64) for rank in RANKS}
    return SearchFigures(
        probes=len(usable),
        mean_average_precision=float(np.mean(precisions)),
        map_interval=mean_interval(np.array(precisions), of_family, rng),
        rank_at={rank: float(each.mean()) for rank, each in hits.items()},
        rank_intervals={rank: mean_interval(each, of_family, rng) for rank, each in hits.items()},
    )


def _chance(kin: Mask, searched: Mask) -> dict[str, float]:
    """The expected figures of a random order."""
    counts = list(zip(kin.sum(axis=0).tolist(), searched.sum(axis=0).tolist(), strict=True))
    chance = {"mean_average_precision": np.mean([chance_precision(*each) for each in counts])}
    for rank in RANKS:
        chance[f"rank_at_{rank}"] = np.mean([_hit(found, among, rank) for found, among in counts])
    return {name: float(value) for name, value in chance.items()}


def _hit(found: int, among: int, rank: int) -> float:
    """The probability that one of `found` is among the first `rank` of `among` at random."""
    places = np.arange(min(rank, among))
    return float(1 - np.prod(np.maximum(among - found - places, 0) / (among - places)))
