"""Who looks like whom in a family: every child against every parent, with how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from facematch.analyses.ages import seem_swapped
from facematch.engine import Engine
from facematch.enrolment.people import (
    NamedPhotos,
    check_names,
    enrol_person,
    parents_and_children,
)
from facematch.scoring.intervals import neutral_score
from facematch.scoring.more_photos import more_photos
from facematch.scoring.people import (
    Likeness,
    between_parents,
    bootstrap_means,
    bootstrap_z_scores,
    likeness,
    of_couple,
    people_z_scores,
    person_warnings,
    seem_several,
)
from facematch.scoring.resemblance import ResemblanceModel
from facematch.types import EngineNames, Person, PhotoLike, Pixels, ResultMethods, Skipped

SURE = 0.8  # share of the resamples from which on a parent is named


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whom a child looks most like: None where it is too close to call.

    `share` is the share of bootstrap resamples in which `ahead` is the parent most like the child.
    `both` is the score of the child against its two parents together, None where there are not two.
    `more_photos` says whose photos to add, and how many, where it is too close to call: then half
    of such cases get a verdict. It is empty where no few photos are enough.
    """

    child: str
    most_like: str | None
    ahead: str
    share: float
    both: float | None
    more_photos: dict[str, int] | None = None

    @property
    def times_of_100(self) -> int:
        """In how many of 100 resamples that parent is ahead: at most 99, since photos are few."""
        # Rounded down, so that a number of at least 100 * SURE names the parent.
        return min(int(100 * self.share + 1e-9), 99)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Family(ResultMethods):
    """Who looks like whom: a likeness for every parent and child, parent by parent.

    `siblings` compare children with each other; the model was fitted to parents and children.
    `portraits` show everyone by name. A score above `neutral_score` speaks for kinship, one below
    it against. No paternity test.
    """

    parents: tuple[str, ...]
    children: tuple[str, ...]
    likenesses: tuple[Likeness, ...]
    verdicts: tuple[Verdict, ...]
    siblings: tuple[Likeness, ...]
    photos: dict[str, int]
    portraits: dict[str, Pixels]
    engine: EngineNames
    neutral_score: float | None
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def of(self, parent: str, child: str) -> Likeness:
        """That of one parent and one child."""
        at = self.parents.index(parent) * len(self.children) + self.children.index(child)
        return self.likenesses[at]


def family(engine: Engine, parents: NamedPhotos, children: NamedPhotos) -> Family:
    """Who looks like whom; both name people, each with photos.

    Photos without a usable face are in `skipped`. Raises NoFaceError where no parent or no child
    has a usable photo, ResemblanceError where no resemblance model fits the embedder.
    """
    older, younger, skipped = parents_and_children(engine, parents, children)
    return replace(compare_family(engine, older, younger), skipped=tuple(skipped))


def family_in_photo(
    engine: Engine, photo: PhotoLike, parents: Mapping[str, int], children: Mapping[str, int]
) -> Family:
    """Who looks like whom in one photograph; both name people with the number of their face.

    1 is the largest face. Raises NoFaceError for a number above the faces found, and what `family`
    raises.
    """
    check_names([*parents, *children])
    portrait = engine.find_faces(photo)
    older, younger = (
        [enrol_person(engine, name, [(portrait, portrait.face_index(face))])
         for name, face in side.items()]
        for side in (parents, children)
    )  # fmt: skip
    return compare_family(engine, older, younger, chosen=True)


def compare_family(
    engine: Engine,
    parents: Sequence[Person],
    children: Sequence[Person],
    *,
    chosen: bool = False,
    seed: int = 0,
) -> Family:
    """Compare everyone. `chosen` says that somebody chose the faces.

    The same photos and `seed` give the same bootstrap resamples. Raises ResemblanceError where no
    resemblance model fits the embedder.
    """
    model = engine.require_resemblance()
    everyone = {person.name: person for person in (*parents, *children)}
    pairs = _resampled_z_scores(model, parents, children, np.random.default_rng(seed))
    shares = _shares(pairs)
    likenesses = [
        likeness(model, (parent, child), shares[row, column])
        for row, parent in enumerate(parents)
        for column, child in enumerate(children)
    ]
    siblings = [likeness(model, both, both_ways=True) for both in combinations(children, 2)]
    return Family(
        parents=tuple(person.name for person in parents),
        children=tuple(person.name for person in children),
        likenesses=tuple(likenesses),
        verdicts=tuple(_verdicts(parents, children, model, pairs, shares)),
        siblings=tuple(siblings),
        photos={name: len(person.portraits) for name, person in everyone.items()},
        portraits={name: person.portrait for name, person in everyone.items()},
        engine=engine.names,
        neutral_score=neutral_score(model),
        warnings=(
            *_warnings([*parents, *children], chosen),
            *_age_warnings(everyone, likenesses, model),
            *_several_warnings(engine, everyone, model),
        ),
    )


