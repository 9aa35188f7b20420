"""Fits the resemblance model, measures it on families held back, and writes its card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch.embedders.dlib_resnet import DlibResNetEmbedder
from facematch.errors import FacematchError, MissingExtraError
from facematch.resemblance import ResemblanceModel, comparable, model_as_bytes, unit
from facematch.training.fiw import read_fiw
from facematch.training.kin import Indices, Kin, Pairs, draw_pairs, folds, split_families

HELD_BACK = 0.3  # of the families
PAIRS = 8  # photo pairs drawn of each relation, and as many of strangers
SHRINKAGES = (0.1, 0.3, 0.6, 0.9)
# The power of the weights in `_kin_map`: of 0, 0.1, 0.15, 0.2, 0.25, 0.3 and 0.5 the best, in
# cross-validation over the families fitted (ROC AUC 0.781 for 0, 0.796 for 0.2, 0.766 for 0.5).
_POWER = 0.2
_FOLDS = 5
_FEWEST = 4 * _FOLDS  # families to fit: every fold needs some strangers
_KNOTS = np.concatenate([[0.1, 0.5], np.arange(1, 100, 2), [99.5, 99.9]])  # per cent
_RATIO_SHARE = 0.02  # of the pairs of either kind; beyond, the likelihood ratio stays as it is
_RESAMPLES = 1000

# For a model that only measures distances, before it is known what they mean.
_NO_KNOTS = _KNOTS - 50
_NO_RATIO = np.array([1.0, 0.0, 0.0, 0.0])

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on the families held back; every AUC with its 95 % interval."""

    families_fitted: int
    families_held_back: int
    pairs: int  # of each kind
    shrinkage: float
    auc: dict[str, tuple[float, float, float]]  # by method; "fs" and so on are the model's
    deciles: tuple[float, ...]  # share of strangers whose score lies in 0-10, 10-20, ...
    cost: float  # Cllr in bits: 0 is perfect, 1 is knowing nothing


def train(
    data: Path, out: Path, *, seed: int = 0, report: Callable[[str], None] = lambda _: None
) -> Figures:
    """Fit on `data` (see fiw.py), write `out`/dlib-resnet.npz and its card; gives the figures.

    Raises FacematchError where the data cannot be read, MissingExtraError without scikit-learn.
    """
    _require_sklearn()
    embedder = DlibResNetEmbedder()
    kin, colours = read_fiw(data, embedder, report)
    rng = np.random.default_rng(seed)
    fit, held_back = split_families(kin, HELD_BACK, rng)
    model, shrinkage = fit_resemblance(kin.of_families(fit), embedder.space, rng)
    figures = measure(model, kin, colours, (fit, held_back), shrinkage, rng)
    out.mkdir(parents=True, exist_ok=True)
    content = model_as_bytes(model)
    (out / f"{embedder.space}.npz").write_bytes(content)
    card = card_of(model, figures, hashlib.sha256(content).hexdigest(), seed)
    (out / f"{embedder.space}.md").write_text(card, encoding="utf-8")
    report(card)
    return figures


def fit_resemblance(
    kin: Kin, space: str, rng: np.random.Generator
) -> tuple[ResemblanceModel, float]:
    """The model for these families, and the shrinkage that cross-validation chose.

    Raises FacematchError for fewer than 20 families.
    """
    families = len(np.unique(kin.family[kin.person]))
    if families < _FEWEST:
        raise FacematchError(f"{families} families to fit; at least {_FEWEST} are needed")
    shrinkage = _best_shrinkage(kin, rng)
    away, are_kin = _distances_of_families_left_out(kin, shrinkage, rng)
    knots = np.quantile(away[~are_kin], _KNOTS / 100)
    log_ratio = _log_ratio(away, are_kin)
    return _model(kin, space, _kin_map(kin, shrinkage), knots, log_ratio), shrinkage


