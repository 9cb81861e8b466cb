"""Plates as instruments and people write them: a grid of wells under a row of column numbers.

A grid starts at a row that counts 1, 2, 3, … (or 01, 02, …) and goes on with rows that start with A, B, C, …; what
stands above it (instrument, date, wavelength) is kept as lines, the cell left of the 1 as its title. Several grids
may stand below each other. Where each well has several reads, one below the other, each is a grid of its own, its
title the cell after the last column. Under a `Temperature` the rows have no letters, and blocks of rows that follow
each other are the same plate at other times. Tables of wells over time: `sequela.records.kinetics`.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sequela.records.encoding import text_of

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.records.source import Source

SHAPES: Final = {96: (8, 12), 384: (16, 24)}
LETTERS: Final = "ABCDEFGHIJKLMNOP"
Cells = dict[tuple[int, int], tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Grid:
    """One block of wells: what stands above it and left of its column numbers, and the text of each well.

    `cells` has (row from 1, column from 1) and the physical line of each well that is not empty; `hours` the time
    of the read, where the instrument gives one beside the grid.
    """

    title: str
    above: tuple[str, ...]
    cells: Cells = field(default_factory=Cells)
    hours: float | None = None


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
    """Rows of cells of a text file or a workbook.

    Of a text without a declared delimiter the one is taken that shows most rows of column numbers, else the
    commonest. Decimal commas become points.

    Raises:
        DataError: R103 to R115, the file cannot be read.
        UsageError: R113, openpyxl is not installed.
    """
    if source.format_of(path) == "xlsx":
        from sequela.records.workbooks import cells_of

        return [list(map(decimal_point, row)) for row in cells_of(source, path)]
    text = text_of(source, path)
    signs = (source.delimiter,) if source.delimiter else (",", "\t", ";")
    split = {sign: _split(text, sign) for sign in signs}
    best = max(signs, key=lambda sign: (sum(map(_is_head, split[sign])), text.count(sign)))
    return [list(map(decimal_point, row)) for row in split[best]]


def _split(text: str, sign: str) -> list[list[str]]:
    return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=sign)]


def _is_head(row: list[str]) -> bool:
    return _counts(row, SHAPES[96][1]) is not None


def decimal_point(text: str) -> str:
    """`0,123` as `0.123`; every other text as it is."""
    return text.replace(",", ".") if re.fullmatch(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", text) else text


def find_grids(rows: list[list[str]], wells: int) -> list[Grid]:
    """Every grid in `rows`, for plates of 96 or 384 wells; rows of the plate may be left out at its end."""
    height, width = SHAPES[wells]
    found: list[Grid] = []
    last = 0
    for line, row in enumerate(rows):
        start = _counts(row, width)
        if start is None or line < last:
            continue
        above = tuple(" ".join(filter(None, before)) for before in rows[last:line] if any(before))
        title = row[start - 1] if start else ""
        if title.casefold().startswith("temp"):
            grids, last = _blocks(rows, line + 1, start, width, height, above)
        else:
            grids, last = _lettered(rows, line + 1, start, width, height, Grid(title, above))
        found += (grid for grid in grids if grid.cells)
    return found


def _counts(row: list[str], width: int) -> int | None:
    """Where a row begins to count 1, 2, 3, … at least half of the plate's width."""
    for start in range(1, len(row)):
        if row[start].lstrip("0") == "1":
            known = [cell.lstrip("0") for cell in row[start : start + width] if cell]
            if len(known) > width / 2 and known == [str(n) for n in range(1, len(known) + 1)]:
                return start
    return None


def _lettered(
    rows: list[list[str]], first: int, start: int, width: int, height: int, head: Grid
) -> tuple[list[Grid], int]:
    """The grids below one row of column numbers: one, or one for each read that every row holds."""
    reads: list[Cells] = []
    labels: list[str] = []
    line, place, nth = first, 0, 0
    while line < len(rows) and len(rows[line]) > start:
        row = rows[line]
        letter = row[start - 1].upper()
        if place < height and letter == LETTERS[place]:
            place, nth = place + 1, 0
        elif letter == "" and place and any(row[start : start + width]):
            nth += 1
        else:
            break
        while len(reads) <= nth:
            reads.append({})
            labels.append(next(filter(None, row[start + width :]), ""))
        _take(reads[nth], row, place, start, width, line + 1)
        line += 1
    if len(reads) == 1:
        return [Grid(head.title, head.above, reads[0])], line
    return [Grid(label, head.above, cells) for label, cells in zip(labels, reads, strict=True)], line


def _blocks(
    rows: list[list[str]], first: int, start: int, width: int, height: int, above: tuple[str, ...]
) -> tuple[list[Grid], int]:
    """Rows without letters below a temperature: blocks of a plate's height, each at its own time."""
    found: list[Grid] = []
    line, place = first, 0
    while line < len(rows):
        row = rows[line]
        if not any(row):
            place = 0
        elif (
            len(row) > start and (place < height if place else True) and _numbers(row[start : start + width])
        ):
            if place == 0 or place == height:
                time = next((hours for cell in row[: start - 1] if (hours := clock(cell)) is not None), None)
                found.append(Grid("", above, {}, time))
                place = 0
            place += 1
            _take(found[-1].cells, row, place, start, width, line + 1)
        else:
            break
        line += 1
    return found, line


def _numbers(cells: list[str]) -> bool:
    return any(
        cell[:1].isdigit() or cell[:1] in ("-", "+", "#", "*") or cell.isalpha() for cell in cells if cell
    )


def _take(cells: Cells, row: list[str], place: int, start: int, width: int, line: int) -> None:
    for column, text in enumerate(row[start : start + width], 1):
        if text:
            cells[place, column] = (text, line)


def clock(text: str) -> float | None:
    """Hours of `0:30:00` or `1.00:30:00` (days before the point); None of any other text."""
    told = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d{2})(?::(\d{2}(?:\.\d+)?))?", text.strip())
    if told is None:
        return None
    days, hours, minutes, seconds = (float(part) if part else 0.0 for part in told.groups())
    return 24 * days + hours + minutes / 60 + seconds / 3600
