"""Pairs of two galleries as JSON objects, with the fields of a single Match."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from facematch.analyses.ages import ages_of
from facematch.engine import Engine
from facematch.output.comparison import Row, row_warnings, same_face_warnings
from facematch.output.comparison import result_rows as flat_results
from facematch.output.match import match_fields
from facematch.scoring.intervals import Interval, neutral_score
from facematch.types import Age, Comparison, Gallery, Match, Skipped

PAIR_FIELDS = (
    "parent", "child", "cosine", "score", "score_interval", "likelihood_ratio",
    "likelihood_ratio_interval", "neutral_score", "engine", "warnings", "support", "reason",
)  # fmt: skip


def pair_objects(
    engine: Engine,
    parents: Gallery,
    children: Iterable[Gallery],
    match: Callable[[Gallery, Gallery], Iterable[Comparison]],
) -> Iterator[Row]:
    """An object a pair, then one for each photo that could not be used, with the reason.

    `reason` is None where there is a score. `children` come in parts, and so do the objects.
    """
    left_out: list[tuple[str, Skipped]] = [("parent", each) for each in parents.skipped]
    ages_of_parents = _ages(engine, parents)
    for some in children:
        sides = (parents, ages_of_parents), (some, _ages(engine, some))
        for compared in match(parents, some):
            for result in _matches(engine, sides, compared):
                yield match_fields(result) | {"reason": None}
        left_out += [("child", each) for each in some.skipped]
    for role, each in left_out:
        nothing = dict.fromkeys(PAIR_FIELDS) | {"warnings": []}
        yield nothing | {role: {"photo": each.photo}, "reason": f"{each.photo}: {each.reason}"}


def _matches(
    engine: Engine,
    sides: Sequence[tuple[Gallery, Sequence[Age] | None]],
    compared: Comparison,
) -> Iterator[Match]:
    """Each pair of a comparison as a Match, without its chips."""
    (parents, older), (children, younger) = sides
    warnings = row_warnings(parents), row_warnings(children)
    model = engine.resemblance
    neutral = None if model is None else neutral_score(model)
    rows = flat_results(parents, children, compared)
    pairs = zip(compared.parents.tolist(), compared.children.tolist(), strict=True)
    for (parent, child), row in zip(pairs, rows, strict=True):
        of_pair = (*warnings[0][parent], *warnings[1][child], *same_face_warnings(row))
        yield Match(
            parent=parents.subjects[parent],
            child=children.subjects[child],
            cosine=row["cosine"],
            score=row["score"],
            score_interval=_ends(row, "score"),
            likelihood_ratio=row["likelihood_ratio"],
            likelihood_ratio_interval=_ends(row, "likelihood_ratio"),
            neutral_score=neutral,
            engine=engine.names,
            warnings=tuple(dict.fromkeys(of_pair)),
            ages=None if older is None or younger is None else (older[parent], younger[child]),
        )


def _ages(engine: Engine, gallery: Gallery) -> Sequence[Age] | None:
    model = engine.resemblance
    return None if model is None or not gallery.subjects else ages_of(model, gallery.vectors)


def _ends(row: Row, name: str) -> Interval | None:
    """An interval of a row; None where it is not known."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return None if low is None else (low, high)
