"""What a protocol is: trials over a data set's photos. One module reads each data set.

A trial is a child, one parent or two, whether they are kin, and the fold that the trial belongs to.
Photos are named by their paths below the data set's folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facematch.errors import ProtocolError

FOLDS = 5
SAME_PERSON = "same person"  # the relation of trials that are not about kin


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether `child` is the child of `parents`, one photo or two, in the family given.

    The threshold for a fold is the one that is best for all other folds.
    """

    parents: tuple[str, ...]
    child: str
    kin: bool
    relation: str
    family: str
    fold: int
    shares_photograph: bool = False


@dataclass(frozen=True, slots=True)
class Protocol:
    """Trials over photos below `root`, a folder or FIW's archive.

    `families` are all families of the trials, where the data set is FIW: a model that was fitted on
    one of them cannot be measured by this protocol. `labels` is a table of the photos' ages and
    populations (see labels.py).
    """

    name: str
    root: Path
    trials: tuple[Trial, ...]
    families: frozenset[str] = frozenset()
    labels: Path | None = None

    def photos(self) -> list[str]:
        """Every photo once, in the order of the trials."""
        names = (photo for trial in self.trials for photo in (*trial.parents, trial.child))
        return list(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Listed:
    """A person on a list: a probe with all photos of the person, a face of the gallery with one."""

    family: str
    photos: tuple[str, ...]

    @property
    def person(self) -> str:
        """FAMILY/MEMBER."""
        return self.photos[0].rsplit("/", 1)[0]


@dataclass(frozen=True, slots=True)
class Search:
    """Probes, and a gallery of single faces in which each probe's family is to be found.

    `root` and `families` are as in Protocol.
    """

    name: str
    root: Path
    probes: tuple[Listed, ...]
    gallery: tuple[Listed, ...]
    families: frozenset[str]

    def photos(self) -> list[str]:
        """Every photo once, those of the probes first."""
        names = (photo for person in (*self.probes, *self.gallery) for photo in person.photos)
        return list(dict.fromkeys(names))


def refuse_fitted(protocol: Protocol | Search, fitted: Iterable[str]) -> None:
    """Raise ProtocolError where the protocol has families that the engine was fitted on."""
    if shared := protocol.families & set(fitted):
        raise ProtocolError(
            f"{len(shared)} of {len(protocol.families)} families, {min(shared)} among them, fitted "
            "the engine: its figures would mean nothing; take families that it never saw"
        )


def check_folds(protocol: Protocol) -> Protocol:
    """The protocol. Raises ProtocolError where a photo is in two folds of a relation."""
    fold_of: dict[tuple[str, str], int] = {}
    for trial in protocol.trials:
        for photo in (*trial.parents, trial.child):
            if fold_of.setdefault((trial.relation, photo), trial.fold) != trial.fold:
                raise ProtocolError(
                    f"{photo} is in two folds: the threshold of one would be fitted on it"
                )
    return protocol


def assign_folds(families: Sequence[str]) -> dict[str, int]:
    """A fold for each family, about as many in each, the same in every run."""
    names = sorted(set(families))
    order = np.random.default_rng(0).permutation(len(names))
    return {names[i]: place % FOLDS for place, i in enumerate(order.tolist())}


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank. Raises ProtocolError where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path} cannot be read ({error})") from error
    return [line for line in text.splitlines() if line.strip()]
