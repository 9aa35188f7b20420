"""Groups of families whose faces lie close together: which crowd a face is to be seen against.

Families of a population that the data shows few of lie close together and apart from all others:
against everyone, two strangers among them look like kin. Such groups are found without labels, as
three Gaussians of one covariance among the means of families. What is kept of a group are means and
covariances over all its people: nobody's vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facematch.evaluation.kin import Kin

COUNT = 3
_AXES = 4  # principal components of families' means that groups are looked for along
_STARTS = 5
_ROUNDS = 1000
# People about as unlike one another as in any group that each is given: its own may be few.
_GIVEN = 30

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """G groups, the largest first.

    A vector (K,) belongs to each in proportion to exp(`axes` @ vector + `offsets`), of shapes
    (G, K) and (G,). `of_people` (M, G) is how far everyone who has a photo belongs to each, by
    the mean of their family; rows sum to 1.
    """

    axes: Floats
    offsets: Floats
    of_people: Floats


def find_groups(kin: Kin) -> Groups:
    """The groups among families, whose vectors are comparable. The same families give the same.

    Photos are then told apart by the linear discriminant of these groups.
    """
    from sklearn.mixture import GaussianMixture

    people, centres = kin.person_means()
    families, member = np.unique(kin.family[people], return_inverse=True)
    means = np.stack([_mean(centres, member == at) for at in range(len(families))])
    middle = means.mean(axis=0)
    _, _, axes = np.linalg.svd(means - middle, full_matrices=False)
    along = axes[:_AXES].T
    mixture = GaussianMixture(
        COUNT, covariance_type="tied", n_init=_STARTS, max_iter=_ROUNDS, random_state=0
    ).fit((means - middle) @ along)
    largest = np.argsort(-mixture.weights_, kind="stable")
    belongs = mixture.predict_proba((means - middle) @ along)[:, largest]
    family = np.searchsorted(families, kin.family[kin.person])
    tell, offsets = _discriminant((kin.vectors - middle) @ along, belongs[family])
    axes = tell @ along.T
    return Groups(axes, offsets - axes @ middle, belongs[member])


def crowds(people: Floats, belongs: Floats) -> tuple[Floats, Floats]:
    """Mean (G, K) and covariance (G, K, K) of each group's people.

    Covariances are drawn towards that within all groups. Shapes: (M, K), how far each of them
    belongs to each group (M, G).
    """
    sizes = belongs.sum(axis=0)
    # One person like everyone in each: none is empty.
    means = (belongs.T @ people + people.mean(axis=0)) / (sizes[:, np.newaxis] + 1)
    scatters = np.stack([
        ((people - mean).T * weights) @ (people - mean)
        for mean, weights in zip(means, belongs.T, strict=True)
    ])  # fmt: skip
    given = _GIVEN * scatters.sum(axis=0) / len(people)
    return means, (scatters + given) / (sizes[:, np.newaxis, np.newaxis] + _GIVEN)


def _discriminant(rows: Floats, belongs: Floats) -> tuple[Floats, Floats]:
    """Weights (G, K) and offsets (G,) whose softmax tells the groups of rows (N, K) apart."""
    sizes = belongs.sum(axis=0) + 1  # one row in the middle of all: none is empty
    centres = belongs.T @ rows / sizes[:, np.newaxis]
    within = rows.T @ rows - (centres.T * sizes) @ centres
    weights = np.linalg.pinv(within / len(rows), hermitian=True) @ centres.T
    offsets = np.log(sizes / sizes.sum()) - np.einsum("gk,kg->g", centres, weights) / 2
    return weights.T, offsets


def _mean(rows: Floats, of: NDArray[np.bool_]) -> Floats:
    return np.asarray(rows[of].mean(axis=0))