def _model(
    kin: Kin,
    space: str,
    kin_map: tuple[Floats, Floats],
    knots: Floats = _NO_KNOTS,
    log_ratio: Floats = _NO_RATIO,
) -> ResemblanceModel:
    """All parts together, the cohort in each role among them."""
    mean, transform = (_f32(part) for part in kin_map)
    people, centres = kin.person_means()
    seen = comparable(_f32(centres), mean, transform)
    parent, child = (seen[np.isin(people, role)] for role in (kin.parents, kin.children))
    return ResemblanceModel(
        name=f"{space}-kin-1",
        space=space,
        mean=mean,
        transform=transform,
        parent_mean=_f32(parent.mean(axis=0)),
        parent_covariance=_f32(np.cov(parent, rowvar=False)),
        child_mean=_f32(child.mean(axis=0)),
        child_covariance=_f32(np.cov(child, rowvar=False)),
        distances=_f32(knots),
        scores=_f32(_KNOTS),
        log_ratio=_f32(log_ratio),
    )


def _kin_map(kin: Kin, shrinkage: float) -> tuple[Floats, Floats]:
    """The mean (D,) of all people, and the map (D, K) that makes relatives comparable.

    What varies within people and families is made white. Each direction is then weighted by how far
    parents and their children agree along it, to a power; where they do not agree it is dropped.
    Raises FacematchError where fewer than two directions are left.
    """
    people, centres = kin.person_means()
    mean, white = centres.mean(axis=0), _whitening(kin, shrinkage)
    agreement, axes = np.linalg.eigh(_agreement(kin, people, centres @ white))
    kept = agreement > 0
    if kept.sum() < 2:
        raise FacematchError("parents and children of this data have nothing in common")
    weighted = white @ axes[:, kept] * agreement[kept] ** _POWER
    return mean, _signed(weighted)


def _whitening(kin: Kin, shrinkage: float) -> Floats:
    """The map (D, D) that makes what varies within people and families white.

    Within a person: photos about the person's mean. Within a family: people about the family's.
    Their covariances are added, then shrunk towards a multiple of the identity.
    """
    people, centres = kin.person_means()
    scatter = _within(unit(kin.vectors), kin.person) + _within(centres, kin.family[people])
    dimensions = len(scatter)
    round_one = np.trace(scatter) / dimensions * np.eye(dimensions)
    values, axes = np.linalg.eigh((1 - shrinkage) * scatter + shrinkage * round_one)
    return np.asarray(axes / np.sqrt(values))


def _agreement(kin: Kin, people: Indices, seen: Floats) -> Floats:
    """The covariance between parents and their children, symmetric; `seen` is (people, K)."""
    known = np.isin(kin.parents, people) & np.isin(kin.children, people)
    parents, children = (
        seen[np.searchsorted(people, role[known])] for role in (kin.parents, kin.children)
    )
    away = parents - parents.mean(axis=0)
    covariance = away.T @ (children - children.mean(axis=0)) / len(away)
    return np.asarray((covariance + covariance.T) / 2)


def _signed(columns: Floats) -> Floats:
    """Each column with its largest entry positive: eigenvectors come with either sign."""
    largest = np.abs(columns).argmax(axis=0)
    return np.asarray(columns * np.sign(columns[largest, np.arange(columns.shape[1])]))


def _within(rows: Floats, group: Indices) -> Floats:
    """The covariance of rows about the mean of their group, unbiased."""
    _, at = np.unique(group, return_inverse=True)
    sizes = np.bincount(at)
    means = np.zeros((len(sizes), rows.shape[1]))
    np.add.at(means, at, rows)
    away = rows - (means / sizes[:, np.newaxis])[at]
    return np.asarray(away.T @ away / max(len(rows) - len(sizes), 1))


def _best_shrinkage(kin: Kin, rng: np.random.Generator) -> float:
    families = np.unique(kin.family[kin.person])
    splits = list(folds(families, _FOLDS, rng))
    drawn = [draw_pairs(kin.of_families(part), PAIRS, rng) for _, part in splits]

    def score(shrinkage: float) -> float:
        aucs = []
        for (rest, part), pairs in zip(splits, drawn, strict=True):
            mean, transform = _kin_map(kin.of_families(rest), shrinkage)
            left_out = kin.of_families(part)
            seen = comparable(left_out.vectors, _f32(mean), _f32(transform))
            aucs.append(auc(_cosine(seen, pairs), pairs.kin))
        return float(np.mean(aucs))

    return max(SHRINKAGES, key=score)


