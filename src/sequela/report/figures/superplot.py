"""Superplots: experiments as large dots, their wells as small ones, the mean of experiments with its SD."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, Width, clean, head_room, line_height, wrap
from sequela.report.figures.plot import SIZE, SMALL, draw_axes, legend, linear, place_of, spread, y_room
from sequela.report.palette import HAIR, INK, MUTED, colour, tint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HEIGHT: Final = 62.0
EXPLAINED: Final = (
    "Small dots: wells; large marks: means of experiments (n), joined where conditions share one; "
    "bar: mean and SD of experiments."
)
MARKS: Final = "osD^vP"


@dataclass(frozen=True, slots=True, eq=False)
class Super:
    """One condition: values and experiment of every well, and what is printed above it (stars, or p)."""

    name: str
    values: NDArray[Any]
    experiments: tuple[str, ...]
    above: str = ""


def superplot(
    groups: Sequence[Super],
    *,
    id: str = "superplot",
    title: str = "",
    y_label: str = "",
    note: str = "",
    width: Width = "double",
    banner: str | None = None,
) -> Figure:
    """Wells small, experiments large and joined by lines, mean and SD of experiments beside them.

    Args:
        groups: the conditions, in order.
        id, title: of the figure.
        y_label: what was read, with its unit.
        note: for the caption, such as the test and the scheme of the stars.
        width: "single" (85 mm) or "double" (170 mm).
        banner: a warning printed in the picture.
    """
    repeats = list(dict.fromkeys(name for group in groups for name in group.experiments))
    means = [_means(group) for group in groups]
    counts = "; ".join(
        f"{group.name}: n = {len(mean)}, {len(group.values)} wells"
        for group, mean in zip(groups, means, strict=True)
    )
    described = "; ".join(
        f"{clean(group.name)}: mean {np.mean(list(mean.values())):.3g} of {len(mean)} experiments"
        for group, mean in zip(groups, means, strict=True)
    )
    return Figure(
        id=id,
        title=title,
        caption=f"{EXPLAINED} {counts}. {note}".strip(),
        alt=f"Superplot of {clean(y_label)}. {described}.",
        data={
            "condition": [group.name for group in groups for _ in group.values],
            "experiment": [name for group in groups for name in group.experiments],
            "value": [float(value) for group in groups for value in group.values],
        },
        draw=_draw(groups, means, repeats, clean(y_label), WIDTHS[width], banner),
        banner=banner,
        more={
            "experiments": {
                "condition": [group.name for group, mean in zip(groups, means, strict=True) for _ in mean],
                "experiment": [name for mean in means for name in mean],
                "mean": [value for mean in means for value in mean.values()],
            }
        },
    )


def _means(group: Super) -> dict[str, float]:
    return {
        name: float(
            np.mean(
                [value for value, own in zip(group.values, group.experiments, strict=True) if own == name]
            )
        )
        for name in dict.fromkeys(group.experiments)
    }


def _draw(
    groups: Sequence[Super],
    means: list[dict[str, float]],
    repeats: list[str],
    y_label: str,
    whole: float,
    banner: str | None,
) -> Any:
    values = np.concatenate([group.values for group in groups])
    low, high = min(0.0, float(values.min())), float(values.max())
    marked = any(group.above for group in groups)
    y = linear(low, high + (0.14 if marked else 0.04) * (high - low), y_label)
    left = y_room(y)
    names = [wrap(clean(group.name), (whole - left) / len(groups) - 2, SIZE) for group in groups]
    top = head_room(banner) + 1
    area = Box(left, top, whole, top + HEIGHT)
    below = max(map(len, names)) * line_height(SIZE) + 3
    key = [f"experiment {name}" for name in repeats] if len(repeats) <= 12 else []
    page = Page(whole, area.bottom + below + (2.2 * line_height(SMALL) if key else 0) + 1, banner)
    axes = draw_axes(page, area, None, y)
    step = 1 / len(groups)
    centres = [(place + 0.5) * step for place in range(len(groups))]
    shifts = (np.arange(len(repeats)) - (len(repeats) - 1) / 2) * min(0.05, 0.25 / len(repeats)) * step
    for nth, name in enumerate(repeats):
        line = [(x + shifts[nth], mean[name]) for x, mean in zip(centres, means, strict=True) if name in mean]
        axes.plot([x for x, _ in line], [value for _, value in line], color=HAIR, linewidth=0.7, zorder=2)
    for place, (group, mean) in enumerate(zip(groups, means, strict=True)):
        for nth, name in enumerate(repeats):
            hue, mark = colour(nth).line, MARKS[nth % len(MARKS)]
            own = np.array(
                [value for value, one in zip(group.values, group.experiments, strict=True) if one == name]
            )
            if len(own):
                x = centres[place] + spread(len(own), 0.42 * step)
                axes.plot(x, own, "o", markersize=2.5, color=tint(hue, 0.55), markeredgewidth=0, zorder=1)
                axes.plot(
                    centres[place] + shifts[nth],
                    mean[name],
                    mark,
                    markersize=6.0,
                    color=hue,
                    markeredgecolor="white",
                    markeredgewidth=0.7,
                    zorder=4,
                )
        _bar(axes, centres[place] + 0.3 * step, list(mean.values()), step)
        where = place_of(y, y.high, area.bottom, area.top) + 2.2
        middle = area.left + centres[place] * (area.right - area.left)
        page.text(middle, where, group.above, size=SIZE, weight="bold", align="center")
        page.lines(middle, area.bottom + 1.4, names[place], size=SIZE, align="center")
    if key:
        legend(
            page, key, [colour(nth).line for nth in range(len(key))], left, area.bottom + below + 1.5, whole
        )
    elif len(repeats) > 12:
        page.text(left, area.bottom + below, f"{len(repeats)} experiments", size=SMALL, colour=MUTED)
    return page.drawing


def _bar(axes: Any, x: float, values: list[float], step: float) -> None:
    """Mean and SD of the experiments, beside the dots."""
    mean = float(np.mean(values))
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    axes.plot([x - 0.07 * step, x + 0.07 * step], [mean, mean], color=INK, linewidth=1.4, zorder=5)
    if not math.isnan(sd):
        axes.plot([x, x], [mean - sd, mean + sd], color=INK, linewidth=0.8, zorder=5)
