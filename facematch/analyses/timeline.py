"""Likeness over time: each photo of a child against each parent, and how that changes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from facematch.engine import Engine
from facematch.enrolment.people import NamedPhotos, check_people, parents_and_children
from facematch.errors import OptionError, PhotoError, TableError
from facematch.photos.dates import DAYS_A_YEAR, date_of, years_between
from facematch.photos.given import is_path, several
from facematch.scoring.intervals import intervals, z_interval
from facematch.scoring.people import RESAMPLES, people_z_scores, person_warnings
from facematch.scoring.resemblance import ResemblanceModel, mean_inverse
from facematch.scoring.strata import ADULT
from facematch.types import EngineNames, Person, PhotoLike, ResultMethods, Skipped

Floats = NDArray[np.float64]

FEWEST_FOR_CURVE = 8  # photos: fewer are shown as points only
FEWEST_FOR_TREND = 6  # days; photos of one day are averaged
_CURVE_POINTS = 60
_KERNEL_WIDTH = 0.2  # standard deviation of the Gaussian kernel, of the photos' span


@dataclass(frozen=True, slots=True)
class Days:
    """What is known of dates: when photos were `taken`, by path or file name; who was `born` when.

    A photo that is not in `taken` is dated by its name or its EXIF. With a birth date ages are
    told, and a parent's photo at the child's age is used where there is one. Without, ages are
    estimated from the faces.
    """

    taken: Mapping[str, date] = field(default_factory=dict)
    born: Mapping[str, date] = field(default_factory=dict)

    def check_names(self, names: Sequence[str]) -> None:
        """Raise OptionError for a birth date of somebody who has none of these names."""
        unknown = sorted(self.born.keys() - set(names))
        if unknown:
            raise OptionError(f"a birth date for {unknown[0]!r}: nobody is called so here")


@dataclass(frozen=True, slots=True)
class Moment:
    """One photo of the child against one parent.

    `z` is the z-score against the cohort, `score` the mini-me score it stands for. The intervals
    are 95 % confidence intervals over other photos of the same people. `age` is the child's in
    years, None without a birth date. `parent_photo` is the parent's photo at the nearest age, None
    where all of the parent's photos are averaged. `age_estimated` says that one of the two ages was
    estimated from the face, since no birth date was given.
    """

    parent: str
    photo: str
    taken: date
    age: float | None
    z: float
    z_interval: tuple[float, float]
    score: float
    score_interval: tuple[float, float]
    parent_photo: str | None = None
    parent_age: float | None = None
    age_estimated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The likeness to one parent over time, smoothed: z-scores `z` (G,) at `x` (G,).

    `band` (2, G) is the 95 % confidence interval, resampling the photos. `trend` is the slope of a
    straight line, in standard deviations a year, and its 95 % confidence interval
    (Student's t); None where the days are too few to say.
    """

    parent: str
    x: Floats
    z: Floats
    band: Floats
    trend: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Timeline(ResultMethods):
    """How much a child looks like each parent, photo by photo in the order they were taken.

    `portraits` show the child in the order of `taken`. `ticks` pair scores with their z-scores, for
    an axis. No paternity test.
    """

    child: str
    parents: tuple[str, ...]
    moments: tuple[Moment, ...]
    curves: tuple[Curve, ...]
    taken: tuple[date, ...]
    portraits: NDArray[np.uint8]
    born: date | None
    ticks: tuple[tuple[float, float], ...]
    engine: EngineNames
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def timeline(
    engine: Engine, parents: NamedPhotos, child: NamedPhotos, days: Days | None = None
) -> Timeline:
    """How much a child, one name and its photos, looks like each parent over time.

    Raises TableError where no photo of the child is dated, OptionError for two children or for a
    birth date of somebody else, and what `family` raises.
    """
    days = Days() if days is None else days
    check_people(parents, child)
    if len(child) != 1:
        raise OptionError(f"a timeline is of one child, not of {len(child)}")
    days.check_names([*parents, *child])
    name, photos = next((name, list(several(some))) for name, some in child.items())
    _check_some_date(engine, name, photos, days.taken)
    child = {name: photos}
    older, younger, skipped = parents_and_children(engine, parents, child)
    return replace(compare_over_time(engine, older, younger[0], days), skipped=tuple(skipped))


