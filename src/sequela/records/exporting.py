"""A labelled table to the files of other programs: SPSS, Stata, Parquet, CSV, Excel; and SPSS back again.

What a program has no room for is cut, and each cut is a finding: nothing is lost without a word.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from sequela.core.finding import Finding, Where
from sequela.records.frames import needs
from sequela.records.labelled import Labelled, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sequela.records.labelled import Measure

Target = Literal["sav", "dta", "csv", "parquet", "xlsx"]
TARGETS: Final[tuple[Target, ...]] = ("sav", "dta", "csv", "parquet", "xlsx")
_LIMITS: Final = {"sav": (256, 120), "dta": (80, 32000)}  # bytes of a variable's and of a value's label
_DATE: Final = "DATE11"


def write_table(table: Labelled, path: Path, target: Target) -> tuple[Finding, ...]:
    """Write a labelled table; returns what had to be cut (R301).

    Raises:
        UsageError: R113, the library for Excel is not installed.
    """
    match target:
        case "sav":
            return write_sav(table, path)
        case "dta":
            return _write_dta(table, path)
        case "csv":
            path.write_bytes(as_csv(table).encode())
        case "parquet":
            table.words().write_parquet(path)
        case "xlsx":
            _write_xlsx(table, path)
    return ()


def as_csv(table: Labelled) -> str:
    """Words for codes, ISO dates, empty cells for missing values, UTF-8."""
    return table.words().write_csv(date_format="%Y-%m-%d")


def _pyreadstat() -> Any:
    """Imported when it is needed, and without its annotations, which know no dictionary of plain texts."""
    import pyreadstat

    return pyreadstat


def _labels(
    table: Labelled, path: Path, target: str
) -> tuple[dict[str, str], dict[str, dict[int, str]], list[Finding]]:
    """Labels of variables and of codes, cut to what the program takes."""
    most, most_word = _LIMITS[target]
    findings: list[Finding] = []

    def fit(words: str, limit: int, name: str) -> str:
        if len(words.encode()) <= limit:
            return words
        kept = words.encode()[: limit - 3].decode(errors="ignore") + "…"
        findings.append(
            Finding(
                "R301", "note", f"a label is cut to the {limit} bytes that the program takes",
                Where(str(path), field=name), words, f"{limit} bytes", "the codebook has it whole",
            )
        )  # fmt: skip
        return kept

    labels = {v.name: fit(v.label, most, v.name) for v in table.variables if v.label}
    words = {
        v.name: {
            code: fit(word, most_word, v.name) for code, word in sorted({**v.words, **v.missing}.items())
        }
        for v in table.variables
        if v.coded and (v.words or v.missing)
    }
    return labels, words, findings


def write_sav(table: Labelled, path: Path) -> tuple[Finding, ...]:
    """An SPSS file with labels, measures, formats and user-missing codes; see `read_sav` for the way back."""
    labels, words, findings = _labels(table, path, "sav")
    missing: Any = {
        v.name: [{"lo": float(min(v.missing)), "hi": float(max(v.missing))}]
        for v in table.variables
        if v.missing
    }
    formats = {
        v.name: _DATE if v.kind == "date" else f"F{10 + v.decimals if v.decimals else 8}.{v.decimals}"
        for v in table.variables
        if v.kind != "text"
    }
    _pyreadstat().write_sav(
        _floats(table.frame, table.variables),
        str(path),
        file_label=table.title[:60],
        column_labels=labels,
        variable_value_labels=words,
        missing_ranges=missing,
        variable_measure={v.name: v.measure for v in table.variables},
        variable_format=formats,
    )
    return tuple(findings)


def _floats(frame: pl.DataFrame, variables: tuple[Variable, ...]) -> pl.DataFrame:
    """Codes as SPSS holds every number; a column without any value keeps its type all the same."""
    return frame.with_columns(pl.col(v.name).cast(pl.Float64) for v in variables if v.coded)


def read_sav(path: Path) -> Labelled:
    """An SPSS file as a labelled table: labels, measures, user-missing codes and all.

    A column of whole numbers with labels or user-missing codes comes back as codes (a `state` where 0 is among
    them), dates as dates, other numbers as numbers.

    Raises:
        ValueError: user-missing values or labels of a text, for which `Labelled` has no place.
    """
    frame, about = _pyreadstat().read_sav(str(path), output_format="polars", user_missing=True)
    variables: list[Variable] = []
    columns: list[pl.Series] = []
    for name in about.column_names:
        values: pl.Series = frame[name]
        variable, column = _read_variable(name, values, about)
        variables.append(variable)
        columns.append(column)
    return Labelled(pl.DataFrame(columns), tuple(variables), about.file_label or "")


def _read_variable(name: str, values: pl.Series, about: Any) -> tuple[Variable, pl.Series]:
    label = about.column_names_to_labels.get(name) or ""
    measure: Measure = about.variable_measure.get(name, "nominal")
    measure = measure if measure in ("nominal", "ordinal", "scale") else "nominal"
    form = str(about.original_variable_types.get(name, ""))
    words: Mapping[Any, str] = about.variable_value_labels.get(name, {})
    ranges = about.missing_ranges.get(name, [])
    if form.startswith("A"):
        if words or ranges:
            raise ValueError(f"{name}: a text with value labels or user-missing values")
        return Variable(name, "text", label, measure=measure), values.cast(pl.String).replace("", None)
    if values.dtype == pl.Date:
        return Variable(name, "date", label, measure=measure), values
    decimals = int(form.partition(".")[2] or 0) if form.startswith("F") else 0
    if not words and not ranges:
        column = values.cast(pl.Float64)
        return Variable(name, "number", label, measure=measure, decimals=decimals), column
    known = {int(code): word for code, word in words.items()}
    missing = {c: w for c, w in known.items() if any(r["lo"] <= c <= r["hi"] for r in ranges)}
    told = {c: w for c, w in known.items() if c not in missing}
    kind = "state" if 0 in told else "category"
    return Variable(name, kind, label, told, missing, measure, decimals), values.cast(pl.Int32)


def _write_dta(table: Labelled, path: Path) -> tuple[Finding, ...]:
    """A Stata file: codes with labels; user-missing cells are empty, their reason stands in a variable of its own."""
    labels, words, findings = _labels(table, path, "dta")
    told = {name: {c: w for c, w in codes.items() if c >= 0} for name, codes in words.items()}
    _pyreadstat().write_dta(
        table.plain(),
        str(path),
        file_label=table.title.encode()[:80].decode(errors="ignore"),
        column_labels=labels,
        variable_value_labels={name: codes for name, codes in told.items() if codes},
    )
    return tuple(findings)


def _write_xlsx(table: Labelled, path: Path) -> None:
    try:
        from openpyxl import Workbook
    except ImportError:
        raise needs("openpyxl", "excel", "an Excel file") from None
    book: Any = Workbook(write_only=True)
    for title, frame in (("data", table.words()), ("codebook", codebook(table))):
        sheet = book.create_sheet(title)
        sheet.freeze_panes = "B2"
        sheet.append(frame.columns)
        for row in frame.iter_rows():
            sheet.append([_cell(sheet, value) for value in row])
    stream = io.BytesIO()
    book.save(stream)
    path.write_bytes(stream.getvalue())


def _cell(sheet: Any, value: Any) -> Any:
    """A text that starts like a formula stays a text."""
    if not (isinstance(value, str) and value.startswith("=")):
        return value
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value)
    cell.data_type = "s"
    return cell


def codebook(table: Labelled) -> pl.DataFrame:
    """One row a variable, and one for each of its codes: what it means, how often it is there."""
    rows: list[dict[str, Any]] = []
    for variable in table.variables:
        values = table.frame[variable.name]
        shown = table.plain()[variable.name] if variable.missing else values
        rows.append(
            {
                "variable": variable.name, "label": variable.label, "kind": variable.kind,
                "measure": variable.measure, "code": None, "word": None, "n": len(shown) - shown.null_count(),
                "missing": shown.null_count(), "from": variable.origin,
            }
        )  # fmt: skip
        for code, word in sorted({**variable.words, **variable.missing}.items()):
            rows.append(
                {"variable": variable.name, "code": code, "word": word, "n": int((values == code).sum()),
                 "kind": "user-missing" if code in variable.missing else "code"}
            )  # fmt: skip
    schema: Any = {
        "variable": pl.String, "label": pl.String, "kind": pl.String, "measure": pl.String, "code": pl.Int64,
        "word": pl.String, "n": pl.Int64, "missing": pl.Int64, "from": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)
