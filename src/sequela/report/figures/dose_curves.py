"""Dose-response curves with their bands, wells and means of experiments, and the residuals below."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, Width, clean, head_room, line_height
from sequela.report.figures.plot import (
    SMALL,
    Scale,
    decades,
    draw_axes,
    legend,
    linear,
    place_of,
    side_by_side,
    y_room,
)
from sequela.report.figures.superplot import MARKS
from sequela.report.palette import INK, PAPER, Colour, colour, tint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HEIGHT: Final = 66.0
RESIDUALS: Final = 20.0
STRIP: Final = 1.7  # mm a culture between the panels
EXPLAINED: Final = (
    "Large marks: means of experiments; points: wells; cultures of one dose stand beside each other; thick lines: mean "
    "of the experiments' curves with 95% bands, thin lines: each experiment's. "
)
UNNAMED: Final = (  # nobody knows which wells were repeats
    "Large marks: means of all wells of a dose; points: wells; cultures of one dose stand beside each other; lines: "
    "one curve of all wells with its 95% band. "
)
READ_OFF: Final = "Between the panels: the dose read off, with its 95% interval. "
BELOW: Final = "Lower panel: residuals of wells from {}."


@dataclass(frozen=True, slots=True, eq=False)
class DoseCurve:
    """One culture: its wells (dose, response, experiment, residual), and its curve with limits on a grid.

    `grid` and what belongs to it are empty where nothing could be fitted; `mark` is the dose that is read off,
    NaN where there is none, `limits` its interval; `each` the curves of the experiments on the grid, by name.
    """

    name: str
    dose: NDArray[Any]
    response: NDArray[Any]
    experiments: tuple[str, ...]
    residual: NDArray[Any]
    grid: NDArray[Any]
    middle: NDArray[Any]
    lower: NDArray[Any]
    upper: NDArray[Any]
    mark: float
    each: tuple[tuple[str, NDArray[Any]], ...] = ()
    limits: tuple[float, float] = (math.nan, math.nan)


def dose_curves(
    curves: Sequence[DoseCurve],
    *,
    id: str = "dose-response",
    title: str = "",
    x_label: str = "Dose",
    y_label: str = "Response",
    note: str = "",
    width: Width = "double",
    banner: str | None = None,
) -> Figure:
    """Curves on the logarithm of the dose; untreated wells stand left of the axis' beginning, at 0.

    Args:
        curves: one a culture, in order.
        id, title: of the figure.
        x_label, y_label: with units.
        note: for the caption.
        width: "single" (85 mm) or "double" (170 mm).
        banner: a warning printed in the picture.
    """
    counts = "; ".join(f"{clean(one.name)}: {_repeats(one)}, {len(one.dose)} wells" for one in curves)
    unnamed = all(set(one.experiments) <= {""} for one in curves)
    explained = UNNAMED if unnamed else EXPLAINED
    below = BELOW.format("that curve" if unnamed else "the curve of their experiment")
    marked = READ_OFF if any(not math.isnan(one.mark) for one in curves) else ""
    return Figure(
        id=id,
        title=title,
        caption=f"{explained}{marked}{below} {counts}. {note}".strip(),
        alt=f"Dose-response curves of {clean(y_label)} over {clean(x_label)}. {counts}.",
        data={
            "culture": [one.name for one in curves for _ in one.dose],
            "experiment": [name for one in curves for name in one.experiments],
            "dose": [float(v) for one in curves for v in one.dose],
            "response": [float(v) for one in curves for v in one.response],
            "residual": [None if np.isnan(v) else float(v) for one in curves for v in one.residual],
        },
        draw=_draw(curves, clean(x_label), clean(y_label), WIDTHS[width], banner),
        banner=banner,
        more={
            "curves": {
                "culture": [one.name for one in curves for _ in one.grid],
                "dose": [float(v) for one in curves for v in one.grid],
                "curve": [float(v) for one in curves for v in one.middle],
                "lower": [float(v) for one in curves for v in one.lower],
                "upper": [float(v) for one in curves for v in one.upper],
            },
            "experiments": {
                "culture": [one.name for one in curves for _, own in one.each for _ in own],
                "experiment": [name for one in curves for name, own in one.each for _ in own],
                "dose": [float(v) for one in curves for _ in one.each for v in one.grid],
                "curve": [float(v) for one in curves for _, own in one.each for v in own],
            },
        },
    )


def _draw(curves: Sequence[DoseCurve], x_label: str, y_label: str, whole: float, banner: str | None) -> Any:
    doses = np.concatenate([one.dose for one in curves])
    positive = doses[doses > 0]
    least, most = float(positive.min()), float(positive.max())
    gap = (most / least) ** 0.04
    untreated = bool((doses == 0).any())
    zero = least / gap**3.2
    x = decades((zero / gap**1.3) if untreated else least / gap**1.4, most * gap**1.4, x_label)
    if untreated:
        x = type(x)(x.low, x.high, ((zero, "0"), *(t for t in x.ticks if t[0] >= least * 0.9)), True, x.label)
    responses = np.concatenate([one.response for one in curves])
    bands = [v for one in curves for v in (one.lower, one.upper) if len(v)]
    seen = np.concatenate([responses, *(np.clip(v, *_room(responses)) for v in bands)])
    y = linear(min(0.0, float(seen.min())), float(seen.max()) * 1.03, y_label)
    left_over = np.concatenate([one.residual[~np.isnan(one.residual)] for one in curves])
    size = max(float(np.abs(left_over).max()) if len(left_over) else 1.0, 1e-9) * 1.1
    below = linear(-size, size, "Residual", 3)
    left = max(y_room(y), y_room(below))
    top = head_room(banner) + 1 + 2 * line_height(SMALL)
    area = Box(left, top, whole, top + HEIGHT)
    between = 4.0 + STRIP * sum(not math.isnan(one.mark) for one in curves)
    low = Box(left, area.bottom + between, whole, area.bottom + between + RESIDUALS)
    page = Page(whole, low.bottom + 9.5, banner)
    names, hues = [clean(one.name) for one in curves], [colour(nth).line for nth in range(len(curves))]
    dashes = [colour(nth).dash for nth in range(len(curves))]
    marks = [MARKS[nth % len(MARKS)] for nth in range(len(curves))]
    legend(page, names, hues, left, head_room(banner) + 2, whole, dashes=dashes, marks=marks)
    bare = type(x)(x.low, x.high, (), True)
    axes = draw_axes(page, area, bare, y)
    rest = draw_axes(page, low, x, below)
    rest.axhline(0, color=INK, linewidth=0.5)
    shifts = side_by_side(len(curves), np.log(positive).tolist(), 0.35 * math.log(gap))
    for nth, one in enumerate(curves):
        look = Look(colour(nth), marks[nth], math.exp(shifts[nth]))
        _one(axes, rest, one, look, zero)
    _read_off(page, curves, x, area)
    if untreated:
        middle = place_of(x, math.sqrt(zero * least), area.left, area.right)
        _broken(page, middle, area.bottom)
        _broken(page, middle, low.bottom)
    return page.drawing


@dataclass(frozen=True, slots=True)
class Look:
    """How one culture is drawn: its colour, its mark, and the factor by which its dots stand aside."""

    hue: Colour
    mark: str
    aside: float


def _repeats(one: DoseCurve) -> str:
    names = set(one.experiments)
    if names == {""}:
        return "experiments not named"
    return f"{len(names)} experiment{'s' if len(names) > 1 else ''}"


def _read_off(page: Page, curves: Sequence[DoseCurve], x: Scale, area: Box) -> None:
    """Below the curves' axis, a row a culture: the dose read off and its interval, as far as the axis goes."""
    y = area.bottom + 2.4
    for nth, one in enumerate(curves):
        if math.isnan(one.mark):
            continue
        line = colour(nth).line
        low, high = one.limits
        if not math.isnan(low + high):
            ends = [place_of(x, min(max(end, x.low), x.high), area.left, area.right) for end in (low, high)]
            page.line((ends[0], ends[1]), (y, y), colour=line, width=1.2, solid_capstyle="butt")
        if x.low <= one.mark <= x.high:
            middle = place_of(x, one.mark, area.left, area.right)
            page.line((middle,), (y,), colour=line, marker="^", markersize=4.6, markeredgecolor=PAPER,
                      markeredgewidth=0.4, linestyle="none", zorder=5)  # fmt: skip
        y += STRIP


