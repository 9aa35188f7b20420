"""Figures of strangers as JSON for programs or as tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from facematch.evaluation.figures import StrangerFigures
from facematch.evaluation.metrics import Estimate
from facematch.evaluation.report import TOO_FEW, estimate_cells, figures_table, json_fields
from facematch.scoring.wording import engine_words

if TYPE_CHECKING:
    from rich.table import Table


def strangers_as_json(found: StrangerFigures) -> str:
    """One JSON object; `cells` has an object for each two stages and population."""
    return json.dumps(json_fields(asdict(found)), ensure_ascii=False, allow_nan=False)


def strangers_lines(found: StrangerFigures) -> Iterator[str]:
    """How many photos show a face, with which engine, whose labels, and what was fitted."""
    yield (
        f"strangers with {engine_words(found.engine.values())}: {found.photos:,} photos, "
        f"{found.failure_to_enrol:.1%} without a face. Ages and populations: {found.labels}."
    )
    yield found.fitted_on


def strangers_tables(found: StrangerFigures) -> Iterator[Table]:
    """Pairs of strangers by stage and population; childhood photos; errors of ages.

    "mean" is the mean score, "ratio 4+" the share of likelihood ratios of 4 or more, "KS" the KS
    distance of the scores from uniform.
    """
    cells = figures_table("pairs", "mean", "95 %", "ratio 4+", "95 %", "KS", "95 %")
    stages = ""
    for cell in found.cells:
        if cell.stages != stages:
            stages = cell.stages
            cells.add_row(stages)
        name, count = f"  {cell.population}", f"{cell.pairs:,}"
        if cell.score is None:
            cells.add_row(name, count, TOO_FEW)
        else:
            figures = (
                estimate_cells(cell.score, 1),
                _percent_cells(cell.ratio_4_or_more),
                estimate_cells(cell.score_ks, 3),
            )
            cells.add_row(name, count, *(text for each in figures for text in each))
    yield cells
    childhood = figures_table("comparisons", "share", "95 %")
    childhood.add_row("a childhood photo beats an adult one")
    for row in found.childhood:
        texts = (TOO_FEW, "") if row.share is None else _percent_cells(row.share)
        childhood.add_row(f"  {row.population}", f"{row.comparisons:,}", *texts)
    yield childhood
    ages = figures_table("faces", "years", "95 %")
    ages.add_row("mean error of estimated ages")
    for band in found.age_errors:
        ages.add_row(f"  {band.ages}", f"{band.faces:,}", *estimate_cells(band.error, 1))
    yield ages


def _percent_cells(share: Estimate | None) -> tuple[str, str]:
    if share is None:
        return "", ""
    low, high = share.interval
    return f"{share.value:.1%}", f"{low:.1%} to {high:.1%}"
