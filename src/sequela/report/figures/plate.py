"""Heat maps of plates: every well's signal as a shade, its role as an outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, clean, head_room, line_height, width_of
from sequela.report.palette import INK, MUTED, PALETTE, tint

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE: Final = 7.5
LETTERS: Final = "ABCDEFGHIJKLMNOP"
OUTLINES: Final = {"blank": "#16191D", "control": "#C04F00", "start": "#2D8F65", "positive": "#A75CCC"}


@dataclass(frozen=True, slots=True)
class PlateMap:
    """One plate: its name, what is said below it, and (row, column, signal, role, used) of every well."""

    name: str
    words: str
    height: int
    width: int
    wells: tuple[tuple[int, int, float, str, bool], ...]


def plate_maps(
    plates: Sequence[PlateMap],
    *,
    id: str = "plates",
    title: str = "",
    unit: str = "",
    banner: str | None = None,
) -> Figure:
    """Plates two beside each other; the shade runs from the plate's lowest to its highest signal.

    Args:
        plates: in order.
        id, title: of the figure.
        unit: of the signal.
        banner: a warning printed in the picture.
    """
    roles = (
        "orange outline: controls; black: blanks; green: start; violet: positive controls; a cross: not used"
    )
    described = "; ".join(f"{clean(one.name)}: {clean(one.words)}" for one in plates)
    return Figure(
        id=id,
        title=title,
        caption=f"Signal of every well{f' ({unit})' if unit else ''}, white the lowest of its plate; {roles}.",
        alt=f"Heat maps of {len(plates)} plates. {described}.",
        data={
            "plate": [one.name for one in plates for _ in one.wells],
            "row": [LETTERS[well[0] - 1] for one in plates for well in one.wells],
            "column": [well[1] for one in plates for well in one.wells],
            "signal": [well[2] for one in plates for well in one.wells],
            "role": [well[3] for one in plates for well in one.wells],
            "used": [well[4] for one in plates for well in one.wells],
        },
        draw=_draw(plates, banner),
        banner=banner,
    )


def _draw(plates: Sequence[PlateMap], banner: str | None) -> Any:
    whole, side = WIDTHS["double"], 4.0
    each = (whole - 6) / 2 if len(plates) > 1 else whole * 0.62
    cell = (each - side) / max(one.width for one in plates)
    tall = max(one.height for one in plates) * cell + 3 * line_height(SIZE) + 5
    rows = (len(plates) + 1) // 2
    page = Page(whole, head_room(banner) + rows * tall, banner)
    for nth, one in enumerate(plates):
        left, top = (nth % 2) * (each + 6), head_room(banner) + (nth // 2) * tall
        _plate(page, one, left, top, cell, side)
    return page.drawing


def _plate(page: Page, one: PlateMap, left: float, top: float, cell: float, side: float) -> None:
    page.text(left, top + 1.6, clean(one.name), size=SIZE, weight="bold")
    top += line_height(SIZE) + 3
    for column in range(one.width):
        if one.width <= 12 or column % 2 == 0:
            page.text(
                left + side + (column + 0.5) * cell,
                top - 1.4,
                str(column + 1),
                size=5.5,
                colour=MUTED,
                align="center",
            )
    for row in range(one.height):
        page.text(
            left + side - 1, top + (row + 0.5) * cell, LETTERS[row], size=5.5, colour=MUTED, align="right"
        )
    signals = np.array([well[2] for well in one.wells])
    low, high = (float(signals.min()), float(signals.max())) if len(signals) else (0.0, 1.0)
    for row, column, value, role, used in one.wells:
        box = Box(left + side + (column - 1) * cell + 0.25, top + (row - 1) * cell + 0.25,
                  left + side + column * cell - 0.25, top + row * cell - 0.25)  # fmt: skip
        share = (value - low) / (high - low) if high > low else 0.5
        page.rectangle(box, fill=tint(PALETTE[0].line, 0.04 + 0.86 * share), edge=OUTLINES.get(role, "#B9BFC6"),
                       width=1.0 if role in OUTLINES else 0.3)  # fmt: skip
        if not used:
            page.line((box.left, box.right), (box.top, box.bottom), colour=INK, width=0.7)
            page.line((box.left, box.right), (box.bottom, box.top), colour=INK, width=0.7)
    words = f"{clean(one.words)}; signal {low:.3g} (white) to {high:.3g}"
    while width_of(words, SIZE) > one.width * cell + side and len(words) > 4:
        words = words[:-2] + "…"
    page.text(left, top + one.height * cell + 2.6, words, size=SIZE, colour=MUTED)
