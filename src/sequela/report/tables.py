"""A small table model: a cell keeps its number beside its text, a footnote is given where it belongs.

Three writers stand beside it: `to_csv` and `to_text` here, HTML in `report.html`.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from itertools import groupby, pairwise
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, Literal

from rich.table import Table as RichTable
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

Align = Literal["left", "right", "center"]
Kind = Literal["row", "group", "muted"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of cells; a line break in `label` parts the heading from its subheading, such as `(n=194)`.

    Neighbouring columns with the same `spanner` share it as a heading above them.
    """

    label: str
    spanner: str | None = None
    align: Align = "right"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """What is printed, and the number behind it.

    Attributes:
        text: as printed, `91 (46.9%)`.
        value: the number in full, for the CSV and for reading back.
        parts: further numbers of a composed text, `(("percent", 46.907), …)`.
        notes: footnotes of this cell.
    """

    text: str
    value: float | None = None
    parts: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A row; `kind="group"` opens a block of rows, `"muted"` steps back (unknown, reference)."""

    label: str
    cells: tuple[Cell, ...] = ()
    indent: int = 0
    kind: Kind = "row"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it stands in a paper.

    Attributes:
        id: name for files and links.
        number: "Table 3", or empty.
        title: one line above the table.
        columns: the columns of cells.
        rows: each with one cell per column, or with none.
        notes: general notes below the table, before the lettered footnotes.
        banner: a warning that must travel with the table, such as "Simulated patients".
        stub: heading of the column of row labels.
    """

    id: str
    number: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    banner: str | None = None
    stub: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if row.cells and len(row.cells) != len(self.columns):
                raise ValueError(
                    f"{self.id}: row {row.label!r} has {len(row.cells)} cells for {len(self.columns)} columns"
                )


def footnotes(table: Table) -> dict[str, str]:
    """The lettered footnotes in reading order: text to mark (a, b, …, z, aa, …)."""
    texts: dict[str, None] = {}
    for column in table.columns:
        texts |= dict.fromkeys(column.notes)
    for row in table.rows:
        texts |= dict.fromkeys(row.notes)
        for cell in row.cells:
            texts |= dict.fromkeys(cell.notes)
    return {text: _mark(place) for place, text in enumerate(texts)}


def letters_across(table: Table) -> int:
    """How many letters the widest cell of every column has, together: what a page needs to know to fit them in."""
    columns = [max((len(row.label) for row in table.rows), default=0)]
    for nth, column in enumerate(table.columns):
        cells = [row.cells[nth].text for row in table.rows if nth < len(row.cells)]
        columns.append(max(map(len, [*cells, *column.label.split("\n")])))
    return sum(columns)


def _mark(place: int) -> str:
    rounds, letter = divmod(place, 26)
    return ascii_lowercase[letter] * (rounds + 1)


def spanners(table: Table) -> list[tuple[str | None, int]]:
    """Headings above the columns with the number of columns each spans."""
    return [
        (name, len(list(columns)))
        for name, columns in groupby(table.columns, key=lambda column: column.spanner)
    ]


def blocks(table: Table) -> list[tuple[Row, ...]]:
    """The rows cut before each group row."""
    cuts = [
        0,
        *(place for place, row in enumerate(table.rows) if row.kind == "group" and place),
        len(table.rows),
    ]
    return [table.rows[start:end] for start, end in pairwise(cuts) if start < end]


def _headings(table: Table) -> list[str]:
    return [
        " – ".join(part for part in (column.spanner, column.label.replace("\n", " ")) if part)
        for column in table.columns
    ]


def _part_names(table: Table, place: int) -> list[str]:
    """Names of the numbers that the cells of one column keep; `value` first."""
    cells = [row.cells[place] for row in table.rows if row.cells]
    names = ["value"] if any(cell.value is not None for cell in cells) else []
    return names + list(dict.fromkeys(name for cell in cells for name, _ in cell.parts))