def _broken(page: Page, x: float, y: float) -> None:
    """Two strokes through the axis where it jumps from 0 to the lowest dose."""
    page.line((x - 0.5, x + 0.5), (y, y), colour=PAPER, width=2.4, zorder=5)
    for shift in (-0.5, 0.5):
        page.line((x + shift - 0.4, x + shift + 0.4), (y + 1.0, y - 1.0), width=0.6, zorder=6)


def _room(responses: NDArray[Any]) -> tuple[float, float]:
    """How far a band may stretch the axis: a third of the responses' range beyond them."""
    low, high = float(responses.min()), float(responses.max())
    return low - (high - low) / 3, high + (high - low) / 3


def _one(axes: Any, rest: Any, one: DoseCurve, look: Look, zero: float) -> None:
    line = look.hue.line
    at = np.where(one.dose > 0, one.dose, zero) * look.aside
    axes.plot(at, one.response, "o", markersize=1.7, color=tint(line, 0.4), markeredgewidth=0, zorder=2)
    rest.plot(at, one.residual, "o", markersize=1.7, color=tint(line, 0.6), markeredgewidth=0, zorder=2)
    for _, own in one.each if len(one.each) > 1 else ():
        axes.plot(one.grid, own, color=tint(line, 0.45), linewidth=0.5, zorder=2)
    keys = list(zip(one.experiments, one.dose.tolist(), strict=True))
    cells = {
        key: np.mean([v for v, own in zip(one.response, keys, strict=True) if own == key])
        for key in dict.fromkeys(keys)
    }
    xs = [(dose if dose > 0 else zero) * look.aside for _, dose in cells]
    axes.plot(xs, list(cells.values()), look.mark, markersize=3.8, color=line, markeredgecolor="white",
              markeredgewidth=0.4, linestyle="none", zorder=4)  # fmt: skip
    if len(one.grid):
        dash = (0, look.hue.dash) if look.hue.dash else "-"
        axes.fill_between(one.grid, one.lower, one.upper, color=line, alpha=0.14, linewidth=0, zorder=1)
        axes.plot(one.grid, one.middle, color=line, linewidth=1.4, linestyle=dash, zorder=3)
