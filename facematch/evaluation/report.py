"""An evaluation as JSON for programs or as a table for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from facematch.evaluation.figures import Evaluation, Figures, KinGroup, SamePopulation
from facematch.evaluation.labels import OWN_ESTIMATES
from facematch.evaluation.metrics import Estimate
from facematch.evaluation.retrieval import RANKS, Retrieval, SearchFigures
from facematch.scoring.wording import engine_words

if TYPE_CHECKING:
    from rich.table import Table

TOO_FEW = "too few"  # pairs, or families
_FIGURE_DIGITS = 4  # more digits than are significant in any of these figures
_RELATIONS = {
    "fs": "father, son", "fd": "father, daughter", "ms": "mother, son", "md": "mother, daughter",
    "bb": "brothers", "ss": "sisters", "sibs": "brother, sister", "gfgs": "grandfather, grandson",
    "gfgd": "grandfather, granddaughter", "gmgs": "grandmother, grandson",
    "gmgd": "grandmother, granddaughter",
}  # fmt: skip


def evaluation_as_json(evaluation: Evaluation) -> str:
    """One JSON object, with the figures over parents and children at its top level."""
    figures = _rounded(asdict(evaluation.figures))
    fields = {
        "protocol": evaluation.protocol,
        "engine": evaluation.engine,
        "photos": evaluation.photos,
        "failure_to_enrol": round(evaluation.failure_to_enrol, _FIGURE_DIGITS),
        "pairs": figures["kin"] + figures["strangers"],
        "pairs_lost": evaluation.trials_lost,
        **figures,
        "per_relation": {
            name: _rounded(asdict(each)) for name, each in evaluation.per_relation.items()
        },
        "per_group": [_rounded(asdict(each)) for each in evaluation.per_group],
    }
    for name in ("all_relations", "colour_only", "untuned_cosine", "other_photographs"):
        each: Figures | None = getattr(evaluation, name)
        fields[name] = None if each is None else _rounded(asdict(each))
    same = evaluation.same_population
    fields["same_population"] = None if same is None else _same_population_fields(same)
    fields["note"] = colours_note(evaluation)
    return json.dumps(fields, ensure_ascii=False, allow_nan=False)


def _same_population_fields(found: SamePopulation) -> dict[str, Any]:
    fields = json_fields(asdict(found))
    every = fields.pop("every")
    return {"labels": fields.pop("labels"), **every, **fields}


def json_fields(value: Any) -> Any:
    """Rounded figures for JSON; one with an interval becomes two fields, `auc` and `auc_interval`.

    None has no interval.
    """
    if isinstance(value, list | tuple):
        return [json_fields(each) for each in value]
    if not isinstance(value, dict):
        return _rounded(value)
    fields = {}
    for name, each in value.items():
        is_estimate = isinstance(each, dict) and each.keys() == {"value", "interval"}
        fields[name] = json_fields(each["value"] if is_estimate else each)
        if is_estimate:
            fields[f"{name}_interval"] = json_fields(each["interval"])
    return fields


def colours_note(evaluation: Evaluation) -> str | None:
    """A sentence where colours alone tell kin from strangers as well as the engine."""
    engine, colours = evaluation.figures.auc, evaluation.colour_only.auc
    if engine is None or colours is None or colours < engine:
        return None
    return (
        f"Colours alone, without any face model, reach a ROC AUC of {colours:.3f} here, the engine "
        f"{engine:.3f}: these pairs share their light, and the figures say nothing about faces."
    )


def evaluation_table(evaluation: Evaluation) -> Table:
    """The engine's figures, the baselines', and those of each relation and each group of people.

    "TAR 1 %" is the share of kin accepted when 1 % of strangers are, "least" the minimum Cllr of
    any calibration, "KS" the KS distance of strangers' scores from uniform, "mean" their mean
    within a group: 50 if uniform.
    """
    table = figures_table(
        "pairs", "ROC AUC", "95 %", "accuracy", "TAR 1 %", "Cllr", "least", "KS", "mean"
    )
    rows: list[tuple[str, Figures | None]] = [
        ("this engine", evaluation.figures),
        ("  not from one photograph", evaluation.other_photographs),
        ("untuned cosine", evaluation.untuned_cosine),
        ("colours only", evaluation.colour_only),
        ("this engine, all relations", evaluation.all_relations),
    ]
    rows += [
        (f"  {_RELATIONS.get(name, name)}", each) for name, each in evaluation.per_relation.items()
    ]
    for name, figures in rows:
        if figures is not None:
            table.add_row(name, *_cells(figures))
    for each in evaluation.per_group:
        pairs, mean = f"{each.kin + each.strangers:,}", f"{each.score_mean:.0f}"
        name = f"  within group {each.group}"
        table.add_row(name, pairs, _shown(each.auc), *[""] * 6, mean)
    return table


def figures_table(*columns: str) -> Table:
    """A table of numbers whose rows have names."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def same_population_lines(found: SamePopulation) -> Iterator[str]:
    """What the table of `same_population_table` shows: which strangers, and whose labels."""
    yield (
        "Each pair of kin beside the same parent with a stranger of the parent's population, the "
        "child of another family. Groups by age take strangers of the child's age."
    )
    known = f"{found.photos_labelled:,} photos"
    if found.labels == OWN_ESTIMATES:
        yield (
            f"Ages and populations: {OWN_ESTIMATES}, by which it corrects scores too. So these "
            "figures flatter it: --labels CSV gives others."
        )
    else:
        yield f"Ages and populations: {found.labels}, {known}."


