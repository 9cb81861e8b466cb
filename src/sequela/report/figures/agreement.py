"""A cross-table of two classifications, tinted by the share of its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.core.wording import percent
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
from sequela.report.palette import HAIR, INK, MUTED, PALETTE, tint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

SIZE: Final = 8.0
SMALL: Final = 7.0
CELL: Final = 11.0  # mm high
DARKEST: Final = 0.42  # so that ink keeps its contrast


def agreement(
    matrix: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    row_title: str = "Given",
    column_title: str = "Derived",
    id: str = "agreement",
    title: str = "",
    width: Width = "double",
    banner: str | None = None,
) -> Figure:
    """Counts of each pair; where a row and a column bear the same name the cell is framed.

    Args:
        matrix: counts, one row per entry of `rows`, one column per entry of `columns`.
        rows, columns: names of the classes.
        row_title, column_title: names of the two classifications.
        id, title: of the figure.
        width: "single" (85 mm) or "double" (170 mm).
        banner: a warning printed in the picture.

    Raises:
        UsageError: the matrix does not fit its names.
    """
    counts = np.asarray(matrix, float)
    if counts.shape != (len(rows), len(columns)):
        raise UsageError(
            Finding("F103", "error", "the matrix does not fit its names", found=f"{counts.shape}",
                    allowed=f"({len(rows)}, {len(columns)})")
        )  # fmt: skip
    names = ([clean(name) for name in rows], [clean(name) for name in columns])
    same = sum(counts[i, j] for i, a in enumerate(names[0]) for j, b in enumerate(names[1]) if a == b)
    return Figure(
        id=id,
        title=title or f"{row_title} and {column_title}",
        caption=f"Counts, and percentages of the row. The same class: {same:.0f} of {counts.sum():.0f} "
        f"({percent(same, counts.sum())}).",
        alt=_alt(counts, *names, row_title, column_title),
        data=_data(counts, *names, row_title, column_title),
        draw=_draw(counts, *names, clean(row_title), clean(column_title), WIDTHS[width], banner),
        banner=banner,
    )


def _draw(
    counts: NDArray[Any], rows: list[str], columns: list[str], row_title: str, column_title: str,
    whole: float, banner: str | None,
) -> Any:  # fmt: skip
    labels = [wrap(name, 0.28 * whole, SIZE) for name in rows]
    corner = wrap(row_title, 0.28 * whole, SIZE, "bold")
    left = max(
        *(width_of(line, SIZE) for lines in labels for line in lines),
        *(width_of(line, SIZE, "bold") for line in corner),
    ) + 3  # fmt: skip
    cell = min((whole - left) / len(columns), 30.0)
    heads = [wrap(name, cell - 1.6, SIZE) for name in columns]
    over = wrap(column_title, len(columns) * cell, SIZE, "bold")
    row = line_height(SIZE)
    top = head_room(banner) + (len(over) + max(len(corner), *(len(lines) for lines in heads))) * row + 3
    tall = [max(CELL, len(lines) * row + 2) for lines in labels]
    page = Page(left + len(columns) * cell, top + sum(tall) + 0.5, banner)
    page.lines(
        left + len(columns) * cell / 2,
        head_room(banner) + 0.3,
        over,
        size=SIZE,
        weight="bold",
        align="center",
    )
    page.lines(0, top - 1.2 - len(corner) * row, corner, size=SIZE, weight="bold")
    for place, lines in enumerate(heads):
        page.lines(
            left + (place + 0.5) * cell, top - 1.2 - len(lines) * row, lines, size=SIZE, align="center"
        )
    y = top
    for i, lines in enumerate(labels):
        page.lines(0, y + (tall[i] - len(lines) * row) / 2, lines, size=SIZE)
        for j in range(len(columns)):
            box = Box(left + j * cell, y, left + (j + 1) * cell, y + tall[i])
            _draw_cell(page, box, counts[i, j], counts[i].sum(), same=rows[i] == columns[j])
        y += tall[i]
    return page.drawing


def _draw_cell(page: Page, box: Box, n: float, whole: float, *, same: bool) -> None:
    fill = tint(PALETTE[0].line, DARKEST * n / whole) if whole else "#FFFFFF"
    page.rectangle(box, fill=fill, edge=HAIR, width=0.4)
    if same:
        inner = Box(box.left + 0.4, box.top + 0.4, box.right - 0.4, box.bottom - 0.4)
        page.rectangle(inner, edge=INK, width=1.1)
    centre, middle = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    page.text(
        centre, middle - 1.7, f"{n:.0f}", size=SIZE, align="center", weight="bold" if same else "normal"
    )
    page.text(centre, middle + 1.9, percent(n, whole), size=SMALL, align="center", colour=INK if n else MUTED)


def _pairs(counts: NDArray[Any], rows: list[str], columns: list[str]) -> list[tuple[str, str, float]]:
    return [(a, b, float(counts[i, j])) for i, a in enumerate(rows) for j, b in enumerate(columns)]


def _alt(counts: NDArray[Any], rows: list[str], columns: list[str], row_title: str, column_title: str) -> str:
    pairs = "; ".join(f"{a}, {b}: {n:.0f}" for a, b, n in _pairs(counts, rows, columns))
    return f"Cross-table of {row_title} and {column_title}. {pairs}."


def _data(
    counts: NDArray[Any], rows: list[str], columns: list[str], row_title: str, column_title: str
) -> dict[str, list[Any]]:
    pairs = _pairs(counts, rows, columns)
    names = (row_title, column_title if column_title != row_title else f"{column_title} (columns)", "count")
    return {name: [pair[place] for pair in pairs] for place, name in enumerate(names)}
