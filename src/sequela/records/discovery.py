"""Files that nobody has described yet: which format, delimiter, encoding, sheets, forms; and every column as text."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records import omop, redcap
from sequela.records.cbioportal import head_of
from sequela.records.encoding import text_of
from sequela.records.files import read_raw
from sequela.records.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_OMOP: Final = frozenset({
    "person", "drug_exposure", "condition_occurrence", "death", "observation_period", "visit_occurrence",
    "procedure_occurrence", "measurement", "observation",
})  # fmt: skip
_VOCABULARY: Final = frozenset(
    {"concept", "concept_ancestor", "drug_strength", "concept_relationship", "vocabulary"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A table as it was found.

    Attributes:
        source: how it is read; its columns are still to be declared.
        title: the file, and its sheet, form or table.
        frame: every column with a name, as text.
        labels: what the file or its dictionary says of a column.
        levels: code to word, where the dictionary says so.
        unnamed: columns that have no name, or one that is there already: they cannot be read.
    """

    source: Source
    title: str
    frame: pl.DataFrame
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    levels: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, "Mapping[str, str]"])
    unnamed: int = 0


def discover(paths: Sequence[Path], dictionary: Path | None = None) -> list[Found]:
    """The tables in files; files with the same columns are one table.

    Args:
        paths: data files.
        dictionary: REDCap's data dictionary, or OMOP's concept table.

    Raises:
        DataError: R101 no such file; R102 no table in them; or any fault of reading.
        UsageError: R113, a format needs a library that is not installed.
    """
    tables: list[Found] = []
    for path in dict.fromkeys(path.resolve() for path in paths):
        if not path.is_file():
            message, remedy = "there is no such file", "mend the path; nothing was written"
            raise DataError(Finding("R101", "error", message, Where(str(path)), remedy=remedy))
        for found in _tables(path, dictionary.resolve() if dictionary else None):
            twin = next((i for i, other in enumerate(tables) if _same(other, found)), None)
            if twin is None:
                tables.append(found)
            else:
                tables[twin] = _stacked(tables[twin], found)
    if not tables:
        names = ", ".join(path.name for path in paths)
        message, allowed = "there is no table in these files", "at least one table with rows"
        remedy = "give the files that hold the records; nothing was written"
        raise DataError(Finding("R102", "error", message, found=names, allowed=allowed, remedy=remedy))
    return tables


def _same(one: Found, other: Found) -> bool:
    layout = replace(one.source, files=(), name="") == replace(other.source, files=(), name="")
    return layout and one.frame.columns == other.frame.columns and one.source.files != other.source.files


def _stacked(one: Found, other: Found) -> Found:
    source = replace(one.source, files=(*one.source.files, *other.source.files))
    return replace(
        one, source=source, frame=pl.concat([one.frame, other.frame]), title=f"{one.title} and {other.title}"
    )


def _tables(path: Path, dictionary: Path | None) -> Iterator[Found]:
    plain = Source("x", (str(path),), ())
    kind = plain.format_of(path)
    if kind == "xlsx":
        from sequela.records.workbooks import sheets_of

        for sheet in sheets_of(path):
            yield _found(replace(plain, format="xlsx", sheet=sheet), path, f"{path.name}, sheet {sheet}")
    elif kind == "duckdb":
        yield from _database(plain, path)
    elif kind in ("csv", "tsv"):
        yield from _text(plain, path, dictionary)
    else:
        yield _found(replace(plain, format=kind), path, path.name)


def _database(plain: Source, path: Path) -> Iterator[Found]:
    from sequela.records.frames import tables_of

    tables = tables_of(path)
    common = "person" in {table.lower() for table in tables}
    for table in tables:
        if common and table.lower() in _OMOP:
            yield _omop(
                replace(plain, format="omop", table=table.lower()), path, f"{path.name}, table {table}"
            )
        elif not common:
            yield _found(replace(plain, format="duckdb", table=table), path, f"{path.name}, table {table}")


def _text(plain: Source, path: Path, dictionary: Path | None) -> Iterator[Found]:
    source = _layout(plain, path)
    text = text_of(source, path)
    header = _header(source, text)
    stem = path.name.split(".")[0].lower()
    if stem in _VOCABULARY and "concept_id" in ",".join(header).lower():
        return
    if stem in _OMOP and "person_id" in map(str.lower, header):
        beside = str(dictionary) if dictionary else None
        yield _omop(replace(plain, format="omop", table=stem, dictionary=beside), path, path.name)
    elif any(name.startswith("redcap_") for name in header) or (dictionary and _is_redcap(dictionary)):
        yield from _redcap(replace(source, format="redcap", delimiter=None), path, dictionary)
    elif head_of(text) or {"PATIENT_ID", "START_DATE", "EVENT_TYPE"} <= set(header):
        yield _found(replace(plain, format="cbioportal"), path, path.name)
    else:
        yield _found(source, path, path.name)


