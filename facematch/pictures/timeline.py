"""Likeness over time as a chart, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facematch.analyses.timeline import FEWEST_FOR_CURVE, Curve, Timeline, time_axis
from facematch.pictures.canvas import THEMES, Colour, Sheet, Theme
from facematch.pictures.letters import drawable, text_width
from facematch.scoring.wording import NO_PATERNITY_TEST
from facematch.types import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CHART_INCHES, _CHART_DPI = (10.0, 7.0), 110
_MOST_PORTRAITS = 9  # below the chart
_CHART_MARKERS = "osD^v"


def draw(timeline: Timeline, theme: str = "light") -> Pixels:
    """A point for each photo and parent, and portraits of the child below the axis.

    A vertical line through a point is its 95 % confidence interval. Where photos are many, each
    parent has a curve with its band. Shapes: (H, W, 3).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = THEMES[theme]
    figure = Figure(figsize=_CHART_INCHES, dpi=_CHART_DPI, facecolor=_share(colours.ground))
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.09, 0.30, 0.88, 0.57))
    inks = _inks(colours)
    for index, curve in enumerate(timeline.curves):
        marker = _CHART_MARKERS[index % len(_CHART_MARKERS)]
        series = (_points(timeline, curve.parent), curve)
        _draw_curve(axes, series, _share(inks[index % len(inks)]), marker)
    places = [time_axis(day, timeline.born) for day in timeline.taken]
    if np.ptp(places) == 0:  # All of one day: matplotlib would show centuries.
        axes.set_xlim(places[0] - 0.5, places[0] + 0.5)
    _dress_axes(axes, colours, timeline)
    below = figure.add_axes((0.09, 0.07, 0.88, 0.13))
    _draw_portraits(below, axes.get_xlim(), places, timeline.portraits)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib has no types here
    drawn = canvas.buffer_rgba()  # type: ignore[no-untyped-call]  # nor here
    sheet = Sheet.over(np.asarray(drawn, np.uint8)[..., :3].copy(), colours)
    _write_words(sheet, timeline)
    return sheet.pixels()


def _write_words(sheet: Sheet, timeline: Timeline) -> None:
    """The title and the legend, in letters of any script, and the notice below."""
    theme, left, wide = sheet.theme, 100, sheet.image.width - 140
    title = f"How much {timeline.child} looks like each parent"
    sheet.write(title, (left, 34), 28, bold=True, anchor="lm", width=wide)
    share = wide / len(timeline.parents)
    for name, ink in zip(timeline.parents, cycle(_inks(theme)), strict=False):
        sheet.draw.rounded_rectangle((left, 66, left + 28, 84), 6, fill=ink)
        sheet.write(name, (left + 38, 75), 20, anchor="lm", width=share - 60)
        left += round(min(text_width(drawable(name), 20) + 76, share))
    foot = (sheet.image.width / 2, sheet.image.height - 20)
    sheet.write(NO_PATERNITY_TEST, foot, 14, colour=theme.quiet)


def _inks(theme: Theme) -> tuple[Colour, ...]:
    """The colours of the parents, in their order."""
    return theme.accent, theme.second, theme.quiet, theme.ink


def _points(timeline: Timeline, parent: str) -> NDArray[np.float64]:
    """Of each photo against a parent: place, z-score, and its lower and upper end. (N, 4)."""
    return np.array([
        [time_axis(moment.taken, timeline.born), moment.z, *moment.z_interval]
        for moment in timeline.moments
        if moment.parent == parent
    ])  # fmt: skip


def _draw_curve(
    axes: Axes,
    series: tuple[NDArray[np.float64], Curve],
    ink: tuple[float, float, float],
    marker: str,
) -> None:
    """Draw points (N, 4), and the curve where there are enough."""
    points, curve = series
    if len(points) >= FEWEST_FOR_CURVE:
        axes.fill_between(curve.x, *curve.band, color=ink, alpha=0.18, linewidth=0)
        axes.plot(curve.x, curve.z, color=ink, linewidth=2.5)
    places, z, low, high = points.T
    axes.vlines(places, low, high, color=ink, alpha=0.35, linewidth=1.5)
    axes.plot(places, z, marker, color=ink, markersize=8, alpha=0.75)


def _dress_axes(axes: Axes, colours: Theme, timeline: Timeline) -> None:
    """Axes in the theme's colours; heights are labelled with the scores that lie there."""
    axes.set_facecolor(_share(colours.ground))
    low, high = axes.get_ylim()
    places = [place for _, place in timeline.ticks]
    axes.set_yticks(places, [f"{score:.0f}" for score, _ in timeline.ticks])
    axes.set_ylim(min(low, places[1] - 0.2), max(high, places[-1] + 0.3))
    axes.grid(axis="y", color=_share(colours.quiet), alpha=0.25)
    axes.tick_params(colors=_share(colours.quiet), labelsize=12)
    axes.ticklabel_format(axis="x", useOffset=False)
    label = "date" if timeline.born is None else "age in years"
    axes.set_xlabel(label, color=_share(colours.quiet), fontsize=13)
    axes.set_ylabel("mini-me score", color=_share(colours.quiet), fontsize=13)
    axes.margins(x=0.05)
    for name, line in axes.spines.items():
        line.set_visible(name in ("left", "bottom"))
        line.set_color(_share(colours.quiet))


def _draw_portraits(
    axes: Axes, limits: tuple[float, float], places: Sequence[float], shown: NDArray[np.uint8]
) -> None:
    """Some faces, evenly over the photos, each below its point as far as there is room."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    box = axes.get_window_extent()
    width = box.height / box.width
    picked = np.unique(np.linspace(0, len(places) - 1, min(len(places), _MOST_PORTRAITS)).round())
    span = limits[1] - limits[0]
    lefts = [(places[int(index)] - limits[0]) / span - width / 2 for index in picked]
    for index, left in zip(
        picked.astype(int).tolist(), _spread_out(lefts, width * 1.08), strict=True
    ):
        axes.imshow(shown[index], extent=(left, left + width, 0, 1), aspect="auto")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _spread_out(lefts: Sequence[float], step: float) -> list[float]:
    """Places in the same order, none nearer than a step to the next, within 0 and 1 if possible."""
    placed: list[float] = []
    for left in lefts:
        placed.append(max(left, placed[-1] + step if placed else 0.0))
    last = 1 - step
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], last)
        last = placed[index] - step
    return placed


def _share(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
