"""One source to one typed table: files found, split, stacked, typed; rows that cannot be used are counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

import polars as pl

from sequela.core.errors import StudyError
from sequela.core.finding import Finding, Where
from sequela.records.columns import typed
from sequela.records.dates import FORMATS
from sequela.records.files import find, read_raw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sequela.records.source import Source


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A source as read.

    Attributes:
        source: the declaration it was read by.
        frame: our fields, then `_file` and `_line` (the row's first line; a workbook's row; the row number of
            formats without lines).
            Days and dates are Int32; a date column of which any value is partial is followed by
            `NAME_precision` ("day", "month" or "year").
        findings: every cell and row that could not be used as it stands.
        rows_read: rows in the files (records, where a row holds several).
        rows_kept: rows in `frame`.
        left_out: why the others were left out, and how many.
        sha256: of each file, by its path from the study file.
    """

    source: Source
    frame: pl.DataFrame
    findings: tuple[Finding, ...]
    rows_read: int
    rows_kept: int
    left_out: Mapping[str, int]
    sha256: Mapping[str, str]


def read(source: Source, base: Path) -> Table:
    """Read the files of a source and give its columns their types.

    Args:
        source: files, layout and columns.
        base: the directory that file names start from.

    Raises:
        StudyError: R111 or R112, the declaration asks for a field or a date format that does not exist.
        DataError: R101 to R110 and R114 to R116, a file or a column cannot be used as a whole.
        UsageError: R113, the format needs a library that is not installed.
    """
    _check(source)
    return _table(source, _stack(source, base))


def read_rows(source: Source, rows: Sequence[Mapping[str, str | None]]) -> Table:
    """Rows as they were typed into a form, field by field, as a table of the source: the same types, the same findings.

    Args:
        source: its columns; files, format and layout are not looked at.
        rows: our field to the text in it; a field that is not there is empty. Lines count from 1.

    Raises:
        DataError: R109 or R110, as `read`.
    """
    text = {column.heading: [row.get(column.name) or None for row in rows] for column in source.columns}
    places = {"_line": list(range(1, len(rows) + 1)), "_file": [source.name] * len(rows)}
    kinds = {**dict.fromkeys(text, pl.String), "_line": pl.Int64, "_file": pl.String}
    frame = pl.DataFrame({**text, **places}, schema=kinds)
    return _table(source, _Stack(frame.with_columns(_who(source)), (), {}, {}))


def _table(source: Source, stack: _Stack) -> Table:
    columns = [typed(source, column, stack.text) for column in source.columns]
    series = [part for column in columns for part in (column.values, column.precision) if part is not None]
    frame = pl.DataFrame([*series, stack.text["_file"], stack.text["_line"]])
    kept, left_out = _select(source, frame)
    findings = [*stack.findings, *(finding for column in columns for finding in column.findings)]
    findings += _no_patient(source, frame) + _repeated(source, kept)
    rows = frame.height + sum(stack.left_out.values())
    return Table(source, kept, tuple(findings), rows, kept.height, stack.left_out | left_out, stack.sha256)


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """The files of a source under each other: `text` has `_file`, `_line` and `_patient` beside its columns."""

    text: pl.DataFrame
    findings: tuple[Finding, ...]
    left_out: dict[str, int]
    sha256: dict[str, str]


def _stack(source: Source, base: Path) -> _Stack:
    repeated = {field for group in source.repeats for field in group}
    single = [column.heading for column in source.columns if column.name not in repeated]
    wanted = tuple(dict.fromkeys([*single, *(name for group in source.repeats for name in group.values())]))
    parts: list[pl.DataFrame] = []
    findings: list[Finding] = []
    left_out: Counter[str] = Counter()
    hashes: dict[str, str] = {}
    for path in find(source, base):
        raw = read_raw(source, path, wanted, base)
        for file, sha256 in raw.sha256.items():
            hashes[file.relative_to(base).as_posix() if file.is_relative_to(base) else str(file)] = sha256
        frame, empty = _one_record_a_row(source, raw.frame) if source.repeats else (raw.frame, 0)
        left_out.update(raw.left_out)
        left_out["no record in the repeated columns"] += empty
        findings += raw.findings
        parts.append(frame.with_columns(pl.lit(str(path)).alias("_file")))
    text = pl.concat(parts, how="vertical_relaxed")  # dates of one file may be text in another
    counted = {reason: rows for reason, rows in left_out.items() if rows}
    return _Stack(text.with_columns(_who(source)), tuple(findings), counted, hashes)


def _who(source: Source) -> pl.Expr:
    """The patient of each row of text."""
    who = next((column.heading for column in source.columns if column.name == "patient"), None)
    return (pl.col(who).str.strip_chars() if who else pl.lit(None, pl.String)).alias("_patient")


