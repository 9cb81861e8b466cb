"""Drawing a forest plot: words in columns, effects on a logarithmic axis. See `forest`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sequela.core.wording import DASH, Style, number, p_value
from sequela.report.figures.page import Page, clean, head_room, line_height, width_of, wrap
from sequela.report.palette import INK, MUTED, PALETTE, PAPER

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE: Final = 8.0
SMALL: Final = 7.5
INDENT: Final = 3.0
ROW: Final = 4.7
NARROWEST: Final = 24.0  # mm of plot below which columns give way
_TICKS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_FINE: Final = (0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4)
Tone = Literal["main", "plain"]


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One effect. Neighbours with the same `label` stand under it, each by its `level`.

    Attributes:
        label: the variable; alone on its line when `level` is not empty.
        level: the level, subgroup or analysis.
        n, events: counts, where known.
        estimate, low, high: ratio and interval; None where there is none.
        p: p-value, where there is one.
        reference: the level that the others are compared with.
        reason: why there is no estimate, printed in the note.
        interaction_p: printed on the line of the label.
        tone: "plain" draws an open grey marker.
    """

    label: str
    level: str = ""
    n: int | None = None
    events: int | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reference: bool = False
    reason: str | None = None
    interaction_p: float | None = None
    tone: Tone = "main"


@dataclass(frozen=True, slots=True)
class Line:
    """A printed line: words by column, and the effect beside them, if any."""

    label: tuple[str, ...]
    indent: float
    bold: bool
    cells: dict[str, str]
    row: ForestRow | None = None


def label_room(whole: float) -> float:
    """mm that the first column may take."""
    return (0.36 if whole > 100 else 0.3) * whole


def lines_of(rows: Sequence[ForestRow], limit: float, style: Style) -> list[Line]:
    """The printed lines: a label once above its levels, each wrapped to `limit` mm."""
    lines: list[Line] = []
    before: str | None = None
    for row in rows:
        if row.level and row.label != before:
            p = {} if row.interaction_p is None else {"p": p_value(row.interaction_p, style)}
            lines.append(Line(tuple(wrap(clean(row.label), limit, SIZE, "bold")), 0, True, p))
        before = row.label
        indent = INDENT if row.level else 0.0
        words = wrap(clean(row.level or row.label), limit - indent, SIZE)
        lines.append(Line(tuple(words), indent, False, _cells(row, style), row))
    return lines


def _cells(row: ForestRow, style: Style) -> dict[str, str]:
    cells = {"n": _count(row.n), "events": _count(row.events), "effect": effect_words(row, style)}
    return cells | {"p": "" if row.p is None else p_value(row.p, style)}


def _count(value: int | None) -> str:
    return "" if value is None else number(value, 0)


def effect_words(row: ForestRow, style: Style) -> str:
    """`1.24 (0.98–1.57)`, `1 (reference)` or `not estimable`."""
    if row.reference:
        return "1 (reference)"
    if row.estimate is None:
        return "not estimable"
    low, high = (math.nan if limit is None else limit for limit in (row.low, row.high))
    text = _ratio(row.estimate, style)
    if math.isnan(low) or math.isnan(high):
        return text
    upper = "∞" if math.isinf(high) else _ratio(high, style)
    return f"{text} ({_ratio(low, style)}{DASH}{upper})"


def reasons(rows: Sequence[ForestRow]) -> list[str]:
    """Why an effect is missing, one sentence each."""
    missing = [row for row in rows if row.estimate is None and not row.reference and row.reason]
    return [
        f"{', '.join(filter(None, (clean(row.label), clean(row.level))))}: {row.reason}." for row in missing
    ]


def _ratio(value: float, style: Style) -> str:
    """Two decimals, one from 10, none from 100."""
    return number(value, 2 if value < 10 else 1 if value < 100 else 0, style)


