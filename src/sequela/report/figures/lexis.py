"""The Lexis plot: calendar time against time since the origin, one line a patient.

Lives run along diagonals. The thin, light part lies before the patient's place in the comparison was settled (nobody
can die there and be in the picture), the dark part after it. The dates on which a drug was first given and the data
cut stand as upright lines. Where the dark parts of one arm fill only the upper left and those of the other only the
lower right, the arms were entered through different windows: truncation from both sides.

Source: Lexis 1875; Keiding, Phil Trans R Soc A 1990;332:487.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.collections import LineCollection

from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, clean, head_room, wrap
from sequela.report.palette import INK, PAPER, colour, tint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

SIZE: Final = 7.5
SMALL: Final = 7.0
PANEL: Final = 62.0  # mm
ROW: Final = 4.4  # mm, of the key
MOST: Final = 400  # lives drawn an arm; beyond, an even sample


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """The patients of one arm.

    Attributes:
        label: the arm.
        origin: calendar year of the origin, n values.
        settled: months from the origin to the moment that settles the patient's place.
        exit: months from the origin to the end of observation.
        event: whether that end is the event.
    """

    label: str
    origin: NDArray[np.float64]
    settled: NDArray[np.float64]
    exit: NDArray[np.float64]
    event: NDArray[np.bool_]


def lexis(
    arms: Sequence[Lives],
    marks: Sequence[tuple[str, float]],
    *,
    id: str = "lexis",
    title: str = "",
    origin: str = "the origin",
    settled: str = "entry",
    event: str = "event",
    banner: str | None = None,
) -> Figure:
    """One panel an arm, side by side on the same axes.

    Args:
        arms: the patients of each arm.
        marks: label and calendar year of each upright line, such as the first use of a drug and the data cut.
        id, title: of the figure.
        origin, settled, event: in words, for the caption and the axes.
        banner: a warning printed in the picture.
    """
    sampled = any(len(arm.origin) > MOST for arm in arms)
    return Figure(
        id=id,
        title=title or "Lexis plot: when patients could enter, and when they did",
        caption=(
            f"One diagonal line a patient, from {origin} to the end of observation. The pale part lies "
            f"before {settled}: nobody who died there is in the data. The dark part is time at risk; a dot is "
            f"the {event}. Upright lines: "
            + ", ".join(f"{clean(label)} ({year:.1f})" for label, year in marks)
            + "."
            + (f" An even sample of {MOST} patients an arm is drawn." if sampled else "")
        ),
        alt=_alt(arms, marks),
        data=_data(arms),
        draw=_draw(arms, marks, (origin, settled, event), banner),
        banner=banner,
    )


def _draw(
    arms: Sequence[Lives], marks: Sequence[tuple[str, float]], words: tuple[str, str, str], banner: str | None
) -> Any:
    origin, settled, event = words
    whole, top = WIDTHS["double"], head_room(banner)
    left, gap = 13.0, 7.0
    wide = (whole - left - gap * (len(arms) - 1)) / len(arms)
    key = ROW * max(len(marks), 3)
    page = Page(whole, top + 5.5 + PANEL + 12.5 + key, banner)
    first = min(float(arm.origin.min()) for arm in arms if len(arm.origin))
    last = max(
        [
            *(year for _, year in marks),
            *(float((a.origin + a.exit / 12).max()) for a in arms if len(a.origin)),
        ]
    )
    high = max(float(arm.exit.max()) for arm in arms if len(arm.origin)) * 1.04
    for place, arm in enumerate(arms):
        x = left + place * (wide + gap)
        area = Box(x, top + 5.5, x + wide, top + 5.5 + PANEL)
        name = wrap(f"{clean(arm.label)} (n = {len(arm.origin)})", wide, SIZE, "bold")[0]
        page.text(x, top + 2.6, name, size=SIZE, weight="bold", colour=colour(place).text)
        axes = page.axes(area)
        _panel(axes, arm, colour(place).line, marks)
        axes.set_xlim(np.floor(first), last + 0.25)
        axes.set_ylim(0, high)
        _ticks(page, area, (float(np.floor(first)), last + 0.25), high, numbers=place == 0)
        page.text((area.left + area.right) / 2, area.bottom + 7.6, "Calendar year", size=SIZE, align="center")
    page.text(
        2.2, top + 5.5 + PANEL / 2, f"Months since {clean(origin)}", size=SIZE, align="center", rotation=90
    )
    _key(page, marks, settled, event, left, top + 5.5 + PANEL + 11.5)
    return page.drawing


def _panel(axes: Axes, arm: Lives, hue: str, marks: Sequence[tuple[str, float]]) -> None:
    axes.set_facecolor(PAPER)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
        axes.spines[side].set_linewidth(0.6)
    axes.set_xticks([])
    axes.set_yticks([])
    rows = np.unique(np.linspace(0, len(arm.origin) - 1, min(len(arm.origin), MOST)).astype(int))
    start, entry, end = arm.origin[rows], np.minimum(arm.settled, arm.exit)[rows], arm.exit[rows]
    zero = np.zeros(len(rows))
    axes.add_collection(
        LineCollection(_pieces(start, zero, entry), colors=tint(hue, 0.32), linewidths=0.4, zorder=1)
    )
    axes.add_collection(
        LineCollection(_pieces(start, entry, end), colors=hue, linewidths=0.7, alpha=0.75, zorder=3)
    )
    dead = arm.event[rows]
    axes.scatter(
        (start + end / 12)[dead], end[dead], s=4.5, color=hue, edgecolors=PAPER, linewidths=0.25, zorder=4
    )
    for place, (_, year) in enumerate(marks):
        axes.axvline(year, color=INK, linewidth=0.8, linestyle=_dash(place), zorder=2)


def _pieces(start: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> list[NDArray[Any]]:
    """Line pieces from `low` to `high` months along each patient's diagonal (n x 2 x 2)."""
    return list(
        np.stack(
            [np.column_stack([start + low / 12, low]), np.column_stack([start + high / 12, high])], axis=1
        )
    )


