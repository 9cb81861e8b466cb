"""Superplots: experiments as large marks, their wells (lanes, cells) as small dots, and what they come to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, Width, clean, head_room, line_height, wrap
from sequela.report.figures.plot import (
    SIZE,
    SMALL,
    Scale,
    draw_axes,
    legend,
    legend_rows,
    linear,
    place_of,
    spread,
    y_room,
)
from sequela.report.palette import HAIR, INK, MUTED, colour, tint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

HEIGHT: Final = 62.0
MARKS: Final = "osD^vP"
MANY: Final = 12  # experiments that still have a key
CROWD: Final = 400  # small dots of a condition from which they become a haze


@dataclass(frozen=True, slots=True, eq=False)
class Super:
    """One condition.

    Attributes:
        name: as printed.
        values, experiments: of every well (lane, cell).
        above: what is printed above it: stars, or p.
        large: value of each experiment, where it is not the mean of its small dots.
        bar: middle, lower and upper limit drawn beside the dots instead of mean and SD of experiments.
    """

    name: str
    values: NDArray[Any]
    experiments: tuple[str, ...]
    above: str = ""
    large: Mapping[str, float] = field(default_factory=dict)
    bar: tuple[float, float, float] | None = None

    def by_experiment(self) -> dict[str, float]:
        """One value an experiment: as given in `large`, else the mean of its small dots."""
        if self.large:
            return dict(self.large)
        names = np.array(self.experiments, str)
        return {name: float(self.values[names == name].mean()) for name in dict.fromkeys(self.experiments)}


def superplot(
    groups: Sequence[Super],
    *,
    id: str = "superplot",
    title: str = "",
    y_label: str = "",
    note: str = "",
    small: str = "wells",
    width: Width = "double",
    banner: str | None = None,
) -> Figure:
    """Wells small, experiments large and joined by lines, mean and SD of experiments beside them.

    Args:
        groups: the conditions, in order.
        id, title: of the figure.
        y_label: what was read, with its unit.
        note: for the caption, such as the test and the scheme of the stars.
        small: what the small dots are.
        width: "single" (85 mm) or "double" (170 mm).
        banner: a warning printed in the picture.
    """
    counts = "; ".join(counted(group, small) for group in groups)
    described = "; ".join(map(in_words, groups))
    return Figure(
        id=id,
        title=title,
        caption=f"{explained(groups, small)} {counts}. {note}".strip(),
        alt=f"Superplot of {clean(y_label)}. {described}.",
        data=small_rows(groups),
        draw=_draw(groups, clean(y_label), WIDTHS[width], banner),
        banner=banner,
        more={"experiments": large_rows(groups)},
    )


def explained(groups: Sequence[Super], small: str, *, log: bool = False) -> str:
    """What the marks are, for a caption."""
    given, geometric = any(group.bar for group in groups), "geometric " if log else ""
    bar = (
        f"{geometric}mean and 95% interval over experiments"
        if given
        else f"{geometric}mean and SD of experiments"
    )
    if all(_single(group) for group in groups):
        return f"Marks: experiments (n), joined where conditions share one; bar: {bar}."
    large = "values" if any(group.large for group in groups) else "means"
    return (
        f"Small dots: {small}; large marks: {large} of experiments (n), joined where conditions share one; "
        f"bar: {bar}."
    )


def _single(group: Super) -> bool:
    """Whether each experiment has but one value, which its large mark shows already."""
    return len(set(group.experiments)) == len(group.experiments) and not group.large


def counted(group: Super, small: str) -> str:
    """`T+P: n = 3, 9 wells`."""
    n = sum(1 for name in group.by_experiment() if name)
    told = f"n = {n}" if n else "experiments not named"
    return f"{clean(group.name)}: {told}, {len(group.values):,} {small}"


def in_words(group: Super) -> str:
    """`T+P: mean 0.157 of 3 experiments`."""
    means = group.by_experiment()
    if not means:
        return f"{clean(group.name)}: no value"
    n = sum(1 for name in means if name)
    told = f"of {n} experiments" if n else "of experiments that are not named"
    return f"{clean(group.name)}: mean {sum(means.values()) / len(means):.3g} {told}"


def small_rows(groups: Sequence[Super]) -> dict[str, list[Any]]:
    """The small dots as columns."""
    return {
        "condition": [group.name for group in groups for _ in group.values],
        "experiment": [name for group in groups for name in group.experiments],
        "value": [float(value) for group in groups for value in group.values],
    }


def large_rows(groups: Sequence[Super]) -> dict[str, list[Any]]:
    """The large marks as columns."""
    means = [group.by_experiment() for group in groups]
    return {
        "condition": [group.name for group, mean in zip(groups, means, strict=True) for _ in mean],
        "experiment": [name for mean in means for name in mean],
        "mean": [value for mean in means for value in mean.values()],
    }


def limits_of(groups: Sequence[Super], *, log: bool = False) -> tuple[float, float]:
    """The least and the largest value that is drawn; with `log` bars of mean and SD too."""
    shown = [value for group in groups for value in (*group.values.tolist(), *group.by_experiment().values())]
    bars = [bar_of(group, log=log) if log else group.bar for group in groups]
    shown += [value for bar in bars for value in bar or () if math.isfinite(value)]
    return (min(shown), max(shown)) if shown else (float(log), 1.0)


def _draw(groups: Sequence[Super], y_label: str, whole: float, banner: str | None) -> Any:
    low, high = limits_of(groups)
    low = min(0.0, low)
    marked = any(group.above for group in groups)
    y = linear(low, high + (0.14 if marked else 0.04) * (high - low), y_label)
    left = y_room(y)
    top = head_room(banner) + 1
    area = Box(left, top, whole, top + HEIGHT)
    repeats = experiments_of(groups)
    page = Page(whole, area.bottom + room_below(groups, area, repeats), banner)
    draw_groups(page, area, groups, y)
    draw_key(page, groups, area, repeats)
    return page.drawing


def experiments_of(groups: Sequence[Super]) -> list[str]:
    """Every experiment, in order of appearance."""
    return list(dict.fromkeys(name for group in groups for name in (*group.large, *group.experiments)))


def names_of(groups: Sequence[Super], area: Box) -> list[list[str]]:
    """The conditions' names, wrapped to the width that each has."""
    each = (area.right - area.left) / max(1, len(groups)) - 2
    return [wrap(clean(group.name), each, SIZE) for group in groups]


