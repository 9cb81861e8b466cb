"""The records as the rules need them, worked out once: sheets, rows of nobody, rows twice, days by centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.clinic.checks.rule import Records
from sequela.clinic.checks.sheets import first_of_row, sheets
from sequela.clinic.tables import PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sequela.clinic.checks.sheets import Sheet

_SPAN: Final = 1 << 32  # more than there are days


@dataclass(frozen=True, slots=True, eq=False)
class Laid(Records):
    """Records, and what several rules ask of them.

    Attributes:
        sheets: rows for the rules that are a statement about one.
        strangers: by source, the rows (`patient`, place) whose patient is not in the patients' file.
        repeated: rows that are the same as an earlier one in every field: `source`, `row`, `patient`, place.
        days: every column of dates, as `source.field`, with how many different days of a patient fall on it:
            `centre`, `day`, `n`. Dates that are known to the month or year only are left out.
    """

    sheets: Mapping[str, Sheet]
    strangers: Mapping[str, pl.DataFrame]
    repeated: pl.DataFrame
    days: tuple[tuple[str, pl.DataFrame], ...]


def lay(records: Records) -> Laid:
    """Work them out."""
    again = _repeated(records)
    places = _places(records)
    return Laid(
        study=records.study, tables=records.tables, registry=records.registry, lines=records.lines,
        dictionary=records.dictionary, today=records.today, sheets=sheets(records, again),
        strangers=_strangers(records, places), repeated=again, days=tuple(_days(records, places)),
    )  # fmt: skip


def _places(records: Records) -> dict[str, pl.Series]:
    """By source the place of each row's patient among all, by name; null where the patients' file has none."""
    ranks = records.registry.patients.select(pl.col("patient").sort()).with_row_index("rank")
    given = records.registry.treatments
    found: dict[str, pl.Series] = {}
    for name, source in records.study.sources.items():
        if source.role == "treatments":
            found[name] = given.filter(first_of_row(given))["patient_rank"]
        else:
            rows = records.tables[name].frame.select("patient")
            found[name] = rows.join(ranks, on="patient", how="left", maintain_order="left")["rank"]
    return found


def _strangers(records: Records, places: Mapping[str, pl.Series]) -> dict[str, pl.DataFrame]:
    return {
        name: _at(records.tables[name].frame, places[name].is_null())
        for name, source in records.study.sources.items()
        if source.role != "patients"
    }


def _at(frame: pl.DataFrame, wanted: pl.Series) -> pl.DataFrame:
    """Patient and place of the rows that are wanted (few, as a rule)."""
    rows = frame.select("patient", *PLACE)[wanted.arg_true()]
    return rows.cast({"_file": pl.String, "_line": pl.Int64})


def _repeated(records: Records) -> pl.DataFrame:
    parts: list[pl.DataFrame] = []
    for name, source in records.study.sources.items():
        frame = records.tables[name].frame
        if source.role != "patients":
            again = ~frame.drop(PLACE).hash_rows(seed=0).is_first_distinct()
            row = again.arg_true().cast(pl.Int64).alias("row")
            parts.append(_at(frame, again).with_columns(pl.lit(name).alias("source"), row))
    return pl.concat(parts)


def _days(records: Records, places: Mapping[str, pl.Series]) -> Iterator[tuple[str, pl.DataFrame]]:
    centres = records.registry.patients.sort("patient")["centre"].cast(pl.String)
    names = centres.unique().sort()
    codes = centres.replace_strict(names, pl.int_range(len(names), eager=True), return_dtype=pl.Int64)
    for source, declared in records.study.sources.items():
        frame = records.tables[source].frame
        for field, column in declared.columns.items():
            if isinstance(column, str) or column.type != "date":
                continue
            known = pl.DataFrame({"rank": places[source].cast(pl.Int64), "day": frame[field].cast(pl.Int64)})
            if f"{field}_precision" in frame.columns:
                known = known.filter(frame[f"{field}_precision"] == "day")
            # Several drugs on one day of a patient are one day.
            packed = (
                known.drop_nulls().select(pl.col("rank") * _SPAN + pl.col("day") + _SPAN // 2).to_series()
            )
            packed = packed.unique()
            by = codes.gather(packed // _SPAN) * _SPAN + packed % _SPAN
            counts = by.alias("key").to_frame().group_by("key").agg(pl.len().alias("n")).sort("key")
            key = counts["key"]
            yield (
                f"{source}.{field}",
                pl.DataFrame({
                    "centre": names.gather(key // _SPAN),
                    "day": (key % _SPAN - _SPAN // 2).cast(pl.Int32),
                    "n": counts["n"],
                }),
            )  # fmt: skip
