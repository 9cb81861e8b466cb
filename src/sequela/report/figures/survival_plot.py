"""Drawing survival curves: the plot, the names at the curves, the table below. See `kaplan_meier`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.report.figures.page import Box, Page, head_room, line_height, width_of, wrap
from sequela.report.figures.placing import Ink, ink, label_place
from sequela.report.figures.summary import Summary, draw_summary
from sequela.report.palette import HAIR, INK, MUTED, Colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from numpy.typing import NDArray

    from sequela.core.estimate import Curve
    from sequela.report.figures.counts import RiskCounts

SIZE: Final = 8.0
SMALL: Final = 7.5


@dataclass(frozen=True, slots=True)
class Look:
    """Besides the curves: last time, top of the y axis (1 or 100), words, width in mm."""

    last: float
    top: float
    x_words: str
    y_words: str
    width: float
    banner: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A curve in the units of the picture; `tail` is the time from which fewer than a tenth are at risk."""

    name: str
    curve: Curve
    colour: Colour
    time: NDArray[Any]
    survival: NDArray[Any]
    lower: NDArray[Any]
    upper: NDArray[Any]
    tail: float
    median: float
    counts: RiskCounts


@dataclass(frozen=True, slots=True)
class Scales:
    """Data to mm."""

    area: Box
    last: float
    top: float

    def x(self, time: Any) -> Any:
        """Time to mm."""
        return self.area.left + np.asarray(time) / self.last * (self.area.right - self.area.left)

    def y(self, height: Any) -> Any:
        """Height to mm."""
        return self.area.bottom - np.asarray(height) / self.top * (self.area.bottom - self.area.top)


def draw(groups: list[Group], digest: Summary, ticks: NDArray[Any], look: Look) -> Drawing:
    """The whole picture, laid out from the width of its words."""
    width, plot_height = look.width, 68.0 if look.width > 100 else 52.0
    y_lines = wrap(look.y_words, plot_height, SIZE)
    left, right = _margins(groups, ticks, len(y_lines), look.top)
    x_lines = wrap(look.x_words, width - left - right, SIZE)
    names = [wrap(group.name, width, SMALL, "bold") for group in groups]
    above = head_room(look.banner) + 2.5
    area = Box(left, above, width - right, above + plot_height)
    inside = _inside(digest, groups, Scales(area, look.last, look.top))
    if inside is None:
        lift = digest.height(width) + 3
        area = Box(area.left, area.top + lift, area.right, area.bottom + lift)
    table_top = area.bottom + 4.8 + len(x_lines) * line_height(SIZE) + 2.8
    row = line_height(SMALL)
    below = sum((len(lines) + 3) * row + 1.4 for lines in names)
    page = Page(width, table_top + below + 0.5, look.banner)
    scales = Scales(area, look.last, look.top)
    _axes(page, groups, scales, ticks)
    _words(page, scales, ticks, x_lines, y_lines)
    place = inside or (width - digest.width(width), above)
    box = draw_summary(page, digest, place, 0.72 * (area.right - area.left) if inside else width)
    _labels(page, groups, scales, [box] if inside else [])
    _risk_table(page, groups, names, ticks, scales, table_top)
    return page.drawing


def _heights(top: float) -> list[float]:
    """Ticks of the y axis."""
    return [top * fifth / 5 for fifth in range(6)]


def _tick_width(top: float) -> float:
    return max(width_of(f"{height:g}", SMALL) for height in _heights(top))


def _margins(groups: list[Group], ticks: NDArray[Any], y_lines: int, top: float) -> tuple[float, float]:
    """Left: the axis and its label, or the row labels and half a count. Right: half a count."""
    counts = [group.counts for group in groups]

    def half(place: int) -> float:
        texts = [f"{value[place]:.0f}" for c in counts for value in (c.at_risk, c.censored, c.events)]
        return max(width_of(text, SMALL) for text in [*texts, f"{ticks[place]:g}"]) / 2

    axis = _tick_width(top) + 2.2 + y_lines * line_height(SIZE) + 1.5
    rows = width_of("Censored", SMALL) + 1.6 + half(0) + 2
    return max(axis, rows), half(-1) + 0.6


def _inks(groups: list[Group], scales: Scales) -> tuple[list[Ink], list[Ink]]:
    area = scales.area
    curves, bands = [], []
    for group in groups:
        x, y = scales.x(group.time), scales.y(group.survival)
        curves.append(ink(area.left, area.right, x, y, y))
        kept = group.time <= group.tail
        lower = np.where(np.isnan(group.lower), group.survival, group.lower)
        upper = np.where(np.isnan(group.upper), group.survival, group.upper)
        bands.append(ink(area.left, area.right, x[kept], scales.y(upper)[kept], scales.y(lower)[kept]))
    return curves, bands


def _guides(groups: list[Group], scales: Scales) -> list[Box]:
    """The median guides as thin boxes."""
    reached = [group.median for group in groups if group.median <= scales.last]
    if not reached:
        return []
    half = float(scales.y(scales.top / 2))
    lines = [Box(scales.area.left, half - 0.1, float(scales.x(max(reached))), half + 0.1)]
    return lines + [
        Box(float(scales.x(m)) - 0.1, half, float(scales.x(m)) + 0.1, scales.area.bottom) for m in reached
    ]


