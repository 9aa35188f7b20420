"""Two charts of an evaluation: the ROC curve, and the reliability of likelihood ratios."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facematch.errors import ProtocolError
from facematch.evaluation.figures import Curves, Evaluation

_RELIABILITY_BINS = 10
_FEWEST_PAIRS = 20  # in a bin that is shown


def draw(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write roc.png and, where there are likelihood ratios, reliability.png.

    Raises ProtocolError where the folder cannot be written.
    """
    title = f"{evaluation.protocol}, {evaluation.engine['embedder']}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        charts = [_draw_roc(evaluation.curves, title, folder / "roc.png")]
        if evaluation.curves.log_ratios is not None:
            charts.append(_draw_reliability(evaluation.curves, title, folder / "reliability.png"))
    except OSError as error:
        raise ProtocolError(f"{folder} cannot be written ({error.strerror})") from error
    return charts


def _draw_roc(curves: Curves, title: str, path: Path) -> Path:
    from matplotlib.figure import Figure
    from sklearn.metrics import auc, roc_curve

    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    for name, values in curves.values.items():
        alarms, hits, _ = roc_curve(curves.kin, values)
        axes.plot(alarms, hits, label=f"{name}: {auc(alarms, hits):.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance: 0.500")
    axes.set(
        title=f"ROC, {title}", xlabel="share of strangers accepted",
        ylabel="share of kin accepted", xlim=(0, 1), ylim=(0, 1),
    )  # fmt: skip
    axes.legend(title="area under the curve", loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    return path


def _draw_reliability(curves: Curves, title: str, path: Path) -> Path:
    """The share of kin among pairs, by the probability of kin that was stated for them."""
    from matplotlib.figure import Figure

    assert curves.log_ratios is not None  # noqa: S101 - the caller checked
    share = curves.kin.mean()
    stated = 1 / (1 + np.exp(-(curves.log_ratios + np.log(share / (1 - share)))))
    edges = np.unique(np.quantile(stated, np.linspace(0, 1, _RELIABILITY_BINS + 1)))
    bin_of = np.clip(np.searchsorted(edges, stated, side="right") - 1, 0, max(len(edges) - 2, 0))
    bins = [bin_of == i for i in np.unique(bin_of) if (bin_of == i).sum() >= _FEWEST_PAIRS]
    means = np.array([stated[each].mean() for each in bins])
    shares = np.array([curves.kin[each].mean() for each in bins])
    error = np.array(
        [1.96 * np.sqrt(p * (1 - p) / each.sum()) for p, each in zip(shares, bins, strict=True)]
    )
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="calibrated")
    axes.errorbar(means, shares, yerr=error, fmt="o-", capsize=3, label="measured, 95 % interval")
    axes.set(
        title=f"Reliability, {title}", xlabel=f"stated probability of kin ({share:.0%} are kin)",
        ylabel="share that are kin", xlim=(0, 1), ylim=(0, 1),
    )  # fmt: skip
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    return path
