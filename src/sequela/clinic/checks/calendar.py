"""Dates and numbers that pile up: the first of the month, 1 January, one day for many patients, round percentages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl
from scipy.special import pdtrc

from sequela.clinic.checks.chance import LEVEL, at_least, held
from sequela.clinic.checks.meanings import concepts
from sequela.clinic.checks.rule import Break
from sequela.clinic.checks.sheets import source_of

if TYPE_CHECKING:
    from sequela.clinic.checks.laid import Laid
    from sequela.clinic.checks.rule import Records

ENOUGH: Final = 20  # dates, percentages: fewer say nothing
YEAR: Final = 365.25
PERCENT: Final = ("er", "pgr", "ki67")


def _piled(laid: Laid, inside: pl.Expr, share: float, what: str) -> list[Break] | str:
    if not laid.dated:
        return "the study counts days"
    tests: list[tuple[str, str | None, int, int]] = []
    for field, days in laid.days:
        counts = (pl.col("n").filter(inside).sum().alias("in"), pl.col("n").sum())
        inside_all, whole = days.select(*counts).row(0)
        tests.append((field, None, int(inside_all), int(whole)))
        by = days.drop_nulls("centre").group_by("centre").agg(*counts).sort("centre")
        tests += [(field, centre, int(x), int(n)) for centre, x, n in by.iter_rows()]
    tests = [test for test in tests if test[3] >= ENOUGH]
    if not tests:
        return f"no column with {ENOUGH} dates"
    p = [at_least(x, n, share) for *_, x, n in tests]
    return [
        Break(f"{x} of {n} days {what}, {n * share:.0f} expected", centre=centre, field=field)
        for field, centre, x, n in (tests[at] for at in held(p))
    ]


def days_of_the_month(laid: Laid) -> list[Break] | str:
    """C391."""
    inside = pl.col("day").cast(pl.Date).dt.day().is_in([1, 15])
    return _piled(laid, inside, 24 / YEAR, "are the first or the fifteenth of a month")


def days_of_the_year(laid: Laid) -> list[Break] | str:
    """C392."""
    day = pl.col("day").cast(pl.Date)
    inside = (day.dt.day() == 1) & day.dt.month().is_in([1, 7])
    return _piled(laid, inside, 2 / YEAR, "are 1 January or 1 July")


def one_date(laid: Laid) -> list[Break] | str:
    """C397: the days of a centre against a Poisson of three times their mean density."""
    if not laid.dated:
        return "the study counts days"
    found: list[tuple[float, Break]] = []
    tests = 0
    for field, counts in laid.days:
        if field.split(".")[0] != source_of(laid, "patients"):
            continue  # only there has a patient one date
        days = counts.select(pl.col("centre", "day").repeat_by("n").explode())
        low, high = pl.col("day").quantile(0.1), pl.col("day").quantile(0.9)
        by = days.drop_nulls("centre").group_by("centre").agg(
            pl.len().alias("n"), pl.max_horizontal(high - low, pl.lit(YEAR)).alias("span"),
            pl.col("day").mode().sort().first().alias("most"), pl.col("day").unique_counts().max().alias("times"),
        ).filter(pl.col("n") >= 8).sort("centre")  # fmt: skip
        tests += by.height
        for centre, n, span, day, times in by.iter_rows():
            p = float(pdtrc(times - 1, 3 * 0.8 * n / span)) * span
            words = f"{times} of {n} patients on {laid.study.day(day)}"
            found.append((p, Break(words, centre=centre, field=field)))
    if not tests:
        return "no centre with 8 dates"
    return [one for p, one in found if p * tests < LEVEL]


def round_percentages(records: Records) -> list[Break] | str:
    """C393."""
    source = source_of(records, "patients") or ""
    fields = concepts(records.study.sources[source].columns)
    tests: list[tuple[str, int, int]] = []
    for concept in PERCENT:
        values = (
            records.registry.patients[fields[concept]] if concept in fields else pl.Series([], dtype=pl.Int64)
        )
        if values.dtype.is_numeric():
            inner = values.filter((values > 0) & (values < 100) & (values == values.round(0)))
            tests.append((fields.get(concept, concept), int((inner % 5 == 0).sum()), len(inner)))
    tests = [test for test in tests if test[2] >= ENOUGH]
    if not tests:
        return f"no percentage with {ENOUGH} values"
    p = [at_least(x, n, 19 / 99) for _, x, n in tests]
    return [
        Break(f"{x} of {n} values of `{field}` end in 0 or 5, {n * 19 / 99:.0f} expected", field=field)
        for field, x, n in (tests[at] for at in held(p))
    ]


def partial(records: Records) -> list[Break] | str:
    """C399."""
    found: list[Break] = []
    for name, table in records.tables.items():
        for column in table.frame.columns:
            field = column.removesuffix("_precision")
            if field != column and field in table.frame.columns and table.frame[column].dtype == pl.String:
                part = table.frame[column].drop_nulls()
                n = int((part != "day").sum())
                years = int((part == "year").sum())
                words = f"{n} of {len(part)} dates, {years} of them to the year only"
                found += [Break(words, field=f"{name}.{field}")] if n else []
    return found
