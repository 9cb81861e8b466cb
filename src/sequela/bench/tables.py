"""What was observed: the files of an assay as typed rows, one a well (field, time); nothing is dropped.

A long file has one row a well and names its columns; a plate as the instrument writes it is joined with its
layout, which says what each well holds. Rows that cannot be used keep their place, with the reason in `unused`.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.bench.layouts import read_layout
from sequela.bench.readers import plates_of, strange_plates, table_below, unmatched, untold
from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.columns import typed
from sequela.records.encoding import text_of
from sequela.records.files import digest, find
from sequela.records.grids import well_name, well_place
from sequela.records.reading import read
from sequela.records.source import Column, Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sequela.records.source import Kind
    from sequela.study.bench import Assay, Plates
    from sequela.study.bench_images import Blot, Fluorescence, Slides

    Tabular = Assay | Blot | Fluorescence | Slides
    Fields = Mapping[str, Kind]

ROLES: Final = ("sample", "control", "blank", "start", "positive")
FIELDS: Final[dict[str, Kind]] = {
    "experiment": "text",
    "date": "text",
    "passage": "text",
    "plate": "text",
    "well": "text",
    "culture": "text",
    "role": "category",
    "agent": "text",
    "dose": "number",
    "dose_unit": "text",
    "hours": "number",
    "replicate": "integer",
    "insert": "text",
    "field": "text",
    "value": "number",
    "exclude": "text",
}
OVER: Final = (
    "over",
    "ovrflw",
    "overflow",
    "over flow",
    "sat",
    "#sat",
    "saturated",
    "*****",
    "+++++",
    ">max",
)
NO_RULES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})
TYPES: Final = {"text": pl.String, "category": pl.String, "number": pl.Float64, "integer": pl.Int64}


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """An assay as read.

    Attributes:
        frame: the FIELDS (null where the file has none), `row` and `column` of the well, `saturated` (the reader's
            own word in place of a value), `_file`, `_line`, and `unused`: why a row is not used, or null (filled by
            `sequela.bench.checks`).
        findings: of reading, and of single rows.
        sha256: of each file.
        plates: what stands above each plate in the instrument's file.
    """

    frame: pl.DataFrame
    findings: tuple[Finding, ...]
    sha256: Mapping[str, str]
    plates: Mapping[str, tuple[str, ...]]


def observed(name: str, assay: Assay, plates: Plates, base: Path) -> Observed:
    """The rows of an assay.

    Args:
        name: of the assay.
        assay: its files and their arrangement.
        plates: the size of the plates.
        base: the directory that file names start from.

    Raises:
        DataError: a file, its layout or one of its columns cannot be used as a whole.
    """
    above: dict[str, tuple[str, ...]] = {}
    if assay.arrangement == "grid":
        files = find(_source(name, assay, {}), base)
        frame, findings, hashes = _from_grids(name, assay, plates, files, base, above)
    else:
        text: dict[str, Kind] = dict.fromkeys(FIELDS, "text")  # a reader's words must be seen before numbers
        needed = ("value",) if assay.culture else ("value", "culture")
        if assay.header_line is None:
            told, findings, hashes = _long(name, assay, text, needed, base)
        else:
            told, findings, hashes = _below_lines(name, assay, needed, base)
        frame, typing = _typed(name, assay, told)
        findings += typing
    whole = _completed(frame, assay).with_columns(pl.lit(None, pl.String).alias("unused"))
    return Observed(whole, (*findings, *strange_plates(whole, assay, name)), hashes, above)


def tabulated(
    name: str,
    assay: Tabular,
    fields: Fields,
    needed: tuple[str, ...],
    base: Path,
    rules: Mapping[str, Mapping[str, Any]] = NO_RULES,
) -> Observed:
    """The rows of a table with `fields`, null where the file has none of them, `_file`, `_line` and `unused`.

    `rules` are what a field allows: `levels`, `minimum`, `maximum` of `sequela.records.source.Column`.

    Raises:
        DataError: a file, or one of the columns `needed` or mapped, cannot be used as a whole.
    """
    frame, findings, hashes = _long(name, assay, fields, needed, base, rules)
    absent = [
        pl.lit(None, TYPES[kind]).alias(field) for field, kind in fields.items() if field not in frame.columns
    ]
    whole = frame.with_columns(*absent, pl.lit(None, pl.String).alias("unused")).with_row_index("_row")
    return Observed(whole, tuple(findings), hashes, {})


def _long(
    name: str,
    assay: Tabular,
    fields: Fields,
    needed: tuple[str, ...],
    base: Path,
    rules: Mapping[str, Mapping[str, Any]] = NO_RULES,
) -> tuple[pl.DataFrame, list[Finding], dict[str, str]]:
    present = _present(assay, fields, needed, find(_source(name, assay, {}), base))
    table = read(_source(name, assay, {field: fields[field] for field in present}, rules), base)
    return table.frame, list(table.findings), dict(table.sha256)


def _below_lines(
    name: str, assay: Assay, needed: tuple[str, ...], base: Path
) -> tuple[pl.DataFrame, list[Finding], dict[str, str]]:
    """Rows of text of files whose table stands below other lines."""
    _mapped(assay, FIELDS)
    source = _source(name, assay, {})
    headings = {field: assay.columns.get(field, field) for field in FIELDS}
    hashes: dict[str, str] = {}
    parts: list[pl.DataFrame] = []
    for path in find(source, base):
        hashes[_relative(path, base)] = digest(path)
        parts.append(table_below(source, path, assay.header_line or 1, headings, {*needed, *assay.columns}))
    return pl.concat(parts, how="diagonal"), [], hashes


def _source(
    name: str, assay: Tabular, fields: Fields, rules: Mapping[str, Mapping[str, Any]] = NO_RULES
) -> Source:
    columns = tuple(
        Column(field, assay.columns.get(field, field), kind, **rules.get(field, {}))
        for field, kind in fields.items()
    )
    return Source(
        name,
        assay.file,
        columns,
        assay.format,
        assay.delimiter,
        assay.encoding,
        sheet=assay.sheet,
        missing=("NA", "n/a"),
    )


def _present(assay: Tabular, fields: Fields, needed: tuple[str, ...], files: list[Path]) -> tuple[str, ...]:
    """The fields that every file has; those that the study file maps, and the needed ones, must be there."""
    _mapped(assay, fields)
    headers = [_header(assay, path) for path in files]
    must = {*needed, *assay.columns}
    return tuple(
        field
        for field in fields
        if field in must or all(assay.columns.get(field, field) in header for header in headers)
    )


def _mapped(assay: Tabular, fields: Fields) -> None:
    """Raises DataError, B101, where `columns` maps what is no field."""
    unknown = sorted(set(assay.columns) - fields.keys())
    if unknown:
        raise DataError(
            Finding("B101", "error", f"there is no field `{unknown[0]}` of a row of {assay.kind}",
                    Where(field="columns"), unknown[0], ", ".join(fields), "map one of these fields")
        )  # fmt: skip


def _header(assay: Tabular, path: Path) -> list[str]:
    source = _source("", assay, {})
    kind = source.format_of(path)
    if kind == "parquet":
        return list(pl.read_parquet_schema(path))
    if kind == "xlsx":
        from sequela.records.workbooks import cells_of

        return next((row for row in cells_of(source, path) if any(row)), [])
    sign = assay.delimiter or ("\t" if kind == "tsv" else ",")
    return next(csv.reader(io.StringIO(text_of(source, path)), delimiter=sign), [])


def _from_grids(
    name: str, assay: Assay, plates: Plates, files: list[Path], base: Path, above: dict[str, tuple[str, ...]]
) -> tuple[pl.DataFrame, list[Finding], dict[str, str]]:
    rows: list[dict[str, Any]] = []
    hashes: dict[str, str] = {}
    findings: list[Finding] = []
    for path in files:
        hashes[_relative(path, base)] = digest(path)
        grids = plates_of(_source(name, assay, {}), path, plates.wells, assay.read)
        findings += untold(path, grids, assay)
        for plate, grid in grids.items():
            above[plate] = (*above.get(plate, ()), *grid.above)
            layout = base / (assay.layout or "").replace("{plate}", plate)
            held = read_layout(layout, plates.wells, tuple(FIELDS))
            hashes[_relative(layout, base)] = digest(layout)
            findings += unmatched(path, plate, grid, held)
            told = assay.plate_hours.get(plate)
            hours = grid.hours if told is None else told
            rows += (
                {
                    **({} if hours is None else {"hours": repr(hours)}),
                    **held[row, column],
                    "plate": plate.partition("@")[0],
                    "well": well_name(row, column),
                    "value": text,
                    "_file": str(path),
                    "_line": line,
                }
                for (row, column), (text, line) in grid.cells.items()
                if held.get((row, column))
            )
    fields = tuple(field for field in FIELDS if any(field in row for row in rows))
    text = pl.DataFrame(
        [{field: row.get(field) for field in (*fields, "_file", "_line")} for row in rows],
        schema={**dict.fromkeys(fields, pl.String), "_file": pl.String, "_line": pl.Int64},
    )
    frame, typing = _typed(name, assay, text)
    return frame, [*findings, *typing], hashes


def _typed(name: str, assay: Assay, text: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Fields of text in their types; the reader's word for a signal beyond its range stands in `saturated`."""
    fields = [field for field in FIELDS if field in text.columns]
    numbers = [field for field in fields if FIELDS[field] in ("number", "integer")]
    if assay.decimal == ",":
        text = text.with_columns(
            pl.col(numbers).str.strip_chars().str.replace(r"^([+-]?\d+),(\d+)$", "${1}.${2}")
        )
    word = pl.col("value").str.strip_chars()
    over = pl.when(word.str.to_lowercase().is_in(OVER) | word.str.contains(r"^>\s*\d")).then(word)
    told = text.with_columns(over.alias("saturated"), pl.lit(None, pl.String).alias("_patient"))
    told = told.with_columns(pl.when(pl.col("saturated").is_null()).then(pl.col("value")).alias("value"))
    source = Source(name, assay.file, (), missing=("NA", "n/a"))
    columns = [
        typed(source, Column(field, field, FIELDS[field], levels=ROLES if field == "role" else ()), told)
        for field in fields
    ]
    kept = [told[field] for field in ("saturated", "_file", "_line")]
    frame = pl.DataFrame([*(column.values for column in columns), *kept])
    return frame, [finding for column in columns for finding in column.findings]


