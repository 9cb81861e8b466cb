"""REDCap: one export for a whole project, and the data dictionary that says what its columns are.

A form's rows are those of its repeating instances, or, where it does not repeat, the rows of each record (and event).
Codes become the labels of their choices, check boxes one text (`field`: labels joined by `; `) and one yes or no for
each choice (`field___code`), decimal commas points. Columns that REDCap adds can be asked for: `redcap_event_name`,
`redcap_repeat_instance`, `redcap_data_access_group`, and, from the event's name, `redcap_arm`.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.encoding import text_of
from sequela.records.frames import beside_file, no_table
from sequela.records.raw import Raw
from sequela.records.splitting import no_column, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sequela.records.source import Source

EVENT: Final = "redcap_event_name"
INSTRUMENT: Final = "redcap_repeat_instrument"
INSTANCE: Final = "redcap_repeat_instance"
ARM: Final = "redcap_arm"
SYSTEM: Final = (EVENT, INSTRUMENT, INSTANCE, "redcap_data_access_group", "redcap_survey_identifier")
_TYPES: Final = frozenset({
    "text", "notes", "radio", "dropdown", "checkbox", "yesno", "truefalse", "calc", "slider", "file",
    "descriptive", "sql",
})  # fmt: skip
_YES: Final = ("1", "yes", "true", "checked")


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a data dictionary; `choices` is code to label, `validation` REDCap's word for the type of a text."""

    name: str
    form: str
    kind: str
    label: str
    choices: Mapping[str, str]
    validation: str = ""
    minimum: str = ""
    maximum: str = ""
    required: bool = False


