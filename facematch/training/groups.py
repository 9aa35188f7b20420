"""Groups of families with similar faces, which are part of a face's cohort.

Families of a population that the data shows rarely lie close together and far from all others.
Against everyone, two strangers among them look like kin. The groups are found without labels: a
mixture of three Gaussians with one covariance, fitted to the families' means. Only means and
covariances over all people of a group are kept, and no person's vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.kin import Kin

GROUP_COUNT = 3
_MIXTURE_AXES = 4  # principal components of the families' means that the mixture is fitted to
_MIXTURE_STARTS = 5
_MIXTURE_ITERATIONS = 1000
# The covariance of a group with few people is shrunk towards the average of all groups, as if it
# had so many people more.
_PRIOR_PEOPLE = 30

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """G groups, the largest first.

    A vector (K,) belongs to each group in proportion to exp(`axes` @ vector + `offsets`), of shapes
    (G, K) and (G,). `of_people` (M, G) is the share in which everyone who has a photo belongs to
    each group, by the mean of their family; rows sum to 1.
    """

    axes: Floats
    offsets: Floats
    of_people: Floats


def find_groups(kin: Kin) -> Groups:
    """The groups of families whose vectors are comparable. The same families give the same groups.

    A linear discriminant of these groups then assigns photos to them.
    """
    from sklearn.mixture import GaussianMixture

    people, person_means = kin.person_means()
    families, member = np.unique(kin.family[people], return_inverse=True)
    means = np.stack([person_means[member == i].mean(axis=0) for i in range(len(families))])
    middle = means.mean(axis=0)
    _, _, axes = np.linalg.svd(means - middle, full_matrices=False)
    along = axes[:_MIXTURE_AXES].T
    mixture = GaussianMixture(
        GROUP_COUNT,
        covariance_type="tied",
        n_init=_MIXTURE_STARTS,
        max_iter=_MIXTURE_ITERATIONS,
        random_state=0,
    ).fit((means - middle) @ along)
    largest = np.argsort(-mixture.weights_, kind="stable")
    belongs = mixture.predict_proba((means - middle) @ along)[:, largest]
    family = np.searchsorted(families, kin.family[kin.person])
    weights, offsets = _discriminant((kin.vectors - middle) @ along, belongs[family])
    axes = weights @ along.T
    return Groups(axes, offsets - axes @ middle, belongs[member])


def group_statistics(people: Floats, belongs: Floats) -> tuple[Floats, Floats]:
    """Mean (G, K) and covariance (G, K, K) of each group's people.

    Covariances are shrunk towards the covariance within all groups. `people` are vectors (M, K),
    `belongs` (M, G) is the share in which each person belongs to each group.
    """
    sizes = belongs.sum(axis=0)
    # One average person is added to each group, so that none is empty.
    means = (belongs.T @ people + people.mean(axis=0)) / (sizes[:, np.newaxis] + 1)
    scatters = np.stack([
        ((people - mean).T * weights) @ (people - mean)
        for mean, weights in zip(means, belongs.T, strict=True)
    ])  # fmt: skip
    prior = _PRIOR_PEOPLE * scatters.sum(axis=0) / len(people)
    return means, (scatters + prior) / (sizes[:, np.newaxis, np.newaxis] + _PRIOR_PEOPLE)


def _discriminant(rows: Floats, belongs: Floats) -> tuple[Floats, Floats]:
    """Weights (G, K) and offsets (G,) of a softmax that gives the groups of rows (N, K)."""
    sizes = belongs.sum(axis=0) + 1  # one row at the mean is added to each, so that none is empty
    centres = belongs.T @ rows / sizes[:, np.newaxis]
    within = rows.T @ rows - (centres.T * sizes) @ centres
    weights = np.linalg.pinv(within / len(rows), hermitian=True) @ centres.T
    offsets = np.log(sizes / sizes.sum()) - np.einsum("gk,kg->g", centres, weights) / 2
    return weights.T, offsets
