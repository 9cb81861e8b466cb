"""A sheet of an Excel workbook: cells as a person reads them, with the sheet's own row numbers.

Cells with an error (#N/A, #DIV/0!) and formulas that were never calculated are missing, and listed one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zipfile import ZipFile

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.encoding import AGAIN
from sequela.records.frames import cell_text, needs, no_table
from sequela.records.raw import Raw
from sequela.records.splitting import header_places

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sequela.records.source import Source

ERROR: Final = "e"  # the workbook's own mark of a cell that holds an error


def read_workbook(source: Source, path: Path, wanted: tuple[str, ...]) -> Raw:
    """The wanted columns of one sheet.

    The first row that is not empty names the columns; empty rows and rows that start with the comment sign are
    skipped. Merged cells hold their value in the first cell only.

    Raises:
        DataError: R102 no rows; R103 no workbook; R107 no such column; R108 a column twice; R114 no such
            sheet; R115 several sheets and none named.
        UsageError: R113, openpyxl is not installed.
    """
    with _Book(path, values=True) as book:
        sheet = _sheet(source, path, book.workbook)
        header, rows = _rows(source, sheet)
        places = header_places(source, path, header, wanted) if header else {}
        if not rows:
            found = "a header only" if header else "an empty sheet"
            allowed = "a header and at least one row"
            raise DataError(
                Finding("R102", "error", "the sheet has no rows", Where(str(path)), found, allowed, AGAIN)
            )
        forms = {column.heading: column.date_format for column in source.columns}
        columns = {name: [_text(row, at, forms.get(name)) for _, row in rows] for name, at in places.items()}
        findings = [*_errors(path, places, rows), *_percents(path, places, rows)]
        title = sheet.title
    findings += _uncalculated(path, title, places)
    lines = pl.Series("_line", [line for line, _ in rows], dtype=pl.Int64)
    frame = pl.DataFrame(columns, schema=dict.fromkeys(wanted, pl.String))
    return Raw(frame.with_columns(lines), tuple(findings))


def cells_of(source: Source, path: Path) -> list[list[str]]:
    """Every row of a sheet as texts, empty cells and errors as empty ones: for plates and layouts.

    Raises:
        DataError, UsageError: as `read_workbook`.
    """
    with _Book(path, values=True) as book:
        sheet = _sheet(source, path, book.workbook)
        return [[_text(row, at, None) or "" for at in range(len(row))] for row in sheet.iter_rows()]


def sheets_of(path: Path) -> list[str]:
    """The names of the sheets of a workbook that are not empty."""
    with _Book(path, values=True) as book:
        return [sheet.title for sheet in book.workbook.worksheets if _filled(sheet)]


def header_of(source: Source, path: Path) -> list[str]:
    """The names of the columns of a sheet; empty ones where a column has none."""
    with _Book(path, values=True) as book:
        return _rows(source, _sheet(source, path, book.workbook))[0]


class _Book:
    """A workbook opened for reading, and closed again."""

    def __init__(self, path: Path, *, values: bool) -> None:
        try:
            from openpyxl import load_workbook
        except ImportError:
            raise needs("openpyxl", "excel", "an Excel file") from None
        try:
            self.workbook: Any = load_workbook(path, read_only=True, data_only=values)
        except Exception as fault:  # zip, XML and its own errors, all for a file that is no workbook
            found = (str(fault).splitlines() or [""])[0][:200]
            remedy = f"save it as an Excel workbook (.xlsx), or {AGAIN}"
            message = "the file cannot be read as an Excel workbook"
            raise DataError(
                Finding("R103", "error", message, Where(str(path)), found, "an .xlsx file", remedy)
            ) from None

    def __enter__(self) -> _Book:
        return self

    def __exit__(self, *_: object) -> None:
        self.workbook.close()


def _filled(sheet: Any) -> bool:
    return any(cell.value not in (None, "") for row in sheet.iter_rows(max_row=50) for cell in row)


def _sheet(source: Source, path: Path, workbook: Any) -> Any:
    sheets = list(workbook.worksheets)
    if source.sheet is not None:
        found = next((sheet for sheet in sheets if sheet.title.strip() == source.sheet.strip()), None)
        if found is None:
            raise no_table(source, path, "sheet", source.sheet, [sheet.title for sheet in sheets])
        return found
    filled = [sheet for sheet in sheets if _filled(sheet)]
    if len(filled) > 1:
        names = ", ".join(sheet.title for sheet in filled)
        raise DataError(
            Finding(
                "R115", "error", f"the workbook has {len(filled)} sheets, and the source names none",
                Where(str(path)), names, "one sheet for each source",
                f'say sheet = "{filled[0].title}" under [sources.{source.name}]',
            )
        )  # fmt: skip
    return filled[0] if filled else sheets[0]


def _rows(source: Source, sheet: Any) -> tuple[list[str], list[tuple[int, Sequence[Any]]]]:
    """The names of the columns, and every row that is not empty with its number in the sheet."""
    header: list[str] = []
    rows: list[tuple[int, Sequence[Any]]] = []
    skip = source.header_rows
    for number, row in enumerate(sheet.iter_rows(), 1):
        first = next((cell.value for cell in row if cell.value not in (None, "")), None)
        if first is None or (source.comment and str(first).startswith(source.comment)):
            continue
        if skip:
            header = header or [(cell_text(cell.value) or "").strip() for cell in row]
            skip -= 1
        else:
            rows.append((number, row))
    return header, rows


def _text(row: Sequence[Any], at: int, form: str | None) -> str | None:
    if at >= len(row) or row[at].data_type == ERROR:
        return None
    return cell_text(row[at].value, form)


def _errors(
    path: Path, places: dict[str, int], rows: Sequence[tuple[int, Sequence[Any]]]
) -> Iterator[Finding]:
    for name, at in places.items():
        for line, row in rows:
            if at < len(row) and row[at].data_type == ERROR:
                yield _cell(path, line, name, str(row[at].value), "the cell holds an error")


def _cell(path: Path, line: int, name: str, found: str, what: str) -> Finding:
    return Finding(
        "R207", "error", f"{what}; it is taken as missing", Where(str(path), line, name), found,
        "a value", "mend the formula in the workbook, calculate it and save",
    )  # fmt: skip


def _percents(
    path: Path, places: dict[str, int], rows: Sequence[tuple[int, Sequence[Any]]]
) -> Iterator[Finding]:
    """A cell that shows 60 % holds 0.6: one note for each such column."""
    for name, at in places.items():
        shown = [
            line
            for line, row in rows
            if at < len(row)
            and isinstance(row[at].value, int | float)
            and "%" in str(getattr(row[at], "number_format", ""))
        ]
        if shown:
            yield Finding(
                "R210", "warning", f"{len(shown)} cells of `{name}` are shown as percentages, and held as fractions",
                Where(str(path), shown[0], name), "60% is read as 0.6", "one scale in the whole column",
                "say scale = 100 for this column, or format the cells as numbers",
            )  # fmt: skip


def _uncalculated(path: Path, title: str, places: dict[str, int]) -> list[Finding]:
    """Formulas without a stored value: only where the file holds formulas at all is it read a second time."""
    with ZipFile(path) as parts:
        sheets = [name for name in parts.namelist() if name.startswith("xl/worksheets/")]
        if not any(b"<f>" in (text := parts.read(name)) or b"<f " in text for name in sheets):
            return []
    findings: list[Finding] = []
    names = {at: name for name, at in places.items()}
    with _Book(path, values=True) as values, _Book(path, values=False) as formulas:
        pairs = zip(values.workbook[title].iter_rows(), formulas.workbook[title].iter_rows(), strict=True)
        for line, (value, formula) in enumerate(pairs, 1):
            for at, cell in enumerate(formula):
                if at in names and cell.data_type == "f" and value[at].value is None:
                    what = "the formula was never calculated"
                    findings.append(_cell(path, line, names[at], str(cell.value), what))
    return findings