def _limits(rows: list[ForestRow]) -> tuple[float, float]:
    """Ends of the axis: all intervals, unless one reaches much further than the estimates do."""
    drawn = [row.estimate for row in rows if row.estimate] or [1.0]
    lows = [row.low for row in rows if row.low]
    highs = [row.high for row in rows if row.high and math.isfinite(row.high)]
    low = max(min([*lows, *drawn, 1.0]), min([*drawn, 1.0]) / 3)
    high = min(max([*highs, *drawn, 1.0]), max([*drawn, 1.0]) * 3)
    pad = 1.12
    return min(low, 0.8) / pad, max(high, 1.25) * pad


def _axis_ticks(low: float, high: float, width: float) -> list[float]:
    ticks: list[float] = []
    for choice in (_TICKS, _FINE):
        ticks = [tick for tick in choice if low <= tick <= high]
        if len(ticks) >= 3:
            break
    kept: list[float] = [1.0]
    per_mm = width / math.log(high / low)
    for tick in sorted(ticks, key=lambda tick: abs(math.log(tick))):
        if all(abs(math.log(tick / other)) * per_mm > 7.0 for other in kept):
            kept.append(tick)
    return sorted(kept)


def _gap(whole: float) -> float:
    """mm between columns."""
    return 4.0 if whole > 100 else 3.0


def _columns(
    lines: list[Line], heads: dict[str, str], whole: float, label: float
) -> tuple[dict[str, float], float]:
    """Width of each column that stays, and of the plot; counts give way to a plot that is too narrow."""
    widths: dict[str, float] = {}
    for name, head in heads.items():
        texts = [line.cells.get(name, "") for line in lines]
        if any(texts):
            widths[name] = max(width_of(head, SIZE, "bold"), *(width_of(text, SIZE) for text in texts))
    for victim in ("events", "n", ""):
        plot = whole - label - sum(widths.values()) - _gap(whole) * (len(widths) + 1)
        if plot >= NARROWEST or not victim:
            break
        widths.pop(victim, None)
    return widths, max(plot, 12.0)


def draw(
    lines: list[Line],
    heads: dict[str, str],
    heading: str,
    directions: tuple[str, str],
    note: str,
    whole: float,
    banner: str | None,
) -> Any:
    """The whole picture, laid out from the width of its words."""
    head_lines = wrap(heading, label_room(whole), SIZE, "bold")
    words = [(line.indent, text, line.bold) for line in lines for text in line.label]
    label = max(
        *(width_of(text, SIZE, "bold") for text in head_lines),
        *(indent + width_of(text, SIZE, "bold" if bold else "normal") for indent, text, bold in words),
    )
    widths, plot = _columns(lines, heads, whole, label)
    edges, start = _edges(widths, label, whole)
    top = head_room(banner) + max(len(head_lines), 1) * line_height(SIZE) + 3.2
    bottom = top + 1 + sum(_height(line) for line in lines) + 1
    scale = _Scale(*_limits([line.row for line in lines if line.row]), start, start + plot)
    below = [
        wrap(f"← {clean(directions[0])}", scale(1) - 1.5, SMALL),
        wrap(f"{clean(directions[1])} →", whole - scale(1) - 1.5, SMALL),
    ]
    notes = wrap(note, whole, SMALL) if note else []
    foot = bottom + 6.2 + max(len(text) for text in below) * line_height(SMALL)
    page = Page(whole, foot + (1.5 + len(notes) * line_height(SMALL) if notes else 0), banner)
    _draw_head(page, heads, head_lines, edges, top, whole)
    page.line((scale(1), scale(1)), (top + 0.6, bottom), colour=MUTED, width=0.6)
    _draw_lines(page, lines, edges, scale, top + 1)
    _draw_axis(page, scale, bottom, below)
    page.lines(0, foot + 1.5, notes, size=SMALL, colour=MUTED)
    return page.drawing


def _edges(widths: dict[str, float], label: float, whole: float) -> tuple[dict[str, float], float]:
    """Right edge of each column, and where the plot begins: counts left of it, effects right of it."""
    edges: dict[str, float] = {}
    at = label
    for name in ("n", "events"):
        if name in widths:
            at += _gap(whole) + widths[name]
            edges[name] = at
    right = whole
    for name in ("p", "effect"):
        if name in widths:
            edges[name] = right
            right -= widths[name] + _gap(whole)
    return edges, at + _gap(whole)


