"""A conclusion against a growing departure from what was seen: the tipping-point line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.core.wording import PLAIN, Style, interval, number
from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, Width, clean, head_room
from sequela.report.palette import INK, MUTED, PALETTE, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sequela.estimates.sensitivity import Tipping

SIZE: Final = 8.0
SMALL: Final = 7.5
PANEL: Final = 62.0  # mm
_TICKS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 8, 10, 20)


def tipping(
    found: Tipping,
    *,
    id: str = "tipping-point",
    title: str = "",
    departure: str = "Departure",
    width: Width = "double",
    style: Style = PLAIN,
    banner: str | None = None,
) -> Figure:
    """The pooled hazard ratio with its interval at each departure; a line marks where the conclusion changes.

    Args:
        found: departures and their estimates; at least one.
        id, title: of the figure.
        departure: what grows along the axis, in words.
        width: "single" (85 mm) or "double" (170 mm).
        style: house style of numbers.
        banner: a warning printed in the picture.
    """
    words = [
        f"{delta:g}: {number(r.value, 2, style)} ({interval(r.lower, r.upper, 2, style)})"
        for delta, r in zip(found.deltas, found.ratios, strict=True)
    ]
    tips = (
        f"The conclusion changes at {number(found.tips, 2, style)}."
        if found.tips is not None
        else "No departure tried changes the conclusion."
    )
    return Figure(
        id=id,
        title=title or "Tipping point",
        caption=f"Hazard ratio with 95% confidence interval, pooled over imputations; log scale. {tips}",
        alt=f"Hazard ratio by departure. {'; '.join(words)}. {tips}",
        data={
            "departure": list(found.deltas),
            "hazard_ratio": [r.value for r in found.ratios],
            "lower": [r.lower for r in found.ratios],
            "upper": [r.upper for r in found.ratios],
            "p": [r.p for r in found.ratios],
        },
        draw=_draw(found, clean(departure), WIDTHS[width], style, banner),
        banner=banner,
    )


def _draw(found: Tipping, departure: str, whole: float, style: Style, banner: str | None) -> Any:
    top, left = head_room(banner) + 3.0, 14.0
    page = Page(whole, top + PANEL + 12.5, banner)
    area = Box(left, top, whole - 4, top + PANEL)
    axes = page.axes(area)
    x = np.array(found.deltas)
    values, low, high = (np.array([getattr(r, n) for r in found.ratios]) for n in ("value", "lower", "upper"))
    known = np.isfinite(low) & np.isfinite(high) & (low > 0)
    reach = np.log(
        [min(float(low[known].min(initial=1)), 0.95), max(float(high[known].max(initial=1)), 1.05)]
    )
    span = (float(reach[0]) - 0.06, float(reach[1]) + 0.06)
    edge = 0.04 * float(x.max() - x.min())
    sides = (float(x.min()) - edge, float(x.max()) + edge)
    _panel(axes, x[known], np.log(values[known]), np.log(low[known]), np.log(high[known]))
    axes.set_ylim(*span)
    axes.set_xlim(*sides)
    _ticks(page, area, sides, span, found.deltas, style)
    if found.tips is not None:
        axes.axvline(found.tips, color=INK, linewidth=0.8, linestyle=(0, (1.2, 1.2)))
        at = area.left + (found.tips - sides[0]) / (sides[1] - sides[0]) * (area.right - area.left)
        late = at > (area.left + area.right) / 2
        label = f"Conclusion changes at {number(found.tips, 2, style)}"
        page.text(
            at - 1.5 if late else at + 1.5,
            area.top + 2.5,
            label,
            size=SIZE,
            align="right" if late else "left",
        )
    page.text(2.2, (area.top + area.bottom) / 2, "Hazard ratio", size=SIZE, align="center", rotation=90)
    page.text((area.left + area.right) / 2, area.bottom + 8.2, departure, size=SIZE, align="center")
    return page.drawing


def _panel(axes: Axes, x: Any, values: Any, low: Any, high: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.6)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.axhline(0.0, color=MUTED, linewidth=0.7)
    hue = PALETTE[0].line
    axes.fill_between(x, low, high, color=tint(hue, 0.18), linewidth=0)
    axes.plot(x, values, color=hue, linewidth=1.3, marker="o", markersize=3.6)


def _ticks(
    page: Page,
    area: Box,
    sides: tuple[float, float],
    span: tuple[float, float],
    deltas: tuple[float, ...],
    style: Style,
) -> None:
    last = -math.inf
    for delta in deltas:
        x = area.left + (delta - sides[0]) / (sides[1] - sides[0]) * (area.right - area.left)
        page.line((x, x), (area.bottom, area.bottom + 0.9), width=0.6)
        if x - last > 7:  # where departures stand close, not every one has room for its number
            page.text(
                x, area.bottom + 3.4, f"{delta:g}".replace(".", style.point), size=SMALL, align="center"
            )
            last = x
    shown = -math.inf
    for value in _TICKS:
        height = (math.log(value) - span[0]) / (span[1] - span[0])
        y = area.bottom - height * (area.bottom - area.top)
        if 0 <= height <= 1 and (height - shown) * (area.bottom - area.top) > 4.5:
            page.line((area.left - 0.9, area.left), (y, y), width=0.6)
            page.text(area.left - 1.8, y, f"{value:g}".replace(".", style.point), size=SMALL, align="right")
            shown = height
