"""Attrition as a flow diagram: who was there, who was left out and why, who remains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sequela.core.wording import number
from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, Width, clean, head_room, line_height, wrap
from sequela.report.palette import INK, MUTED, WASH

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE: Final = 8.0
PAD: Final = 2.2
STEM: Final = 6.0  # mm between boxes
_BESIDE: Final = 4  # groups that fit side by side


@dataclass(frozen=True, slots=True)
class FlowStep:
    """A box: who remains, and who was left out on the way to the next box, by reason."""

    label: str
    n: int
    excluded: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Words:
    """Lines of one box, each bold or not."""

    lines: tuple[tuple[str, bool], ...]

    @property
    def height(self) -> float:
        return len(self.lines) * line_height(SIZE) + 2 * PAD


def flow(
    steps: Sequence[FlowStep],
    groups: Sequence[tuple[str, int]] = (),
    *,
    id: str = "flow",
    title: str = "",
    noun: str = "patients",
    width: Width = "double",
    banner: str | None = None,
) -> Figure:
    """A flow diagram from top to bottom, exclusions to the right, groups at the end.

    Args:
        steps: boxes from the first records to the analysed cohort; `excluded` leads to the next box.
        groups: label and n that the last box splits into.
        id, title: of the figure.
        noun: what is counted.
        width: "single" (85 mm) or "double" (170 mm).
        banner: a warning printed in the picture.
    """
    whole = WIDTHS[width]
    return Figure(
        id=id,
        title=title or "Flow of patients",
        caption=f"Numbers of {noun} at each step, and left out with the reason.",
        alt=_alt(steps, groups, noun),
        data=_data(steps, groups),
        draw=_draw(steps, groups, whole, banner),
        banner=banner,
    )


def _count(n: int) -> str:
    return f"n = {number(n, 0)}"


def _words(label: str, n: int, room: float) -> _Words:
    lines = [(line, False) for line in wrap(clean(label), room, SIZE)]
    return _Words((*lines, (_count(n), True)))


def _left_out(excluded: tuple[tuple[str, int], ...], room: float) -> _Words:
    total = sum(n for _, n in excluded)
    lines = [(f"Left out, {_count(total)}", True)]
    for reason, n in excluded:
        lines += [(line, False) for line in wrap(f"{clean(reason)} ({number(n, 0)})", room, SIZE)]
    return _Words(tuple(lines))


def _draw(
    steps: Sequence[FlowStep], groups: Sequence[tuple[str, int]], whole: float, banner: str | None
) -> Any:
    main, side = _group_width(2, whole), 0.43 * whole
    boxes = [_words(step.label, step.n, main - 2 * PAD) for step in steps]
    sides = [_left_out(step.excluded, side - 2 * PAD) if step.excluded else None for step in steps]
    stems = [max(STEM, beside.height + 3.2 if beside else 0) for beside in sides]
    ends = _group_words(groups, whole)
    top = head_room(banner) + 0.3
    height = top + sum(box.height for box in boxes) + sum(stems[:-1])
    if ends:
        height += stems[-1] + 2 * STEM / 2 + max(words.height for words in ends)
    elif sides[-1]:
        height += stems[-1]
    page = Page(whole, height + 0.3, banner)
    for place, (words, beside, stem) in enumerate(zip(boxes, sides, stems, strict=True)):
        box = Box(0, top, main, top + words.height)
        _draw_box(page, box, words, fill=WASH if place == len(boxes) - 1 else "none")
        last = place == len(boxes) - 1
        if not last or ends or beside:
            _draw_stem(page, box, stem, beside, whole, side, arrow=not last)
        top = box.bottom + stem
    if ends:
        _draw_groups(page, ends, main / 2, top, whole)
    return page.drawing


def _draw_box(page: Page, box: Box, words: _Words, fill: str = "none") -> None:
    page.rectangle(box, fill=fill, edge=INK, width=0.6)
    for place, (line, bold) in enumerate(words.lines):
        y = box.top + PAD + (place + 0.5) * line_height(SIZE)
        page.text(box.left + PAD, y, line, size=SIZE, weight="bold" if bold else "normal")


def _arrow_head(page: Page, x: float, y: float, marker: str) -> None:
    page.line((x,), (y,), colour=MUTED, marker=marker, markersize=3.6, markeredgewidth=0, linestyle="none")


def _draw_stem(
    page: Page, box: Box, stem: float, beside: _Words | None, whole: float, side: float, *, arrow: bool
) -> None:
    """The line down from a box, and the box of those left out beside it."""
    x = (box.left + box.right) / 2
    page.line((x, x), (box.bottom, box.bottom + stem), colour=MUTED, width=0.7)
    if arrow:
        _arrow_head(page, x, box.bottom + stem - 0.7, "v")
    if beside:
        y = box.bottom + stem / 2
        out = Box(whole - side, y - beside.height / 2, whole, y + beside.height / 2)
        page.line((x, out.left), (y, y), colour=MUTED, width=0.7)
        _arrow_head(page, out.left - 0.7, y, ">")
        _draw_box(page, out, beside)


def _group_words(groups: Sequence[tuple[str, int]], whole: float) -> list[_Words]:
    """One box a group, or one box with a list where there are too many to stand side by side."""
    if not groups:
        return []
    room = _group_width(len(groups) if len(groups) <= _BESIDE else 1, whole) - 2 * PAD
    if len(groups) <= _BESIDE:
        return [_words(label, n, room) for label, n in groups]
    lines = [line for label, n in groups for line in wrap(f"{clean(label)} ({_count(n)})", room, SIZE)]
    return [_Words(tuple((line, False) for line in lines))]


def _group_width(count: int, whole: float) -> float:
    """Width of one of `count` boxes; a single one is as wide as one of two."""
    count = max(count, 2)
    return (whole - 4.0 * (count - 1)) / count


def _draw_groups(page: Page, groups: list[_Words], stem: float, top: float, whole: float) -> None:
    width = _group_width(len(groups), whole)
    height = max(words.height for words in groups)
    centres = [place * (width + 4.0) + width / 2 for place in range(len(groups))]
    ends = (min([stem, *centres]), max([stem, *centres]))
    page.line(ends, (top, top), colour=MUTED, width=0.7)
    for centre, words in zip(centres, groups, strict=True):
        page.line((centre, centre), (top, top + STEM), colour=MUTED, width=0.7)
        _arrow_head(page, centre, top + STEM - 0.7, "v")
        box = Box(centre - width / 2, top + STEM, centre + width / 2, top + STEM + height)
        _draw_box(page, box, words)


def _alt(steps: Sequence[FlowStep], groups: Sequence[tuple[str, int]], noun: str) -> str:
    parts: list[str] = []
    for step in steps:
        parts.append(f"{clean(step.label)}: {step.n} {noun}")
        parts += [f"left out, {clean(reason)}: {n}" for reason, n in step.excluded]
    parts += [f"group {clean(label)}: {n}" for label, n in groups]
    return "Flow diagram. " + "; ".join(parts) + "."


def _data(steps: Sequence[FlowStep], groups: Sequence[tuple[str, int]]) -> dict[str, list[Any]]:
    rows: list[tuple[str, str, int]] = []
    for step in steps:
        rows.append(("remaining", clean(step.label), step.n))
        rows += [("left out", clean(reason), n) for reason, n in step.excluded]
    rows += [("group", clean(label), n) for label, n in groups]
    return {name: [row[place] for row in rows] for place, name in enumerate(("kind", "label", "n"))}
