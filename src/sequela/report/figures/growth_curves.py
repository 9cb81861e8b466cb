"""Counts over time on a doubling scale, one line an experiment, coloured by culture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, Width, clean, head_room, line_height
from sequela.report.figures.plot import SMALL, decades, draw_axes, legend, linear, side_by_side, y_room
from sequela.report.figures.superplot import MARKS
from sequela.report.palette import colour, tint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HEIGHT: Final = 66.0
EXPLAINED: Final = (
    "Points: wells; large marks: means of experiments, cultures beside each other; lines: exponential growth fitted to "
    "each experiment. A straight line on this logarithmic axis is a constant doubling time."
)


@dataclass(frozen=True, slots=True, eq=False)
class GrowthCurve:
    """One culture: counts of wells with hour and experiment; lines (hours, counts) fitted an experiment."""

    name: str
    hours: NDArray[Any]
    counts: NDArray[Any]
    experiments: tuple[str, ...]
    lines: tuple[tuple[NDArray[Any], NDArray[Any]], ...]


def growth_curves(
    curves: Sequence[GrowthCurve],
    *,
    id: str = "growth",
    title: str = "",
    y_label: str = "Cells",
    note: str = "",
    width: Width = "double",
    banner: str | None = None,
) -> Figure:
    """Counts of wells, means of experiments, and the exponential growth fitted to each experiment.

    Args:
        curves: one a culture, in order.
        id, title: of the figure.
        y_label: what was counted.
        note: for the caption.
        width: "single" (85 mm) or "double" (170 mm).
        banner: a warning printed in the picture.
    """
    counts = "; ".join(
        f"{clean(one.name)}: {len(one.lines)} experiments, {len(one.counts)} counts" for one in curves
    )
    return Figure(
        id=id,
        title=title,
        caption=f"{EXPLAINED} {counts}. {note}".strip(),
        alt=f"Growth curves of {clean(y_label)} over hours. {counts}.",
        data={
            "culture": [one.name for one in curves for _ in one.hours],
            "experiment": [name for one in curves for name in one.experiments],
            "hours": [float(v) for one in curves for v in one.hours],
            "count": [float(v) for one in curves for v in one.counts],
        },
        draw=_draw(curves, clean(y_label), WIDTHS[width], banner),
        banner=banner,
    )


def _draw(curves: Sequence[GrowthCurve], y_label: str, whole: float, banner: str | None) -> Any:
    hours = np.concatenate([one.hours for one in curves])
    counts = np.concatenate([one.counts for one in curves])
    fine = counts[counts > 0]
    last = float(hours.max())
    x = linear(min(0.0, float(hours.min())) - 0.02 * last, last * 1.02, "Hours", 8)
    shifts = side_by_side(len(curves), hours.tolist(), 0.009 * last)
    y = decades(float(fine.min()) / 1.1, float(fine.max()) * 1.1, y_label)
    left = y_room(y)
    top = head_room(banner) + 1 + 2 * line_height(SMALL)
    area = Box(left, top, whole, top + HEIGHT)
    page = Page(whole, area.bottom + 9.5, banner)
    names, hues = [clean(one.name) for one in curves], [colour(nth).line for nth in range(len(curves))]
    dashes = [colour(nth).dash for nth in range(len(curves))]
    marks = [MARKS[nth % len(MARKS)] for nth in range(len(curves))]
    legend(page, names, hues, left, head_room(banner) + 2, whole, dashes=dashes, marks=marks)
    axes = draw_axes(page, area, x, y)
    for nth, one in enumerate(curves):
        hue = colour(nth)
        axes.plot(
            one.hours + shifts[nth],
            one.counts,
            "o",
            markersize=1.6,
            color=tint(hue.line, 0.4),
            markeredgewidth=0,
            zorder=1,
        )
        keys = list(zip(one.experiments, one.hours.tolist(), strict=True))
        cells = {
            key: float(np.mean([v for v, own in zip(one.counts, keys, strict=True) if own == key]))
            for key in dict.fromkeys(keys)
        }
        axes.plot(
            [key[1] + shifts[nth] for key in cells],
            list(cells.values()),
            marks[nth],
            linestyle="none",
            markersize=3.8,
            color=hue.line,
            markeredgecolor="white",
            markeredgewidth=0.4,
            zorder=3,
        )
        for at, fitted in one.lines:
            axes.plot(
                at,
                fitted,
                color=hue.line,
                linewidth=0.9,
                linestyle=(0, hue.dash) if hue.dash else "-",
                zorder=2,
            )
    return page.drawing
