"""From a source to its files, and from a file to columns of text: finding, unpacking, decoding."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyreadstat

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.splitting import no_column, split

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.records.source import Source

_AGAIN: Final = "copy or export the file again"
_MARKS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """The wanted columns of one file as text (null is an empty cell), and `_line`, the line of each row."""

    frame: pl.DataFrame
    sha256: str


def find(source: Source, base: Path) -> list[Path]:
    """The files of a source, in the order declared; those of a pattern in the order of their names.

    Raises:
        DataError: R101, a file or pattern finds nothing.
    """
    found: list[Path] = []
    for name in source.files:
        pattern = any(sign in name for sign in "*?[")
        paths = sorted(base.glob(name)) if pattern else [base / name]
        if not paths or not all(path.is_file() for path in paths):
            raise DataError(_missing(source, base / name))
        found.extend(paths)
    return found


def _missing(source: Source, path: Path) -> Finding:
    folder = path.parent
    beside = sorted(other.name for other in folder.iterdir() if other.is_file()) if folder.is_dir() else []
    near = get_close_matches(path.name, beside, 3, 0.5)
    found = f"{len(beside)} other files in {folder}" if beside else f"no files in {folder}"
    return Finding(
        "R101", "error", f"the file of source `{source.name}` is missing", Where(str(path)),
        found=f"near it: {', '.join(near)}" if near else found, allowed="a file beside the study file",
        remedy=f"mend `file` under [sources.{source.name}], or put the file in place",
    )  # fmt: skip


def read_raw(source: Source, path: Path, wanted: tuple[str, ...]) -> Raw:
    """The wanted columns of a file.

    Args:
        source: the layout.
        path: the file.
        wanted: names of columns in the file, each once.

    Raises:
        DataError: R102 empty; R103 cut short or damaged; R104 another encoding; R105 another delimiter;
            R106 rows of different length; R107 no such column; R108 a column name twice.
    """
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    kind = source.format_of(path)
    if kind in ("parquet", "sav"):
        return Raw(_from_frame(source, path, wanted, _frame(path, kind)), digest)
    text = _decode(source, path, _unpack(path, data))
    return Raw(split(source, path, text, wanted), digest)


def _unpack(path: Path, data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        message = "the compressed file is cut short or damaged"
        raise DataError(
            Finding("R103", "error", message, Where(str(path)), str(fault), "a whole gzip file", _AGAIN)
        ) from None


def _decode(source: Source, path: Path, data: bytes) -> str:
    encoding = "utf-8-sig" if source.encoding.lower() in ("utf-8", "utf8") else source.encoding
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as fault:
        raise DataError(_undecoded(source, path, data, fault)) from None
    except LookupError:
        message, remedy = (
            f"there is no encoding `{encoding}`",
            f"mend `encoding` under [sources.{source.name}]",
        )
        allowed = "utf-8, cp1252, latin-1, utf-16, …"
        raise DataError(
            Finding("R104", "error", message, Where(str(path)), allowed=allowed, remedy=remedy)
        ) from None


def _undecoded(source: Source, path: Path, data: bytes, fault: UnicodeDecodeError) -> Finding:
    mark = _MARKS.get(data[:2])
    likely = f'encoding = "{mark}"' if mark else 'encoding = "cp1252" (Windows) or "latin-1"'
    return Finding(
        "R104", "error", f"the file is not {source.encoding} text",
        Where(str(path), data[: fault.start].count(b"\n") + 1),
        found=f"byte 0x{data[fault.start]:02x} at position {fault.start}", allowed=source.encoding,
        remedy=f"save the file as UTF-8, or say {likely} under [sources.{source.name}]",
    )  # fmt: skip


def _frame(path: Path, kind: str) -> pl.DataFrame:
    try:
        if kind == "parquet":
            return pl.read_parquet(path)
        # User-missing values become missing, and value labels take the place of their codes.
        frame: Any = pyreadstat.read_sav(str(path), output_format="polars", apply_value_formats=True)[0]  # pyright: ignore[reportUnknownMemberType]
    except Exception as fault:  # each library has its own family of errors for a damaged file
        message, found = f"the file cannot be read as {kind}", str(fault).splitlines()[0][:200]
        raise DataError(
            Finding("R103", "error", message, Where(str(path)), found, f"a whole {kind} file", _AGAIN)
        ) from None
    return frame


def _from_frame(source: Source, path: Path, wanted: tuple[str, ...], frame: pl.DataFrame) -> pl.DataFrame:
    if frame.is_empty():
        allowed = "at least one row"
        raise DataError(
            Finding("R102", "error", "the file has no rows", Where(str(path)), None, allowed, _AGAIN)
        )
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        raise DataError([no_column(source, path, frame.columns, name) for name in absent])
    lines = pl.Series("_line", range(1, frame.height + 1), dtype=pl.Int64)
    return pl.DataFrame([*(_as_text(frame[name]) for name in wanted), lines])


def _as_text(values: pl.Series) -> pl.Series:
    """Text as a person would write it: SPSS keeps the patient number 12 as 12.0."""
    if values.dtype.is_float():
        values = values.fill_nan(None)
        whole = values.round(0) == values
        if whole.all() and values.abs().max() is not None:
            values = values.cast(pl.Int64, strict=False)
    return values.cast(pl.String, strict=False)
