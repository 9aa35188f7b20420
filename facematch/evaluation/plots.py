"""Two charts of an evaluation: how well kin are told from strangers, and whether odds hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facematch.errors import ProtocolError
from facematch.evaluation.figures import Curves, Evaluation

_BINS = 10
_LEAST = 20  # pairs of a bin that is drawn


def draw(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write roc.png and, where there are likelihood ratios, reliability.png.

    Raises ProtocolError where the folder cannot be written.
    """
    title = f"{evaluation.protocol}, {evaluation.engine['embedder']}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = [_draw_roc(evaluation.curves, title, folder / "roc.png")]
        if evaluation.curves.log_ratios is not None:
            drawn.append(_draw_reliability(evaluation.curves, title, folder / "reliability.png"))
    except OSError as error:
        raise ProtocolError(f"{folder} cannot be written ({error.strerror})") from error
    return drawn


def _draw_roc(curves: Curves, title: str, path: Path) -> Path:
    from matplotlib.figure import Figure
    from sklearn.metrics import auc, roc_curve

    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    for name, values in curves.values.items():
        alarms, hits, _ = roc_curve(curves.kin, values)
        axes.plot(alarms, hits, label=f"{name}: {auc(alarms, hits):.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="a coin: 0.500")
    axes.set(
        title=f"ROC, {title}", xlabel="share of strangers accepted",
        ylabel="share of kin accepted", xlim=(0, 1), ylim=(0, 1),
    )  # fmt: skip
    axes.legend(title="area under the curve", loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    return path


def _draw_reliability(curves: Curves, title: str, path: Path) -> Path:
    """Of pairs with about the same stated odds, how many are kin; on the diagonal the odds hold."""
    from matplotlib.figure import Figure

    assert curves.log_ratios is not None  # noqa: S101 - the caller looked
    share = curves.kin.mean()
    stated = 1 / (1 + np.exp(-(curves.log_ratios + np.log(share / (1 - share)))))
    edges = np.unique(np.quantile(stated, np.linspace(0, 1, _BINS + 1)))
    of = np.clip(np.searchsorted(edges, stated, side="right") - 1, 0, max(len(edges) - 2, 0))
    bins = [of == each for each in np.unique(of) if (of == each).sum() >= _LEAST]
    means = np.array([stated[each].mean() for each in bins])
    found = np.array([curves.kin[each].mean() for each in bins])
    error = np.array(
        [1.96 * np.sqrt(p * (1 - p) / each.sum()) for p, each in zip(found, bins, strict=True)]
    )
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="the odds hold")
    axes.errorbar(means, found, yerr=error, fmt="o-", capsize=3, label="found, with 95 %")
    axes.set(
        title=f"Reliability, {title}", xlabel=f"stated chance of kin (where {share:.0%} are)",
        ylabel="share that are kin", xlim=(0, 1), ylim=(0, 1),
    )  # fmt: skip
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    return path