def names_room(groups: Sequence[Super], area: Box) -> float:
    """Height in mm of the names below `area`."""
    return max(map(len, names_of(groups, area)), default=1) * line_height(SIZE) + 3


def room_below(groups: Sequence[Super], area: Box, repeats: Sequence[str]) -> float:
    """Height in mm of names and key below `area`."""
    rows = 1 if len(repeats) > MANY else legend_rows(keyed(repeats), area.right - area.left)
    return names_room(groups, area) + (rows + 0.6) * line_height(SMALL) * bool(repeats) + 1


def keyed(repeats: Sequence[str]) -> list[str]:
    """Experiments as the key names them."""
    return [f"experiment {clean(name)}" if name else "experiments not named" for name in repeats]


def draw_key(page: Page, groups: Sequence[Super], area: Box, repeats: Sequence[str]) -> None:
    """The experiments' colours, or how many they are."""
    top = area.bottom + names_room(groups, area) + 1.5
    if len(repeats) > MANY:
        page.text(area.left, top, f"{len(repeats)} experiments", size=SMALL, colour=MUTED)
        return
    named = keyed(repeats)
    legend(page, named, [colour(nth).line for nth in range(len(named))], area.left, top, area.right)


def draw_groups(
    page: Page,
    area: Box,
    groups: Sequence[Super],
    y: Scale,
    repeats: Sequence[str] | None = None,
    *,
    bare: bool = False,
) -> Axes:
    """The conditions beside each other in `area`, with what stands above them and their names below.

    `repeats` are the experiments of all panels of a figure, so that one experiment keeps its colour; `bare` leaves
    out the words of the y axis.
    """
    order = list(repeats) if repeats is not None else experiments_of(groups)
    axes = draw_axes(page, area, None, y, bare=bare)
    step = 1 / max(1, len(groups))
    centres = [(place + 0.5) * step for place in range(len(groups))]
    shifts = (np.arange(len(order)) - (len(order) - 1) / 2) * min(0.05, 0.25 / max(1, len(order))) * step
    means = [group.by_experiment() for group in groups]
    for nth, name in enumerate(order):
        if not name:
            continue  # without a name nothing says that two values are of one day
        line = [(x + shifts[nth], mean[name]) for x, mean in zip(centres, means, strict=True) if name in mean]
        axes.plot([x for x, _ in line], [value for _, value in line], color=HAIR, linewidth=0.7, zorder=2)
    for place, group in enumerate(groups):
        _condition(axes, group, order, centres[place], step, shifts)
        if (bar := bar_of(group, log=y.log)) is not None:
            _bar(axes, centres[place] + 0.3 * step, bar, step)
        middle = area.left + centres[place] * (area.right - area.left)
        where = place_of(y, y.high, area.bottom, area.top) + 2.2
        page.text(middle, where, group.above, size=SIZE, weight="bold", align="center")
        page.lines(middle, area.bottom + 1.4, names_of(groups, area)[place], size=SIZE, align="center")
    return axes