@dataclass(frozen=True, slots=True)
class _Scale:
    """A ratio to mm, logarithmic, held within the axis."""

    low: float
    high: float
    left: float
    right: float

    def __call__(self, ratio: float) -> float:
        inside = min(max(ratio, self.low), self.high)
        return self.left + math.log(inside / self.low) / math.log(self.high / self.low) * (
            self.right - self.left
        )


def _height(line: Line) -> float:
    return ROW + (len(line.label) - 1) * line_height(SIZE) + (0.8 if line.bold else 0)


def _draw_head(
    page: Page, heads: dict[str, str], label: list[str], edges: dict[str, float], top: float, whole: float
) -> None:
    middle = top - 1.6 - line_height(SIZE) / 2
    page.lines(0, top - 1.6 - len(label) * line_height(SIZE), label, size=SIZE, weight="bold")
    for name, edge in edges.items():
        page.text(edge, middle, heads[name], size=SIZE, weight="bold", align="right")
    first = top - 3.2 - len(label) * line_height(SIZE)
    page.line((0, whole), (first, first), width=1.0)
    page.line((0, whole), (top - 0.6, top - 0.6), width=0.5)


def _draw_lines(page: Page, lines: list[Line], edges: dict[str, float], scale: _Scale, top: float) -> None:
    for line in lines:
        top += 0.8 if line.bold else 0
        middle = top + ROW / 2
        page.lines(
            line.indent,
            middle - line_height(SIZE) / 2,
            list(line.label),
            size=SIZE,
            weight="bold" if line.bold else "normal",
        )
        for name, edge in edges.items():
            quiet = name == "effect" and line.row is not None and line.row.estimate is None
            page.text(
                edge,
                middle,
                line.cells.get(name, ""),
                size=SIZE,
                align="right",
                colour=MUTED if quiet else INK,
            )
        if line.row is not None and line.row.estimate is not None and not line.row.reference:
            _draw_effect(page, line.row, scale, middle)
        top += _height(line) - (0.8 if line.bold else 0)


def _draw_effect(page: Page, row: ForestRow, scale: _Scale, y: float) -> None:
    hue = PALETTE[0].line if row.tone == "main" else MUTED
    assert row.estimate is not None
    if row.low is not None and row.high is not None:
        page.line((scale(row.low), scale(row.high)), (y, y), colour=hue, width=1.3, solid_capstyle="butt")
        for limit, beyond, marker in (
            (row.low, row.low < scale.low, "<"),
            (row.high, row.high > scale.high, ">"),
        ):
            if beyond:
                page.line((scale(limit),), (y,), colour=hue, marker=marker, markersize=4, linestyle="none")
    if scale.low <= row.estimate <= scale.high:
        page.line(
            (scale(row.estimate),),
            (y,),
            colour=hue,
            marker="s",
            markersize=5,
            linestyle="none",
            markerfacecolor=hue if row.tone == "main" else PAPER,
            markeredgecolor=PAPER if row.tone == "main" else hue,
            markeredgewidth=0.5 if row.tone == "main" else 1.2,
        )


def _draw_axis(page: Page, scale: _Scale, y: float, directions: list[list[str]]) -> None:
    page.line((scale.left, scale.right), (y, y), width=0.6)
    for tick in _axis_ticks(scale.low, scale.high, scale.right - scale.left):
        page.line((scale(tick),) * 2, (y, y + 0.9), width=0.6)
        page.text(scale(tick), y + 2.8, f"{tick:g}", size=SMALL, align="center")
    less, more = directions
    page.lines(scale(1) - 1.5, y + 4.9, less, size=SMALL, colour=MUTED, align="right")
    page.lines(scale(1) + 1.5, y + 4.9, more, size=SMALL, colour=MUTED)
