"""Plain axes in mm on a page: linear or logarithmic, ticks and words measured, for dots and lines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.ticker import MaxNLocator

from sequela.report.figures.page import Box, Page, line_height, width_of, wrap
from sequela.report.palette import HAIR, INK, MUTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

SIZE: Final = 8.0
SMALL: Final = 7.5


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis: its limits, its ticks with their words, whether it is logarithmic, its label."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False
    label: str = ""


def linear(low: float, high: float, label: str = "", most: int = 6) -> Scale:
    """A linear axis that holds `low` and `high`, with round ticks."""
    if high <= low:
        low, high = low - 0.5, low + 0.5
    places = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    step = float(places[1] - places[0])
    digits = max(
        0,
        -math.floor(math.log10(step) + 1e-9)
        + (1 if f"{step:e}"[2] == "5" and step < 1 and f"{step:e}"[0] == "2" else 0),
    )
    inside = [float(place) for place in places if low - 1e-9 * step <= place <= high + 1e-9 * step]
    words = tuple((place, f"{place:.{digits}f}".replace("-", "−")) for place in inside)
    return Scale(low, high, words, label=label)


def decades(low: float, high: float, label: str = "", most: int = 8) -> Scale:
    """A logarithmic axis over positive values, ticks at powers of ten (or 1, 2, 5 where it is short)."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = max(1, math.ceil((last - first) / most))
    places = [10.0**power for power in range(first, last + 1, step)]
    if math.log10(high / low) < 2:
        places = [m * 10.0**power for power in range(first, last + 1) for m in (1, 2, 5)]
    words = tuple((place, _power(place)) for place in places if low * 0.999 <= place <= high * 1.001)
    return Scale(low, high, words, log=True, label=label)


def ratios(low: float, high: float, label: str = "") -> Scale:
    """A logarithmic axis of ratios that holds `low`, `high` and 1, ticks at powers of two (or 1, 2, 5; or finer)."""
    low, high = min(low, 1.0) / 1.12, max(high, 1.0) * 1.12
    if high / low > 200:
        return decades(low, high, label)
    places = [2.0**power for power in range(-8, 9) if low <= 2.0**power <= high]
    if len(places) < 3:
        return Scale(low, high, linear(low, high).ticks, log=True, label=label)
    return Scale(low, high, tuple((place, f"{place:g}") for place in places), log=True, label=label)


_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _power(value: float) -> str:
    if 1e-3 <= value < 1e5:
        return f"{value:g}"
    power = math.floor(math.log10(value) + 1e-9)
    factor = value / 10.0**power
    raised = "10" + str(power).translate(_RAISED)
    return raised if abs(factor - 1) < 1e-6 else f"{factor:g}×{raised}"


def y_room(y: Scale) -> float:
    """Width in mm that the words of a y axis take left of it."""
    return max((width_of(word, SMALL) for _, word in y.ticks), default=0.0) + 2.6 + line_height(SIZE) + 1.0


def draw_axes(
    page: Page, area: Box, x: Scale | None, y: Scale, *, grid: bool = True, bare: bool = False
) -> Axes:
    """Axes in `area` with ticks and words; `x` None leaves the x axis to the caller (0 to 1).

    `bare` leaves out the words of the y axis, where the axes beside share them.
    """
    axes = page.axes(area)
    axes.set_ylim(y.low, y.high)
    axes.set_yscale("log" if y.log else "linear")
    axes.set_xscale("log" if x is not None and x.log else "linear")
    axes.set_xlim(*((x.low, x.high) if x is not None else (0, 1)))
    axes.minorticks_off()
    axes.set_xticks([place for place, _ in x.ticks] if x is not None else [], labels=[])
    axes.set_yticks([place for place, _ in y.ticks], labels=[])
    axes.patch.set_alpha(0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=INK, linewidth=0.6)
    axes.tick_params(length=2.4, width=0.6, color=INK)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(visible=True, axis="y", color=HAIR, linewidth=0.3)
    for place, word in () if bare else y.ticks:
        page.text(area.left - 1.5, _mm(place, y, area.bottom, area.top), word, size=SMALL, align="right")
    if y.label:
        lines = wrap(y.label, area.bottom - area.top + 6, SIZE)
        left = area.left - y_room(y) + line_height(SIZE) / 2 + 0.4
        for place, line in enumerate(lines[:1]):
            page.text(
                left + place * line_height(SIZE),
                (area.top + area.bottom) / 2,
                line,
                size=SIZE,
                align="center",
                rotation=90,
            )
    if x is not None:
        for place, word in x.ticks:
            page.text(
                _mm(place, x, area.left, area.right), area.bottom + 2.9, word, size=SMALL, align="center"
            )
        if x.label:
            page.text((area.left + area.right) / 2, area.bottom + 6.8, x.label, size=SIZE, align="center")
    return axes


def _mm(value: float, scale: Scale, start: float, end: float) -> float:
    share = (
        math.log(value / scale.low) / math.log(scale.high / scale.low)
        if scale.log
        else (value - scale.low) / (scale.high - scale.low)
    )
    return start + share * (end - start)


def place_of(scale: Scale, value: float, start: float, end: float) -> float:
    """Where a value stands between two places in mm."""
    return _mm(value, scale, start, end)


def spread(n: int, width: float) -> Any:
    """n places around 0 within `width`, always the same: dots beside each other without chance."""
    golden = 0.6180339887498949
    return (((np.arange(n) * golden) % 1.0) - 0.5) * width


def legend(
    page: Page,
    names: Sequence[str],
    colours: Sequence[str],
    left: float,
    y: float,
    right: float,
    *,
    dashes: Sequence[Sequence[float]] = (),
    marks: Sequence[str] = (),
) -> float:
    """Names with their line, dash and mark in rows from `left` to `right`; returns the height in mm."""
    x, top = left, y
    stroke = 7.0 if dashes or marks else 2.6
    for nth, (name, colour) in enumerate(zip(names, colours, strict=True)):
        wide = width_of(name, SMALL) + stroke + 4.4
        if x + wide > right and x > left:
            x, y = left, y + line_height(SMALL)
        dash = (0, tuple(dashes[nth])) if dashes and dashes[nth] else "-"
        page.line((x, x + stroke), (y, y), colour=colour, width=1.4 if dashes else 2.2, linestyle=dash)
        if marks:
            page.line((x + stroke / 2,), (y,), colour=colour, marker=marks[nth], markersize=4.4,
                      markeredgecolor="white", markeredgewidth=0.5, linestyle="none")  # fmt: skip
        page.text(x + stroke + 1.0, y, name, size=SMALL, colour=MUTED)
        x += wide
    return y - top + line_height(SMALL)


def legend_rows(names: Sequence[str], room: float) -> int:
    """How many rows `legend` needs for names with a stroke each, in `room` mm."""
    rows, x = 1, 0.0
    for name in names:
        wide = width_of(name, SMALL) + 7.0
        if x + wide > room and x > 0:
            rows, x = rows + 1, 0.0
        x += wide
    return rows


def side_by_side(n: int, places: Sequence[float], most: float) -> list[float]:
    """Shifts of n groups whose dots share places: `most` apart, or as far as half of the room between places allows."""
    apart = np.diff(np.unique(np.asarray(places, float)))
    step = min(most, 0.5 * float(apart.min()) / n) if len(apart) else most
    return [(nth - (n - 1) / 2) * step for nth in range(n)]
