"""Runs a protocol: every photo once through the engine, then figures, beside those of baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.detection.alignment import crop_faces
from facematch.errors import OptionError, ProtocolError
from facematch.evaluation.colours import around, colours
from facematch.evaluation.fiw import PARENT_CHILD, open_faces
from facematch.evaluation.metrics import (
    accuracy,
    auc,
    auc_interval,
    cllr,
    ks_from_uniform,
    least_cllr,
    require_sklearn,
    true_accepts,
)
from facematch.evaluation.protocols import Protocol, Search, Trial, refuse_fitted
from facematch.matcher import FaceMatcher
from facematch.runtime.distributed import distribute
from facematch.scoring.cosine import cosine_pairs, unit_rows
from facematch.scoring.resemblance import ResemblanceModel, model_for
from facematch.types import Chips, Embedder, Photo, PhotoLike, Portrait, Vectors

Floats = NDArray[np.float64]
_Face = tuple[Vectors, Vectors, Floats]  # (D,) by the engine, (E,) untuned, (6,) colours

Watched = Callable[[Iterable[Photo | str], int], Iterable[Photo | str]]

_BATCH = 32  # faces embedded at a time
_DRAWN = 5000  # strangers of a group


@dataclass(frozen=True, slots=True)
class Figures:
    """How well some values tell kin from strangers; None where it cannot be said.

    `tar_at_far` is the share of kin above what so small a share of strangers reaches. `cllr`,
    `cllr_min` and `score_ks` (distance of strangers' scores from flat) need a resemblance model.
    """

    kin: int
    strangers: int
    auc: float | None
    auc_interval: tuple[float, float] | None
    accuracy: float | None
    tar_at_far: dict[str, float | None]
    cllr: float | None = None
    cllr_min: float | None = None
    score_ks: float | None = None


@dataclass(frozen=True, slots=True)
class WithinGroup:
    """Parents and children whose photos are both nearest to one group of the model's, by number.

    1 is the largest in training. Strangers are drawn among all such photos, since a protocol may
    pair few: a parent's and the child of another family. `score_mean` is of their scores, 50 if
    they are flat.
    """

    group: int
    kin: int
    strangers: int
    auc: float | None
    score_mean: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of a protocol.

    `figures` are over parents and children; over everyone where a protocol has no such relations.
    `all_relations` are over grandparents and siblings too. `per_group` is empty where a parent is
    two people, or without a model. The baselines are measured on the same trials: colours without
    any face model, and the plain cosine of the untuned embedder.
    """

    protocol: str
    engine: dict[str, str | None]
    photos: int
    failure_to_enrol: float
    trials_lost: int
    figures: Figures
    all_relations: Figures
    per_relation: dict[str, Figures]
    colour_only: Figures
    untuned_cosine: Figures
    other_photographs: Figures | None
    per_group: tuple[WithinGroup, ...]
    curves: Curves = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What is drawn: of each judged trial (N,) the values by method, and whether it is kin."""

    kin: NDArray[np.bool_]
    values: dict[str, Floats]
    scores: Floats | None
    log_ratios: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """Every usable photo's vectors by the engine and by the untuned embedder, and its colours."""

    row: dict[str, int]
    vectors: Vectors
    untuned: Vectors
    colours: Floats


def evaluate(
    protocol: Protocol,
    matcher: FaceMatcher,
    untuned: Embedder,
    *,
    model: ResemblanceModel | None = None,
    seed: int = 0,
    cache: Path | None = None,
    watched: Watched | None = None,
    on: str | None = None,
) -> Evaluation:
    """The figures of a protocol for an engine; photos without a face are counted and left out.

    `model` is the resemblance model, by default the one shipped for the embedder. `cache` is a file
    to keep where faces are, for another time. `watched` is given the photos and how many there are,
    and gives them back: for progress. `on` is where to work, "ray" or "ray:ADDRESS": see
    cluster.py.

    Raises ProtocolError where the engine was fitted on people of the protocol, or no trial is left;
    MissingExtraError without scikit-learn.
    """
    require_sklearn()
    model = model_for(matcher.embedder.space) if model is None else model
    if model is not None:
        refuse_fitted(protocol, model.families)
    photos = len(protocol.photos())
    enrolled = enrol(protocol, matcher, untuned, cache=cache, watched=watched, on=on)
    trials = [trial for trial in protocol.trials if _is_enrolled(trial, enrolled)]
    if not trials:
        raise ProtocolError(f"{protocol.name}: no trial has a face in each of its photos")
    judged = _Judged(trials, enrolled, model, np.random.default_rng(seed))
    typed = np.isin(judged.relations, PARENT_CHILD)
    main = typed if typed.any() else np.ones(len(trials), bool)
    apart = np.array([not trial.shares_photograph for trial in trials])
    return Evaluation(
        protocol=protocol.name,
        engine=engine_names(matcher, model),
        photos=photos,
        failure_to_enrol=1 - len(enrolled.row) / photos,
        trials_lost=len(protocol.trials) - len(trials),
        figures=judged.figures(main),
        all_relations=judged.figures(np.ones(len(trials), bool)),
        per_relation={
            name: judged.figures(judged.relations == name)
            for name in np.unique(judged.relations).tolist()
        },
        colour_only=judged.figures(main, "colours only"),
        untuned_cosine=judged.figures(main, "untuned cosine"),
        other_photographs=None if apart.all() else judged.figures(main & apart),
        per_group=_of_groups(trials, enrolled, model, np.random.default_rng(seed)),
        curves=judged.curves(main),
    )


def engine_names(matcher: FaceMatcher, model: ResemblanceModel | None) -> dict[str, str | None]:
    """The parts that make a score, for a report."""
    return {
        "detector": matcher.detector.name,
        "embedder": matcher.embedder.name,
        "resemblance": None if model is None else model.name,
    }


class _Judged:
    """Trials with what each method makes of them; `figures` are those of some of them."""

    def __init__(
        self,
        trials: Sequence[Trial],
        enrolled: Enrolled,
        model: ResemblanceModel | None,
        rng: np.random.Generator,
    ) -> None:
        self._rng = rng
        self.kin = np.array([trial.kin for trial in trials])
        self.relations = np.array([trial.relation for trial in trials])
        self._families = np.array([trial.family for trial in trials])
        self._folds = np.array([trial.fold for trial in trials], np.intp)
        # Trials of two parents are judged by the mean of both.
        sides = range(len(trials[0].parents))
        parents = [
            np.array([enrolled.row[trial.parents[side]] for trial in trials]) for side in sides
        ]
        children = np.array([enrolled.row[trial.child] for trial in trials])
        self._values = {
            "this engine": _mean(
                _alike(model, enrolled.vectors[rows], enrolled.vectors[children])
                for rows in parents
            ),
            "untuned cosine": _mean(
                _alike(None, enrolled.untuned[rows], enrolled.untuned[children]) for rows in parents
            ),
            "colours only": _mean(
                self._by_colours(np.abs(enrolled.colours[rows] - enrolled.colours[children]))
                for rows in parents
            ),
        }
        self._scores: Floats | None = None
        self._log_ratios: Floats | None = None
        if model is not None and len(parents) == 1:  # a pair of parents is not calibrated
            scores, ratios = model.calibrate(self._values["this engine"])
            self._scores, self._log_ratios = scores.astype(np.float64), np.log(ratios, dtype=float)

    def figures(self, of: NDArray[np.bool_], method: str = "this engine") -> Figures:
        """The figures of some trials (N,) by one method."""
        values, kin = self._values[method][of], self.kin[of]
        found = Figures(
            kin=int(kin.sum()),
            strangers=int((~kin).sum()),
            auc=_known(auc(values, kin)),
            auc_interval=_known_interval(auc_interval(values, kin, self._families[of], self._rng)),
            accuracy=_known(accuracy(values, kin, self._folds[of])),
            tar_at_far={far: _known(tar) for far, tar in true_accepts(values, kin).items()},
        )
        if method != "this engine" or self._scores is None or self._log_ratios is None:
            return found
        return replace(
            found,
            cllr=_known(cllr(self._log_ratios[of], kin)),
            cllr_min=_known(least_cllr(values, kin)),
            score_ks=_known(ks_from_uniform(self._scores[of][~kin])),
        )

    def curves(self, of: NDArray[np.bool_]) -> Curves:
        """What is drawn of some trials (N,)."""
        return Curves(
            kin=self.kin[of],
            values={name: values[of] for name, values in self._values.items()},
            scores=None if self._scores is None else self._scores[of],
            log_ratios=None if self._log_ratios is None else self._log_ratios[of],
        )

    def _by_colours(self, differences: Floats) -> Floats:
        """What logistic regression, fitted on the other folds, makes of differences in colour."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        values = np.zeros(len(differences))
        for fold in np.unique(self._folds):
            fit, test = self._folds != fold, self._folds == fold
            if len(np.unique(self.kin[fit])) == 2:
                fitted = make_pipeline(StandardScaler(), LogisticRegression())
                fitted.fit(differences[fit], self.kin[fit])
                values[test] = fitted.decision_function(differences[test])
        return values


def _of_groups(
    trials: Sequence[Trial],
    enrolled: Enrolled,
    model: ResemblanceModel | None,
    rng: np.random.Generator,
) -> tuple[WithinGroup, ...]:
    """How strangers and kin of each group score that have enough photos to draw from."""
    kin = [
        trial
        for trial in trials
        if trial.kin and len(trial.parents) == 1 and trial.relation in ("", *PARENT_CHILD)
    ]
    if model is None or not kin:
        return ()
    parents = enrolled.vectors[[enrolled.row[trial.parents[0]] for trial in kin]]
    children = enrolled.vectors[[enrolled.row[trial.child] for trial in kin]]
    families = np.array([trial.family for trial in kin])
    nearest = [model.memberships(vectors).argmax(axis=1) for vectors in (parents, children)]
    found = []
    for group in range(len(model.group_offsets)):
        of_group = [np.flatnonzero(each == group) for each in nearest]
        if not all(len(each) for each in of_group):
            continue
        one, other = (rng.choice(each, _DRAWN) for each in of_group)
        apart = families[one] != families[other]
        both = np.intersect1d(of_group[0], of_group[1])
        if apart.any():
            z = model.pair_z_scores(parents[one[apart]], children[other[apart]])
            close = model.pair_z_scores(parents[both], children[both])
            are_kin = np.arange(len(z) + len(close)) >= len(z)
            value = _known(auc(np.concatenate([z, close]), are_kin))
            mean = float(model.calibrate(z)[0].mean())
            found.append(WithinGroup(1 + group, len(close), len(z), value, mean))
    return tuple(found)


def _alike(model: ResemblanceModel | None, parents: Vectors, children: Vectors) -> Floats:
    """Distances from the cohort, or cosines where no model fits."""
    if model is None:
        return cosine_pairs(parents, children).astype(np.float64)
    return model.pair_z_scores(parents, children)


def _mean(values: Iterable[Floats]) -> Floats:
    return np.asarray(np.mean(list(values), axis=0))


def enrol(
    protocol: Protocol | Search,
    matcher: FaceMatcher,
    untuned: Embedder,
    *,
    cache: Path | None = None,
    watched: Watched | None = None,
    on: str | None = None,
) -> Enrolled:
    """Every photo's largest face, embedded by both, one batch after another.

    Raises ProtocolError where no photo shows a face, OptionError for a cache on a cluster.
    """
    if on is not None and cache is not None:
        raise OptionError("--on looks at photos anew: leave --cache out with it")
    photos = protocol.photos()
    looked_at: Iterable[Photo | str] = _photos(protocol, photos)
    if watched is not None:
        looked_at = watched(looked_at, len(photos))
    work = partial(_faces_of, matcher, untuned, cache)
    seen = chain.from_iterable(distribute(work, looked_at, on=on))
    found = [(name, *face) for name, face in zip(photos, seen, strict=True) if face is not None]
    if not found:
        raise ProtocolError(f"{protocol.root}: no face found in any of the protocol's photos")
    names, vectors, plain, shades = zip(*found, strict=True)
    row = {name: at for at, name in enumerate(names)}
    return Enrolled(row, unit_rows(np.array(vectors)), unit_rows(np.array(plain)), np.array(shades))


def _faces_of(
    matcher: FaceMatcher, untuned: Embedder, cache: Path | None, photos: Iterable[PhotoLike]
) -> list[_Face | None]:
    """Of each photo the largest face's vectors by both embedders and its colours, or None."""
    faces: list[_Face | None] = []
    seen = matcher.faces(photos, cache=cache)
    while batch := list(islice(seen, _BATCH)):
        usable = [each for each in batch if isinstance(each, Portrait) and each.faces]
        found = _measured(matcher, untuned, usable) if usable else iter(())
        is_usable = (isinstance(each, Portrait) and bool(each.faces) for each in batch)
        faces += [next(found) if each else None for each in is_usable]
    return faces


def _measured(
    matcher: FaceMatcher, untuned: Embedder, portraits: Sequence[Portrait]
) -> Iterator[_Face]:
    vectors = plain = matcher.embedder.embed(np.stack([each.chips[0] for each in portraits]))
    if untuned.space != matcher.embedder.space:
        plain = untuned.embed(np.stack([_chip(each, untuned) for each in portraits]))
    shades = [colours(around(each.photo.pixels, each.faces[0].box)) for each in portraits]
    return zip(vectors, plain, shades, strict=True)


def _photos(protocol: Protocol | Search, names: Sequence[str]) -> Iterator[Photo | str]:
    if protocol.root.is_file():
        return open_faces(protocol.root, names)
    return (str(protocol.root / name) for name in names)


def _chip(portrait: Portrait, embedder: Embedder) -> Chips:
    """The largest face as that embedder wants it."""
    return np.asarray(crop_faces(portrait.photo.pixels, portrait.faces[:1], embedder.frame)[0])


def _is_enrolled(trial: Trial, enrolled: Enrolled) -> bool:
    return all(photo in enrolled.row for photo in (*trial.parents, trial.child))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _known_interval(interval: tuple[float, float]) -> tuple[float, float] | None:
    return None if np.isnan(interval[0]) else interval