def _resampled_z_scores(
    model: ResemblanceModel,
    parents: Sequence[Person],
    children: Sequence[Person],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """The z-score of each parent and child in each bootstrap resample, (P, C, B)."""
    means = {person.name: bootstrap_means(person.gallery, rng) for person in (*parents, *children)}

    def z_scores(one: Person, other: Person) -> NDArray[np.float64]:
        photos = len(one.portraits), len(other.portraits)
        resampled = bootstrap_z_scores(model, (means[one.name], means[other.name]), photos, rng)
        # A resample leaves photos out, which lowers z-scores: centre them on that of all photos.
        z = float(people_z_scores(model, one.averaged, other.averaged)[0, 0])
        return np.asarray(resampled + z - resampled.mean())

    return np.array([[z_scores(parent, child) for child in children] for parent in parents])


def _shares(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of resamples in which each parent is ahead; NaN for a single parent.

    Shapes: (P, C, B) -> (P, C).
    """
    count = len(pairs)
    if count < 2:
        return np.full(pairs.shape[:2], np.nan)
    children = pairs.transpose(1, 0, 2)
    first = np.array([between_parents(z).argmax(axis=0) for z in children])
    return np.array([(first == row).mean(axis=1) for row in range(count)])


def _verdicts(
    parents: Sequence[Person],
    children: Sequence[Person],
    model: ResemblanceModel,
    pairs: NDArray[np.float64],
    shares: NDArray[np.float64],
) -> Iterator[Verdict]:
    if len(parents) < 2:
        return
    for column, child in enumerate(children):
        first, second = np.argsort(-shares[:, column], kind="stable")[:2].tolist()
        share, name = float(shares[first, column]), parents[first].name
        both = None
        if len(parents) == 2:
            z = [people_z_scores(model, parent.averaged, child.averaged) for parent in parents]
            both = float(model.calibrate(of_couple(model, np.array(z)))[0].ravel()[0])
        advice = None
        if share < SURE:
            apart = float(pairs[first, column].mean() - pairs[second, column].mean())
            trio = (parents[first], parents[second], child)
            photos = {person.name: len(person.portraits) for person in trio}
            advice = more_photos(apart, photos, child.name, SURE)
        yield Verdict(child.name, name if advice is None else None, name, share, both, advice)


def _age_warnings(
    people: Mapping[str, Person], pairs: Sequence[Likeness], model: ResemblanceModel
) -> Iterator[str]:
    """Warnings about two who look like young children, and about parents younger than children."""
    vectors = {name: one.averaged.vectors for name, one in people.items()}
    young = {name for name, row in vectors.items() if model.gives_ratios and model.young(row).all()}
    for pair in pairs:
        if {pair.parent, pair.child} <= young:
            yield (
                f"{pair.parent} and {pair.child} both look like young children, and those look "
                f"alike to the program: adult photos of {pair.parent} say more"
            )
    years = {name: float(model.ages(row)[0][0]) for name, row in vectors.items()}
    for pair in pairs:
        if seem_swapped(years[pair.parent], years[pair.child]):
            yield (
                f"{pair.parent}, the parent, seems to be a child here and {pair.child} an adult: "
                "are they the wrong way round?"
            )


def _several_warnings(
    engine: Engine, people: Mapping[str, Person], model: ResemblanceModel
) -> Iterator[str]:
    """Warnings about people whose photos seem to show several, told by the shipped strangers."""
    if engine.cohort is not None:
        return
    for name, person in people.items():
        if seem_several(model, person.gallery):
            yield (
                f"{name}: the photos are as unlike each other as those of several people: give "
                "each person a name and a folder of their own"
            )


def _warnings(people: Sequence[Person], chosen: bool) -> Iterator[str]:
    """Warnings about photos that show two of the people, and about single photos."""
    shown: dict[str, list[str]] = {}
    for person in people:
        for digest in filter(None, person.digests):
            shown.setdefault(digest, []).append(person.name)
    together = {tuple(dict.fromkeys(names)) for names in shown.values() if len(set(names)) > 1}
    for names in sorted(together):
        yield f"one photograph shows {' and '.join(names)}: its light and colours make them alike"
    faces: dict[tuple[str, int], str] = {}
    for person in people:
        for digest, subject in zip(person.digests, person.gallery.subjects, strict=True):
            other = faces.setdefault((digest, subject.face), person.name)
            if digest and other != person.name:
                yield f"{other} and {person.name} are the same face in {subject.photo}"
        yield from person_warnings(person, chosen=chosen)