def _one_record_a_row(source: Source, frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Rows with several records (drug1, start1, drug2, start2) to one row a record; how many rows have none.

    A record of which every cell is empty, or a word that means missing, is none.
    """
    heading = {column.name: column.heading for column in source.columns}
    repeated = {field for group in source.repeats for field in group}
    single = [column.heading for column in source.columns if column.name not in repeated]
    empty = ["", *source.missing]
    parts: list[pl.DataFrame] = []
    for place, group in enumerate(source.repeats):
        said = pl.any_horizontal(
            (pl.col(name).is_not_null() & ~pl.col(name).str.strip_chars().is_in(empty))
            for name in group.values()
        )
        fields = [
            (pl.col(group[field]) if field in group else pl.lit(None, pl.String)).alias(heading[field])
            for field in sorted(repeated)
        ]
        place_of = pl.lit(place).alias("_place")
        parts.append(frame.filter(said).select(*dict.fromkeys(single), *fields, "_line", place_of))
    records = pl.concat(parts).sort("_line", "_place", maintain_order=True).drop("_place")
    return records, frame.height - records["_line"].n_unique()


def _select(source: Source, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows that count, and why the others do not."""
    left_out: Counter[str] = Counter()
    kept = frame
    if "patient" in frame.columns:
        kept = kept.filter(pl.col("patient").is_not_null())
        left_out["no patient"] = frame.height - kept.height
    for field, values in source.where.items():
        before = kept.height
        kept = kept.filter(pl.col(field).cast(pl.String).is_in(list(values)).fill_null(value=False))
        left_out[f"`{field}` is not {' or '.join(values)}"] = before - kept.height
    if source.latest is not None:
        before, latest = kept.height, kept.with_row_index("_row")
        latest = latest.sort(source.latest, nulls_last=False, maintain_order=True)
        kept = latest.unique("patient", keep="last", maintain_order=True).sort("_row").drop("_row")
        left_out[f"not the row with the latest `{source.latest}`"] = before - kept.height
    return kept, {reason: rows for reason, rows in left_out.items() if rows}


def _no_patient(source: Source, frame: pl.DataFrame) -> list[Finding]:
    """Rows without a patient, where the column itself does not say that it is required."""
    if not any(column.name == "patient" and not column.required for column in source.columns):
        return []
    rows = frame.filter(pl.col("patient").is_null()).select("_file", "_line")
    message, remedy = "the row has no patient and cannot be used", "fill in the patient"
    finding = Finding("R204", "error", message, allowed="a value", remedy=remedy)
    return [replace(finding, where=Where(file, line, "patient")) for file, line in rows.iter_rows()]


def _repeated(source: Source, frame: pl.DataFrame) -> list[Finding]:
    """Rows that repeat a key. A patient who is there twice is a check of the clinic, which says what counts."""
    if not source.key or source.key == ("patient",):
        return []
    again = frame.filter(pl.struct(source.key).is_duplicated() & ~pl.struct(source.key).is_first_distinct())
    who = pl.col("patient") if "patient" in frame.columns else pl.lit(None, pl.String)
    parts = pl.concat_list(pl.col(source.key).cast(pl.String)).alias("_key")
    findings: list[Finding] = []
    for file, line, patient, key in again.select("_file", "_line", who.alias("_who"), parts).iter_rows():
        findings.append(Finding(
            "R205", "error", "an earlier row has the same key",
            Where(file, line, ", ".join(source.key), patient), ", ".join(map(str, key)), "each key once",
            f"take one of the rows out, or mend `key` under [sources.{source.name}]",
        ))  # fmt: skip
    return findings


def _check(source: Source) -> None:
    """Refuse a declaration that names fields or date formats that do not exist."""
    fields = [column.name for column in source.columns]
    named = [*source.key, *source.where, *([source.latest, "patient"] if source.latest else [])]
    named += [field for group in source.repeats for field in group]
    for name in named:
        if name not in fields:
            near = ", ".join(get_close_matches(name, fields, 3)) or ", ".join(fields)
            message, remedy = f"source `{source.name}` has no field `{name}`", "name a field of its columns"
            raise StudyError(
                Finding("R111", "error", message, Where(field=f"sources.{source.name}"), name, near, remedy)
            )
    for column in source.columns:
        if column.date_format is not None and column.date_format not in FORMATS:
            where = Where(field=f"sources.{source.name}.columns.{column.name}.date_format")
            message, remedy = "unknown date format", "choose one of these"
            raise StudyError(
                Finding("R112", "error", message, where, column.date_format, ", ".join(FORMATS), remedy)
            )
