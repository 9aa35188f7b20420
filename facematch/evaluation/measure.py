"""Runs a protocol: every photo once through the engine, then figures, beside those of baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facematch.engine import Engine
from facematch.errors import ProtocolError
from facematch.evaluation.enrolled import Enrolled, OnPhotos, engine_names, enrol
from facematch.evaluation.figures import Curves, Evaluation, Figures
from facematch.evaluation.fiw import PARENT_CHILD
from facematch.evaluation.labels import estimated_labels, read_labels
from facematch.evaluation.likeness import likeness
from facematch.evaluation.metrics import (
    accuracy,
    auc,
    auc_interval,
    cllr,
    known,
    ks_from_uniform,
    least_cllr,
    true_accepts,
)
from facematch.evaluation.protocols import Protocol, Trial, refuse_fitted
from facematch.evaluation.same_population import same_population
from facematch.evaluation.within_groups import within_groups
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import Embedder

Floats = NDArray[np.float64]


def evaluate(
    protocol: Protocol,
    engine: Engine,
    untuned: Embedder,
    *,
    model: ResemblanceModel | None = None,
    on_progress: OnPhotos | None = None,
    on: str | None = None,
) -> Evaluation:
    """The figures of a protocol for an engine; photos without a face are counted and left out.

    `model` is the resemblance model, by default the engine's. The engine's store keeps where faces
    are. The protocol's labels, or else the model's own estimates, tell ages and populations.
    `on_progress` is given the photos and how many there are, and gives the photos on. `on`
    says where to work, "ray" or "ray:ADDRESS": see distributed.py.

    Raises ProtocolError where the engine was fitted on people of the protocol, or where no trial
    has a face in each photo; OptionError for a store together with `on`.
    """
    model = engine.resemblance if model is None else model
    if model is not None:
        refuse_fitted(protocol, model.families)
    photos = protocol.photos()
    labels = None if protocol.labels is None else read_labels(protocol.labels, photos)
    enrolled = enrol(protocol, engine, untuned, on_progress=on_progress, on=on)
    trials = [trial for trial in protocol.trials if _is_enrolled(trial, enrolled)]
    if not trials:
        raise ProtocolError(f"{protocol.name}: no trial has a face in each of its photos")
    if labels is not None:
        labels = labels.of_rows([i for i, name in enumerate(photos) if name in enrolled.row])
    elif model is not None:
        labels = estimated_labels(model, enrolled.vectors)
    scored = _ScoredTrials(trials, enrolled, model)
    of_parents = np.isin(scored.relations, PARENT_CHILD)
    main = of_parents if of_parents.any() else np.ones(len(trials), bool)
    apart = np.array([not trial.shares_photograph for trial in trials])
    return Evaluation(
        protocol=protocol.name,
        engine=engine_names(engine, model),
        photos=len(photos),
        failure_to_enrol=1 - len(enrolled.row) / len(photos),
        trials_lost=len(protocol.trials) - len(trials),
        figures=scored.figures(main),
        all_relations=scored.figures(np.ones(len(trials), bool)),
        per_relation={
            name: scored.figures(scored.relations == name)
            for name in np.unique(scored.relations).tolist()
        },
        colour_only=scored.figures(main, "colours only"),
        untuned_cosine=scored.figures(main, "untuned cosine"),
        other_photographs=None if apart.all() else scored.figures(main & apart),
        per_group=within_groups(trials, enrolled, model),
        same_population=same_population(
            [trials[i] for i in np.flatnonzero(main)], enrolled, model, labels
        ),
        curves=scored.curves(main),
    )


class _ScoredTrials:
    """Trials (N,) with the values that each method gives them."""

    def __init__(
        self, trials: Sequence[Trial], enrolled: Enrolled, model: ResemblanceModel | None
    ) -> None:
        self._rng = np.random.default_rng(0)
        self.kin = np.array([trial.kin for trial in trials])
        self.relations = np.array([trial.relation for trial in trials])
        self._families = np.array([trial.family for trial in trials])
        self._folds = np.array([trial.fold for trial in trials], np.intp)
        # A trial with two parents has the mean of both parents' values.
        parents, children = enrolled.rows_of(trials)
        shades = enrolled.colours
        by_colours = [self._by_colours(np.abs(shades[rows] - shades[children])) for rows in parents]
        self._values = {
            "this engine": likeness(model, enrolled.vectors, parents, children),
            "untuned cosine": likeness(None, enrolled.untuned, parents, children),
            "colours only": np.asarray(np.mean(by_colours, axis=0)),
        }
        self._scores: Floats | None = None
        self._log_ratios: Floats | None = None
        if model is not None and len(parents) == 1:  # the mean of two parents is not calibrated
            scores, ratios = model.calibrate(self._values["this engine"])
            self._scores, self._log_ratios = scores.astype(np.float64), np.log(ratios, dtype=float)

    def figures(self, chosen: NDArray[np.bool_], method: str = "this engine") -> Figures:
        """The figures of some trials (N,) by one method."""
        values, kin = self._values[method][chosen], self.kin[chosen]
        low, high = auc_interval(values, kin, self._families[chosen], self._rng)
        figures = Figures(
            kin=int(kin.sum()),
            strangers=int((~kin).sum()),
            auc=known(auc(values, kin)),
            auc_interval=None if np.isnan(low) else (low, high),
            accuracy=known(accuracy(values, kin, self._folds[chosen])),
            tar_at_far={far: known(tar) for far, tar in true_accepts(values, kin).items()},
        )
        if method != "this engine" or self._scores is None or self._log_ratios is None:
            return figures
        return replace(
            figures,
            cllr=known(cllr(self._log_ratios[chosen], kin)),
            cllr_min=known(least_cllr(values, kin)),
            score_ks=known(ks_from_uniform(self._scores[chosen][~kin])),
        )

    def curves(self, chosen: NDArray[np.bool_]) -> Curves:
        """What the charts of some trials (N,) need."""
        return Curves(
            kin=self.kin[chosen],
            values={name: values[chosen] for name, values in self._values.items()},
            scores=None if self._scores is None else self._scores[chosen],
            log_ratios=None if self._log_ratios is None else self._log_ratios[chosen],
        )

    def _by_colours(self, differences: Floats) -> Floats:
        """Log-odds of kin by logistic regression on colour differences, fitted on other folds."""
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


def _is_enrolled(trial: Trial, enrolled: Enrolled) -> bool:
    return all(photo in enrolled.row for photo in (*trial.parents, trial.child))