def read_dictionary(path: Path) -> tuple[Field, ...]:
    """The fields of a data dictionary, in order; as downloaded from the designer, or as exported by the interface.

    Raises:
        DataError: R116, this is no data dictionary.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise _no_dictionary(path, None, str(fault)) from None
    fields: list[Field] = []
    for line, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        if len(row) < 10 or row[3].strip() not in _TYPES:
            raise _no_dictionary(
                path, line, f"field type {row[3]!r}" if len(row) > 3 else f"{len(row)} columns"
            )
        name, form, _, kind, label, choices, _, validation, low, high = (cell.strip() for cell in row[:10])
        required = len(row) > 12 and row[12].strip().lower() == "y"
        told = _choices(kind, choices)
        fields.append(Field(name, form, kind, _plain(label), told, validation, low, high, required))
    if not fields:
        raise _no_dictionary(path, None, "no fields")
    return tuple(fields)


def _no_dictionary(path: Path, line: int | None, found: str) -> DataError:
    return DataError(
        Finding(
            "R116", "error", "this is no REDCap data dictionary", Where(str(path), line), found,
            "a CSV file with Variable / Field Name, Form Name, Section Header, Field Type, …",
            "download it in the project: Designer, Download the current data dictionary",
        )
    )  # fmt: skip


def _choices(kind: str, text: str) -> dict[str, str]:
    if kind == "yesno":
        return {"1": "Yes", "0": "No"}
    if kind == "truefalse":
        return {"1": "True", "0": "False"}
    if kind not in ("radio", "dropdown", "checkbox"):
        return {}
    pairs = (part.split(",", 1) for part in text.split("|") if "," in part)
    return {code.strip(): _plain(label) for code, label in pairs}


def _plain(label: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", label).split())


def read_redcap(source: Source, path: Path, wanted: tuple[str, ...], base: Path) -> Raw:
    """The wanted columns of one form, or of several that do not repeat side by side, one row a record.

    Raises:
        DataError: as of a CSV file; R107 a column that neither the export nor the dictionary has; R114 no such
            form; R116 the dictionary is missing, or is none.
    """
    beside = beside_file(source, base, "the project's data dictionary (CSV)")
    if beside is None:
        raise _undeclared(source, path)
    fields = read_dictionary(beside)
    forms = list(dict.fromkeys(field.form for field in fields))
    for form in source.form:
        if form not in forms:
            raise no_table(source, path, "form", form, forms)
    text = text_of(source, path)
    export = _Export(source, path, text, fields)
    rows, left_out = _rows_of(export, wanted)
    values, findings = _values(export, rows, wanted)
    if len(source.form) > 1:
        values, differing = _side_by_side(path, export.record, values, wanted)
        findings += differing
    return Raw(values.select(*wanted, "_line"), tuple(findings), left_out, {beside: ""})


def _undeclared(source: Source, path: Path) -> DataError:
    return DataError(
        Finding(
            "R116", "error", "a REDCap export is read with its data dictionary", Where(str(path)),
            "no `dictionary`", "the project's data dictionary (CSV)",
            f"say dictionary = \"dictionary.csv\" under [sources.{source.name}]",
        )
    )  # fmt: skip


class _Export:
    """The file of a project, what its columns are, and which of them belong to the source's forms."""

    def __init__(self, source: Source, path: Path, text: str, fields: Sequence[Field]) -> None:
        self.source, self.path, self.text = source, path, text
        delimiter = source.delimiter or ","
        self.header = [name.strip() for name in next(csv.reader(io.StringIO(text), delimiter=delimiter), [])]
        self.record = fields[0].name
        self.fields = {field.name: field for field in fields}
        self.forms = source.form or tuple(dict.fromkeys(field.form for field in fields))
        self.own = [
            name for field in fields if field.form in self.forms and field.name != self.record
            for name in self.columns_of(field)
        ]  # fmt: skip

    def columns_of(self, field: Field) -> list[str]:
        """The columns of a field in the file: one, or one for each choice of a check box."""
        if field.kind != "checkbox":
            return [field.name] if field.name in self.header else []
        return [name for name in self.header if name.startswith(f"{field.name}___")]

    def read(self, wanted: Iterable[str]) -> pl.DataFrame:
        """The columns needed for the wanted ones and for telling whose rows they are.

        Raises:
            DataError: R107, neither the export nor the dictionary has a column.
        """
        needed = [self.record, *(name for name in SYSTEM if name in self.header), *self.own]
        for name in wanted:
            field = self.fields.get(name)
            parts = self.columns_of(field) if field else [name] if name in self.header else []
            if name == ARM and EVENT in self.header:
                continue
            if not parts:
                raise DataError(no_column(self.source, self.path, [*self.header, *self.fields], name))
            needed += parts
        layout = replace(self.source, delimiter=self.source.delimiter or ",")
        return split(layout, self.path, self.text, tuple(dict.fromkeys(needed)))


def _rows_of(export: _Export, wanted: Sequence[str]) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows of the export that belong to the source's forms, and how many belong to others or are empty."""
    frame = export.read(wanted)
    before = frame.height
    left_out: dict[str, int] = {}
    if INSTRUMENT in frame.columns:
        named = {re.sub(r"\W+", "_", form.lower()) for form in export.forms}
        instrument = pl.col(INSTRUMENT).fill_null("").str.to_lowercase().str.replace_all(r"\W+", "_")
        repeating = frame.filter(instrument.is_in(named))
        # A form that repeats has rows of its own; one that does not stands in the rows of its record or event.
        frame = repeating if len(export.forms) == 1 and repeating.height else frame.filter(instrument == "")
        left_out["a row of another form"] = before - frame.height
    if EVENT in frame.columns and export.own and len(export.source.form) == 1:
        # An event for which the form is not designated has a row, but nothing of the form in it.
        told = frame.filter(pl.any_horizontal(_said(name) for name in export.own))
        left_out["nothing of this form at this event"] = frame.height - told.height
        frame = told
    return frame, {reason: rows for reason, rows in left_out.items() if rows}


def _said(name: str) -> pl.Expr:
    value = pl.col(name).fill_null("").str.strip_chars()
    return ~value.is_in(["", "0"]) if "___" in name else value != ""