def _distances_of_families_left_out(
    kin: Kin, shrinkage: float, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Distances of pairs from a cohort, by maps and cohorts that never saw their families.

    These say what a distance means for families that the model will not have seen either.
    """
    away, are_kin = [], []
    for rest, part in folds(np.unique(kin.family[kin.person]), _FOLDS, rng):
        fitted = kin.of_families(rest)
        model = _model(fitted, "", _kin_map(fitted, shrinkage))
        left_out = kin.of_families(part)
        pairs = draw_pairs(left_out, PAIRS, rng)
        away.append(distances(model, left_out, pairs))
        are_kin.append(pairs.kin)
    return np.concatenate(away), np.concatenate(are_kin)


def distances(model: ResemblanceModel, kin: Kin, pairs: Pairs) -> Floats:
    """Each pair's distance from the cohort, in standard deviations, (N,)."""
    return model.distances_of_pairs(kin.vectors[pairs.parents], kin.vectors[pairs.children])


def _log_ratio(away: Floats, are_kin: NDArray[np.bool_]) -> Floats:
    """Slope and intercept of the logarithm of the likelihood ratio, and its bounds.

    Logistic regression gives the odds in this sample; half of it is kin, so its prior odds are
    taken off. The bounds are what the last 2 % of kin and of strangers reach: past these there are
    too few pairs to say more.
    """
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e6).fit(away[:, np.newaxis], are_kin)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    intercept -= np.log(are_kin.mean() / (1 - are_kin.mean()))
    least = slope * np.quantile(away[are_kin], _RATIO_SHARE) + intercept
    greatest = slope * np.quantile(away[~are_kin], 1 - _RATIO_SHARE) + intercept
    return np.array([slope, intercept, least, greatest])


def measure(
    model: ResemblanceModel,
    kin: Kin,
    colours: Floats,
    parts: tuple[Indices, Indices],
    shrinkage: float,
    rng: np.random.Generator,
) -> Figures:
    """The figures on the families held back; `parts` are those fitted and those held back."""
    fit, held_back = parts
    test = kin.of_families(held_back)
    pairs = draw_pairs(test, PAIRS, rng)
    away = distances(model, test, pairs)
    scores, ratios = model.judge(away)
    aucs = {
        "this model": _auc_interval(away, pairs, rng),
        "cosine": _auc_interval(_cosine(unit(test.vectors), pairs), pairs, rng),
        "colours only": _auc_interval(_colour_scores(kin, colours, parts, pairs, rng), pairs, rng),
    }
    for relation in np.unique(pairs.relations).tolist():
        aucs[relation] = _auc_interval(away, pairs, rng, pairs.relations == relation)
    strangers, _ = np.histogram(scores[~pairs.kin], np.arange(0, 101, 10))
    return Figures(
        families_fitted=len(fit),
        families_held_back=len(held_back),
        pairs=int(pairs.kin.sum()),
        shrinkage=shrinkage,
        auc=aucs,
        deciles=tuple((strangers / strangers.sum()).tolist()),
        cost=_cost(ratios, pairs.kin),
    )


def auc(values: Floats, are_kin: NDArray[np.bool_]) -> float:
    """How often a pair of kin has the greater value than a pair of strangers: the ROC AUC."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(are_kin, values))


def _auc_interval(
    values: Floats, pairs: Pairs, rng: np.random.Generator, of: NDArray[np.bool_] | None = None
) -> tuple[float, float, float]:
    """The AUC and its 95 % interval, by drawing families with replacement."""
    chosen = np.flatnonzero(np.ones(len(values), bool) if of is None else of)
    values, kin, family = values[chosen], pairs.kin[chosen], pairs.family[chosen]
    rows = [np.flatnonzero(family == each) for each in np.unique(family)]
    drawn = []
    for _ in range(_RESAMPLES):
        sample = np.concatenate([rows[at] for at in rng.integers(0, len(rows), len(rows))])
        if 0 < kin[sample].sum() < len(sample):
            drawn.append(auc(values[sample], kin[sample]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return auc(values, kin), float(low), float(high)


def _colour_scores(
    kin: Kin,
    colours: Floats,
    parts: tuple[Indices, Indices],
    held_back: Pairs,
    rng: np.random.Generator,
) -> Floats:
    """What logistic regression on differences in colour makes of the pairs held back."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def differences(families: Indices, pairs: Pairs) -> Floats:
        shown = colours[np.isin(kin.family[kin.person], families)]
        return np.abs(shown[pairs.parents] - shown[pairs.children])

    fit, test = parts
    pairs = draw_pairs(kin.of_families(fit), PAIRS, rng)
    fitted = make_pipeline(StandardScaler(), LogisticRegression())
    fitted.fit(differences(fit, pairs), pairs.kin)
    return np.asarray(fitted.decision_function(differences(test, held_back)))


