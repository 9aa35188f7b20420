"""An evaluation as JSON for programs or as a table for people."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from facematch.evaluation.figures import Evaluation, Figures
from facematch.evaluation.retrieval import RANKS, Retrieval, SearchFigures
from facematch.scoring.wording import engine_words

if TYPE_CHECKING:
    from rich.table import Table

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
    fields["note"] = colours_note(evaluation)
    return json.dumps(fields, ensure_ascii=False, allow_nan=False)


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
    table = _figures_table(
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


def _figures_table(*columns: str) -> Table:
    """A table of numbers with named rows."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


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
    table = _figures_table("probes", "mAP", "95 %", *ranks, "rank@5, 95 %")
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
