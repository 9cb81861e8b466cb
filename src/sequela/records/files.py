"""From bytes to raw rows of text: unpacking, decoding, splitting, and what can be wrong with a file as a whole."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.records.source import Source

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Raw:
    """The wanted columns of one file as text (null is an empty cell), with the physical line of each row."""

    columns: dict[str, list[str | None]]
    lines: list[int]
    sha256: str


def find(source: Source, base: Path) -> list[Path]:
    """The files of a source, in the order declared; patterns in the order of their names.

    Raises:
        DataError: R101, a file or pattern finds nothing.
    """
    found: list[Path] = []
    for name in source.files:
        matches = sorted(base.glob(name)) if any(sign in name for sign in "*?[") else [base / name]
        if not matches or not all(path.is_file() for path in matches):
            raise DataError(_missing(source, base / name))
        found.extend(matches)
    return found


def _missing(source: Source, path: Path) -> Finding:
    beside = sorted(other.name for other in path.parent.iterdir() if other.is_file()) if path.parent.is_dir() else []
    near = get_close_matches(path.name, beside, 3, 0.5)
    return Finding(
        "R101", "error", f"the file of source `{source.name}` is missing", Where(str(path)),
        found=f"near it: {', '.join(near)}" if near else (f"{len(beside)} other files there" if beside else "nothing there"),
        allowed="a file beside the study file", remedy=f"mend `file` under [sources.{source.name}], or put the file in place",
    )  # fmt: skip


def read_raw(source: Source, path: Path, wanted: tuple[str, ...]) -> Raw:
    """The wanted columns of a file.

    Raises:
        DataError: the file is empty, cut short, in another encoding, split by another delimiter, or lacks a column.
    """
    kind = source.format_of(path)
    if kind in ("parquet", "sav"):
        return _from_frame(source, path, wanted, _frame(path, kind))
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    text = _decode(source, path, _unpack(path, data))
    if not text.strip():
        raise DataError(Finding("R102", "error", "the file is empty", Where(str(path)), found=f"{len(data)} bytes", allowed="a header and at least one row", remedy="export the file again"))
    delimiter = source.delimiter or ("\t" if kind == "tsv" else ",")
    header, rows, lines = _split(source, path, text, delimiter)
    places = _places(source, path, header, delimiter, wanted)
    columns = {name: [row[at] or None for row in rows] for name, at in places.items()}
    return Raw(columns, lines, digest)


def _unpack(path: Path, data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise DataError(Finding("R103", "error", "the compressed file is cut short or damaged", Where(str(path)), found=str(fault), allowed="a whole gzip file", remedy="copy or export the file again")) from None


def _decode(source: Source, path: Path, data: bytes) -> str:
    encoding = "utf-8-sig" if source.encoding.lower() in ("utf-8", "utf8") else source.encoding
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise DataError(Finding(
            "R104", "error", f"the file is not {source.encoding} text", Where(str(path), line),
            found=f"byte 0x{data[fault.start]:02x} at position {fault.start}", allowed=source.encoding,
            remedy=f'save the file as UTF-8, or say encoding = "cp1252" (Windows) or "latin-1" under [sources.{source.name}]',
        )) from None  # fmt: skip
    except LookupError:
        raise DataError(Finding("R104", "error", f"there is no encoding `{source.encoding}`", Where(str(path)), allowed="utf-8, cp1252, latin-1, …", remedy=f"mend `encoding` under [sources.{source.name}]")) from None


def _split(source: Source, path: Path, text: str, delimiter: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows and the line each row ends on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    skip = source.header_rows
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if not row or (source.comment and row[0].startswith(source.comment)):
                continue
            if skip:
                header, skip = header or [name.strip() for name in row], skip - 1
                continue
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as fault:
        raise DataError(Finding("R103", "error", "a quotation mark is opened and never closed, or the file is cut short", Where(str(path), reader.line_num), found=str(fault), allowed="every text closed by its quotation mark", remedy="look at that line, or export the file again")) from None
    if header is None or not rows:
        raise DataError(Finding("R102", "error", "the file has no rows", Where(str(path)), found="a header only" if header else "comments only", allowed="a header and at least one row", remedy="export the file again"))
    _ragged(path, text, header, rows, lines, delimiter)
    return header, rows, lines


def _ragged(path: Path, text: str, header: list[str], rows: list[list[str]], lines: list[int], delimiter: str) -> None:
    width = len(header)
    bad = [i for i, row in enumerate(rows) if len(row) != width]
    if not bad or width == 1:
        return
    at = bad[0]
    if bad == [len(rows) - 1] and len(rows[at]) < width and not text.endswith("\n"):
        raise DataError(Finding("R103", "error", "the file is cut short: its last row ends in the middle", Where(str(path), lines[at]), found=f"{len(rows[at])} of {width} fields, and no end of line", allowed=f"{width} fields", remedy="copy or export the file again"))
    raise DataError(Finding(
        "R106", "error", f"{len(bad)} rows do not have as many fields as the header", Where(str(path), lines[at]),
        found=f"{len(rows[at])} fields, the header has {width}" + (f"; also lines {', '.join(str(lines[i]) for i in bad[1:4])}" if len(bad) > 1 else ""),
        allowed=f"{width} fields in every row", remedy=f"put texts that hold a {DELIMITERS.get(delimiter, 'delimiter')} into quotation marks, or export the file again",
    ))  # fmt: skip


def _places(source: Source, path: Path, header: list[str], delimiter: str, wanted: tuple[str, ...]) -> dict[str, int]:
    """Where each wanted column stands."""
    absent = [name for name in wanted if name not in header]
    if absent and len(header) == 1:
        other = next((sign for sign in DELIMITERS if sign != delimiter and sign in header[0]), None)
        if other:
            raise DataError(Finding(
                "R105", "error", "the file is split by another delimiter", Where(str(path), 1),
                found=f"one column with {DELIMITERS[other]}s in its name: {header[0][:60]!r}", allowed=DELIMITERS.get(delimiter, delimiter),
                remedy=f"say delimiter = {'\"' + other.replace(chr(9), chr(92) + 't') + '\"'} under [sources.{source.name}]",
            ))  # fmt: skip
    if absent:
        raise DataError([_no_column(source, path, header, name) for name in absent])
    twice = [name for name in wanted if header.count(name) > 1]
    if twice:
        raise DataError(Finding("R108", "error", f"two columns are called `{twice[0]}`", Where(str(path), 1, twice[0]), allowed="one column of each name", remedy="rename one of the two"))
    return {name: header.index(name) for name in wanted}


def _no_column(source: Source, path: Path, header: list[str], name: str) -> Finding:
    near = get_close_matches(name, header, 3, 0.5)
    return Finding(
        "R107", "error", f"the file has no column `{name}`" + (f": did you mean `{near[0]}`?" if near else ""), Where(str(path), 1, name),
        found=", ".join(header[:12]) + (", …" if len(header) > 12 else ""), allowed=f"the columns that [sources.{source.name}.columns] names",
        remedy="mend the name in the study file, or export the column",
    )  # fmt: skip


def _frame(path: Path, kind: str) -> pl.DataFrame:
    try:
        if kind == "parquet":
            return pl.read_parquet(path)
        import pyreadstat

        frame: Any = pyreadstat.read_sav(str(path), output_format="polars", apply_value_formats=True)[0]  # pyright: ignore[reportUnknownMemberType]
        return frame
    except Exception as fault:  # every library has its own family of errors for a damaged file
        raise DataError(Finding("R103", "error", f"the file cannot be read as {kind}", Where(str(path)), found=str(fault)[:200], allowed=f"a whole {kind} file", remedy="export the file again")) from None


def _from_frame(source: Source, path: Path, wanted: tuple[str, ...], frame: pl.DataFrame) -> Raw:
    if frame.is_empty():
        raise DataError(Finding("R102", "error", "the file has no rows", Where(str(path)), allowed="at least one row", remedy="export the file again"))
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        raise DataError([_no_column(source, path, frame.columns, name) for name in absent])
    columns = {name: frame[name].cast(pl.String, strict=False).to_list() for name in wanted}
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return Raw(columns, list(range(1, frame.height + 1)), digest.hexdigest())
