"""Forest plots of any table of effects: a fitted model, subgroups, another program, a paper."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.core.wording import DASH, PLAIN, Style, number, p_value
from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Page, Width, clean, head_room, line_height, width_of, wrap
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
    """One effect. Rows in a row with the same `label` stand under it, each by its `level`.

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
class Comparison:
    """An endpoint with its ratio and limits, as usually estimated and corrected."""

    endpoint: str
    naive: tuple[float, float, float]
    corrected: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Line:
    """A printed line: words by column, and the effect beside them, if any."""

    label: tuple[str, ...]
    indent: float
    bold: bool
    cells: dict[str, str]
    row: ForestRow | None = None


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
    lines = _lines(rows, _label_room(whole), style)
    effect = f"{measure} ({100 * level:g}% CI)"
    heads = {
        "n": "N",
        "events": "Events",
        "effect": effect,
        "p": "p value" if style.p_label == "p" else "P value",
    }
    note_text = " ".join([clean(note), *_reasons(rows)]).strip()
    return Figure(
        id=id,
        title=title or "Forest plot",
        caption=f"Squares: {measure}; lines: {100 * level:g}% confidence intervals; log scale.",
        alt=_alt(rows, measure, style),
        data=_data(rows),
        draw=_draw(lines, heads, clean(heading), directions, note_text, whole, banner),
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


def _label_room(whole: float) -> float:
    """mm that the first column may take."""
    return (0.36 if whole > 100 else 0.3) * whole


def _check(rows: Sequence[ForestRow]) -> None:
    if not rows:
        raise UsageError(Finding("R101", "error", "a forest plot needs at least one row"))
    for row in rows:
        numbers = [value for value in (row.estimate, row.low, row.high) if value is not None]
        if any(value < 0 or math.isnan(value) for value in numbers):
            raise UsageError(
                Finding(
                    "R102",
                    "error",
                    f"forest row {row.label!r} {row.level!r} has a ratio or limit that is no positive number",
                    found=", ".join(f"{value:g}" for value in numbers),
                    remedy="give None and a reason where there is no estimate",
                )
            )


def _lines(rows: Sequence[ForestRow], limit: float, style: Style) -> list[_Line]:
    lines: list[_Line] = []
    before: str | None = None
    for row in rows:
        if row.level and row.label != before:
            p = {} if row.interaction_p is None else {"p": p_value(row.interaction_p, style)}
            lines.append(_Line(tuple(wrap(clean(row.label), limit, SIZE, "bold")), 0, True, p))
        before = row.label
        indent = INDENT if row.level else 0.0
        words = wrap(clean(row.level or row.label), limit - indent, SIZE)
        lines.append(_Line(tuple(words), indent, False, _cells(row, style), row))
    return lines


def _cells(row: ForestRow, style: Style) -> dict[str, str]:
    cells = {"n": _count(row.n), "events": _count(row.events), "effect": _effect(row, style)}
    return cells | {"p": "" if row.p is None else p_value(row.p, style)}


def _count(value: int | None) -> str:
    return "" if value is None else number(value, 0)


def _effect(row: ForestRow, style: Style) -> str:
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


def _reasons(rows: Sequence[ForestRow]) -> list[str]:
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
    lines: list[_Line], heads: dict[str, str], whole: float, label: float
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


def _draw(
    lines: list[_Line],
    heads: dict[str, str],
    heading: str,
    directions: tuple[str, str],
    note: str,
    whole: float,
    banner: str | None,
) -> Any:
    head_lines = wrap(heading, _label_room(whole), SIZE, "bold")
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


def _height(line: _Line) -> float:
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


def _draw_lines(page: Page, lines: list[_Line], edges: dict[str, float], scale: _Scale, top: float) -> None:
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


def _alt(rows: Sequence[ForestRow], measure: str, style: Style) -> str:
    parts = [
        f"{clean(row.label)} {clean(row.level)}".strip() + f": {_effect(row, style)}"
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
