"""The cohorts of a resemblance model: means and covariances over everyone and over each group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.kin import Kin
from facematch.scoring.resemblance import ResemblanceModel, comparable
from facematch.training.calibration import KNOTS
from facematch.training.groups import find_groups, group_statistics
from facematch.training.strata import unfitted_strata

Floats = NDArray[np.float64]

# Placeholders in a model that gives z-scores only, before it is calibrated.
_UNFITTED_KNOTS = KNOTS - 50
_UNFITTED_RATIO = np.array([1.0, 0.0, 0.0, 0.0])
_UNFITTED_AVERAGING = np.array([0.0, 0.0, 1.0, 0.0])


def cohort_model(
    kin: Kin, space: str, comparison: tuple[Floats, Floats] | None = None
) -> ResemblanceModel:
    """A model that gives z-scores and is not calibrated yet.

    Its cohort is everyone; the groups are found in these families, and have a share of 0. Its
    strata change nothing.
    `comparison` is what `kin_map` gives; without it vectors are comparable as they are.
    """
    dimensions = kin.vectors.shape[1]
    if comparison is None:
        comparison = np.zeros(dimensions), np.eye(dimensions)
    mean, transform = (_f32(part) for part in comparison)
    people, means = kin.person_means()
    rows = comparable(_f32(means), mean, transform)
    groups = find_groups(replace(kin, vectors=_f32(comparable(kin.vectors, mean, transform))))
    roles = [np.isin(people, role) for role in (kin.parents, kin.children)]
    parent, child = (rows[role] for role in roles)
    parents, children = (group_statistics(rows[role], groups.of_people[role]) for role in roles)
    return ResemblanceModel(
        name=f"{space}-resemblance",
        space=space,
        families=np.array([], np.str_),
        mean=mean,
        transform=transform,
        parent_mean=_f32(parent.mean(axis=0)),
        parent_covariance=_f32(np.cov(parent, rowvar=False)),
        child_mean=_f32(child.mean(axis=0)),
        child_covariance=_f32(np.cov(child, rowvar=False)),
        group_axes=_f32(groups.axes),
        group_offsets=_f32(groups.offsets),
        group_share=np.zeros(1, np.float32),
        parent_group_means=_f32(parents[0]),
        parent_group_covariances=_f32(parents[1]),
        child_group_means=_f32(children[0]),
        child_group_covariances=_f32(children[1]),
        **unfitted_strata(rows.shape[1]),
        distances=_f32(_UNFITTED_KNOTS),
        scores=_f32(KNOTS),
        log_ratio=_f32(_UNFITTED_RATIO),
        log_ratio_draws=_f32(_UNFITTED_RATIO[np.newaxis, :2]),
        averaging=_f32(_UNFITTED_AVERAGING),
    )


def _f32(values: Floats) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