def compare_over_time(
    engine: Engine, parents: Sequence[Person], child: Person, days: Days, *, seed: int = 0
) -> Timeline:
    """Compare each dated photo of the child with each parent.

    Raises TableError where no photo of the child is dated, ResemblanceError where no resemblance
    model fits the embedder.
    """
    model, known, born = engine.require_resemblance(), days.taken, days.born
    rng = np.random.default_rng(seed)
    child, undated = _dated(child, known)
    if not child.portraits.size:
        raise _no_date(child.name)
    moments: list[Moment] = []
    curves: list[Curve] = []
    ages = {person.name: _ages(person, model, days) for person in (*parents, child)}
    for parent in parents:
        own = [_moment(parent, child, row, model, (ages[parent.name], ages[child.name]))
               for row in range(len(child.portraits))]  # fmt: skip
        moments += own
        curves.append(_curve(parent.name, own, born.get(child.name), rng))
    taken = tuple(day for day in child.taken if day is not None)
    return Timeline(
        child=child.name,
        parents=tuple(parent.name for parent in parents),
        moments=tuple(moments),
        curves=tuple(curves),
        taken=taken,
        portraits=child.portraits,
        born=born.get(child.name),
        ticks=_ticks(model),
        engine=engine.names,
        warnings=tuple(_warnings(child, undated, born.get(child.name))),
    )


def _check_some_date(
    engine: Engine, name: str, photos: Sequence[PhotoLike], known: Mapping[str, date]
) -> None:
    """Raise TableError where no photo of `name` is dated, before any is searched.

    Files are decoded for their EXIF only until one is found that has a date.
    """
    labels = [os.fsdecode(photo) for photo in photos if is_path(photo)]
    if any(date_of(label, None, known) for label in labels):
        return
    undated = False
    for photo in photos:
        try:
            read = engine.read(photo)
        except PhotoError:
            continue  # enrolment says why it is left out
        if date_of(read.label, read.day, known) is not None:
            return
        undated = True
    if undated:
        raise _no_date(name)


def _no_date(name: str) -> TableError:
    return TableError(
        f"no photo of {name} tells when it was taken: name files like 2018-05-16.jpg, or give a "
        "table with `dates`"
    )


def dated_photos(person: Person, known: Mapping[str, date]) -> int:
    """The number of somebody's photos with a date."""
    return len(_dated(person, known)[0].taken)


def days_of(person: Person, known: Mapping[str, date]) -> list[date | None]:
    """The day on which each photo of somebody was taken, None where it is not known."""
    labels = person.gallery.labels
    return [date_of(*photo, known) for photo in zip(labels, person.taken, strict=True)]