def _inside(digest: Summary, groups: list[Group], scales: Scales) -> tuple[float, float] | None:
    """Top left corner for the summary inside the plot, off curves, bands and guides, if there is one."""
    area = scales.area
    room = 0.72 * (area.right - area.left)
    width, height = digest.width(room), digest.height(room)
    if width > room:
        return None
    curves, bands = _inks(groups, scales)
    for left, top in ((area.right - width, area.top), (area.left + 3, area.bottom - height - 2)):
        box = Box(left, top, left + width, top + height)
        clear = all(mark.gap(box) > 1.5 for mark in (*curves, *bands))
        if clear and not any(box.meets(guide, 1) for guide in _guides(groups, scales)):
            return left, top
    return None


def _axes(page: Page, groups: list[Group], scales: Scales, ticks: NDArray[Any]) -> None:
    axes = page.axes(scales.area)
    axes.set(xlim=(0, scales.last), ylim=(0, scales.top), facecolor="none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(linewidth=0.6, color=INK)
    axes.set_xticks(ticks)
    axes.set_yticks(_heights(scales.top))
    axes.tick_params(length=2.5, width=0.6, color=INK, labelbottom=False, labelleft=False)
    for group in groups:
        _band(axes, group)
    for group in groups:
        _curve(axes, group)
    reached = [(group.median, group.colour) for group in groups if group.median <= scales.last]
    if reached:
        dots: dict[str, Any] = {"linestyle": (0, (1, 1.6)), "linewidth": 0.6, "zorder": 1}
        axes.plot([0, max(m for m, _ in reached)], [scales.top / 2] * 2, color=MUTED, **dots)
        for median, hue in reached:
            axes.plot([median, median], [0, scales.top / 2], color=hue.line, **dots)


def _band(axes: Axes, group: Group) -> None:
    kept = group.time <= group.tail
    time, lower, upper = group.time[kept], group.lower[kept], group.upper[kept]
    axes.fill_between(
        time, lower, upper, step="post", color=group.colour.line, alpha=0.13, linewidth=0, zorder=0
    )


def _curve(axes: Axes, group: Group) -> None:
    hue = group.colour.line
    dash: Any = (0, group.colour.dash) if group.colour.dash else "solid"
    kept = group.time <= group.tail
    cut = int(kept.sum()) - 1
    lines: dict[str, Any] = {
        "drawstyle": "steps-post",
        "color": hue,
        "linestyle": dash,
        "solid_capstyle": "butt",
    }
    axes.plot(group.time[: cut + 1], group.survival[: cut + 1], linewidth=1.4, zorder=3, **lines)
    if cut + 1 < len(group.time):
        axes.plot(group.time[cut:], group.survival[cut:], linewidth=1.1, alpha=0.4, zorder=2, **lines)
    left = np.concatenate([[False], group.curve.censored > 0])
    for part, strength in ((left & kept, 1.0), (left & ~kept, 0.5)):
        axes.plot(
            group.time[part],
            group.survival[part],
            linestyle="none",
            marker="|",
            markersize=3.6,
            markeredgewidth=0.6,
            color=hue,
            alpha=strength,
            zorder=4,
        )


def _words(page: Page, scales: Scales, ticks: NDArray[Any], x_lines: list[str], y_lines: list[str]) -> None:
    area = scales.area
    for tick in ticks:
        page.text(float(scales.x(tick)), area.bottom + 2.9, f"{tick:g}", size=SMALL, align="center")
    for height in _heights(scales.top):
        page.text(area.left - 1.5, float(scales.y(height)), f"{height:g}", size=SMALL, align="right")
    middle = (area.left + area.right) / 2
    page.lines(middle, area.bottom + 4.6, x_lines, size=SIZE, align="center")
    gap = _tick_width(scales.top) + 2.6
    for place, line in enumerate(reversed(y_lines)):
        x = area.left - gap - (place + 0.5) * line_height(SIZE)
        page.text(x, (area.top + area.bottom) / 2, line, size=SIZE, align="center", rotation=90)


def _labels(page: Page, groups: list[Group], scales: Scales, taken: list[Box]) -> None:
    """A name at each curve where there is room; the summary names them all."""
    if len(groups) == 1:
        return
    curves, bands = _inks(groups, scales)
    taken = [*taken, *_guides(groups, scales)]
    room = scales.area.right - scales.area.left
    for own, group in enumerate(groups):
        for share in (0.42, 0.28, 0.19):  # one line if it can be, else two or three
            lines = wrap(group.name, share * room, SIZE, "bold")
            size = (max(width_of(line, SIZE, "bold") for line in lines), len(lines) * line_height(SIZE))
            box = label_place(size, own, curves, bands, taken, scales.area) if len(lines) <= 3 else None
            if box:
                page.lines(box.left, box.top, lines, size=SIZE, weight="bold", colour=group.colour.text)
                taken.append(box)
                break


def _risk_table(
    page: Page, groups: list[Group], names: list[list[str]], ticks: NDArray[Any], scales: Scales, top: float
) -> None:
    row = line_height(SMALL)
    page.line((0, page.width), (top - 1.2, top - 1.2), colour=HAIR, width=0.4)
    for group, lines in zip(groups, names, strict=True):
        page.lines(0, top, lines, size=SMALL, weight="bold", colour=group.colour.text)
        top += len(lines) * row
        counts = (("At risk", group.counts.at_risk, INK), ("Censored", group.counts.censored, MUTED),
                  ("Events", group.counts.events, MUTED))  # fmt: skip
        for label, values, tone in counts:
            page.text(1.6, top + row / 2, label, size=SMALL, colour=tone)
            for tick, value in zip(scales.x(ticks), values, strict=True):
                page.text(float(tick), top + row / 2, f"{value:.0f}", size=SMALL, colour=tone, align="center")
            top += row
        top += 1.4
