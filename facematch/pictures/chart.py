"""Likeness over time as a chart, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facematch.output.report import NO_PATERNITY_TEST
from facematch.pictures.canvas import THEMES, Colour, Theme
from facematch.types import Pixels

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Curve: TypeAlias = tuple[Floats, Floats, Floats]  # (G,) where, (G,) what, (2, G) band
Series: TypeAlias = tuple[str, Floats, Curve | None]  # name, points (N, 4), curve

_INCHES, _DPI = (10.0, 7.0), 110
_FACES = 9  # at most, below the chart
_MARKERS = "osD^v"


def draw_timeline(
    title: str,
    series: Sequence[Series],
    ticks: Sequence[tuple[float, float]],
    faces: tuple[Sequence[float], NDArray[np.uint8]],
    x_label: str,
    theme: str = "light",
) -> Pixels:
    """Points and curves of each series, with some portraits below the axis.

    A point is where, how high, and the lower and upper end of its spread.
    `ticks` are scores and where they lie; `faces` say where (N,) which portrait (N, S, S, 3) lies.
    Shapes: (H, W, 3).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = THEMES[theme]
    figure = Figure(figsize=_INCHES, dpi=_DPI, facecolor=_share(colours.ground))
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.09, 0.30, 0.88, 0.60))
    inks = [colours.accent, colours.second, colours.quiet, colours.ink]
    handles = [
        _draw(axes, one, _share(inks[at % len(inks)]), _MARKERS[at % len(_MARKERS)])
        for at, one in enumerate(series)
    ]
    if np.ptp(faces[0]) == 0:  # of one day: matplotlib would show centuries
        axes.set_xlim(faces[0][0] - 0.5, faces[0][0] + 0.5)
    _dress(axes, colours, ticks, x_label)
    axes.set_title(_literal(title), color=_share(colours.ink), fontsize=17, fontweight="bold",
                   loc="left", pad=12)  # fmt: skip
    names = [_literal(name) for name, *_ in series]  # a leading underscore would hide it
    legend = axes.legend(handles, names, frameon=False, fontsize=13, loc="best")
    for words in legend.get_texts():
        words.set_color(_share(colours.ink))
    _portraits(figure.add_axes((0.09, 0.07, 0.88, 0.13)), axes.get_xlim(), *faces)
    figure.text(0.5, 0.02, NO_PATERNITY_TEST, color=_share(colours.quiet), ha="center", fontsize=9)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib has no types here
    drawn = canvas.buffer_rgba()  # type: ignore[no-untyped-call]  # nor here
    return np.asarray(drawn, np.uint8)[..., :3].copy()


def _draw(axes: Axes, series: Series, ink: tuple[float, float, float], marker: str) -> Artist:
    """Draw a series; gives what stands for it in a legend."""
    _, points, curve = series
    if curve is not None:
        x, smooth, band = curve
        axes.fill_between(x, *band, color=ink, alpha=0.18, linewidth=0)
        axes.plot(x, smooth, color=ink, linewidth=2.5)
    where, what, low, high = points.T
    axes.vlines(where, low, high, color=ink, alpha=0.35, linewidth=1.5)
    (points_drawn,) = axes.plot(where, what, marker, color=ink, markersize=8, alpha=0.75)
    return points_drawn


def _dress(axes: Axes, colours: Theme, ticks: Sequence[tuple[float, float]], x_label: str) -> None:
    """Axes in the theme's colours; heights are named by the scores that lie there."""
    axes.set_facecolor(_share(colours.ground))
    low, high = axes.get_ylim()
    places = [place for _, place in ticks]
    axes.set_yticks(places, [f"{score:.0f}" for score, _ in ticks])
    axes.set_ylim(min(low, places[1] - 0.2), max(high, places[-1] + 0.3))
    axes.grid(axis="y", color=_share(colours.quiet), alpha=0.25)
    axes.tick_params(colors=_share(colours.quiet), labelsize=12)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_xlabel(_literal(x_label), color=_share(colours.quiet), fontsize=13)
    axes.set_ylabel("mini-me score", color=_share(colours.quiet), fontsize=13)
    axes.margins(x=0.05)
    for name, line in axes.spines.items():
        line.set_visible(name in ("left", "bottom"))
        line.set_color(_share(colours.quiet))


def _portraits(
    axes: Axes, limits: tuple[float, float], places: Sequence[float], shown: NDArray[np.uint8]
) -> None:
    """Some faces, evenly over the photos, each below its point as far as there is room."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    box = axes.get_window_extent()
    width = box.height / box.width
    picked = np.unique(np.linspace(0, len(places) - 1, min(len(places), _FACES)).round())
    span = limits[1] - limits[0]
    lefts = [(places[int(at)] - limits[0]) / span - width / 2 for at in picked]
    for at, left in zip(picked.astype(int).tolist(), _apart(lefts, width * 1.08), strict=True):
        axes.imshow(shown[at], extent=(left, left + width, 0, 1), aspect="auto")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _apart(lefts: Sequence[float], step: float) -> list[float]:
    """Places in the same order, none nearer than a step to the next, within 0 and 1 if possible."""
    placed: list[float] = []
    for left in lefts:
        placed.append(max(left, placed[-1] + step if placed else 0.0))
    last = 1 - step
    for at in range(len(placed) - 1, -1, -1):
        placed[at] = min(placed[at], last)
        last = placed[at] - step
    return placed


def _literal(words: str) -> str:
    """Words as they are: matplotlib takes dollars for mathematics."""
    return words.replace("$", r"\$")


def _share(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
