"""Files that hold typed columns (Parquet, DuckDB, SPSS, Stata, SAS): each wanted column as a person would write it.

Value labels take the place of their codes, unless the column asks for its codes; user-missing values are missing.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.core.errors import DataError, UsageError
from sequela.core.finding import Finding, Where
from sequela.records.encoding import AGAIN
from sequela.records.raw import Raw
from sequela.records.splitting import no_column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sequela.records.source import Source

STRFTIME: Final = {
    "YYYY-MM-DD": "%Y-%m-%d", "DD/MM/YYYY": "%d/%m/%Y", "MM/DD/YYYY": "%m/%d/%Y", "DD.MM.YYYY": "%d.%m.%Y",
    "DD-MM-YYYY": "%d-%m-%Y", "YYYY/MM/DD": "%Y/%m/%d", "YYYYMMDD": "%Y%m%d",
}  # fmt: skip
_READERS: Final = {"sav": "read_sav", "dta": "read_dta", "sas7bdat": "read_sas7bdat", "xpt": "read_xport"}


def read_columns(source: Source, path: Path, wanted: tuple[str, ...], base: Path) -> Raw:
    """The wanted columns of a Parquet, DuckDB, SPSS, Stata or SAS file.

    Raises:
        DataError: R102 no rows; R103 damaged; R107 no such column; R114 no such table; R116 no catalogue.
        UsageError: R113, DuckDB is not installed.
    """
    kind = source.format_of(path)
    beside: tuple[Path, ...] = ()
    if kind == "parquet":
        names = _attempt(path, kind, lambda: pl.read_parquet_schema(path))
        frame = _chosen(
            source, path, wanted, list(names), lambda: pl.read_parquet(path, columns=list(wanted))
        )
    elif kind == "duckdb":
        frame = read_duckdb(source, path, source.table or path.stem, wanted)
    else:
        catalogue = beside_file(source, base, "a catalogue of formats (.sas7bcat)")
        beside = (catalogue,) if catalogue else ()
        frame = _statistical(source, path, wanted, kind, catalogue)
    return Raw(as_rows(source, path, frame), sha256=dict.fromkeys(beside, ""))


def beside_file(source: Source, base: Path, what: str) -> Path | None:
    """The source's `dictionary`; None where it names none.

    Raises:
        DataError: R116, there is no such file.
    """
    if source.dictionary is None:
        return None
    path = base / source.dictionary
    if not path.is_file():
        raise DataError(
            Finding(
                "R116",
                "error",
                f"the dictionary of source `{source.name}` is missing",
                Where(str(path)),
                allowed=what,
                remedy=f"mend `dictionary` under [sources.{source.name}], or put the file in place",
            )
        )
    return path


def needs(library: str, extra: str, what: str) -> UsageError:
    """R113: an optional library is not installed."""
    return UsageError(
        Finding(
            "R113", "error", f"{what} needs the library {library}, which is not installed",
            allowed=f"{library}", remedy=f'pip install "sequela[{extra}]"',
        )
    )  # fmt: skip


def no_table(source: Source, path: Path, what: str, name: str, known: Sequence[str]) -> DataError:
    """R114: a sheet, form or table that the file does not have."""
    return DataError(
        Finding(
            "R114", "error", f"the file has no {what} `{name}`", Where(str(path)), name,
            ", ".join(known[:20]) or f"no {what} at all",
            f"mend `{what}` under [sources.{source.name}]",
        )
    )  # fmt: skip


def read_duckdb(source: Source, path: Path, table: str, wanted: Sequence[str] | None) -> pl.DataFrame:
    """Columns of one table of a DuckDB file (all when `wanted` is None), opened for reading only.

    Raises:
        DataError: R103 no DuckDB file; R107 no such column; R114 no such table.
        UsageError: R113, DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise needs("duckdb", "big", "a DuckDB file") from None
    connection: Any = _attempt(path, "duckdb", lambda: duckdb.connect(str(path), read_only=True))
    try:
        listed = connection.execute(
            "select table_schema, table_name from information_schema.tables"
        ).fetchall()
        schema, _, plain = table.rpartition(".")
        found = next(
            (
                (s, t)
                for s, t in sorted(listed)
                if t.lower() == plain.lower() and schema.lower() in ("", s.lower())
            ),
            None,
        )
        if found is None:
            raise no_table(source, path, "table", table, [f"{s}.{t}" for s, t in sorted(listed)])
        relation = ".".join(f'"{part}"' for part in found)
        names = [row[0] for row in connection.execute(f"describe {relation}").fetchall()]
        columns = names if wanted is None else _present(source, path, wanted, names)
        chosen = ", ".join(f'"{name}"' for name in columns)
        # Through a Parquet file of its own making: exact types, and no further library between the two engines.
        with TemporaryDirectory() as folder:
            copy = Path(folder) / "table.parquet"
            connection.execute(f"copy (select {chosen} from {relation}) to '{copy}' (format parquet)")
            return pl.read_parquet(copy)
    finally:
        connection.close()