def to_csv(table: Table) -> str:
    """Comma-separated: group, label, then for each column its text and every number behind it, unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    parts = [_part_names(table, place) for place in range(len(table.columns))]
    heading = ["group", table.stub or "label"]
    for name, numbers in zip(_headings(table), parts, strict=True):
        heading += [name, *(f"{name}: {part}" for part in numbers)]
    writer.writerow(heading)
    writer.writerows(_csv_rows(table, parts))
    return out.getvalue()


def _csv_rows(table: Table, parts: list[list[str]]) -> Iterator[list[str]]:
    group = ""
    for row in table.rows:
        if row.kind == "group":
            group = row.label
        line = [group, row.label]
        for place, names in enumerate(parts):
            cell = row.cells[place] if row.cells else Cell("")
            numbers = dict(cell.parts) if cell.value is None else {"value": cell.value, **dict(cell.parts)}
            line += [cell.text, *(_full(numbers.get(name)) for name in names)]
        yield line


def _full(number: float | None) -> str:
    return "" if number is None else repr(number)


def to_text(table: Table, console: Console) -> None:
    """Print the table to a terminal, footnotes below."""
    marks = footnotes(table)
    drawn = RichTable(box=None, pad_edge=False, show_edge=False, header_style="bold", title_justify="left")
    drawn.add_column(Text(table.stub), overflow="fold")
    for name, column in zip(_headings(table), table.columns, strict=True):
        drawn.add_column(Text(name + _marks(column.notes, marks)), justify=column.align, overflow="fold")
    for row in table.rows:
        style = {"group": "bold", "muted": "dim", "row": ""}[row.kind]
        cells = [Text(cell.text + _marks(cell.notes, marks), style=style) for cell in row.cells]
        drawn.add_row(Text("  " * row.indent + row.label + _marks(row.notes, marks), style=style), *cells)
    console.print(Text(heading(table), style="bold"))
    if table.banner:
        console.print(Text(table.banner, style="bold yellow"))
    console.print(drawn)
    for note in (*table.notes, *(f"{mark} {text}" for text, mark in marks.items())):
        console.print(Text(note, style="dim"))


def heading(table: Table) -> str:
    """Number and title as one line."""
    return f"{table.number}. {table.title}" if table.number else table.title


def _marks(notes: Iterable[str], marks: dict[str, str]) -> str:
    own = set(notes)
    letters = ",".join(mark for text, mark in marks.items() if text in own)
    return f" [{letters}]" if letters else ""


def as_dict(table: Table) -> dict[str, Any]:
    """Plain values for JSON; numbers that JSON cannot hold become the words `inf`, `-inf`, `nan`."""
    return {
        "id": table.id,
        "number": table.number,
        "title": table.title,
        "stub": table.stub,
        "banner": table.banner,
        "notes": list(table.notes),
        "columns": [
            {"label": c.label, "spanner": c.spanner, "align": c.align, "notes": list(c.notes)}
            for c in table.columns
        ],
        "rows": [_row_as_dict(row) for row in table.rows],
    }


def _row_as_dict(row: Row) -> dict[str, Any]:
    cells = [
        {
            "text": cell.text,
            "value": _to_json(cell.value),
            "parts": {name: _to_json(number) for name, number in cell.parts},
            "notes": list(cell.notes),
        }
        for cell in row.cells
    ]
    return {
        "label": row.label,
        "indent": row.indent,
        "kind": row.kind,
        "notes": list(row.notes),
        "cells": cells,
    }


def _to_json(number: float | None) -> float | str | None:
    return number if number is None or math.isfinite(number) else repr(float(number))


def _from_json(number: float | str | None) -> float | None:
    return float(number) if isinstance(number, str) else number


def from_dict(data: dict[str, Any]) -> Table:
    """The table that `as_dict` wrote."""
    return Table(
        id=data["id"],
        number=data["number"],
        title=data["title"],
        columns=tuple(
            Column(c["label"], c["spanner"], c["align"], tuple(c["notes"])) for c in data["columns"]
        ),
        rows=tuple(_row_from_dict(row) for row in data["rows"]),
        notes=tuple(data["notes"]),
        banner=data["banner"],
        stub=data["stub"],
    )


def _row_from_dict(row: dict[str, Any]) -> Row:
    cells = tuple(
        Cell(
            cell["text"],
            _from_json(cell["value"]),
            tuple((name, float(number)) for name, number in cell["parts"].items()),
            tuple(cell["notes"]),
        )
        for cell in row["cells"]
    )
    return Row(row["label"], cells, row["indent"], row["kind"], tuple(row["notes"]))
