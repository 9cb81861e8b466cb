"""Delimited text to columns: a fast way for plain text, and a careful one that also says what is wrong.

The fast way is taken only where it is proved to give what the careful one gives: no quotation marks, comments,
blank lines or carriage returns after the header, no row with too many fields (polars refuses it) and as many
delimiters in all as the rows need (so no row has too few).
"""

from __future__ import annotations

import csv
import io
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sequela.records.source import Source

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_AGAIN: Final = "copy or export the file again"


def split(source: Source, path: Path, text: str, wanted: tuple[str, ...]) -> pl.DataFrame:
    """The wanted columns of a text, null where a cell is empty, and `_line`, the first line of each row.

    Raises:
        DataError: R102 empty; R103 cut short; R105 another delimiter; R106 rows of different length;
            R107 no such column; R108 a column name twice.
    """
    if not text.strip():
        found = "only blank lines" if text else "0 bytes"
        raise DataError(
            _finding("R102", "the file is empty", path, None, found, "a header and at least one row")
        )
    text = text.replace("\r\n", "\n")
    delimiter = source.delimiter or ("\t" if source.format_of(path) == "tsv" else ",")
    if len(delimiter) != 1:
        message, remedy = (
            "the delimiter is not one character",
            f"mend `delimiter` under [sources.{source.name}]",
        )
        raise DataError(_finding("R105", message, path, None, repr(delimiter), "one character", remedy))
    fast = split_fast(source, path, text, delimiter, wanted)
    return split_carefully(source, path, text, delimiter, wanted) if fast is None else fast


def split_fast(
    source: Source, path: Path, text: str, delimiter: str, wanted: tuple[str, ...]
) -> pl.DataFrame | None:
    """As `split_carefully`, in bulk; None when the text is not plain enough, or anything is wrong."""
    start, line, header = _header(source, text, delimiter)
    body = text[start:]
    marks = ['"', "\r", "\n\n", *(["\n" + source.comment] if source.comment else [])]
    if not header or not body.strip() or any(mark in "\n" + body for mark in marks):
        return None
    places = places_of(source, path, header, delimiter, wanted)
    rows, width = body.count("\n") + (not body.endswith("\n")), len(header)
    if body.count(delimiter) != rows * (width - 1):
        return None
    schema = {str(i): pl.String for i in range(width)}
    try:
        frame = pl.read_csv(
            body.encode(), has_header=False, separator=delimiter, quote_char=None, schema=schema,
            columns=sorted(set(places.values())),
        )  # fmt: skip
    except pl.exceptions.PolarsError:
        return None
    if frame.height != rows:
        return None
    lines = pl.Series("_line", range(line, line + rows), dtype=pl.Int64)
    return pl.DataFrame([*(frame[str(at)].alias(name) for name, at in places.items()), lines])


def _header(source: Source, text: str, delimiter: str) -> tuple[int, int, list[str]]:
    """Where the body starts, its line number, and the names of the columns; no names if there are no rows."""
    at, line, names = 0, 1, [""]
    left = source.header_rows
    while left:
        end = text.find("\n", at)
        row = text[at:end]
        if end < 0 or '"' in row:
            return 0, 1, []
        if row and not (source.comment and row.startswith(source.comment)):
            names = [name.strip() for name in row.split(delimiter)] if left == source.header_rows else names
            left -= 1
        at, line = end + 1, line + 1
    return at, line, names


def split_carefully(
    source: Source, path: Path, text: str, delimiter: str, wanted: tuple[str, ...]
) -> pl.DataFrame:
    """The wanted columns by Python's csv reader, row by row; every fault is found here.

    Raises:
        DataError: as `split`.
    """
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    skip, start = source.header_rows, 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row and not (source.comment and row[0].startswith(source.comment)):
                if skip:
                    header, skip = header or [name.strip() for name in row], skip - 1
                else:
                    rows.append(row)
                    lines.append(start)
            start = reader.line_num + 1
    except csv.Error as fault:
        message = (
            "a quotation mark opens in this row and is not closed as it should be, or the file is cut short"
        )
        allowed, remedy = "every text closed by its quotation mark", f"look at that row, or {_AGAIN}"
        raise DataError(_finding("R103", message, path, start, str(fault), allowed, remedy)) from None
    if not rows:
        found = "a header only" if header else "comments only"
        raise DataError(
            _finding("R102", "the file has no rows", path, None, found, "a header and at least one row")
        )
    places = places_of(source, path, header, delimiter, wanted)
    _check_lengths(path, text, len(header), rows, lines, delimiter)
    columns = {name: [row[at] or None for row in rows] for name, at in places.items()}
    return pl.DataFrame(
        {**columns, "_line": lines}, schema={**dict.fromkeys(wanted, pl.String), "_line": pl.Int64}
    )