def _relative(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path)


def _told(assay: Assay | Blot | Fluorescence) -> tuple[pl.Expr, ...]:
    """Agent, unit and hours as the study file says them, where the rows do not."""
    return (
        pl.col("agent").fill_null(pl.lit(assay.agent, pl.String)),
        pl.col("dose_unit").fill_null(assay.dose_unit),
        pl.col("hours").fill_null(pl.lit(assay.hours, pl.Float64)),
    )


def as_samples(rows: pl.DataFrame, assay: Blot | Fluorescence) -> pl.DataFrame:
    """Rows of an assay without wells, with what the study file says in place of columns: all of them samples."""
    sample, insert = pl.lit("sample").alias("role"), pl.lit(None, pl.String).alias("insert")
    return rows.with_columns(*_told(assay), pl.col("dose").fill_null(0.0), sample, insert)


def _completed(frame: pl.DataFrame, assay: Assay) -> pl.DataFrame:
    """Every field, with what the study file says in place of columns; row and column of the well; roles."""
    absent = [
        pl.lit(None, TYPES[kind]).alias(name) for name, kind in FIELDS.items() if name not in frame.columns
    ]
    whole = frame.with_columns(absent).with_row_index("_row")
    by_plate = pl.col("plate").replace_strict(assay.experiments, default=None, return_dtype=pl.String)
    places = [well_place(well or "") for well in whole["well"]]
    if assay.culture and "culture" not in frame.columns:
        cells = pl.when(pl.col("role").fill_null("") != "blank").then(pl.lit(assay.culture))
        whole = whole.with_columns(cells.alias("culture"))
    return whole.with_columns(
        pl.coalesce("experiment", by_plate).alias("experiment"),
        *_told(assay),
        pl.Series("row", [place[0] if place else None for place in places], pl.Int64),
        pl.Series("column", [place[1] if place else None for place in places], pl.Int64),
        pl.coalesce(
            "role", pl.when(pl.col("dose") == 0).then(pl.lit("control")).otherwise(pl.lit("sample"))
        ).alias("role"),
    ).with_columns(
        pl.when(pl.col("role").is_in(["control", "start"]))
        .then(pl.col("dose").fill_null(0.0))
        .otherwise(pl.col("dose"))
        .alias("dose")
    )