def _start(path: Path) -> bytes:
    """The first million bytes, unpacked."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            return file.read(1 << 20)
    with gzip.open(path) as file:
        return file.read(1 << 20)


def _layout(plain: Source, path: Path) -> Source:
    """Encoding, delimiter, comments and rows of headings, from the first lines."""
    start = _start(path)
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        text = start.decode(encoding)
    except UnicodeDecodeError as fault:
        whole = (
            encoding == "utf-8" and fault.start >= len(start) - 4
        )  # a letter cut in two by the sample's end
        encoding = "utf-8" if whole else "cp1252"
        text = start.decode(encoding, errors="replace")
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    comment = "#" if lines and lines[0].startswith("#") else None
    head = [line for line in lines if not (comment and line.startswith(comment))][:4]
    signs = {sign: head[0].count(sign) for sign in ",;\t|"} if head else {",": 0}
    delimiter = max(signs, key=lambda sign: signs[sign])
    rows = 3 if len(head) > 2 and "CDE_ID" in head[2] else 1
    form = "tsv" if delimiter == "\t" else "csv"
    usual = {"csv": ",", "tsv": "\t"}[form]
    return replace(
        plain, format=form, delimiter=None if delimiter == usual else delimiter, comment=comment,
        encoding=encoding, header_rows=rows,
    )  # fmt: skip


def _header(source: Source, text: str) -> list[str]:
    delimiter = source.delimiter or ("\t" if source.format == "tsv" else ",")
    for row in csv.reader(io.StringIO(text), delimiter=delimiter):
        if row and not (source.comment and row[0].startswith(source.comment)):
            return [name.strip() for name in row]
    return []


def _is_redcap(dictionary: Path) -> bool:
    try:
        redcap.read_dictionary(dictionary)
    except DataError:
        return False
    return True


def _redcap(source: Source, path: Path, dictionary: Path | None) -> Iterator[Found]:
    """Every form of a project; those of one row a record side by side, as the first table."""
    if dictionary is None:
        raise DataError(
            Finding(
                "R116", "error", "this is a REDCap export, and its data dictionary is not given", Where(str(path)),
                allowed="the project's data dictionary (CSV)", remedy="give it: --dictionary FILE",
            )
        )  # fmt: skip
    fields = redcap.read_dictionary(dictionary)
    header = _header(source, text_of(source, path))
    source = replace(source, dictionary=str(dictionary))
    single: list[str] = []
    several: list[Found] = []
    for form in dict.fromkeys(known.form for known in fields):
        found = _form(replace(source, form=(form,)), path, fields, header)
        if found is None:
            continue
        if found.frame[fields[0].name].n_unique() == found.frame.height:
            single.append(form)
        else:
            several.append(found)
    if single:
        joined = _form(replace(source, form=tuple(single)), path, fields, header)
        if joined is not None:
            yield joined
    yield from several


def _form(source: Source, path: Path, fields: Sequence[redcap.Field], header: Sequence[str]) -> Found | None:
    """One form, or several side by side; None where it has no field that can be read, or no row."""
    mine = [
        field for field in fields if field.form in source.form and field.kind not in ("descriptive", "file")
    ]
    names = [fields[0].name]
    names += [f.name for f in mine if f.name in header or any(h.startswith(f"{f.name}___") for h in header)]
    if len(set(names)) == 1:
        return None
    system = [name for name in redcap.SYSTEM if name in header and name != redcap.INSTRUMENT]
    try:
        frame = read_raw(source, path, tuple(dict.fromkeys([*names, *system])), path.parent).frame
    except DataError as fault:
        if fault.findings[0].code == "R102":
            return None
        raise
    labels = {f.name: f.label for f in mine}
    levels = {f.name: {w: w for w in f.choices.values()} for f in mine if f.choices and f.kind != "checkbox"}
    title = f"{path.name}, form {' and '.join(source.form)}"
    return Found(source, title, frame.drop("_line"), labels, levels) if frame.height else None


def _omop(source: Source, path: Path, title: str) -> Found:
    names = omop.names_of(source, path, path.parent)
    frame = read_raw(source, path, tuple(names), path.parent).frame
    return Found(source, title, frame.drop("_line"))


def _found(source: Source, path: Path, title: str) -> Found:
    names, labels = _names(source, path)
    chosen = [name for name in dict.fromkeys(names) if name and names.count(name) == 1]
    frame = read_raw(source, path, tuple(chosen), path.parent).frame.drop("_line")
    return Found(source, title, frame, labels, unnamed=len(names) - len(chosen))


def _names(source: Source, path: Path) -> tuple[list[str], dict[str, str]]:
    """The columns of a file, and their labels where it has any."""
    kind = source.format_of(path)
    if kind in ("csv", "tsv", "cbioportal"):
        layout = replace(source, format="tsv", comment="#") if kind == "cbioportal" else source
        text = text_of(source, path)
        head = head_of(text) if kind == "cbioportal" else {}
        if head:
            return head["attributes"], dict(zip(head["attributes"], head["names"], strict=True))
        return _header(layout, text), {}
    if kind == "xlsx":
        from sequela.records.workbooks import header_of

        return header_of(source, path), {}
    if kind == "parquet":
        return list(pl.read_parquet_schema(path)), {}
    from sequela.records.frames import about

    return about(source, path)
