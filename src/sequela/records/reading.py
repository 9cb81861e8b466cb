"""One source to one typed table: every cell that does not fit is a finding, and its value is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.dates import FORMATS, Day, formats_of, parse_date
from sequela.records.files import find, read_raw

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.records.source import Column, Source

YES: Final = frozenset({"yes", "y", "true", "t", "1", "1.0", "si", "sì", "ja", "oui"})
NO: Final = frozenset({"no", "n", "false", "f", "0", "0.0", "nein", "non"})
POLARS: Final[dict[str, Any]] = {
    "text": pl.String, "category": pl.String, "integer": pl.Int64, "number": pl.Float64, "day": pl.Int32, "date": pl.Int32, "boolean": pl.Boolean,
}  # fmt: skip
WORDS: Final = {
    "integer": "a whole number", "number": "a number", "day": "a whole number of days", "date": "a date", "boolean": "yes or no",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A source as read.

    Attributes:
        frame: our fields, then `_file` and `_line` (physical line; row number for Parquet and SPSS).
        findings: every cell and row that could not be used as it stands.
        rows_read, rows_kept: before and after rows without a patient, and all but the latest, were left out.
        sha256: of each file, by name.
    """

    source: Source
    frame: pl.DataFrame
    findings: tuple[Finding, ...]
    rows_read: int
    rows_kept: int
    sha256: Mapping[str, str]


def read(source: Source, base: Path) -> Table:
    """Read the files of a source and type its columns.

    Raises:
        DataError: a file cannot be used as a whole (R1xx), a column is not of its declared type, or holds dates in
            two formats.
    """
    wanted = tuple(dict.fromkeys(column.heading for column in source.columns))
    parts: list[pl.DataFrame] = []
    hashes: dict[str, str] = {}
    for path in find(source, base):
        raw = read_raw(source, path, wanted)
        hashes[path.name] = raw.sha256
        parts.append(pl.DataFrame({**raw.columns, "_file": [str(path)] * len(raw.lines), "_line": raw.lines}, schema={**dict.fromkeys(wanted, pl.String), "_file": pl.String, "_line": pl.Int64}))
    text = pl.concat(parts)
    who = next((column.heading for column in source.columns if column.name == "patient"), None)
    text = text.with_columns((pl.col(who).str.strip_chars() if who else pl.lit(None, pl.String)).alias("_patient"))
    findings: list[Finding] = []
    fields: list[pl.Series] = []
    for column in source.columns:
        fields.extend(_typed(source, column, text, findings))
    frame = pl.DataFrame([*fields, text["_file"], text["_line"]])
    kept = _latest(source, frame.filter(pl.col("patient").is_not_null()) if "patient" in frame.columns else frame)
    return Table(source, kept, tuple(findings), text.height, kept.height, hashes)


def _latest(source: Source, frame: pl.DataFrame) -> pl.DataFrame:
    if source.latest is None:
        return frame
    return frame.sort(source.latest, nulls_last=False, maintain_order=True).unique("patient", keep="last", maintain_order=True).sort("_file", "_line")


def _typed(source: Source, column: Column, text: pl.DataFrame, findings: list[Finding]) -> list[pl.Series]:
    """The column in its type (and, for partial dates, its precision); findings are added."""
    raw = text[column.heading].str.strip_chars()
    absent = [*source.missing, *column.missing, ""]
    raw = raw.set(raw.is_in(absent).fill_null(value=False), None).alias(column.name)
    values, precision = _convert(column, raw)
    failed = raw.is_not_null() & values.is_null()
    if failed.any():
        _whole_column(source, column, text, raw, failed)
        findings.extend(_cells(column, text, raw, failed, "R201" if column.type != "category" else "R202", _allowed(column)))
    values = _in_range(column, text, raw, values, findings)
    if column.required:
        lost = raw.is_null()
        findings.extend(_cells(column, text, raw, lost, "R204", "a value"))
    return [values.alias(column.name), *([precision] if precision is not None else [])]