def _check_lengths(
    path: Path, text: str, width: int, rows: list[list[str]], lines: list[int], delimiter: str
) -> None:
    bad = [i for i, row in enumerate(rows) if len(row) != width]
    if not bad:
        return
    first = bad[0]
    fields = len(rows[first])
    if first == len(rows) - 1 and fields < width and not text.endswith("\n"):
        message, found = (
            "the file is cut short: its last row ends in the middle",
            f"{fields} of {width} fields",
        )
        raise DataError(_finding("R103", message, path, lines[first], found, f"{width} fields"))
    more = ", ".join(str(lines[i]) for i in bad[1:4]) + (", …" if len(bad) > 4 else "")
    message = (
        "a row does not have as many fields as the header"
        if len(bad) == 1
        else f"{len(bad)} rows do not have as many fields as the header"
    )
    found = f"{fields} fields, the header has {width}" + (f"; also in lines {more}" if more else "")
    sign = DELIMITERS.get(delimiter, repr(delimiter))
    remedy = f"put texts that hold a {sign} into quotation marks, or {_AGAIN}"
    raise DataError(
        _finding("R106", message, path, lines[first], found, f"{width} fields in every row", remedy)
    )


def places_of(
    source: Source, path: Path, header: Sequence[str], delimiter: str, wanted: tuple[str, ...]
) -> dict[str, int]:
    """Where each wanted column stands in the header.

    Raises:
        DataError: R105 another delimiter; R107 no such column; R108 a column name twice.
    """
    absent = [name for name in wanted if name not in header]
    other = next((sign for sign in DELIMITERS if sign != delimiter and sign in header[0]), None)
    if absent and len(header) == 1 and other:
        raise DataError(_other_delimiter(source, path, header[0], delimiter, other))
    return header_places(source, path, header, wanted)


def header_places(
    source: Source, path: Path, header: Sequence[str], wanted: tuple[str, ...]
) -> dict[str, int]:
    """Where each wanted column stands among the names of a table.

    Raises:
        DataError: R107 no such column; R108 a column name twice.
    """
    absent = [name for name in wanted if name not in header]
    if absent:
        raise DataError([no_column(source, path, header, name) for name in absent])
    twice = next((name for name in wanted if header.count(name) > 1), None)
    if twice is not None:
        at = [i + 1 for i, name in enumerate(header) if name == twice]
        found = f"columns {', '.join(map(str, at))}"
        message, remedy = f"{len(at)} columns are called `{twice}`", "rename all but one of them"
        raise DataError(_finding("R108", message, path, 1, found, "one column of each name", remedy))
    return {name: header.index(name) for name in wanted}


def _other_delimiter(source: Source, path: Path, header: str, delimiter: str, other: str) -> Finding:
    sign = {"\t": "\\t"}.get(other, other)
    return _finding(
        "R105", "the file is split by another delimiter", path, 1,
        f"a header of one column with {DELIMITERS[other]}s in it: {header[:60]!r}",
        f"a {DELIMITERS.get(delimiter, repr(delimiter))}",
        f'say delimiter = "{sign}" under [sources.{source.name}]',
    )  # fmt: skip


def no_column(source: Source, path: Path, header: Sequence[str], name: str) -> Finding:
    """R107: a column that the study names and the file lacks, with the nearest names."""
    near = get_close_matches(name, header, 3, 0.5) or [
        have for have in header if have.lower() == name.lower()
    ]
    return Finding(
        "R107", "error",
        f"the file has no column `{name}`" + (f": did you mean `{near[0]}`?" if near else ""),
        Where(str(path), None, name),
        found=", ".join(header[:12]) + (f", … ({len(header)} columns)" if len(header) > 12 else ""),
        allowed=f"the columns that [sources.{source.name}.columns] names",
        remedy="mend the name in the study file, or export the column",
    )  # fmt: skip


def _finding(
    code: str, message: str, path: Path, line: int | None, found: str, allowed: str, remedy: str = _AGAIN
) -> Finding:
    return Finding(code, "error", message, Where(str(path), line), found, allowed, remedy)
