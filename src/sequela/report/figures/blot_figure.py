"""Blots with their quantification: strips of the pictures above, the values by experiment below."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sequela.report.figures.blot_strips import BlotPicture, Plan, draw_blot, plan_of
from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, clean, head_room, line_height, wrap
from sequela.report.figures.plot import SIZE, ratios, y_room
from sequela.report.figures.rasters import NOTED, footnotes
from sequela.report.figures.superplot import (
    counted,
    draw_groups,
    draw_key,
    experiments_of,
    explained,
    in_words,
    large_rows,
    limits_of,
    names_room,
    room_below,
    small_rows,
)
from sequela.report.palette import HAIR, WARNING, colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.report.figures.superplot import Super

GAP: Final = 5.0
TALL: Final = 44.0
ABREAST: Final = 3
SHOWN: Final = (
    "Strips are parts of one file each, lanes in the file's order, nothing joined; grey is a straight line between the "
    "file's pixel values at the right, the same for all lanes of a strip."
)
EDGES: Final = (
    "Open triangles, up: saturated, at least this much; down: not detected; in no mean and in no test."
)


@dataclass(frozen=True, slots=True, eq=False)
class Quantified:
    """One target's values relative to the reference, by condition.

    Attributes:
        target: as printed, `HER2 / HSP70`.
        groups: the conditions, lanes as small dots.
        unused: condition, experiment and reason of every lane without a value.
    """

    target: str
    groups: tuple[Super, ...]
    unused: tuple[tuple[str, str, str], ...] = ()


def blot_figure(
    blots: Sequence[BlotPicture],
    quantities: Sequence[Quantified],
    *,
    id: str = "blots",
    title: str = "",
    y_label: str = "Relative to the reference lane",
    note: str = "",
    windows: bool = True,
    banner: str | None = None,
) -> Figure:
    """Strips of unmodified pictures, and below them every target by condition and experiment.

    Args:
        blots: from `strips_of`; empty where only a band table is there.
        quantities: one panel a target.
        id, title: of the figure.
        y_label: what the values are relative to.
        note: for the caption, such as the test and the scheme of the stars.
        windows: outline the rectangle in which each band was measured.
        banner: a warning printed in the picture.
    """
    notes = footnotes(finding for one in blots for finding in one.findings)
    return Figure(
        id=id,
        title=title,
        caption=_caption(blots, quantities, windows, note),
        alt=_alt(blots, quantities),
        data={
            "target": [one.target for one in quantities for group in one.groups for _ in group.values],
            **_joined([small_rows(one.groups) for one in quantities]),
        },
        draw=_draw(blots, quantities, clean(y_label), notes, windows, banner),
        banner=banner,
        more=_more(blots, quantities),
    )


def _caption(blots: Sequence[BlotPicture], quantities: Sequence[Quantified], windows: bool, note: str) -> str:
    words = [SHOWN] if blots else ["From a band table: no picture was given."]
    if blots and not all(one.dark for one in blots):
        words.append("Bright bands of the file are shown dark (inverted).")
    turned = [f"{clean(one.name)} by {one.degrees:+g}°" for one in blots if one.degrees]
    if turned:
        words.append(f"Turned to lie level: {', '.join(turned)}.")
    if blots and windows:
        words.append("Outlines: where each band was measured.")
    if any(strip.clipped.any() for one in blots for strip in one.strips):
        words.append("Orange: pixels at the camera's limit.")
    if any(band.reason for one in blots for strip in one.strips for band in strip.bands):
        words.append("≥: saturated, n.d.: not detected.")
    if quantities:
        words.append(explained([group for one in quantities for group in one.groups], "lanes", log=True))
    for one in quantities:
        words.append(f"{clean(one.target)}: {'; '.join(counted(group, 'lanes') for group in one.groups)}.")
        lost = Counter(reason for _, _, reason in one.unused)
        if lost:
            told = ", ".join(f"{n} {clean(reason)}" for reason, n in lost.items())
            words.append(f"Lanes not used: {told}.")
    if any(_side(reason) for one in quantities for _, _, reason in one.unused):
        words.append(EDGES)
    return " ".join((*words, note)).strip()


def _alt(blots: Sequence[BlotPicture], quantities: Sequence[Quantified]) -> str:
    shown = "; ".join(
        f"{clean(one.name)}: {', '.join(clean(strip.target) for strip in one.strips)} over lanes "
        + ", ".join(clean(lane.culture or lane.word) for lane in one.lanes)
        for one in blots
    )
    values = "; ".join(
        f"{clean(one.target)} in {in_words(group)}" for one in quantities for group in one.groups
    )
    strips = f"Strips of {len(blots)} blots. {shown}. " if blots else ""
    return f"{strips}Values relative to the reference lane. {values}."


def _more(blots: Sequence[BlotPicture], quantities: Sequence[Quantified]) -> dict[str, dict[str, list[Any]]]:
    found: dict[str, dict[str, list[Any]]] = {
        "experiments": {
            "target": [one.target for one in quantities for g in one.groups for _ in g.by_experiment()],
            **_joined([large_rows(one.groups) for one in quantities]),
        }
    }
    lost = [(one.target, *row) for one in quantities for row in one.unused]
    if lost:
        names = ("target", "condition", "experiment", "reason")
        found["unused"] = dict(zip(names, map(list, zip(*lost, strict=True)), strict=True))
    if blots:
        found |= {"bands": _bands(blots), "strips": _strips(blots)}
    return found


def _joined(parts: Sequence[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    names = list(parts[0]) if parts else ["condition", "experiment", "value"]
    return {name: [value for part in parts for value in part[name]] for name in names}


def _bands(blots: Sequence[BlotPicture]) -> dict[str, list[Any]]:
    rows = [
        (one.name, band.lane, one.lanes[band.lane - 1].culture, one.lanes[band.lane - 1].experiment, band.name,
         band.volume, band.baseline, band.limit, band.saturated, band.reason or "", band.left, band.right, band.top,
         band.bottom)
        for one in blots for strip in one.strips for band in strip.bands
    ]  # fmt: skip
    names = ("blot", "lane", "culture", "experiment", "target", "volume", "baseline", "limit", "saturated", "reason",
             "left", "right", "top", "bottom")  # fmt: skip
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _strips(blots: Sequence[BlotPicture]) -> dict[str, list[Any]]:
    rows = [
        (one.name, one.file, one.sha256, strip.target, strip.weight, strip.top, strip.top + strip.signal.shape[0],
         one.left, one.left + strip.signal.shape[1], one.grey(strip.limits.low), one.grey(strip.limits.high),
         one.degrees, int(strip.clipped.sum()))
        for one in blots for strip in one.strips
    ]  # fmt: skip
    names = ("blot", "file", "sha256", "target", "weight", "top", "bottom", "left", "right", "white", "black",
             "degrees", "pixels_at_limit")  # fmt: skip
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _draw(
    blots: Sequence[BlotPicture], quantities: Sequence[Quantified], y_label: str, notes: tuple[str, ...],
    windows: bool, banner: str | None,
) -> Any:  # fmt: skip
    whole = WIDTHS["double"]
    each, plans = _columns(blots, whole)
    rows = [plans[start : start + each] for start in range(0, len(plans), each)]
    top = head_room(banner) + 0.5
    strips = sum(max(plan.height for plan in row) + GAP for row in rows)
    panels = [quantities[start : start + ABREAST] for start in range(0, len(quantities), ABREAST)]
    repeats = list(dict.fromkeys(n for one in quantities for n in experiments_of(one.groups)))
    abreast = max(2, len(panels[0])) if panels else 1
    tall = [_panel_height(row, abreast, whole, repeats) for row in panels]
    lines = [line for text in notes for line in wrap(f"! {clean(text)}", whole, NOTED)]
    page = Page(whole, top + strips + sum(tall) + len(lines) * line_height(NOTED) + 0.5, banner)
    for nth, (one, plan) in enumerate(zip(blots, plans, strict=True)):
        row = nth // each
        y = top + sum(max(plan.height for plan in done) + GAP for done in rows[:row])
        room = (whole - (each - 1) * GAP) / each
        draw_blot(page, one, plan, (nth % each) * (room + GAP), y, windows=windows)
    y = top + strips
    for nth, row in enumerate(panels):
        last = nth == len(panels) - 1
        _panels(page, row, abreast, y_label, (y, repeats if last else []), whole)
        y += tall[nth]
    page.lines(0, y, lines, size=NOTED, colour=WARNING)
    return page.drawing


def _columns(blots: Sequence[BlotPicture], whole: float) -> tuple[int, list[Plan]]:
    """How many blots stand beside each other, so that a lane keeps 6 mm where it can."""
    for most in range(min(ABREAST, len(blots)), 1, -1):
        each = math.ceil(len(blots) / math.ceil(len(blots) / most))  # rows of equal length
        plans = [plan_of(one, (whole - (each - 1) * GAP) / each) for one in blots]
        if all(plan.width >= 6.0 * len(one.lanes) for one, plan in zip(blots, plans, strict=True)):
            return each, plans
    return 1, [plan_of(one, whole) for one in blots]


def _area(row: Sequence[Quantified], at: int, each: int, y: float, whole: float, left: float) -> Box:
    room = (whole - left - (each - 1) * GAP) / each
    x = left + at * (room + GAP)
    return Box(x, y + line_height(SIZE) + 4.0, x + room, y + line_height(SIZE) + 4.0 + TALL)


def _panel_height(row: Sequence[Quantified], each: int, whole: float, repeats: list[str]) -> float:
    below = [
        room_below(one.groups, _area(row, at, each, 0, whole, 14.0), repeats) for at, one in enumerate(row)
    ]
    return line_height(SIZE) + 4.0 + TALL + max(below)


def _panels(
    page: Page, row: Sequence[Quantified], each: int, y_label: str, placed: tuple[float, list[str]], whole: float
) -> None:  # fmt: skip
    """Targets beside each other on one scale of ratios, with a line at the reference."""
    top, key = placed
    limits = [limits_of(one.groups, log=True) for one in row]
    below = 1.3 if any(one.unused for one in row) else 1.0
    above = 1.3 if any(group.above for one in row for group in one.groups) else 1.0
    scale = ratios(
        min(low for low, _ in limits) / below, max(1.0, *(high for _, high in limits)) * above, y_label
    )
    left = y_room(scale)
    repeats = key or list(dict.fromkeys(n for one in row for n in experiments_of(one.groups)))
    for at, one in enumerate(row):
        area = _area(row, at, each, top, whole, left)
        page.text(area.left, top + 1.8, clean(one.target), size=SIZE, weight="bold")
        own = scale if at == 0 else type(scale)(scale.low, scale.high, scale.ticks, True)
        axes = draw_groups(page, area, one.groups, own, repeats, bare=at > 0)
        axes.axhline(1, color=HAIR, linewidth=0.8, zorder=0)
        _unused(axes, one, repeats)
    if key:
        first = _area(row, 0, each, top, whole, left)
        deepest = max(row, key=lambda one: names_room(one.groups, first))
        draw_key(page, deepest.groups, Box(first.left, first.top, whole, first.bottom), key)


def _side(reason: str) -> str:
    """Where a lane without a value stands: saturated at the top, not detected at the bottom."""
    return "^" if "saturated" in reason else "v" if "not detected" in reason else ""


def _unused(axes: Any, one: Quantified, repeats: Sequence[str]) -> None:
    names = [group.name for group in one.groups]
    step = 1 / max(1, len(names))
    for name, experiment, reason in one.unused:
        mark = _side(reason)
        if not mark or name not in names:
            continue
        nth = repeats.index(experiment) if experiment in repeats else 0
        x = (names.index(name) + 0.5 + (nth - (len(repeats) - 1) / 2) * 0.06) * step
        axes.plot([x], [0.965 if mark == "^" else 0.035], mark, transform=axes.transAxes, markersize=4.5, color="none",
                  markeredgecolor=colour(nth).line, markeredgewidth=0.9, zorder=6)  # fmt: skip
