"""Writes a fitted resemblance model with its card: its data and its measured accuracy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from facematch.embedding.registry import load_embedder
from facematch.engine import open_engine
from facematch.evaluation.figures import Evaluation, Figures, KinGroup, SamePopulation, WithinGroup
from facematch.evaluation.fiw import RELATIONS, read_fiw
from facematch.evaluation.fiw_faces import ARCHIVE
from facematch.evaluation.labels import LABELS
from facematch.evaluation.measure import evaluate
from facematch.evaluation.report import TOO_FEW, estimate_cells
from facematch.scoring.resemblance import ResemblanceModel, model_as_bytes
from facematch.types import Embedder

_METHODS = {
    "fs": "this engine, fathers and sons",
    "fd": "this engine, fathers and daughters",
    "ms": "this engine, mothers and sons",
    "md": "this engine, mothers and daughters",
}


def write_model(
    model: ResemblanceModel,
    embedder: Embedder,
    data: Path,
    held_back: Path,
    out: Path,
    *,
    seed: int = 0,
) -> Evaluation:
    """Write `out`/SPACE.npz and SPACE.md; gives the evaluation on the families held back.

    Raises ProtocolError where the model was fitted on one of them.
    """
    out.mkdir(parents=True, exist_ok=True)
    content = model_as_bytes(model)
    (out / f"{model.space}.npz").write_bytes(content)
    protocol = replace(read_fiw(data / ARCHIVE, data / RELATIONS, held_back), labels=data / LABELS)
    engine = open_engine(detector="whole", embedder=embedder)
    found = evaluate(protocol, engine, load_embedder("dlib-resnet"), model=model)
    card = card_of(model, found, len(protocol.families), hashlib.sha256(content).hexdigest(), seed)
    (out / f"{model.space}.md").write_text(card, encoding="utf-8")
    return found


def card_of(
    model: ResemblanceModel, found: Evaluation, held_back: int, sha256: str, seed: int
) -> str:
    """The model's card, in Markdown."""
    rows = [
        ("this engine", found.figures),
        ("this engine, no pair from one photograph", found.other_photographs),
        ("plain cosine of the untuned embedder", found.untuned_cosine),
        ("colours only, no face model", found.colour_only),
        ("this engine, all relations", found.all_relations),
        *((name, found.per_relation.get(key)) for key, name in _METHODS.items()),
    ]
    least, greatest = np.exp(model.log_ratio[2:].astype(np.float64))
    return _CARD.format(
        name=model.name, space=model.space, sha256=sha256, seed=seed,
        embedder=found.engine["embedder"], fitted=len(model.families), held_back=held_back,
        kin=found.figures.kin, shares=_shares(found), least=least, greatest=greatest,
        groups="\n".join(_group_row(each) for each in found.per_group),
        share=model.group_share.item(), figures=found.figures, uniformity=_uniformity(found),
        same_population=_same_population(found.same_population),
        rows="\n".join(_row(name, figures) for name, figures in rows if figures),
        tars=", ".join(
            f"{tar:.1%} at {float(far):.1%}" for far, tar in found.figures.tar_at_far.items() if tar
        ),
    )  # fmt: skip


def _row(name: str, figures: Figures) -> str:
    low, high = figures.auc_interval or (float("nan"), float("nan"))
    return (
        f"| {name} | {figures.auc or float('nan'):.3f} | {low:.3f} to {high:.3f} "
        f"| {figures.accuracy or float('nan'):.3f} |"
    )


def _same_population(found: SamePopulation | None) -> str:
    """What strangers of the parent's population change, and how pairs of two populations fare."""
    if found is None or found.every.auc is None or found.every.score_ks is None:
        return "Too few pairs of kin have ages and populations."
    rows = [
        ("all", found.every),
        *((f"child of {ages}", group) for ages, group in found.by_child_age.items()),
        *((f"faces of {number}", group) for number, group in found.one_population_or_two.items()),
    ]
    costs = (estimate_cells(each, 3) for each in (found.cllr, found.cllr_min))
    texts = [f"{value} ({interval})" for value, interval in costs]
    return "\n".join([
        "| pairs of kin | number | ROC AUC | 95 % | KS | 95 % |",
        "|---|---|---|---|---|---|",
        *(_kin_group_row(name, group) for name, group in rows),
        "",
        f"Cllr against these strangers is {texts[0]} bits, its minimum {texts[1]}.",
    ])  # fmt: skip