def _convert(column: Column, raw: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    match column.type:
        case "text":
            return raw, None
        case "number":
            return raw.cast(pl.Float64, strict=False), None
        case "integer" | "day":
            number = raw.cast(pl.Float64, strict=False)
            whole = number.set((number != number.round(0)).fill_null(value=False), None)
            return whole.cast(POLARS[column.type], strict=False), None
        case "date":
            return _dates(column, raw)
        case "boolean":
            return _mapped(raw, {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}, pl.Boolean), None
        case "category":
            return _mapped(raw, _levels(column), pl.String) if column.levels else raw, None


def _levels(column: Column) -> dict[str, Any]:
    pairs = column.levels.items() if isinstance(column.levels, Mapping) else ((level, level) for level in column.levels)
    return {word.strip().casefold(): level for word, level in pairs}


def _mapped(raw: pl.Series, meaning: Mapping[str, Any], kind: Any) -> pl.Series:
    """Each distinct word through `meaning`, without case; null where it has none."""
    known = {word: meaning[word.casefold()] for word in raw.drop_nulls().unique().to_list() if word.casefold() in meaning}
    return raw.replace_strict(known, default=None, return_dtype=kind) if known else pl.Series(raw.name, [None] * len(raw), dtype=kind)


def _dates(column: Column, raw: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    days: dict[str, Day] = {}
    for word in raw.drop_nulls().unique().to_list():
        day = parse_date(word, column.date_format or "YYYY-MM-DD", column.imputation)
        if day is not None:
            days[word] = day
    values = _through(raw, {word: day.day for word, day in days.items()}, pl.Int32)
    if all(day.precision == "day" for day in days.values()):
        return values, None
    precision = _through(raw, {word: day.precision for word, day in days.items()}, pl.String)
    return values, precision.alias(f"{column.name}_precision")


def _through(raw: pl.Series, known: Mapping[str, Any], kind: Any) -> pl.Series:
    return raw.replace_strict(known, default=None, return_dtype=kind) if known else pl.Series(raw.name, [None] * len(raw), dtype=kind)


def _whole_column(source: Source, column: Column, text: pl.DataFrame, raw: pl.Series, failed: pl.Series) -> None:
    """Refuse a column that is of another type as a whole, or that holds dates in two formats."""
    if column.type == "date":
        _two_formats(source, column, text, raw, failed)
    present, bad = len(raw) - raw.null_count(), int(failed.sum())
    if column.type in ("text", "category") or bad * 2 <= present or bad < 3:
        return
    rows = text.filter(failed)
    examples = ", ".join(repr(word) for word in raw.filter(failed).unique(maintain_order=True).head(4))
    raise DataError(Finding(
        "R109", "error", f"column `{column.heading}` is not {WORDS[column.type]}: {bad} of {present} values",
        Where(rows["_file"][0], rows["_line"][0], column.name), found=examples, allowed=_allowed(column),
        remedy=f"mend the column in the file, or its `type` under [sources.{source.name}.columns]",
    ))  # fmt: skip


def _two_formats(source: Source, column: Column, text: pl.DataFrame, raw: pl.Series, failed: pl.Series) -> None:
    declared = column.date_format or "YYYY-MM-DD"
    others: dict[str, list[int]] = {}
    for i in failed.arg_true().to_list():
        for form in formats_of(raw[i]):
            others.setdefault(form, []).append(i)
    if not others:
        return
    form, rows = max(others.items(), key=lambda pair: len(pair[1]))
    good = len(raw) - raw.null_count() - int(failed.sum())
    ambiguous = f" (also {', '.join(sorted(set(others) - {form}))})" if len(others) > 1 else ""
    message = f"column `{column.heading}` holds dates in two formats" if good else f"column `{column.heading}` holds dates in another format"
    raise DataError(Finding(
        "R110", "error", message, Where(text["_file"][rows[0]], text["_line"][rows[0]], column.name),
        found=f"{good} dates as {declared}, {len(rows)} as {form}{ambiguous}, such as {raw[rows[0]]!r} in line {text['_line'][rows[0]]}",
        allowed=f"one format in the whole column; {', '.join(FORMATS)} are known",
        remedy=f'write all dates in one format, or say date_format = "{form}" under [sources.{source.name}.columns]',
    ))  # fmt: skip


def _in_range(column: Column, text: pl.DataFrame, raw: pl.Series, values: pl.Series, findings: list[Finding]) -> pl.Series:
    if column.minimum is None and column.maximum is None:
        return values
    low = values < column.minimum if column.minimum is not None else pl.Series([False] * len(values))
    high = values > column.maximum if column.maximum is not None else pl.Series([False] * len(values))
    outside = (low | high).fill_null(value=False)
    findings.extend(_cells(column, text, raw, outside, "R203", _allowed(column)))
    return values.set(outside, None)


def _allowed(column: Column) -> str:
    if column.type == "category":
        return ", ".join(dict.fromkeys(column.levels.keys() if isinstance(column.levels, Mapping) else column.levels))
    if column.type == "date":
        return column.date_format or "YYYY-MM-DD (or YYYY-MM, YYYY when only that is known)"
    words = WORDS.get(column.type, "text")
    if column.minimum is not None or column.maximum is not None:
        low, high = (f"{limit:g}" if limit is not None else "…" for limit in (column.minimum, column.maximum))
        words += f" from {low} to {high}"
    return words + (f" ({column.unit})" if column.unit else "")


MESSAGES: Final = {
    "R201": "the value is of another type; it is taken as missing",
    "R202": "unknown level; it is taken as missing",
    "R203": "the value is out of range; it is taken as missing",
    "R204": "a required value is missing",
}


def _cells(column: Column, text: pl.DataFrame, raw: pl.Series, bad: pl.Series, code: str, allowed: str) -> list[Finding]:
    if not bad.any():
        return []
    findings: list[Finding] = []
    for i in bad.arg_true().to_list():
        near = get_close_matches(str(raw[i]), _allowed(column).split(", "), 1) if code == "R202" else []
        message = MESSAGES[code] + ("; the row cannot be used" if code == "R204" and column.name == "patient" else "")
        where = Where(text["_file"][i], text["_line"][i], column.name, text["_patient"][i])
        remedy = f"did you mean {near[0]!r}?" if near else "correct the value in the file" + ("" if code == "R204" else ", or declare it as missing or as a level")
        findings.append(Finding(code, "error", message, where, None if raw[i] is None else repr(raw[i]), allowed, remedy))
    return findings
