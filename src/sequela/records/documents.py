"""Tables out of documents: HTML, DOCX and CSV to grids of text. What the numbers mean is decided elsewhere.

A superscript is kept between carets, `Ki-67^a^`, so that a footnote mark is never read as part of a number. Cells
that span rows or columns repeat their text in every place that they cover.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SUFFIXES: Final = (".html", ".htm", ".docx", ".csv", ".tsv")
_MACHINE = re.compile(r": (value|lower|upper|percent)$")  # columns of full numbers in Sequela's CSV files


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as text.

    Attributes:
        caption: the words that announce it.
        rows: all rows, each of the same length.
        heads: how many of the first rows are headings.
        lines: for each row, its place in the file (line of HTML and CSV, row number of DOCX), from 1.
        notes: the words below the table; None where the format has no place for footnotes (CSV).
    """

    caption: str
    rows: tuple[tuple[str, ...], ...]
    heads: int
    lines: tuple[int, ...]
    notes: str | None = None


def read_grids(path: Path) -> tuple[Grid, ...]:
    """All tables of a document.

    Raises:
        UsageError: P101, the file is of none of the kinds that hold tables, or is damaged.
    """
    suffix = path.suffix.lower()
    if suffix == ".docx":
        return _docx(path)
    if suffix not in SUFFIXES:
        raise _unreadable(path, f"a file that ends in `{suffix}`")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise _unreadable(path, f"bytes that are no UTF-8 ({fault.reason})") from fault
    if suffix in (".html", ".htm"):
        return html_grids(text)
    return (csv_grid(text, path.stem, "\t" if suffix == ".tsv" else ","),)


def _unreadable(path: Path, found: str) -> UsageError:
    return UsageError(
        Finding(
            "P101",
            "error",
            "the document cannot be read",
            Where(file=str(path)),
            found=found,
            allowed=".toml, .html, .docx, .csv (comma, UTF-8), .tsv",
            remedy="save the tables as HTML or DOCX, or type them into a TOML file (see docs/recheck.md)",
        )
    )


def csv_grid(text: str, caption: str, delimiter: str = ",") -> Grid:
    """A CSV text as a grid: the first row is the heading, lines that start with `#` are left out.

    Sequela's own CSV tables carry a `group` column and full numbers beside the printed ones; both are left out,
    for it is what was printed that is read here.
    """
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    rows, lines = list[list[str]](), list[int]()
    for row in reader:
        if any(cell.strip() for cell in row) and not row[0].startswith("#"):
            rows.append([cell.strip() for cell in row])
            lines.append(reader.line_num)
    if not rows:
        return Grid(caption, (), 0, ())
    head = rows[0]
    kept = [
        j
        for j, name in enumerate(head)
        if not _MACHINE.search(name) and not (j == 0 and name == "group" and len(head) > 1)
    ]
    padded = [[*row, *[""] * (len(head) - len(row))] for row in rows]
    return Grid(caption, tuple(tuple(row[j] for j in kept) for row in padded), 1, tuple(lines))


def html_grids(text: str) -> tuple[Grid, ...]:
    """The tables of an HTML text, in order; a table within a table is read as its own."""
    reader = _Tables()
    reader.feed(text)
    reader.close()
    return tuple(table.grid() for table in reader.done)


@dataclass(slots=True)
class _Cell:
    text: str
    head: bool
    columns: int
    rows: int


class _Open:
    """A table while it is read."""

    def __init__(self) -> None:
        self.rows: list[list[_Cell]] = []
        self.lines: list[int] = []
        self.thead: list[bool] = []
        self.caption = ""
        self.notes = ""
        self.in_head = False

    def grid(self) -> Grid:
        rows = _spread(self.rows)
        heads = sum(self.thead) if any(self.thead) else _leading(self.rows)
        return Grid(_tidy(self.caption), rows, heads, tuple(self.lines), _tidy(self.notes))


