"""Counts as horizontal bars, each with its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sequela.core.wording import Few, percent
from sequela.report.figures.figure import Figure
from sequela.report.figures.page import (
    WIDTHS,
    Box,
    Page,
    Width,
    clean,
    head_room,
    line_height,
    width_of,
    wrap,
)
from sequela.report.palette import HAIR, MUTED, PALETTE, colour, tint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIZE: Final = 8.0
THICK: Final = 4.0  # mm


def bars(
    counts: Mapping[str, Sequence[float]],
    *,
    series: Sequence[str] = ("",),
    id: str = "bars",
    title: str = "",
    x_label: str = "Patients",
    share: bool = True,
    of: Sequence[float] | None = None,
    width: Width = "double",
    banner: str | None = None,
) -> Figure:
    """Counts per label, for one or several series.

    Args:
        counts: label to one count per series.
        series: names of the series; one without a name needs no legend.
        id, title: of the figure.
        x_label: what is counted.
        share: print the percentage of the series behind each count.
        of: what the percentages are of, for each series; the sum of its counts unless given.
        width: "single" (85 mm) or "double" (170 mm).
        banner: a warning printed in the picture.
    """
    totals = of or [sum(row[place] for row in counts.values()) for place in range(len(series))]
    words = {
        label: [
            f"{n:.0f}" + (f" ({percent(n, totals[place])})" if share and not isinstance(n, Few) else "")
            for place, n in enumerate(row)
        ]
        for label, row in counts.items()
    }
    return Figure(
        id=id,
        title=title or x_label,
        caption=f"{x_label}: counts" + (" and percentages." if share else "."),
        alt="Bars. " + "; ".join(_phrase(label, row, series) for label, row in words.items()) + ".",
        data=_data(counts, series),
        draw=_draw(counts, words, [clean(name) for name in series], clean(x_label), WIDTHS[width], banner),
        banner=banner,
    )


def _phrase(label: str, row: list[str], series: Sequence[str]) -> str:
    return f"{clean(label)}: " + ", ".join(
        f"{clean(name)} {text}".strip() for name, text in zip(series, row, strict=True)
    )


def _draw(
    counts: Mapping[str, Sequence[float]],
    words: Mapping[str, list[str]],
    series: list[str],
    x_label: str,
    whole: float,
    banner: str | None,
) -> Any:
    labels = {label: wrap(clean(label), 0.34 * whole, SIZE) for label in counts}
    left = max(width_of(line, SIZE) for lines in labels.values() for line in lines) + 3
    right = max(width_of(text, SIZE) for row in words.values() for text in row) + 2
    most = max((n for row in counts.values() for n in row), default=0) or 1
    legend = 6.0 if any(series) else 0.0
    tall = {
        label: max(len(series) * THICK + 2.4, len(labels[label]) * line_height(SIZE) + 1.6)
        for label in counts
    }
    top = head_room(banner) + legend
    page = Page(whole, top + sum(tall.values()) + 5.5, banner)
    if legend:
        _legend(page, series, left, head_room(banner) + 2)
    page.line((left, left), (top, top + sum(tall.values())), colour=HAIR)
    y = top
    for label, row in counts.items():
        middle = y + tall[label] / 2
        lines = labels[label]
        page.lines(left - 2, middle - len(lines) * line_height(SIZE) / 2, lines, size=SIZE, align="right")
        start = middle - len(series) * THICK / 2
        for place, n in enumerate(row):
            end = left + n / most * (whole - left - right)
            bar = Box(left, start + place * THICK + 0.3, end, start + (place + 1) * THICK - 0.3)
            page.rectangle(bar, fill=_fill(place))
            page.text(end + 1.2, (bar.top + bar.bottom) / 2, words[label][place], size=SIZE)
        y += tall[label]
    page.text(left, y + 3, x_label, size=SIZE, colour=MUTED)
    return page.drawing


def _fill(place: int) -> str:
    return PALETTE[0].line if place == 0 else tint(colour(place).line, 0.75)


def _legend(page: Page, series: list[str], left: float, y: float) -> None:
    x = left
    for place, name in enumerate(series):
        page.rectangle(Box(x, y - 1.2, x + 3, y + 1.2), fill=_fill(place))
        page.text(x + 4, y, name, size=SIZE)
        x += 4 + width_of(name, SIZE) + 5


def _data(counts: Mapping[str, Sequence[float]], series: Sequence[str]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"label": [clean(label) for label in counts]}
    for place, name in enumerate(series):
        columns[clean(name) or "count"] = [row[place] for row in counts.values()]
    return columns
