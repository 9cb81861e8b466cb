"""The small table on a survival plot: name, events and n, median with its interval, survival at landmarks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sequela.core.units import DAYS_PER
from sequela.core.wording import DASH, Style, number
from sequela.report.figures.page import Box, Page, clean, line_height, width_of, wrap
from sequela.report.palette import INK, MUTED, colour

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sequela.core.estimate import Curve, Estimate

SIZE: Final = 7.5
NOT_REACHED: Final = "NR"
GAP: Final = 4.0  # mm between columns
KEY: Final = 8.5  # mm for the line sample and the space after it
SENTENCE: Final = 62.0  # mm that a sentence may always take, where there is room


@dataclass(frozen=True, slots=True)
class Summary:
    """Words of the table: two heading lines per column, one row of cells per group, sentences below."""

    names: tuple[str, ...]
    heads: tuple[tuple[str, str], ...]
    cells: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]

    def columns(self) -> list[float]:
        """Width of each column of cells."""
        return [
            max(width_of(text, SIZE) for text in (*head, *(row[place] for row in self.cells)))
            for place, head in enumerate(self.heads)
        ]

    def name_lines(self, room: float) -> list[list[str]]:
        """The names wrapped to what the other columns leave of `room` mm."""
        left = room - KEY - sum(width + GAP for width in self.columns())
        return [wrap(name, max(left, 12), SIZE) for name in self.names]

    def width(self, room: float) -> float:
        """Width in mm when `room` is given."""
        names = max(width_of(line, SIZE) for lines in self.name_lines(room) for line in lines)
        table = KEY + names + sum(width + GAP for width in self.columns())
        longest = max((width_of(text, SIZE, "bold") for text in self.sentences), default=0.0)
        return max(table, min(longest, room, SENTENCE))

    def sentence_lines(self, room: float) -> list[str]:
        """The sentences wrapped to the width of the table."""
        width = self.width(room) + 0.1
        return [line for text in self.sentences for line in wrap(text, width, SIZE, "bold")]

    def height(self, room: float) -> float:
        """Height in mm."""
        rows = sum(len(lines) for lines in self.name_lines(room)) + len(self.sentence_lines(room))
        return (rows + 2) * line_height(SIZE) + (1.2 if self.sentences else 0)


def summary(
    curves: Mapping[str, Curve],
    unit: str,
    landmarks: Sequence[float],
    sentences: Sequence[str],
    style: Style,
    percent: bool,
) -> Summary:
    """The words of the table."""
    level = f"({100 * next(iter(curves.values())).level:g}% CI)"
    heads = [("", "Events / N"), (f"Median, {unit}s", level)]
    heads += [(f"At {time:g} {unit}s{', %' if percent else ''}", level) for time in landmarks]
    return Summary(
        names=tuple(clean(name) for name in curves),
        heads=tuple(heads),
        cells=tuple(tuple(_cells(curve, unit, landmarks, style, percent)) for curve in curves.values()),
        sentences=tuple(sentences),
    )


def _cells(curve: Curve, unit: str, landmarks: Sequence[float], style: Style, percent: bool) -> list[str]:
    scale = DAYS_PER[curve.unit] / DAYS_PER[unit]
    cells = [
        f"{curve.events.sum():.0f} / {curve.n}",
        _with_limits(curve.median(), scale, 1, style, NOT_REACHED),
    ]
    times = [time / scale for time in landmarks]
    known = _at(curve, times)
    return cells + [
        _with_limits(one, 100 if percent else 1, 1 if percent else 2, style, DASH) for one in known
    ]


def _at(curve: Curve, times: Sequence[float]) -> list[Estimate]:
    return [curve.at(time) for time in times]


def _with_limits(estimate: Estimate, scale: float, digits: int, style: Style, missing: str) -> str:
    """Value and limits; `missing` stands for a value that there is not."""
    if not math.isfinite(estimate.value) and not math.isfinite(estimate.lower):
        return missing
    value, lower, upper = (
        number(limit * scale, digits, style) if math.isfinite(limit) else missing
        for limit in (estimate.value, estimate.lower, estimate.upper)
    )
    return f"{value} ({lower}{DASH}{upper})"


def draw_summary(page: Page, words: Summary, corner: tuple[float, float], room: float) -> Box:
    """Draw with the top left corner at `corner`, within `room` mm; returns the box it takes."""
    left, top = corner
    row, names, widths = line_height(SIZE), words.name_lines(room), words.columns()
    width = words.width(room)
    right = left + width
    edges = [right - sum(widths[place:]) - GAP * (len(widths) - place - 1) for place in range(len(widths))]
    centres = [edge + width / 2 for edge, width in zip(edges, widths, strict=True)]
    options: dict[str, Any] = {"size": SIZE, "align": "center"}
    for centre, head in zip(centres, words.heads, strict=True):
        for line, text in enumerate(head):
            page.text(centre, top + (line + 0.5) * row, text, colour=MUTED, **options)
    y = top + 2 * row
    for place, (lines, cells) in enumerate(zip(names, words.cells, strict=True)):
        hue = colour(place)
        start = edges[0] - GAP - max(width_of(line, SIZE) for lines in names for line in lines)
        dash: Any = (0, hue.dash) if hue.dash else "solid"
        page.line((start - KEY, start - 1.5), (y + row / 2,) * 2, colour=hue.line, width=1.4, linestyle=dash)
        page.lines(start, y, lines, size=SIZE, colour=hue.text)
        for centre, text in zip(centres, cells, strict=True):
            page.text(centre, y + row / 2, text, colour=INK, **options)
        y += len(lines) * row
    lines = words.sentence_lines(room)
    if lines:
        y += 1.2
    for line in lines:
        page.text(right, y + row / 2, line, size=SIZE, weight="bold", align="right")
        y += row
    return Box(left, top, right, y)
