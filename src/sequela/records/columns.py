"""One column of text to its declared type. What does not fit becomes null and a finding."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.dates import FORMATS, formats_of, parse_date

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.records.source import Column, Source

YES: Final = ("yes", "y", "true", "t", "1", "1.0", "si", "sì", "ja", "oui")
NO: Final = ("no", "n", "false", "f", "0", "0.0", "nein", "non")
TYPES: Final[Mapping[str, Any]] = {
    "text": pl.String, "category": pl.String, "integer": pl.Int64, "number": pl.Float64, "day": pl.Int32,
    "date": pl.Int32, "boolean": pl.Boolean,
}  # fmt: skip
WORDS: Final[Mapping[str, str]] = {
    "text": "text", "category": "a level", "integer": "a whole number", "number": "a number",
    "day": "a whole number of days", "date": "a date", "boolean": "yes or no",
}  # fmt: skip
MESSAGES: Final[Mapping[str, str]] = {
    "R201": "the value is not {kind}; it is taken as missing",
    "R202": "unknown level; it is taken as missing",
    "R203": "the value is out of range; it is taken as missing",
    "R204": "a required value is missing",
}
MOST: Final = 1000  # cells that are listed one by one, for each column and code


@dataclass(frozen=True, slots=True, eq=False)
class Typed:
    """A column in its type, the precision of its dates (None if all are whole days), and findings."""

    values: pl.Series
    precision: pl.Series | None
    findings: tuple[Finding, ...]


def typed(source: Source, column: Column, text: pl.DataFrame) -> Typed:
    """Give a column its type.

    Args:
        source: for its missing words and its name.
        column: the declaration.
        text: the file's columns as text (of a file that has types, a column of dates may be one), with `_file`, `_line`
            and `_patient`.

    Raises:
        DataError: R109 more than half of the values are of another type; R110 dates in another format.
    """
    if text[column.heading].dtype == pl.Date:
        return _days(source, column, text)
    raw = text[column.heading].str.strip_chars().alias(column.name)
    raw = raw.set(raw.is_in([*source.missing, *column.missing, ""]).fill_null(value=False), None)
    values, precision = _convert(column, raw)
    failed = raw.is_not_null() & values.is_null()
    if failed.any():
        _whole_column(source, column, text, raw, failed)
    outside = _outside(column, values)
    findings = [
        *_cells(column, text, raw, failed, "R202" if column.type == "category" else "R201"),
        *_cells(column, text, raw, outside, "R203"),
        *(_cells(column, text, raw, raw.is_null(), "R204") if column.required else ()),
    ]
    return Typed(values.set(outside, None).alias(column.name), precision, tuple(findings))


def _days(source: Source, column: Column, text: pl.DataFrame) -> Typed:
    """True dates, which can only be missing."""
    values = text[column.heading].cast(pl.Int32).alias(column.name)
    words = (parse_date(word) for word in (*source.missing, *column.missing))
    absent = [day.day for day in words if day and day.precision == "day"]
    if absent:
        values = values.set(values.is_in(absent).fill_null(value=False), None)
    lacking = values.is_null()
    none = pl.Series([None], dtype=pl.String).new_from_index(0, len(values))
    return Typed(values, None, tuple(_cells(column, text, none, lacking, "R204")) if column.required else ())


def _convert(column: Column, raw: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    kind = TYPES[column.type]
    match column.type:
        case "text":
            return raw, None
        case "number":
            return _number(raw) * column.scale, None
        case "integer" | "day":
            number = _number(raw)
            number = number if column.scale == 1 else (number * column.scale).round(0)
            return number.set((number != number.round(0)).fill_null(value=False), None).cast(
                kind, strict=False
            ), None
        case "date":
            return _dates(column, raw)
        case "boolean":
            return _through(raw, {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}, kind), None
        case "category":
            levels = {word.strip().casefold(): level for word, level in column.words.items()}
            return (_through(raw, levels, kind) if levels else raw), None


def _number(raw: pl.Series) -> pl.Series:
    number = raw.cast(pl.Float64, strict=False)
    return number.set((~number.is_finite()).fill_null(value=False), None)


def _through(raw: pl.Series, meaning: Mapping[str, Any], kind: Any) -> pl.Series:
    """Each distinct word through `meaning`, without case; null where it has none."""
    words = raw.drop_nulls().unique().to_list()
    known = {word: meaning[word.casefold()] for word in words if word.casefold() in meaning}
    return raw.replace_strict(known, default=None, return_dtype=kind) if known else _nothing(raw, kind)


def _nothing(raw: pl.Series, kind: Any) -> pl.Series:
    return pl.Series(raw.name, [None] * len(raw), dtype=kind)


def _dates(column: Column, raw: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    form = column.date_format or "YYYY-MM-DD"
    words = raw.drop_nulls().unique().to_list()
    days = {word: day for word in words if (day := parse_date(word, form, column.imputation))}
    if not days:
        return _nothing(raw, pl.Int32), None
    values = raw.replace_strict({w: day.day for w, day in days.items()}, default=None, return_dtype=pl.Int32)
    if all(day.precision == "day" for day in days.values()):
        return values, None
    known = {word: day.precision for word, day in days.items()}
    precision = raw.replace_strict(known, default=None, return_dtype=pl.String)
    return values, precision.alias(f"{column.name}_precision")


def _outside(column: Column, values: pl.Series) -> pl.Series:
    """Where a value lies outside the declared range."""
    outside = pl.Series([False]).new_from_index(0, len(values))
    if column.minimum is not None:
        outside |= values < column.minimum
    if column.maximum is not None:
        outside |= values > column.maximum
    return outside.fill_null(value=False)


def _whole_column(
    source: Source, column: Column, text: pl.DataFrame, raw: pl.Series, failed: pl.Series
) -> None:
    """Refuse a column that is of another type as a whole, or that holds dates in another format."""
    if column.type == "date":
        _one_format(source, column, text, raw, failed)
    present, bad = len(raw) - raw.null_count(), int(failed.sum())
    if column.type == "category" or bad * 2 <= present or bad < 3:
        return
    examples = raw.filter(failed).unique(maintain_order=True).head(4).to_list()
    comma = ", and write decimal points" if all(_decimal_comma(word) for word in examples) else ""
    first = int(failed.arg_max() or 0)
    raise DataError(Finding(
        "R109", "error", f"column `{column.heading}` is not {WORDS[column.type]}: {bad} of {present} values",
        _where(column, text, first, None), ", ".join(map(repr, examples)), _allowed(column),
        f"mend the column in the file{comma}, or its `type` under [sources.{source.name}.columns]",
    ))  # fmt: skip


def _decimal_comma(word: str) -> bool:
    whole, comma, rest = word.partition(",")
    return bool(comma) and whole.lstrip("+-").isdigit() and rest.isdigit()


def _one_format(
    source: Source, column: Column, text: pl.DataFrame, raw: pl.Series, failed: pl.Series
) -> None:
    declared = column.date_format or "YYYY-MM-DD"
    others: dict[str, list[int]] = {}
    for i in failed.arg_true().to_list():
        for form in formats_of(raw[i]):
            others.setdefault(form, []).append(i)
    if not others:
        return
    form, rows = max(others.items(), key=lambda pair: len(pair[1]))
    fitting = (raw.is_not_null() & ~failed).arg_true().to_list()
    parts = [(declared, fitting)] if fitting else []
    found = "; ".join(
        f"{len(at)} as {name}, such as {raw[at[0]]!r} in line {text['_line'][at[0]]}"
        for name, at in [*parts, (form, rows)]
    )
    says = "holds dates in two formats" if fitting else f"holds no dates as {declared}"
    raise DataError(Finding(
        "R110", "error", f"column `{column.heading}` {says}", _where(column, text, rows[0], None), found,
        f"one format in the whole column, of {', '.join(FORMATS)}",
        f'write all dates in one format, or say date_format = "{form}" under [sources.{source.name}.columns]',
    ))  # fmt: skip


def _allowed(column: Column) -> str:
    match column.type:
        case "category":
            return ", ".join(column.words)
        case "date":
            return column.date_format or "YYYY-MM-DD (or YYYY-MM, YYYY when only that is known)"
        case _:
            words = WORDS[column.type]
    if column.minimum is not None and column.maximum is not None:
        words += f" from {column.minimum:g} to {column.maximum:g}"
    elif column.minimum is not None:
        words += f" of at least {column.minimum:g}"
    elif column.maximum is not None:
        words += f" of at most {column.maximum:g}"
    return words + (f" ({column.unit})" if column.unit else "")


def _where(column: Column, text: pl.DataFrame, row: int, patient: str | None) -> Where:
    return Where(text["_file"][row], text["_line"][row], column.name, patient)


def _cells(column: Column, text: pl.DataFrame, raw: pl.Series, bad: pl.Series, code: str) -> list[Finding]:
    """One finding a cell; of very many, the first ones and their number."""
    rows = bad.arg_true().to_list() if bad.any() else []
    findings = [_cell(column, text, raw[row], row, code) for row in rows[:MOST]]
    if len(rows) > MOST:
        left = f"{len(rows) - MOST} more cells of `{column.heading}` like the {MOST} listed"
        where = _where(column, text, rows[MOST], None)
        findings.append(
            Finding("R206", "error", left, where, code, _allowed(column), "mend the column in the file")
        )
    return findings


def _cell(column: Column, text: pl.DataFrame, word: str | None, row: int, code: str) -> Finding:
    message = MESSAGES[code].format(kind=WORDS[column.type])
    remedy = "correct the value in the file"
    if code == "R204":
        remedy = "fill in the value, or take `required` away"
        message += "; the row cannot be used" if column.name == "patient" else ""
    elif code == "R202":
        near = get_close_matches(str(word).casefold(), {known.casefold(): known for known in column.words}, 1)
        nearest = next((known for known in column.words if near and known.casefold() == near[0]), None)
        remedy = f"did you mean {nearest!r}?" if nearest else f"{remedy}, or add it to `levels` or `missing`"
    elif code == "R201":
        remedy += ", or add it to `missing`"
    found = None if word is None else repr(word)
    allowed = "a value" if code == "R204" else _allowed(column)
    return Finding(
        code, "error", message, _where(column, text, row, text["_patient"][row]), found, allowed, remedy
    )