def _dash(place: int) -> Any:
    return ("-", (0, (4, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.4, 1.2, 1.4)))[place % 4]


def _ticks(page: Page, area: Box, years: tuple[float, float], high: float, *, numbers: bool) -> None:
    step = next(s for s in (1, 2, 5, 10, 20, 50) if (years[1] - years[0]) / s <= 7)
    for year in range(int(np.ceil(years[0] / step) * step), int(years[1]) + 1, step):
        x = area.left + (year - years[0]) / (years[1] - years[0]) * (area.right - area.left)
        page.line((x, x), (area.bottom, area.bottom + 0.9), width=0.6)
        page.text(x, area.bottom + 3.1, str(year), size=SMALL, align="center")
    rise = next(s for s in (6, 12, 24, 36, 60, 120, 240, 600) if high / s <= 8)
    for month in range(0, int(high) + 1, rise):
        y = area.bottom - month / high * (area.bottom - area.top)
        page.line((area.left - 0.9, area.left), (y, y), width=0.6)
        if numbers:
            page.text(area.left - 1.6, y, str(month), size=SMALL, align="right")


def _key(
    page: Page, marks: Sequence[tuple[str, float]], settled: str, event: str, left: float, top: float
) -> None:
    """Dates on the left, the parts of a life on the right."""
    middle = left + (page.width - left) * 0.56
    for place, (label, year) in enumerate(marks):
        y = top + ROW * place + 1.6
        page.line((left, left + 7), (y, y), width=0.9, linestyle=_dash(place))
        page.text(left + 9, y, wrap(f"{_capital(label)}, {year:.1f}", middle - left - 11, SIZE)[0], size=SIZE)
    parts = ((f"Before {settled}", tint(INK, 0.32), 0.5), ("At risk", INK, 1.1))
    for place, (label, hue, width) in enumerate(parts):
        y = top + ROW * place + 1.6
        page.line((middle, middle + 7), (y, y), colour=hue, width=width)
        page.text(middle + 9, y, wrap(clean(label), page.width - middle - 9, SIZE)[0], size=SIZE)
    y = top + ROW * len(parts) + 1.6
    page.line((middle + 3.5,), (y,), marker="o", markersize=2.6, linestyle="none")
    page.text(middle + 9, y, wrap(_capital(event), page.width - middle - 9, SIZE)[0], size=SIZE)


def _capital(text: str) -> str:
    return clean(text)[:1].upper() + clean(text)[1:]


def _alt(arms: Sequence[Lives], marks: Sequence[tuple[str, float]]) -> str:
    parts = [
        f"{clean(arm.label)}: {len(arm.origin)} patients, origin {np.median(arm.origin):.1f} in the median, "
        f"place settled after {np.median(arm.settled):.1f} months, observed to {np.median(arm.exit):.1f} months"
        for arm in arms
        if len(arm.origin)
    ]
    dates = ", ".join(f"{clean(label)} {year:.1f}" for label, year in marks)
    return f"Life lines on the calendar. {'; '.join(parts)}. Dates: {dates}."


def _data(arms: Sequence[Lives]) -> dict[str, list[Any]]:
    rows = [
        (arm.label, float(o), float(s), float(x), int(e))
        for arm in arms
        for o, s, x, e in zip(arm.origin, arm.settled, arm.exit, arm.event, strict=True)
    ]
    names = ("arm", "origin_year", "settled_months", "exit_months", "event")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