def _kin_group_row(name: str, group: KinGroup) -> str:
    cells = (*estimate_cells(group.auc, 3), *estimate_cells(group.score_ks, 3))
    texts = cells if group.auc is not None else (TOO_FEW, "", "", "")
    return f"| {name} | {group.kin:,} | {' | '.join(texts)} |"


def _group_row(found: WithinGroup) -> str:
    value = "" if found.auc is None else f"{found.auc:.2f}"
    counts = f"{found.kin:,} | {found.strangers:,}"
    return f"| {found.group} | {counts} | {found.score_mean:.0f} | {value} |"


def _shares(found: Evaluation) -> str:
    scores = found.curves.scores
    strangers: Sequence[float] = [] if scores is None else scores[~found.curves.kin].tolist()
    counts, _ = np.histogram(strangers, np.arange(0, 101, 10))
    return " ".join(f"{count / max(len(strangers), 1):.1%}" for count in counts)


def _uniformity(found: Evaluation) -> str:
    return ", ".join(
        f"{figures.score_ks:.3f} for {_METHODS[key].removeprefix('this engine, ')}"
        for key, figures in found.per_relation.items()
        if key in _METHODS and figures.score_ks is not None
    )


_CARD = """# {name}

Turns two embeddings of `{space}` into a mini-me score and a likelihood ratio.
`{space}.npz`, sha256 {sha256}.

## Made by

    facematch train resemblance --embedder {embedder} --data DIR --strangers utkface-half.zip \\
        --out models --seed {seed}

from Families In the Wild (Robinson et al. 2018), the training part: faces of public figures and
their families, aligned at 112x112; and from half of UTKFace (Zhang et al. 2017): unrelated people
from newborn to old, with age and population. DIR holds `fiw-train.zip`, `fiw-train-relations.csv`
and `fiw-train-ages.csv`, which estimates age and population of each FIW face. {fitted} families
took part; the {held_back} of `held-back.txt` did not, neither here nor in the training of the
embedder. Everything below was measured on those. On another machine the arrays may
differ by rounding, and then the sha256 differs too.

FIW and UTKFace are research data, published for research; nobody they show was asked about this
use. The file holds no picture and no face's vector, only fitted statistics. Whoever uses it in a
product must find out whether that is allowed.

## Measured on the families held back

    facematch evaluate fiw --embedder {embedder} --root DIR/fiw-train.zip \\
        --relations DIR/fiw-train-relations.csv --families models/held-back.txt \\
        --labels DIR/fiw-train-ages.csv

{kin:,} pairs of photos, one of a parent and one of the child, against as many of a parent
and a child of another family, of the same sexes. ROC AUC with its 95 % interval over families;
accuracy over five parts of the families, each with the best threshold of the other four:

| method | ROC AUC | 95 % | accuracy |
|---|---|---|---|
{rows}

True accept rate at a false accept rate: {tars}.

Scores of strangers, share in each tenth from 0-10 to 90-100 (uniform scores would have 10 % each):
{shares}
Their KS distance from uniform is {figures.score_ks:.3f}: {uniformity}.

Likelihood ratios run from {least:.2f} to {greatest:.1f}: beyond these limits the data holds too few
pairs. Their cost (Cllr) is {figures.cllr:.3f} bits; the minimum for any calibration of these pairs
is {figures.cllr_min:.3f}. 0 would be perfect, 1 is no information.

## Against strangers of the same population

These strangers come from all populations, which flatters a method that takes a population for a
family. Beside the same pairs of kin, strangers of the parent's population; those of a child's age
are of that age too, and KS is the KS distance of their scores from uniform:

{same_population}

## For whom it is less fair

Strangers of one population and of one age look more alike than others. So the mean z-score of
strangers of the same strata is taken off: a stratum is a population and an age band, both estimated
from the vector. The estimate serves the score only and is never printed about a person.

FIW shows people of some populations rarely. Three groups were found among the training families
without any label, by their faces alone. The cohort of a vector is the people of the groups near it,
with a weight of {share:.1f}, and everyone with the rest. The table shows the families held back by
the group that both photos are nearest to; group 1 is the largest in training. Strangers are sampled
within the group, of any age, and the mean of uniform scores is 50:

| group of both | kin | strangers | strangers' mean score | ROC AUC within |
|---|---|---|---|---|
{groups}

Where the strangers' mean is above 50, a high score means less.

## What it is not for

It is no paternity test. With a ROC AUC of this size, many strangers look more alike than many
parents and children do. The families are of public figures, known in a few countries. Pairs cut
from one photograph share light and colours; the baseline "colours only" shows how much that
matters.
"""
