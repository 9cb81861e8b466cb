"""What a file holds, as declared: columns, types, levels, missing words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

Kind = Literal["text", "integer", "number", "date", "day", "boolean", "category"]
Format = Literal[
    "csv", "tsv", "parquet", "sav", "dta", "sas7bdat", "xpt", "xlsx", "duckdb", "redcap", "cbioportal", "omop"
]
SUFFIXES: Final[Mapping[str, Format]] = {
    ".csv": "csv", ".txt": "tsv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet", ".sav": "sav", ".zsav": "sav",
    ".dta": "dta", ".sas7bdat": "sas7bdat", ".xpt": "xpt", ".xlsx": "xlsx", ".xlsm": "xlsx", ".xls": "xlsx",
    ".duckdb": "duckdb",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One field.

    Attributes:
        name: our name of the field.
        column: the file's name; the same by default.
        type: `day` is a whole number of days from the study's origin; `date` a calendar date, kept as days
            since 1970-01-01, with its precision where only the month or the year is known.
        levels: the allowed words of a category, or word in the file to level; compared without case and
            outer spaces.
        missing: words that mean missing in this column, besides those of the source.
        required: a missing value is an error.
        minimum, maximum: allowed range, ends included.
        date_format: such as DD/MM/YYYY; YYYY-MM-DD by default.
        imputation: where in the month or year a partial date is put: the first day, the middle (the 15th;
            1 July) or the last day.
        codes: of a labelled file (SPSS, Stata, SAS, REDCap) take the codes, not the words that label them.
        scale: a number or day is multiplied by this; days are then rounded to whole ones.
    """

    name: str
    column: str | None = None
    type: Kind = "text"
    levels: Mapping[str, str] | tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    label: str = ""
    date_format: str | None = None
    imputation: Literal["first", "middle", "last"] = "middle"
    codes: bool = False
    scale: float = 1.0

    @property
    def heading(self) -> str:
        """The column's name in the file."""
        return self.column or self.name

    @property
    def words(self) -> Mapping[str, str]:
        """Each allowed word of a category with its level."""
        return self.levels if isinstance(self.levels, Mapping) else {level: level for level in self.levels}


@dataclass(frozen=True, slots=True)
class Source:
    """One file, or several of one layout that are stacked.

    Attributes:
        files: names or patterns, relative to the study file; `.gz` is unpacked.
        delimiter: one character; a comma for CSV and a tab for TSV by default.
        header_rows: the first names the columns, the others are skipped.
        comment: lines that start so are skipped.
        missing: words that mean missing in every column.
        key: fields that together may occur once only.
        latest: of several rows of one patient the one with the largest value of this field counts.
        where: only rows whose field has one of these values count.
        repeats: a file with several records a row: for each of them, our field and the file's column.
        sheet: of a workbook.
        form: instruments of a REDCap project; several are put side by side, one row a record.
        table: of a database or of the OMOP common data model; by the file's name unless said.
        dictionary: REDCap's data dictionary, OMOP's concept table, or SAS's catalogue of formats.
    """

    name: str
    files: tuple[str, ...]
    columns: tuple[Column, ...]
    format: Format | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    header_rows: int = 1
    comment: str | None = None
    missing: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    latest: str | None = None
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    repeats: tuple[Mapping[str, str], ...] = ()
    sheet: str | None = None
    form: tuple[str, ...] = ()
    table: str | None = None
    dictionary: str | None = None

    def format_of(self, path: Path) -> Format:
        """The declared format, or the one of the file's suffix."""
        return self.format or SUFFIXES.get(Path(path.name.removesuffix(".gz")).suffix.lower(), "csv")