class _Tables(HTMLParser):
    """Collects cells, captions, superscripts, and the words between one table and the next."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.done: list[_Open] = []
        self.open: list[_Open] = []
        self.cell: _Cell | None = None
        self.caption = False
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag opens."""
        table = self.open[-1] if self.open else None
        if tag in ("style", "script", "svg"):
            self.hidden += 1
        elif tag == "table":
            self.open.append(_Open())
            self.done.append(self.open[-1])
        elif tag == "sup":
            self.handle_data("^")
        elif tag in ("br", "p", "div", "li", "section", "h1", "h2", "h3"):
            self.handle_data(" ")
        elif table is None:
            return
        elif tag == "caption":
            self.caption = True
        elif tag in ("thead", "tbody", "tfoot"):
            table.in_head = tag == "thead"
        elif tag == "tr":
            table.rows.append([])
            table.lines.append(self.getpos()[0])
            table.thead.append(table.in_head)
        elif tag in ("td", "th") and table.rows:
            self.cell = _Cell("", tag == "th", _span(attrs, "colspan"), _span(attrs, "rowspan"))
            table.rows[-1].append(self.cell)

    def handle_endtag(self, tag: str) -> None:
        """A tag closes."""
        if tag in ("style", "script", "svg"):
            self.hidden = max(0, self.hidden - 1)
        elif tag == "sup":
            self.handle_data("^")
        elif tag == "table" and self.open:
            self.open.pop()
            self.cell = None
        elif tag == "caption":
            self.caption = False
        elif tag == "thead" and self.open:
            self.open[-1].in_head = False
        elif tag in ("td", "th"):
            self.cell = None

    def handle_data(self, data: str) -> None:
        """Words."""
        if self.hidden:
            return
        if self.caption and self.open:
            self.open[-1].caption += data
        elif self.cell is not None:
            self.cell.text += data
        elif not self.open and self.done:
            self.done[-1].notes += data


def _span(attrs: Iterable[tuple[str, str | None]], name: str) -> int:
    value = dict(attrs).get(name) or "1"
    return min(max(int(value), 1), 1000) if value.isdigit() else 1


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _leading(rows: Sequence[Sequence[_Cell]]) -> int:
    """Headings of a table without <thead>: the first rows of which every cell is a heading; at least one."""
    count = 0
    for row in rows:
        if not all(cell.head for cell in row):
            break
        count += 1
    return max(1, count)


def _spread(rows: Sequence[Sequence[_Cell]]) -> tuple[tuple[str, ...], ...]:
    """Cells laid out on a rectangle, spans repeated."""
    placed: dict[tuple[int, int], str] = {}
    for i, row in enumerate(rows):
        j = 0
        for cell in row:
            while (i, j) in placed:
                j += 1
            for down in range(min(cell.rows, len(rows) - i)):
                for right in range(cell.columns):
                    placed[i + down, j + right] = _tidy(cell.text)
            j += cell.columns
    width = max((j for _, j in placed), default=-1) + 1
    return tuple(tuple(placed.get((i, j), "") for j in range(width)) for i in range(len(rows)))


def _docx(path: Path) -> tuple[Grid, ...]:
    """Tables of a Word document; the paragraph before a table is its caption, those after it are its notes."""
    from zipfile import BadZipFile

    from docx import Document
    from docx.opc.exceptions import PackageNotFoundError
    from docx.table import Table

    try:
        document: Any = Document(str(path))
    except (PackageNotFoundError, BadZipFile, KeyError, ValueError) as fault:
        if not path.exists():
            raise FileNotFoundError(2, "No such file or directory", str(path)) from fault
        raise _unreadable(path, "a damaged DOCX file") from fault
    found, between = list[tuple[Any, str, list[str]]](), list[str]()
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            found.append((block, between[-1] if between else "", []))
            between = []
        elif text := _tidy(_words(block)):
            between.append(text)
            if found:
                found[-1][2].append(text)
    return tuple(_docx_grid(table, caption, notes) for table, caption, notes in found)


def _docx_grid(table: Any, caption: str, notes: Sequence[str]) -> Grid:
    rows = [[_tidy(" ".join(_words(p) for p in cell.paragraphs)) for cell in row.cells] for row in table.rows]
    width = max((len(row) for row in rows), default=0)
    padded = tuple((*row, *[""] * (width - len(row))) for row in rows)
    numbered = re.compile(r"^[<>]?\s*\d")
    heads = next((i for i, row in enumerate(padded) if any(numbered.match(cell) for cell in row[1:])), 1)
    # a heading row of the body has words in its stub only
    while heads > 1 and not any(padded[heads - 1][1:]):
        heads -= 1
    return Grid(caption, padded, max(1, heads), tuple(range(1, len(padded) + 1)), " ".join(notes))


def _words(paragraph: Any) -> str:
    return "".join(f"^{run.text}^" if run.font.superscript else run.text for run in paragraph.runs)