def _values(export: _Export, rows: pl.DataFrame, wanted: Sequence[str]) -> tuple[pl.DataFrame, list[Finding]]:
    """Every wanted column with labels for codes; codes that the dictionary does not know are listed."""
    plain = {column.heading for column in export.source.columns if column.codes}
    findings: list[Finding] = []
    columns: list[pl.Series] = [rows[export.record].alias("_record"), rows["_line"]]
    for name in wanted:
        field = export.fields.get(name.split("___")[0])
        if name == ARM:
            columns.append(rows[EVENT].str.extract(r"(?i)arm[_ ]?(\d+)\)?$", 1).alias(name))
        elif field is None or name in plain or (not field.choices and "comma" not in field.validation):
            columns.append(rows[name])
        elif field.kind == "checkbox":
            columns.append(_boxes(export, rows, field, name))
        elif not field.choices:
            columns.append(rows[name].str.replace(",", "."))
        else:
            labels = rows[name].str.strip_chars().replace(field.choices)
            findings += _unknown_codes(export, rows, field, labels)
            columns.append(labels)
    return pl.DataFrame(columns), findings


def _boxes(export: _Export, rows: pl.DataFrame, field: Field, name: str) -> pl.Series:
    """A check box as yes or no, or all boxes of a field as the labels of those that are ticked."""
    parts = [name] if "___" in name else export.columns_of(field)
    ticked = {part: rows[part].str.to_lowercase().is_in(_YES) for part in parts}
    if "___" in name:
        words = pl.Series(name, ["no", "yes"]).gather(ticked[name].fill_null(value=False).cast(pl.UInt32))
        return words.set(rows[name].is_null(), None)
    labels = {
        part: field.choices.get(part.split("___", 1)[1].replace("_", "-"))
        or field.choices.get(part.split("___", 1)[1], part.split("___", 1)[1])
        for part in parts
    }
    joined = pl.concat_str(
        [pl.when(ticked[part]).then(pl.lit(labels[part])) for part in parts],
        separator="; ",
        ignore_nulls=True,
    )
    text = rows.select(joined.alias(name))[name]
    return text.set(text == "", None)


def _unknown_codes(export: _Export, rows: pl.DataFrame, field: Field, labels: pl.Series) -> list[Finding]:
    allowed = {*field.choices.values(), "", *export.source.missing}
    bad = (labels.is_not_null() & ~labels.is_in(list(allowed))).arg_true().to_list()
    return [
        Finding(
            "R208", "error", "the code is not in the data dictionary",
            Where(str(export.path), rows["_line"][at], field.name, rows[export.record][at]), labels[at],
            ", ".join(f"{code} = {label}" for code, label in field.choices.items()),
            "correct the value in REDCap, add the choice to the dictionary, or name the code under `missing`",
        )
        for at in bad
    ]  # fmt: skip


def _side_by_side(
    path: Path, record: str, values: pl.DataFrame, wanted: Sequence[str]
) -> tuple[pl.DataFrame, list[Finding]]:
    """One row a record of the rows of its events: the first value that is said; differing ones are listed."""
    fields = [name for name in dict.fromkeys(wanted) if name not in (*SYSTEM, ARM, record)]
    findings: list[Finding] = []
    for name in fields:
        said = values.filter(pl.col(name).is_not_null())
        groups = said.group_by("_record", maintain_order=True).agg(
            pl.col(name).unique(maintain_order=True).alias("_all"), pl.col("_line").last()
        )
        for who, found, line in groups.filter(pl.col("_all").list.len() > 1).iter_rows():
            findings.append(
                Finding(
                    "R209", "warning", "a record says different things at different events; the first counts",
                    Where(str(path), line, name, who), ", ".join(found), "one value for each record",
                    "correct it in REDCap, or read the form on its own with `redcap_event_name`",
                )
            )  # fmt: skip
    first = [pl.col(name).drop_nulls().first() for name in fields]
    rest = [pl.col(name).first() for name in dict.fromkeys(wanted) if name not in fields]
    joined = values.group_by("_record", maintain_order=True).agg(*first, *rest, pl.col("_line").first())
    return joined, findings
