"""Rules about rows that one condition cannot say: the drug dictionary, several sources, every date column."""

from __future__ import annotations

from datetime import date
from itertools import combinations
from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.clinic.checks.meanings import concepts
from sequela.clinic.checks.rule import MOST, Break, day_of, uncounted
from sequela.clinic.checks.sheets import source_of
from sequela.clinic.tables import BEFORE_INDEX, PLACE, anchor_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sequela.clinic.checks.laid import Laid
    from sequela.clinic.checks.rule import Records

LONG_AGO: Final = day_of(date(1960, 1, 1))
BORN: Final = day_of(date(1890, 1, 1))
ZEROS: Final = tuple(
    day_of(date(*day))
    for day in ((1582, 10, 14), (1899, 12, 30), (1900, 1, 1), (1904, 1, 1), (1960, 1, 1), (1970, 1, 1))
)
ZEROS_BORN: Final = tuple(day for day in ZEROS if day < day_of(date(1905, 1, 1)))


def breaks(frame: pl.DataFrame) -> list[Break]:
    """The rows of a frame with `found`, and as it has them `patient`, place and `field`; beyond `MOST` counted."""
    listed = [
        Break(
            row["found"],
            row.get("_file"),
            row.get("_line"),
            row.get("patient"),
            row.get("centre"),
            row.get("field"),
        )
        for row in frame.head(MOST).iter_rows(named=True)
    ]
    return listed + uncounted(frame.height)


def _joined(parts: Iterable[pl.DataFrame]) -> list[Break]:
    return breaks(
        pl.concat([pl.DataFrame({"found": []}, {"found": pl.String}), *parts], how="diagonal_relaxed")
    )


def said(records: Records, *columns: str) -> pl.Expr:
    """Words such as `start 2014-03-02, end 2014-02-28`."""
    clock = records.study.day
    parts: list[pl.Expr] = []
    for i, column in enumerate(columns):
        text = pl.col(column).map_elements(clock, return_dtype=pl.String)
        parts.append(pl.concat_str(pl.lit(f"{', ' if i else ''}{column.strip('@_!')} "), text))
    return pl.concat_str(parts, ignore_nulls=True).alias("found")


def duplicate_patients(records: Records) -> list[Break] | str:
    """C301."""
    frame = records.tables[source_of(records, "patients") or ""].frame
    again = frame.filter(~pl.col("patient").is_first_distinct())
    return breaks(
        again.with_columns(pl.lit("a second row of the same patient; the first one counts").alias("found"))
    )


def orphans(laid: Laid) -> list[Break] | str:
    """C302."""
    words = pl.concat_str(pl.lit("patient "), "patient").alias("found")
    return _joined(rows.with_columns(words) for rows in laid.strangers.values())


def death_before_baseline(records: Records) -> list[Break] | str:
    """C306."""
    if records.death is None:
        return "no anchor has a status"
    death, parts = anchor_column(records.death), list[pl.DataFrame]()
    for name, anchor in records.study.anchors.items():
        if anchor.stage == "baseline":
            column = anchor_column(name)
            wrong = records.registry.patients.filter(pl.col(death) < pl.col(column))
            parts.append(wrong.select("patient", *PLACE, said(records, column, death)))
    return (
        breaks(pl.concat(parts).unique("patient", keep="first", maintain_order=True))
        if parts
        else "no baseline anchor"
    )


def baseline_out_of_order(records: Records) -> list[Break] | str:
    """C307: each moment against the next one that is known."""
    anchors = records.study.anchors.items()
    named = [
        anchor_column(name) for name, anchor in anchors if anchor.stage == "baseline" and anchor.day is None
    ]
    if len(named) < 2:
        return "fewer than two baseline anchors with dates"
    patients, parts = records.registry.patients, list[pl.DataFrame]()
    for first, second in combinations(range(len(named)), 2):
        earlier, later = named[first], named[second]
        between = [pl.col(name).is_null() for name in named[first + 1 : second]]
        wrong = patients.filter(pl.col(later) < pl.col(earlier), *between)
        parts.append(wrong.select("patient", *PLACE, said(records, earlier, later)))
    return _joined(parts)


def before_the_index(records: Records) -> list[Break] | str:
    """C308: events of the course before the patient's index date."""
    index = anchor_column(records.study.lines.index)
    people = records.registry.patients.select("patient", pl.col(index).alias("index"))
    course = [name for name, anchor in records.study.anchors.items() if anchor.stage == "course"]
    return _joined(
        records.registry.dated[name].rename({"day": "event"}).join(people, on="patient", maintain_order="left")
        .filter(pl.col("event") < pl.col("index"))
        .with_columns(said(records, "event", "index"))
        for name in course
    ) if course else "no anchor of the course"  # fmt: skip


def _dates(records: Records) -> Iterator[tuple[str, pl.DataFrame]]:
    """Every column of dates with its place: `day`."""
    for name, source in records.study.sources.items():
        for field, column in source.columns.items():
            if not isinstance(column, str) and column.type == "date":
                frame = records.tables[name].frame
                yield (
                    field,
                    frame.select("patient", *PLACE, pl.col(field).cast(pl.Int32).alias("day")).drop_nulls(
                        "day"
                    ),
                )