def _cost(ratios: NDArray[np.float32], are_kin: NDArray[np.bool_]) -> float:
    """Cllr (Brümmer & du Preez 2006), in bits: what the likelihood ratios cost on these pairs."""
    wide = ratios.astype(np.float64)
    misses, alarms = np.log2(1 + 1 / wide[are_kin]), np.log2(1 + wide[~are_kin])
    return float((misses.mean() + alarms.mean()) / 2)


def card_of(model: ResemblanceModel, figures: Figures, sha256: str, seed: int) -> str:
    """The model's card, in Markdown."""
    rows = "\n".join(
        f"| {_METHODS.get(name, name)} | {value:.3f} | {low:.3f} to {high:.3f} |"
        for name, (value, low, high) in figures.auc.items()
    )
    shares = " ".join(f"{share:.1%}" for share in figures.deciles)
    least, greatest = np.exp(model.log_ratio[2:].astype(np.float64))
    return _CARD.format(
        name=model.name, space=model.space, sha256=sha256, seed=seed, rows=rows, shares=shares,
        least=least, greatest=greatest, figures=figures,
        dimensions=model.transform.shape[0], kept=model.transform.shape[1],
    )  # fmt: skip


_METHODS = {
    "cosine": "plain cosine of the embeddings",
    "colours only": "colours only, no face model",
    "fs": "this model, fathers and sons",
    "fd": "this model, fathers and daughters",
    "ms": "this model, mothers and sons",
    "md": "this model, mothers and daughters",
}

_CARD = """# {name}

Turns two embeddings of `{space}` into a mini-me score and a likelihood ratio.
`{space}.npz`, sha256 {sha256}.

## Made by

    facematch train resemblance --data DIR --out models --seed {seed}

from Families In the Wild (Robinson et al. 2018), the training part: faces of public figures and
their families, aligned at 112x112, for research use. DIR holds `fiw-train.zip` and
`fiw-train-relations.csv`. {figures.families_fitted} families fitted the model,
{figures.families_held_back} others were held back: everything below was measured on those.
Shrinkage {figures.shrinkage}, chosen by cross-validation over the fitted families;
{kept} of {dimensions} directions kept. Made again elsewhere, the arrays may differ by rounding, and
then the sha256 does too.

## Measured on the families held back

{figures.pairs:,} pairs of photos, one of a parent and one of the child, against as many of a parent
and a child of another family, of the same sexes. ROC AUC with its 95 % interval over families:

| method | ROC AUC | 95 % |
|---|---|---|
{rows}

Scores of strangers, share in each tenth from 0-10 to 90-100 (flat would be 10 % each):
{shares}

Likelihood ratios run from {least:.2f} to {greatest:.1f}: past these the data holds too few pairs
to say more. Their cost (Cllr) is {figures.cost:.3f} bits: 0 would be perfect, 1 is knowing nothing.

## What it is not for

It is no paternity test. An AUC of this size means that many strangers look more alike than many
parents and children do. The families are of public figures, known in a few countries;
ages at the time of the photos are not known, so a child here may be any age, and adult
children are common. Pairs cut from one photograph share light and colours, which the baseline
"colours only" makes visible. No person's face or embedding is in the file: only means, covariances,
a linear map and quantiles.
"""


def _f32(values: Floats) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _cosine(seen: Floats, pairs: Pairs) -> Floats:
    return np.asarray(np.einsum("nk,nk->n", seen[pairs.parents], seen[pairs.children]))


def _require_sklearn() -> None:
    try:
        import sklearn  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingExtraError(
            "training needs scikit-learn: run `pip install 'facematch[train]'`"
        ) from error
