"""The linear map that makes vectors of relatives comparable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facematch.errors import FacematchError
from facematch.evaluation.kin import Indices, Kin
from facematch.types import unit_rows_in_full

Floats = NDArray[np.float64]

# The exponent of the weights in `kin_map`: the best of 0, 0.1, 0.15, 0.2, 0.25, 0.3 and 0.5 by
# cross-validation over the training families. ROC AUC: 0.781 for 0, 0.796 for 0.2, 0.766 for 0.5.
_WEIGHT_EXPONENT = 0.2


def kin_map(kin: Kin, shrinkage: float) -> tuple[Floats, Floats]:
    """The mean (D,) of all people, and the map (D, K) that makes relatives comparable.

    The map first whitens what varies within people and families. It then weights each direction by
    the covariance of parents with their children along it, to a power. Directions without a
    positive covariance are dropped. Raises FacematchError where fewer than two directions are left.
    """
    people, means = kin.person_means()
    mean, whitening = means.mean(axis=0), _whitening(kin, shrinkage)
    agreement, axes = np.linalg.eigh(_agreement(kin, people, means @ whitening))
    kept = agreement > 0
    if kept.sum() < 2:
        raise FacematchError("parents and children of this data have nothing in common")
    weighted = whitening @ axes[:, kept] * agreement[kept] ** _WEIGHT_EXPONENT
    return mean, _with_fixed_signs(weighted)


def _whitening(kin: Kin, shrinkage: float) -> Floats:
    """The map (D, D) that whitens what varies within people and families.

    Within a person: photos about the person's mean. Within a family: people about the family's
    mean. Both covariances are added, then shrunk towards a multiple of the identity.
    """
    people, means = kin.person_means()
    of_photos = _covariance_within(unit_rows_in_full(kin.vectors), kin.person)
    covariance = of_photos + _covariance_within(means, kin.family[people])
    dimensions = len(covariance)
    sphere = np.trace(covariance) / dimensions * np.eye(dimensions)
    values, axes = np.linalg.eigh((1 - shrinkage) * covariance + shrinkage * sphere)
    return np.asarray(axes / np.sqrt(values))


def _agreement(kin: Kin, people: Indices, rows: Floats) -> Floats:
    """The covariance between parents and their children, symmetric; `rows` is (people, K)."""
    known = np.isin(kin.parents, people) & np.isin(kin.children, people)
    parents, children = (
        rows[np.searchsorted(people, role[known])] for role in (kin.parents, kin.children)
    )
    centred = parents - parents.mean(axis=0)
    covariance = centred.T @ (children - children.mean(axis=0)) / len(centred)
    return np.asarray((covariance + covariance.T) / 2)


def _with_fixed_signs(columns: Floats) -> Floats:
    """Each column with its largest entry positive, since eigenvectors come with either sign."""
    largest = np.abs(columns).argmax(axis=0)
    return np.asarray(columns * np.sign(columns[largest, np.arange(columns.shape[1])]))


def _covariance_within(rows: Floats, group: Indices) -> Floats:
    """The unbiased covariance of rows about the mean of their group."""
    _, member = np.unique(group, return_inverse=True)
    sizes = np.bincount(member)
    means = np.zeros((len(sizes), rows.shape[1]))
    np.add.at(means, member, rows)
    centred = rows - (means / sizes[:, np.newaxis])[member]
    return np.asarray(centred.T @ centred / max(len(rows) - len(sizes), 1))