def _unlikely(records: Records, wrong: Callable[[str], pl.Expr]) -> list[Break] | str:
    if not records.dated:
        return "the study counts days"
    births = {field for concept, field in _fields(records) if concept == "birth"}
    return _joined(
        frame.filter(wrong("birth" if field in births else field))
        .with_columns(pl.lit(field).alias("field"))
        .with_columns(said(records, "day").str.replace("day", pl.col("field"), literal=True).alias("found"))
        for field, frame in _dates(records)
    )


def _fields(records: Records) -> Iterator[tuple[str, str]]:
    for source in records.study.sources.values():
        yield from concepts(source.columns).items()


def future(records: Records) -> list[Break] | str:
    """C312."""
    told = records.study.study.data_cut
    limit = day_of(date.fromisoformat(told) if told else records.today)
    return _unlikely(records, lambda _: pl.col("day") > limit)


def long_ago(records: Records) -> list[Break] | str:
    """C366; the zeros of programs are C367."""
    return _unlikely(
        records,
        lambda field: (pl.col("day") < (BORN if field == "birth" else LONG_AGO)) & ~_zero(field),
    )


def _zero(field: str) -> pl.Expr:
    return pl.col("day").is_in(ZEROS_BORN if field == "birth" else ZEROS)


def placeholders(records: Records) -> list[Break] | str:
    """C367."""
    return _unlikely(records, _zero)


def exchanged(records: Records) -> list[Break] | str:
    """C368: two days of a row out of order that exchanging day and month of one of them puts in order."""
    if not records.dated:
        return "the study counts days"
    parts: list[pl.DataFrame] = []
    for name, source in records.study.sources.items():
        known = concepts(source.columns)
        pairs = [
            (known[a], known[b])
            for a, b in (
                ("start", "end"),
                ("birth", "diagnosis"),
                ("diagnosis", "metastatic"),
                ("surgery", "metastatic"),
            )
            if a in known and b in known
        ]
        frame = records.tables[name].frame
        parts.extend(
            _swapped(records, frame, first, second)
            for first, second in pairs
            if frame[first].dtype == pl.Int32 and frame[second].dtype == pl.Int32
        )
    return _joined(parts)


def _swapped(records: Records, frame: pl.DataFrame, first: str, second: str) -> pl.DataFrame:
    def other(field: str) -> pl.Expr:
        day = pl.col(field).cast(pl.Date)
        told = pl.date(day.dt.year(), day.dt.day(), day.dt.month())
        return pl.when(day.dt.day() <= 12).then(told).cast(pl.Int32)

    rows = frame.filter(pl.col(second) < pl.col(first)).select("patient", *PLACE, first, second)
    rows = rows.with_columns(other(first).alias("_a"), other(second).alias("_b"))
    mended = (pl.col("_a") <= pl.col(second)) | (pl.col(first) <= pl.col("_b"))
    rows = rows.filter(mended.fill_null(value=False))
    return rows.with_columns(said(records, first, second), pl.lit(first).alias("field"))


def _unusable(records: Records, reason: str) -> pl.DataFrame:
    rows = records.registry.treatments.filter(pl.col("unused") == reason)
    return rows.unique("row", keep="first", maintain_order=True)


def unknown_drugs(records: Records) -> list[Break] | str:
    """C313."""
    rows = _unusable(records, "drug not in the dictionary")
    near = {text: ", ".join(records.dictionary.suggest(text)) for text in rows["drug"].drop_nulls().unique()}
    words = {text: f"“{text}”" + (f" (near: {names})" if names else "") for text, names in near.items()}
    return breaks(
        rows.with_columns(
            pl.col("drug").replace_strict(words, default=None, return_dtype=pl.String).alias("found")
        )
    )


def before_index(records: Records) -> list[Break] | str:
    """C316: one finding a patient; adjuvant treatments are expected here, and counted together."""
    drugs = pl.col("drug").unique(maintain_order=True).str.join(", ")
    found = pl.concat_str(
        pl.len().cast(pl.String),
        pl.when(pl.len() == 1).then(pl.lit(" row: ")).otherwise(pl.lit(" rows: ")),
        drugs,
    ).alias("found")
    rows = _unusable(records, BEFORE_INDEX).group_by("patient", maintain_order=True)
    return breaks(rows.agg(pl.col(*PLACE).first(), found))


def untreated(laid: Laid) -> list[Break] | str:
    """C317."""
    rows = laid.sheets["people"].frame.filter(pl.col("n_treatments") == 0)
    return breaks(rows.with_columns(pl.lit("no row").alias("found")))


def overlapping_lines(records: Records) -> list[Break] | str:
    """C318."""
    rows = records.lines.table.rename({"subject": "patient"}).sort("patient", "step")
    same = pl.col("patient") == pl.col("patient").shift(-1)
    following = pl.when(same).then(pl.col("start").shift(-1))
    wrong = following.is_not_null() & (pl.col("end").is_null() | (following <= pl.col("end")))
    text = pl.concat_str(
        pl.lit("line "), pl.col("step"), pl.lit(" goes on when line "), pl.col("step") + 1, pl.lit(" starts")
    )
    return breaks(rows.filter(wrong).with_columns(text.alias("found")))


def rows_twice(laid: Laid) -> list[Break] | str:
    """C389."""
    words = pl.lit("the same in every field as an earlier row").alias("found")
    return breaks(laid.repeated.with_columns(words))