def tables_of(path: Path) -> list[str]:
    """The tables of a DuckDB file.

    Raises:
        DataError: R103, no DuckDB file.
        UsageError: R113, DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise needs("duckdb", "big", "a DuckDB file") from None
    connection: Any = _attempt(path, "duckdb", lambda: duckdb.connect(str(path), read_only=True))
    try:
        listed = connection.execute("select table_name from information_schema.tables order by 1").fetchall()
    finally:
        connection.close()
    return [row[0] for row in listed]


def about(source: Source, path: Path) -> tuple[list[str], dict[str, str]]:
    """The columns of an SPSS, Stata, SAS or DuckDB file, and their labels.

    Raises:
        DataError: R103, the file is damaged.
    """
    kind = source.format_of(path)
    if kind == "duckdb":
        return read_duckdb(source, path, source.table or path.stem, None).columns, {}
    import pyreadstat

    read: Any = getattr(pyreadstat, _READERS[kind])
    told: Any = _attempt(path, kind, lambda: read(str(path), metadataonly=True, output_format="polars")[1])
    return list(told.column_names), {
        name: label for name, label in told.column_names_to_labels.items() if label
    }


def _statistical(
    source: Source, path: Path, wanted: tuple[str, ...], kind: str, catalogue: Path | None
) -> pl.DataFrame:
    """SPSS, Stata or SAS: only the wanted columns are read; labels replace codes."""
    import pyreadstat

    read: Any = getattr(pyreadstat, _READERS[kind])
    options: dict[str, Any] = {"output_format": "polars"}
    if source.encoding.lower() not in ("utf-8", "utf8"):
        options["encoding"] = source.encoding
    known: Any = _attempt(path, kind, lambda: read(str(path), metadataonly=True, **options)[1])
    columns = _present(source, path, wanted, known.column_names)
    if catalogue is not None and kind == "sas7bdat":
        options["catalog_file"] = str(catalogue)
    frame, known = _attempt(path, kind, lambda: read(str(path), usecols=columns, **options))
    plain = {column.heading for column in source.columns if column.codes}
    labels: Mapping[str, Mapping[Any, str]] = known.variable_value_labels
    return frame.with_columns(
        labelled(as_text(frame[name]), labels[name]).alias(name)
        for name in columns
        if name in labels and name not in plain
    ).select(columns)


def labelled(values: pl.Series, labels: Mapping[Any, str]) -> pl.Series:
    """Codes as text replaced by their labels; codes without a label stay."""
    # A column of whole numbers is written 9, one with fractions 9.0: the code is looked for in both ways.
    words = {spelling: word for code, word in labels.items() for spelling in _spellings(code)}
    return values.replace(words)


def _spellings(code: Any) -> tuple[str, ...]:
    return (str(code), str(int(code))) if isinstance(code, float) and code.is_integer() else (str(code),)


def _attempt(path: Path, kind: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as fault:  # each library has its own family of errors for a damaged file
        message, found = f"the file cannot be read as {kind}", (str(fault).splitlines() or [""])[0][:200]
        raise DataError(
            Finding("R103", "error", message, Where(str(path)), found, f"a whole {kind} file", AGAIN)
        ) from None


def _present(source: Source, path: Path, wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    absent = [name for name in wanted if name not in names]
    if absent:
        raise DataError([no_column(source, path, names, name) for name in absent])
    return list(wanted)


def _chosen(
    source: Source, path: Path, wanted: Sequence[str], names: Sequence[str], read: Callable[[], pl.DataFrame]
) -> pl.DataFrame:
    _present(source, path, wanted, names)
    return _attempt(path, source.format_of(path), read)


def as_rows(source: Source, path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """Every column as text, with `_line`, the number of the row; a column of dates that is declared as one stays so.

    Raises:
        DataError: R102, the frame has no rows.
    """
    if frame.is_empty():
        raise DataError(
            Finding(
                "R102", "error", "the file has no rows", Where(str(path)), None, "at least one row", AGAIN
            )
        )
    forms = {column.heading: column.date_format for column in source.columns}
    lines = pl.Series("_line", range(1, frame.height + 1), dtype=pl.Int64)
    columns = (
        frame[name] if _stays(source, frame[name]) else as_text(frame[name], forms.get(name))
        for name in frame.columns
    )
    return pl.DataFrame([*columns, lines])


def _stays(source: Source, values: pl.Series) -> bool:
    """Dates whose text would be read again as the same dates: writing millions of them for it takes time."""
    asked = [column for column in source.columns if column.heading == values.name]
    plain = all(
        column.type == "date"
        and column.date_format in (None, "YYYY-MM-DD")
        and column.minimum is None
        and column.maximum is None
        for column in asked
    )
    return values.dtype == pl.Date and bool(asked) and plain and not source.repeats


def as_text(values: pl.Series, date_format: str | None = None) -> pl.Series:
    """Text as a person would write it: SPSS keeps the patient number 12 as 12.0, and a date as its own type.

    A date takes the form that its column declares, so that true dates and typed ones agree.
    """
    if values.dtype.is_float():
        values = values.fill_nan(None)
        whole = values.round(0) == values
        if whole.all() and values.abs().max() is not None:
            values = values.cast(pl.Int64, strict=False)
    elif values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        return _dates(values, date_format)
    return values.cast(pl.String, strict=False)


def _dates(values: pl.Series, date_format: str | None) -> pl.Series:
    form = STRFTIME.get(date_format or "", "%Y-%m-%d")
    if not (values.dtype == pl.Date or (values.dt.date().cast(values.dtype) == values).all() or date_format):
        form = f"{form} %H:%M:%S"
    days = values.drop_nulls().unique()  # far fewer than rows: each is written once
    return values.replace_strict(days, days.dt.strftime(form), default=None, return_dtype=pl.String)


def cell_text(value: Any, date_format: str | None = None) -> str | None:
    """One cell of a spreadsheet as text; None when it is empty."""
    if value is None or value == "":
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**63 else repr(value)
    if isinstance(value, datetime):
        form = STRFTIME.get(date_format or "", "%Y-%m-%d")
        midnight = not (value.hour or value.minute or value.second)
        return value.strftime(form if midnight or date_format else f"{form} %H:%M:%S")
    if isinstance(value, date):
        return value.strftime(STRFTIME.get(date_format or "", "%Y-%m-%d"))
    return str(value)
