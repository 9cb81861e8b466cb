"""What each patient lived through: one lane a patient, one bar a line of therapy, a mark an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
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
from sequela.report.palette import INK, MUTED, PALETTE, tint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIZE: Final = 7.5
SMALL: Final = 7.0
LANE: Final = 4.0  # mm
MOST: Final = 60
_MARKS: Final = ("D", "X", "^", "o", "s", "P")
_STRENGTHS: Final = (0.5, 0.22)  # fills stay light enough for ink on them


@dataclass(frozen=True, slots=True)
class Segment:
    """A bar from `start` to `end`."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Event:
    """A mark at `time`."""

    time: float
    kind: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A patient; `ongoing` ends in an arrow."""

    patient: str
    segments: tuple[Segment, ...]
    events: tuple[Event, ...] = ()
    ongoing: bool = False


def swimmer(
    lanes: Sequence[Lane],
    *,
    id: str = "swimmer",
    title: str = "",
    time_unit: str = "month",
    x_label: str = "Time",
    colours: Mapping[str, str] | None = None,
    width: Width = "double",
    banner: str | None = None,
) -> Figure:
    """Lines of therapy of up to 60 patients, in the order given.

    Args:
        lanes: patients, with times in `time_unit`.
        id, title: of the figure.
        time_unit, x_label: of the time axis.
        colours: label to fill, so that a drug keeps its colour over all figures.
        width: "single" (85 mm) or "double" (170 mm).
        banner: a warning printed in the picture.

    Raises:
        UsageError: no lane, or more than 60.
    """
    if not 1 <= len(lanes) <= MOST:
        raise UsageError(
            Finding("F104", "error", f"a swimmer plot takes 1 to {MOST} patients", found=str(len(lanes)),
                    remedy="draw a sample, and say how it was drawn")
        )  # fmt: skip
    labels = list(dict.fromkeys(segment.label for lane in lanes for segment in lane.segments))
    fills = {label: _fill(place) for place, label in enumerate(labels)} | dict(colours or {})
    kinds = list(dict.fromkeys(event.kind for lane in lanes for event in lane.events))
    marks = {kind: _MARKS[place % len(_MARKS)] for place, kind in enumerate(kinds)}
    words = f"{clean(x_label)} ({time_unit}s)"
    return Figure(
        id=id,
        title=title or "Lines of therapy",
        caption="One lane a patient; bars are lines of therapy, an arrow means still under observation.",
        alt=_alt(lanes, time_unit),
        data=_data(lanes),
        draw=_draw(lanes, fills, marks, words, WIDTHS[width], banner),
        banner=banner,
    )


def _fill(place: int) -> str:
    hue = PALETTE[place % len(PALETTE)].line
    return tint(hue, _STRENGTHS[place // len(PALETTE) % len(_STRENGTHS)])


def _draw(
    lanes: Sequence[Lane], fills: Mapping[str, str], marks: Mapping[str, str], words: str, whole: float,
    banner: str | None,
) -> Any:  # fmt: skip
    names = [wrap(clean(lane.patient), 0.2 * whole, SIZE)[0] for lane in lanes]
    left = max(width_of(name, SIZE) for name in names) + 2.5
    last = (
        max(
            max([*(s.end for s in lane.segments), *(e.time for e in lane.events)], default=0)
            for lane in lanes
        )
        or 1
    )
    step = _step(last, whole - left)
    scale = (whole - left - 5) / last
    top = head_room(banner) + 0.5
    bottom = top + len(lanes) * LANE + 0.8
    entries = _entries(fills, marks, whole)
    below = bottom + 4.4 + line_height(SIZE) + 1.8
    page = Page(whole, below + len(entries) * 4.4 + 0.5, banner)
    for place, (lane, name) in enumerate(zip(lanes, names, strict=True)):
        y = top + (place + 0.5) * LANE
        page.text(left - 2, y, name, size=SIZE, align="right", colour=MUTED)
        _draw_lane(page, lane, y, left, scale, fills, marks)
    page.line((left, whole - 5), (bottom, bottom), width=0.6)
    for tick in range(int(last / step + 1e-9) + 1):
        x = left + tick * step * scale
        page.line((x, x), (bottom, bottom + 0.9), width=0.6)
        page.text(x, bottom + 2.8, f"{tick * step:g}", size=SIZE, align="center")
    page.lines(
        (left + whole) / 2, bottom + 4.6, wrap(words, whole - left, SIZE)[:1], size=SIZE, align="center"
    )
    _draw_legend(page, entries, fills, marks, below)
    return page.drawing


def _step(last: float, room: float) -> float:
    return next((s for s in (1, 2, 3, 6, 12, 24, 36, 60, 120, 365, 730) if last / s * 11 <= room), last)


def _draw_lane(
    page: Page,
    lane: Lane,
    y: float,
    left: float,
    scale: float,
    fills: Mapping[str, str],
    marks: Mapping[str, str],
) -> None:
    end = max([0.0, *(segment.end for segment in lane.segments), *(event.time for event in lane.events)])
    page.line((left, left + end * scale), (y, y), colour="#B9BFC6", width=0.6, zorder=1)
    for segment in lane.segments:
        box = Box(left + segment.start * scale, y - 1.45, left + segment.end * scale, y + 1.45)
        page.rectangle(box, fill=fills[segment.label], edge="#FFFFFF", width=0.5, zorder=2)
        text = clean(segment.label)
        free = not any(segment.start <= event.time <= segment.end for event in lane.events)
        if free and width_of(text, SMALL) < box.right - box.left - 1.6:
            page.text((box.left + box.right) / 2, y, text, size=SMALL, align="center")
    for event in lane.events:
        style: dict[str, Any] = {
            "marker": marks[event.kind],
            "markersize": 4,
            "linestyle": "none",
            "zorder": 4,
        }
        page.line((left + event.time * scale,), (y,), markeredgecolor="#FFFFFF", markeredgewidth=0.5, **style)
    if lane.ongoing:
        x = left + end * scale
        page.line((x, x + 2.4), (y, y), width=0.8, zorder=3)
        page.line((x + 2.4,), (y,), marker=">", markersize=3, markeredgewidth=0, linestyle="none", zorder=3)


Entry = tuple[str, str, float]  # "fill" or "mark", name, left edge in mm


def _entries(fills: Mapping[str, str], marks: Mapping[str, str], whole: float) -> list[list[Entry]]:
    """The legend as lines of entries that fit the width."""
    lines: list[list[Entry]] = [[]]
    x = 0.0
    for kind, name in [*(("fill", name) for name in fills), *(("mark", name) for name in marks)]:
        wide = 5 + min(width_of(clean(name), SIZE), whole - 6)
        if lines[-1] and x + wide > whole:
            lines.append([])
            x = 0.0
        lines[-1].append((kind, name, x))
        x += wide + 4
    return lines


def _draw_legend(
    page: Page, lines: list[list[Entry]], fills: Mapping[str, str], marks: Mapping[str, str], top: float
) -> None:
    for place, line in enumerate(lines):
        y = top + (place + 0.5) * 4.4
        for kind, name, x in line:
            if kind == "fill":
                page.rectangle(Box(x, y - 1.3, x + 3.8, y + 1.3), fill=fills[name])
            else:
                page.line((x + 1.9,), (y,), colour=INK, marker=marks[name], markersize=4, linestyle="none")
            page.text(x + 5, y, wrap(clean(name), page.width - 6, SIZE)[0], size=SIZE)


def _alt(lanes: Sequence[Lane], unit: str) -> str:
    parts = [
        f"{clean(lane.patient)}: "
        + ", ".join(f"{clean(s.label)} from {s.start:.1f} to {s.end:.1f}" for s in lane.segments)
        + "".join(f", {clean(e.kind)} at {e.time:.1f}" for e in lane.events)
        for lane in lanes
    ]
    return f"Lines of therapy over time in {unit}s. " + "; ".join(parts) + "."


def _data(lanes: Sequence[Lane]) -> dict[str, list[Any]]:
    rows: list[tuple[str, str, str, float, float]] = []
    for lane in lanes:
        rows += [(lane.patient, "line", s.label, s.start, s.end) for s in lane.segments]
        rows += [(lane.patient, "event", e.kind, e.time, e.time) for e in lane.events]
    return {
        name: [row[place] for row in rows]
        for place, name in enumerate(("patient", "kind", "label", "start", "end"))
    }
