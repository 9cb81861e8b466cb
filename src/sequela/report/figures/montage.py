"""Where a protein lies: a field of each condition under one grey scale, beside one value an experiment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from sequela.report.figures.fields import (
    ENDS,
    Field,
    Panel,
    common_limits,
    draw_field,
    draw_scale,
    middle_square,
    panels_of,
)
from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, clean, head_room, line_height, wrap
from sequela.report.figures.plot import SIZE, SMALL, linear, y_room
from sequela.report.figures.rasters import NOTED, Limits, bar_length, footnotes
from sequela.report.figures.superplot import (
    counted,
    draw_groups,
    draw_key,
    experiments_of,
    explained,
    in_words,
    large_rows,
    limits_of,
    room_below,
    small_rows,
)
from sequela.report.palette import MUTED, WARNING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.report.figures.superplot import Super

SIDE: Final = 256  # pixels shown of a field
GAP: Final = 1.2
LARGEST: Final = 44.0  # mm of one field
ABREAST: Final = 4
TALL: Final = 52.0


def montage(
    fields: Sequence[Field],
    groups: Sequence[Super],
    *,
    id: str = "fields",
    title: str = "",
    target: str = "target",
    nuclear: str = "nuclei",
    y_label: str = "",
    note: str = "",
    pixel_um: float | None = None,
    side: int = SIDE,
    banner: str | None = None,
) -> Figure:
    """Fields by condition, all between the same black and white, and the superplot of what was measured.

    Args:
        fields: one a condition, in order, from `field_of`.
        groups: cells small, experiments large; empty where nothing was measured.
        id, title: of the figure.
        target, nuclear: names of the stains.
        y_label: what was measured.
        note: for the caption, such as how the fields were chosen, or the test.
        pixel_um: size of a pixel in micrometres; without it there is no scale bar, which the caption says.
        side: of the square shown of each field, in pixels; smaller fields make it smaller.
        banner: a warning printed in the picture.
    """
    shown = min([side, *(length for one in fields for length in one.target.shape)])
    limits = _limits(fields)
    stained = nuclear if any(one.nuclear is not None for one in fields) else None
    panels = panels_of(clean(target), clean(stained) if stained else None) if fields else ()
    repeats = experiments_of(groups)
    return Figure(
        id=id,
        title=title,
        caption=_caption(fields, groups, limits, (target, stained), pixel_um, shown, note),
        alt=_alt(fields, groups, clean(target), clean(y_label)),
        data=small_rows(groups),
        draw=_draw(fields, groups, panels, limits, clean(y_label), pixel_um, shown, repeats, banner),
        banner=banner,
        more={"experiments": large_rows(groups)}
        | ({"fields": _rows(fields, limits, shown, pixel_um)} if fields else {}),
    )


Both = tuple[Limits, Limits | None]


def _limits(fields: Sequence[Field]) -> Both | None:
    if not fields:
        return None
    stained = [one.nuclear for one in fields if one.nuclear is not None]
    return common_limits([one.target for one in fields]), common_limits(stained) if stained else None


def _caption(
    fields: Sequence[Field], groups: Sequence[Super], limits: Both | None, names: tuple[str, str | None],
    pixel_um: float | None, side: int, note: str,
) -> str:  # fmt: skip
    words: list[str] = []
    if limits is not None:
        told = [f"{clean(names[0])} {limits[0]}"] + (
            [f"{clean(names[1] or '')} {limits[1]}"] if limits[1] else []
        )
        brighter = f"{100 - ENDS[1]:.1f}% of pixels are brighter"
        words.append(
            f"The middle {side} by {side} pixels of a field of each condition; black to white is {', '.join(told)} in "
            f"every field, a straight line ({brighter})."
        )
        words.append(_measured(fields))
        scale = (
            f"Scale bar: {bar_length(side * pixel_um):g} µm."
            if pixel_um
            else "No scale bar: the size of a pixel is not known."
        )
        words.append(scale)
    if groups:
        words.append(explained(groups, "cells"))
        words.append("; ".join(counted(group, "cells") for group in groups) + ".")
    return " ".join((*filter(None, words), note)).strip()


def _measured(fields: Sequence[Field]) -> str:
    if not any(one.cells.any() for one in fields):
        return ""
    band = any(not math.isnan(one.blur) and one.offsets for one in fields)
    wide = ", with a band where the membrane was found, as wide as the microscope's blur" if band else ""
    return f"Amber: cells that were used{wide}; blue dashes: nuclei; white dots: cells that were not used."


def _alt(fields: Sequence[Field], groups: Sequence[Super], target: str, y_label: str) -> str:
    shown = f"Fields of cells stained for {target}: {', '.join(clean(one.condition) for one in fields)}. "
    values = "; ".join(map(in_words, groups))
    return (
        shown if fields else ""
    ) + f"Superplot of {y_label or 'what was measured'}. {values or 'No values'}."


def _rows(
    fields: Sequence[Field], limits: Both | None, side: int, pixel_um: float | None
) -> dict[str, list[Any]]:
    assert limits is not None, "fields have limits"
    cuts = [middle_square(one.target.shape, side) for one in fields]
    return {
        "condition": [one.condition for one in fields],
        "experiment": [one.experiment for one in fields],
        "file": [one.name for one in fields],
        "top": [cut[0].start for cut in cuts],
        "left": [cut[1].start for cut in cuts],
        "side": [side] * len(fields),
        "pixel_um": [pixel_um] * len(fields),
        "black": [limits[0].low] * len(fields),
        "white": [limits[0].high] * len(fields),
        "nuclear_black": [limits[1].low if limits[1] else None] * len(fields),
        "nuclear_white": [limits[1].high if limits[1] else None] * len(fields),
        "blur_pixels": [None if math.isnan(one.blur) else one.blur for one in fields],
        "cells_used": [len(one.offsets) for one in fields],
    }


def _draw(
    fields: Sequence[Field], groups: Sequence[Super], panels: tuple[Panel, ...], limits: Both | None, y_label: str,
    pixel_um: float | None, side: int, repeats: list[str], banner: str | None,
) -> Any:  # fmt: skip
    whole, words = WIDTHS["double"], line_height(SMALL) + 1.0
    each = min(ABREAST, max(1, len(fields)))
    size = min(LARGEST, (whole - words - (each - 1) * GAP) / each)
    block = line_height(SIZE) + 1.2 + len(panels) * (size + GAP) + 3.0
    top = head_room(banner) + 0.5
    tall = math.ceil(len(fields) / each) * block if fields else 0.0
    beside = 0 < len(fields) <= 2 and bool(groups)
    left = words + len(fields) * (size + GAP) + 6 if beside else 0.0
    y = linear(min(0.0, limits_of(groups)[0]), 1.12 * limits_of(groups)[1], y_label)
    start = top + (0.0 if beside else tall) + 1.0
    area = Box(left + y_room(y), start, whole, start + (max(TALL, tall - 22) if beside else TALL))
    below = room_below(groups, area, repeats) if groups else 0.0
    bottom = max(top + tall, area.bottom + below) if groups else top + tall
    notes = footnotes(finding for one in fields for finding in one.findings)
    lines = [line for text in notes for line in wrap(f"! {clean(text)}", whole, NOTED)]
    page = Page(whole, bottom + len(lines) * line_height(NOTED) + 0.5, banner)
    for nth, one in enumerate(fields):
        assert limits is not None, "fields have limits"
        at = (words + (nth % each) * (size + GAP), top + (nth // each) * block, size)
        _column(page, one, at, panels, limits, (side, pixel_um), first=nth % each == 0)
    if groups:
        draw_groups(page, area, groups, y, repeats)
        draw_key(page, groups, area, repeats)
    page.lines(0, bottom, lines, size=NOTED, colour=WARNING)
    return page.drawing


def _column(
    page: Page, one: Field, at: tuple[float, float, float], panels: tuple[Panel, ...], limits: Both,
    scale: tuple[int, float | None], *, first: bool,
) -> None:  # fmt: skip
    """One condition from top to bottom; `at` is its left, its top and the size of a panel; the first has the words."""
    (left, top, size), (side, pixel_um) = at, scale
    cut, middle = middle_square(one.target.shape, side), left + size / 2
    name = wrap(clean(one.condition), size, SIZE, "bold")[0]
    page.text(middle, top + 1.8, name, size=SIZE, weight="bold", align="center")
    y = top + line_height(SIZE) + 1.2
    for nth, panel in enumerate(panels):
        box = Box(left, y, left + size, y + size)
        draw_field(page, box, one, panel.kind, cut, limits)
        draw_scale(page, box, side, pixel_um, named=first and nth == 0)
        if first:
            text = wrap(panel.words, size, SMALL)[0]
            page.text(1.6, y + size / 2, text, size=SMALL, colour=MUTED, align="center", rotation=90)
        y += size + GAP
    repeat = f"experiment {clean(one.experiment)}" if one.experiment else ""
    page.text(middle, y + 0.6, repeat, size=NOTED, colour=MUTED, align="center")
