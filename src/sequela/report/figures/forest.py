"""Forest plots of any table of effects: a fitted model, subgroups, another program, a paper."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.core.wording import PLAIN, Style
from sequela.report.figures.figure import Figure
from sequela.report.figures.forest_plot import (
    ForestRow,
    Tone,
    draw,
    effect_words,
    label_room,
    lines_of,
    reasons,
)
from sequela.report.figures.page import WIDTHS, Width, clean

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Comparison:
    """An endpoint with its ratio and limits, as usually estimated and corrected."""

    endpoint: str
    naive: tuple[float, float, float]
    corrected: tuple[float, float, float]


def forest(
    rows: Sequence[ForestRow],
    *,
    id: str = "forest",
    title: str = "",
    measure: str = "HR",
    level: float = 0.95,
    directions: tuple[str, str] = ("lower hazard", "higher hazard"),
    note: str = "",
    heading: str = "Variable",
    width: Width = "double",
    style: Style = PLAIN,
    banner: str | None = None,
) -> Figure:
    """A forest plot with its columns aligned, on a logarithmic axis.

    Args:
        rows: effects in order.
        id, title: of the figure.
        measure: what the effects are, "HR" or "OR".
        level: of the intervals.
        directions: what lies below and above 1.
        note: a footnote in the picture, wrapped.
        heading: of the first column.
        width: "single" (85 mm, counts give way where there is no room) or "double" (170 mm).
        style: house style of numbers.
        banner: a warning printed in the picture.

    Raises:
        UsageError: no row, or a ratio or limit that is not positive.
    """
    _check(rows)
    whole = WIDTHS[width]
    lines = lines_of(rows, label_room(whole), style)
    effect = f"{measure} ({100 * level:g}% CI)"
    heads = {
        "n": "N",
        "events": "Events",
        "effect": effect,
        "p": "p value" if style.p_label == "p" else "P value",
    }
    note_text = " ".join([clean(note), *reasons(rows)]).strip()
    return Figure(
        id=id,
        title=title or "Forest plot",
        caption=f"Squares: {measure}; lines: {100 * level:g}% confidence intervals; log scale.",
        alt=_alt(rows, measure, style),
        data=_data(rows),
        draw=draw(lines, heads, clean(heading), directions, note_text, whole, banner),
        banner=banner,
    )


def naive_and_corrected(
    rows: Sequence[Comparison],
    *,
    names: tuple[str, str] = ("As usually done", "Corrected"),
    id: str = "naive-and-corrected",
    title: str = "",
    **options: Any,
) -> Figure:
    """Two lines per endpoint: the usual estimate open, the corrected one filled. See `forest`."""
    tones: tuple[Tone, Tone] = ("plain", "main")
    drawn = [
        ForestRow(row.endpoint, name, estimate=value, low=low, high=high, tone=tone)
        for row in rows
        for name, (value, low, high), tone in zip(names, (row.naive, row.corrected), tones, strict=True)
    ]
    return forest(drawn, id=id, title=title, heading=options.pop("heading", "Endpoint"), **options)


def _check(rows: Sequence[ForestRow]) -> None:
    if not rows:
        raise UsageError(Finding("F101", "error", "a forest plot needs at least one row"))
    for row in rows:
        numbers = [value for value in (row.estimate, row.low, row.high) if value is not None]
        if any(value < 0 or math.isnan(value) for value in numbers):
            raise UsageError(
                Finding(
                    "F102",
                    "error",
                    f"forest row {row.label!r} {row.level!r} has a ratio or limit that is no positive number",
                    found=", ".join(f"{value:g}" for value in numbers),
                    remedy="give None and a reason where there is no estimate",
                )
            )


def _alt(rows: Sequence[ForestRow], measure: str, style: Style) -> str:
    parts = [
        f"{clean(row.label)} {clean(row.level)}".strip() + f": {effect_words(row, style)}"
        for row in rows
        if not row.reference
    ]
    return f"Forest plot of {measure}. " + "; ".join(parts) + "."


def _data(rows: Sequence[ForestRow]) -> dict[str, list[Any]]:
    names = (
        "label", "level", "n", "events", "estimate", "low", "high", "p", "reference", "reason",
        "interaction_p",
    )  # fmt: skip
    return {name: [getattr(row, name) for row in rows] for name in names}