def _condition(
    axes: Axes, group: Super, order: Sequence[str], centre: float, step: float, shifts: NDArray[Any]
) -> None:
    """The small dots of one condition, then its experiments."""
    crowded = len(group.values) > CROWD
    names, means = np.array(group.experiments, str), group.by_experiment()
    for nth, name in enumerate(order):
        hue, mark = colour(nth).line, MARKS[nth % len(MARKS)]
        own = group.values[names == name] if not _single(group) else group.values[:0]
        x = centre + spread(len(own), 0.42 * step)
        small = 1.4 if crowded else 2.5
        axes.plot(x, own, "o", markersize=small, color=tint(hue, 0.35 if crowded else 0.55), markeredgewidth=0,
                  zorder=1, rasterized=crowded)  # fmt: skip
        if name in means:
            face, edge = (hue, "white") if name else ("white", hue)
            axes.plot(centre + shifts[nth], means[name], mark, markersize=6.0, color=face, markeredgecolor=edge,
                      markeredgewidth=0.7, zorder=4)  # fmt: skip


def bar_of(group: Super, *, log: bool) -> tuple[float, float, float] | None:
    """Middle and limits: as given, else mean and SD of the experiments (geometric on a log axis)."""
    if group.bar is not None:
        return group.bar
    values = np.array([value for name, value in group.by_experiment().items() if name])
    if not len(values) or (len(values) > 1 and np.ptp(values) == 0) or (log and values.min() <= 0):
        return None
    seen = np.log(values) if log else values
    mean, sd = float(seen.mean()), float(seen.std(ddof=1)) if len(seen) > 1 else math.nan
    bar = (mean, mean - sd, mean + sd)
    return (math.exp(bar[0]), math.exp(bar[1]), math.exp(bar[2])) if log else bar


def _bar(axes: Axes, x: float, bar: tuple[float, float, float], step: float) -> None:
    """Middle and limits beside the dots."""
    middle, lower, upper = bar
    axes.plot([x - 0.07 * step, x + 0.07 * step], [middle, middle], color=INK, linewidth=1.4, zorder=5)
    if not math.isnan(lower + upper):
        axes.plot([x, x], [lower, upper], color=INK, linewidth=0.8, zorder=5)
