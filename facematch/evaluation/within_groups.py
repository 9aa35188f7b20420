"""Figures within each group of people that a resemblance model knows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facematch.evaluation.enrolled import Enrolled
from facematch.evaluation.figures import WithinGroup
from facematch.evaluation.fiw import PARENT_CHILD
from facematch.evaluation.metrics import auc, known
from facematch.evaluation.protocols import Trial
from facematch.scoring.resemblance import ResemblanceModel

_STRANGERS_SAMPLED = 5000  # pairs of a group


def within_groups(
    trials: Sequence[Trial], enrolled: Enrolled, model: ResemblanceModel | None
) -> tuple[WithinGroup, ...]:
    """Scores of strangers and of kin within each group that has parents and children.

    Empty without a model, or where each trial has two parents.
    """
    rng = np.random.default_rng(0)
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
    results = []
    for group in range(len(model.group_offsets)):
        members = [np.flatnonzero(groups == group) for groups in nearest]
        if not all(len(rows) for rows in members):
            continue
        one, other = (rng.choice(rows, _STRANGERS_SAMPLED) for rows in members)
        apart = families[one] != families[other]
        both = np.intersect1d(members[0], members[1])
        if apart.any():
            of_strangers = model.pair_z_scores(parents[one[apart]], children[other[apart]])
            of_kin = model.pair_z_scores(parents[both], children[both])
            values = np.concatenate([of_strangers, of_kin])
            area = known(auc(values, np.arange(len(values)) >= len(of_strangers)))
            mean = float(model.calibrate(of_strangers)[0].mean())
            results.append(WithinGroup(1 + group, len(of_kin), len(of_strangers), area, mean))
    return tuple(results)
