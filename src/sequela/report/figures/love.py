"""Balance before and after weighting: one line a covariate (Love plot)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.core.wording import PLAIN, Style, number
from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Page, Width, clean, head_room, line_height, width_of, wrap
from sequela.report.palette import HAIR, INK, MUTED, PALETTE, PAPER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.estimates.balance import Balanced

SIZE: Final = 8.0
SMALL: Final = 7.5
LIMIT: Final = 0.1
_STEPS: Final = (0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10)


def love(
    rows: Sequence[Balanced],
    *,
    id: str = "balance",
    title: str = "",
    width: Width = "double",
    style: Style = PLAIN,
    banner: str | None = None,
) -> Figure:
    """Absolute standardised differences, before (open) and after (filled) weighting, the largest first.

    Args:
        rows: the columns of the covariates.
        id, title: of the figure.
        width: "single" (85 mm) or "double" (170 mm).
        style: house style of numbers.
        banner: a warning printed in the picture.

    Raises:
        UsageError: no column.
    """
    if not rows:
        raise UsageError(Finding("F105", "error", "a balance plot needs at least one covariate"))
    ordered = sorted(rows, key=lambda row: -(0 if math.isnan(row.before) else abs(row.before)))
    return Figure(
        id=id,
        title=title or "Balance of the covariates",
        caption="Absolute standardised mean differences before (open) and after weighting (filled); the dashed line "
        "marks 0.1. The denominator is the unweighted standard deviation, pooled over the groups, before and after.",
        alt="Standardised differences before and after weighting. "
        + "; ".join(f"{clean(r.name)}: {_words(r.before, style)}, {_words(r.after, style)}" for r in ordered)
        + ".",
        data={
            name: [getattr(row, name) for row in ordered]
            for name in ("name", "before", "after", "ratio_before", "ratio_after")
        },
        draw=_draw(ordered, WIDTHS[width], style, banner),
        banner=banner,
    )


def _words(value: float, style: Style) -> str:
    return number(abs(value), 2, style) if math.isfinite(value) else "not defined"


def _draw(rows: Sequence[Balanced], whole: float, style: Style, banner: str | None) -> Any:
    labels = [wrap(clean(row.name), 0.42 * whole, SIZE) for row in rows]
    left = max(width_of(line, SIZE) for lines in labels for line in lines) + 4
    known = [abs(v) for row in rows for v in (row.before, row.after) if math.isfinite(v)]
    most = max([*known, 2 * LIMIT]) * 1.06
    top = head_room(banner) + 6.0
    tall = [max(5.0, len(lines) * line_height(SIZE) + 1.6) for lines in labels]
    page = Page(whole, top + sum(tall) + 11.0, banner)
    bottom, right = top + sum(tall), whole - 4

    def place(value: float) -> float:
        return left + value / most * (right - left)

    page.line((place(0), place(0)), (top, bottom), colour=HAIR)
    page.line((place(LIMIT), place(LIMIT)), (top, bottom), colour=MUTED, linestyle=(0, (3, 2)))
    _key(page, left, head_room(banner) + 2.2)
    y = top
    for row, lines, height in zip(rows, labels, tall, strict=True):
        middle = y + height / 2
        page.lines(left - 3, middle - len(lines) * line_height(SIZE) / 2, lines, size=SIZE, align="right")
        ends = [abs(v) for v in (row.before, row.after) if math.isfinite(v)]
        if len(ends) == 2:
            page.line((place(min(ends)), place(max(ends))), (middle, middle), colour=HAIR, width=0.8)
        for value, filled in ((row.before, False), (row.after, True)):
            if math.isfinite(value):
                _dot(page, place(abs(value)), middle, filled=filled)
        y += height
    step = next((s for s in _STEPS if most / s <= 8), _STEPS[-1])
    for k in range(int(most / step) + 1):
        x = place(k * step)
        page.line((x, x), (bottom, bottom + 0.9), width=0.6)
        digits = 2 if step in (0.05, 0.25) else 1
        page.text(x, bottom + 3.2, number(k * step, digits, style), size=SMALL, align="center")
    page.line((left, right), (bottom, bottom), width=0.6)
    page.text(
        (left + right) / 2, bottom + 7.6, "Absolute standardised mean difference", size=SIZE, align="center"
    )
    return page.drawing


def _dot(page: Page, x: float, y: float, *, filled: bool) -> None:
    hue = PALETTE[0].line
    page.line(
        (x,), (y,), colour=hue, marker="o", markersize=5.0, linestyle="none", markeredgewidth=1.0,
        markerfacecolor=hue if filled else PAPER, markeredgecolor=hue, zorder=3 if filled else 2,
    )  # fmt: skip


def _key(page: Page, x: float, y: float) -> None:
    for label, filled in (("Before", False), ("After weighting", True)):
        _dot(page, x + 1.5, y, filled=filled)
        page.text(x + 4.0, y, label, size=SIZE, colour=INK)
        x += 4.0 + width_of(label, SIZE) + 6