def _dated(person: Person, known: Mapping[str, date]) -> tuple[Person, list[str]]:
    """A person with their dated photos only, oldest first; and the labels of the other photos."""
    days = days_of(person, known)
    order = sorted((day, row) for row, day in enumerate(days) if day is not None)
    rows = [row for _, row in order]
    return (
        replace(
            person,
            gallery=person.gallery.of_rows(rows),
            portraits=person.portraits[rows],
            squares=person.squares[rows],
            clearness=person.clearness[rows],
            digests=tuple(person.digests[row] for row in rows),
            taken=tuple(day for day, _ in order),
        ),
        [label for label, day in zip(person.gallery.labels, days, strict=True) if day is None],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Ages:
    """Somebody's age in years on each photo, (N,), and whether it was estimated, (N,)."""

    years: Floats
    estimated: NDArray[np.bool_]


def _ages(person: Person, model: ResemblanceModel, days: Days) -> _Ages:
    """The ages by dates, estimated from the faces where a date is not known."""
    birth = days.born.get(person.name)
    by_dates = np.array([
        np.nan if day is None or birth is None else years_between(birth, day)
        for day in days_of(person, days.taken)
    ])  # fmt: skip
    estimated = np.isnan(by_dates)
    return _Ages(np.where(estimated, model.ages(person.gallery.vectors)[0], by_dates), estimated)


def _moment(
    parent: Person,
    child: Person,
    row: int,
    model: ResemblanceModel,
    ages: tuple[_Ages, _Ages],
) -> Moment:
    """One photo of the child; `ages` are the parent's and the child's."""
    day = child.taken[row]
    assert day is not None  # noqa: S101 - `_dated` left the others out
    of_parent, of_child = ages
    age_known = not of_child.estimated[row]
    nearest = _nearest_photo(of_parent, float(of_child.years[row]), age_known=age_known)
    parent_rows = list(range(len(parent.portraits))) if nearest is None else [nearest]
    parent_photos, photo = parent.gallery.of_rows(parent_rows), child.gallery.of_rows([row])
    inverse = mean_inverse(len(parent_rows), 1)
    z = people_z_scores(model, parent_photos.averaged(parent.name), photo).ravel()
    return Moment(
        parent=parent.name,
        photo=child.gallery.labels[row],
        taken=day,
        age=float(of_child.years[row]) if age_known else None,
        z=float(z[0]),
        z_interval=z_interval(float(z[0]), inverse),
        score=float(model.calibrate(z)[0][0]),
        score_interval=intervals(model, z, inverse).of_pair(0)[0],
        parent_photo=None if nearest is None else parent.gallery.labels[nearest],
        parent_age=None if nearest is None else float(of_parent.years[nearest]),
        age_estimated=nearest is not None and not (age_known and not of_parent.estimated[nearest]),
    )


def _nearest_photo(ages: _Ages, age: float, *, age_known: bool) -> int | None:
    """The row of the nearest age, None where none lies within a year or a quarter of that age.

    Known ages go before estimated ones. Of estimated ages two years are near, and they pick a photo
    for children only: of adults, all photos together say more.
    """
    apart = np.abs(ages.years - age)
    if age_known:
        by_dates = np.where(ages.estimated, np.inf, apart)
        row = int(by_dates.argmin())
        if by_dates[row] <= max(1.0, age / 4):
            return row
    row = int(apart.argmin())
    return row if age < ADULT and apart[row] <= max(2.0, age / 4) else None


def time_axis(day: date, born: date | None) -> float:
    """Where a day lies on the axis: the age in years, without a birth date the decimal year."""
    return years_between(born, day) if born else 1970 + (day.toordinal() - 719163) / DAYS_A_YEAR


def _curve(
    parent: str, moments: Sequence[Moment], born: date | None, rng: np.random.Generator
) -> Curve:
    x = np.array([time_axis(moment.taken, born) for moment in moments])
    y = np.array([moment.z for moment in moments])
    grid = np.linspace(x.min(), x.max(), _CURVE_POINTS)
    times = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), RESAMPLES).astype(np.float64)
    resampled = np.array([_smooth(x, y, weights, grid) for weights in times])
    return Curve(
        parent=parent,
        x=grid,
        z=_smooth(x, y, np.ones(len(x)), grid),
        band=np.quantile(resampled, [0.025, 0.975], axis=0),
        trend=_trend(x, y),
    )


def _smooth(x: Floats, y: Floats, times: Floats, grid: Floats) -> Floats:
    """The mean of `y` around each point of the grid, by a Gaussian kernel. Shapes: (G,).

    `times` (N,) is how often each photo counts.
    """
    width = max(_KERNEL_WIDTH * np.ptp(x), 1e-3)
    # In logarithms no weight underflows: far from all photos the nearest one counts.
    logs = -(((grid[:, np.newaxis] - x) / width) ** 2) / 2
    logs = np.where(times > 0, logs + np.log(np.maximum(times, 1)), -np.inf)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(weights @ y / weights.sum(axis=1))


def _trend(x: Floats, y: Floats) -> tuple[float, float, float] | None:
    """The least-squares slope over days and its 95 % confidence interval; None for few days."""
    days, day = np.unique(x, return_inverse=True)
    if len(days) < FEWEST_FOR_TREND:
        return None
    means = np.bincount(day, y) / np.bincount(day)
    centred = days - days.mean()
    squares = float(centred @ centred)
    slope = float(centred @ means / squares)
    left = means - means.mean() - slope * centred
    freedom = len(days) - 2
    spread = _student(freedom) * float(np.sqrt(left @ left / freedom / squares))
    return slope, slope - spread, slope + spread


def _student(freedom: int) -> float:
    """The two-sided 95 % point of Student's t, exact to 0.05 from 4 degrees of freedom on.

    By Cornish and Fisher 1938.
    """
    z = 1.959964
    first = (z**3 + z) / (4 * freedom)
    return z + first + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _ticks(model: ResemblanceModel) -> tuple[tuple[float, float], ...]:
    scores = (1.0, 10.0, 50.0, 90.0, 99.0)
    places = np.interp(scores, model.scores, model.distances).tolist()
    return tuple(zip(scores, places, strict=True))


def _warnings(child: Person, undated: Sequence[str], born: date | None) -> Iterator[str]:
    yield from person_warnings(child)
    for label in undated:
        yield f"{label}: it has no date, so it is left out"
    for label, day in zip(child.gallery.labels, child.taken, strict=True):
        if born is not None and day is not None and day < born:
            yield f"{label}: taken on {day}, before {child.name} was born on {born}"