def same_population_table(found: SamePopulation) -> Table:
    """Figures against strangers of the same population: all, and group by group.

    "KS" is the KS distance of strangers' scores from uniform, "kin's mean" the mean score of kin.
    """
    table = figures_table("kin", "ROC AUC", "95 %", "KS", "95 %", "kin's mean", "95 %")
    groups = {
        "all, strangers of the parent's population": {"": found.every},
        "by the child's age": found.by_child_age,
        "by the age gap": found.by_age_gap,
        "by the parent's population": found.by_population,
        "faces of one population or two": found.one_population_or_two,
    }
    for title, of_title in groups.items():
        if "" not in of_title:
            table.add_row(title)
        for name, group in of_title.items():
            table.add_row(f"  {name}" if name else title, *_group_cells(group))
    return table


def cllr_line(found: SamePopulation) -> str | None:
    """The cost of likelihood ratios against these strangers, and its minimum."""
    if found.cllr is None or found.cllr_min is None:
        return None
    (cost, cost_interval), (least, least_interval) = (
        estimate_cells(each, 3) for each in (found.cllr, found.cllr_min)
    )
    return (
        f"Cost of likelihood ratios (Cllr) against these strangers: {cost} ({cost_interval}) bits; "
        f"the minimum of any calibration is {least} ({least_interval})."
    )


def _group_cells(group: KinGroup) -> list[str]:
    count = f"{group.kin:,}"
    if group.auc is None:
        return [count, TOO_FEW]
    figures = ((group.auc, 3), (group.score_ks, 3), (group.kin_score, 0))
    return [count, *(cell for each, digits in figures for cell in estimate_cells(each, digits))]


def estimate_cells(figure: Estimate | None, digits: int) -> tuple[str, str]:
    """A figure, and its interval."""
    if figure is None:
        return "", ""
    low, high = figure.interval
    return f"{figure.value:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}"


def enrolled_line(evaluation: Evaluation) -> str:
    """How many photos show a face, with which engine."""
    engine = engine_words(evaluation.engine.values())
    return (
        f"{evaluation.protocol} with {engine}: {evaluation.photos:,} photos, "
        f"{evaluation.failure_to_enrol:.1%} without a face, {evaluation.trials_lost:,} pairs lost"
    )


def retrieval_as_json(found: Retrieval) -> str:
    """One JSON object, with the engine's figures at its top level."""
    fields = _rounded(asdict(found))
    return json.dumps({**fields, **fields.pop("figures")}, ensure_ascii=False, allow_nan=False)


def retrieval_table(found: Retrieval) -> Table:
    """The figures of the engine, of the baselines and of chance, with intervals over families."""
    ranks = (f"rank@{rank}" for rank in RANKS)
    table = figures_table("probes", "mAP", "95 %", *ranks, "rank@5, 95 %")
    rows: list[tuple[str, SearchFigures | None]] = [
        ("this engine", found.figures),
        ("  not from one photograph", found.other_photographs),
        ("untuned cosine", found.untuned_cosine),
        ("colours only", found.colour_only),
    ]
    for name, figures in rows:
        if figures is not None:
            table.add_row(name, *_search_cells(figures))
    mean, *at_ranks = (_shown(value) for value in found.chance.values())
    table.add_row("chance", "", mean, "", *at_ranks, "")
    return table


def searched_line(found: Retrieval) -> str:
    """How many probes and faces there are, with which engine."""
    engine = engine_words(found.engine.values())
    return (
        f"{found.protocol} with {engine}: {found.figures.probes:,} probes in {found.gallery:,} "
        f"faces, {found.failure_to_enrol:.1%} of {found.photos:,} photos without a face, "
        f"{found.probes_lost:,} probes lost"
    )


def _search_cells(figures: SearchFigures) -> list[str]:
    return [
        f"{figures.probes:,}",
        _shown(figures.mean_average_precision),
        "{:.3f} to {:.3f}".format(*figures.map_interval),
        *(_shown(figures.rank_at[str(rank)]) for rank in RANKS),
        "{:.3f} to {:.3f}".format(*figures.rank_intervals["5"]),
    ]


def _cells(figures: Figures) -> list[str]:
    low, high = figures.auc_interval or (None, None)
    return [
        f"{figures.kin + figures.strangers:,}",
        _shown(figures.auc),
        "" if low is None else f"{low:.3f} to {high:.3f}",
        _shown(figures.accuracy),
        _shown(figures.tar_at_far["0.01"]),
        _shown(figures.cllr),
        _shown(figures.cllr_min),
        _shown(figures.score_ks),
    ]


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _FIGURE_DIGITS)
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
