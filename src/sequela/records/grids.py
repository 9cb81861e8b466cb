"""Plates as instruments and people write them: a grid of wells under a row of column numbers.

A grid starts at a row that counts 1, 2, 3, … and goes on with rows that start with A, B, C, …; what stands
above it (instrument, date, wavelength) is kept as lines, the cell left of the 1 as its title. Several grids may
stand below each other. Cells after the last column number are not read.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sequela.records.encoding import text_of

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.records.source import Source

SHAPES: Final = {96: (8, 12), 384: (16, 24)}
LETTERS: Final = "ABCDEFGHIJKLMNOP"


@dataclass(frozen=True, slots=True)
class Grid:
    """One block of wells: what stands above it and left of its column numbers, and the text of each well.

    `cells` has (row from 1, column from 1) and the physical line of each well that is not empty.
    """

    title: str
    above: tuple[str, ...]
    cells: dict[tuple[int, int], tuple[str, int]]


def well_name(row: int, column: int) -> str:
    """`B7` of row 2 and column 7."""
    return f"{LETTERS[row - 1]}{column}"


def well_place(name: str) -> tuple[int, int] | None:
    """Row and column of `B7` or `b07`; None when it is no well."""
    text = name.strip().upper()
    if len(text) < 2 or text[0] not in LETTERS or not text[1:].isdigit():
        return None
    return LETTERS.index(text[0]) + 1, int(text[1:])


def read_rows(source: Source, path: Path) -> list[list[str]]:
    """Rows of cells of a text file or a workbook; of a text without a declared delimiter, by the commonest.

    Raises:
        DataError: R103 to R115, the file cannot be read.
        UsageError: R113, openpyxl is not installed.
    """
    if source.format_of(path) == "xlsx":
        from sequela.records.workbooks import cells_of

        return cells_of(source, path)
    text = text_of(source, path)
    sign = source.delimiter or max((",", "\t", ";"), key=text.count)
    return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=sign)]


def find_grids(rows: list[list[str]], wells: int) -> list[Grid]:
    """Every grid in `rows`, for plates of 96 or 384 wells; rows of the plate may be left out at its end."""
    _, width = SHAPES[wells]
    found: list[Grid] = []
    last = 0
    for line, row in enumerate(rows):
        start = _counts(row, width)
        if start is None:
            continue
        above = tuple(" ".join(filter(None, before)) for before in rows[last:line] if any(before))
        cells, last = _body(rows, line + 1, start, width, SHAPES[wells][0])
        found.append(Grid(row[start - 1] if start else "", above, cells))
    return found


def _counts(row: list[str], width: int) -> int | None:
    """Where a row begins to count 1, 2, 3, … at least half of the plate's width."""
    for start in range(1, len(row)):
        if row[start] == "1":
            known = [cell for cell in row[start : start + width] if cell]
            if len(known) > width / 2 and known == [str(n) for n in range(1, len(known) + 1)]:
                return start
    return None


def _body(
    rows: list[list[str]], first: int, start: int, width: int, height: int
) -> tuple[dict[tuple[int, int], tuple[str, int]], int]:
    cells: dict[tuple[int, int], tuple[str, int]] = {}
    line = first
    for place in range(1, height + 1):
        if (
            line >= len(rows)
            or len(rows[line]) <= start
            or rows[line][start - 1].upper() != LETTERS[place - 1]
        ):
            break
        for column, text in enumerate(rows[line][start : start + width], 1):
            if text:
                cells[place, column] = (text, line + 1)
        line += 1
    return cells, line
