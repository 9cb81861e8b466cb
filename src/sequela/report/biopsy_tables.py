"""Tables of biopsies: the readings before and after, what became of every status, and what so few pairs can show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.core.wording import DASH, interval, number
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from sequela.core.estimate import Test
    from sequela.report.content_tables import House
    from sequela.report.figures.biopsy_pairs import Slopes
    from sequela.report.image_content import Biopsied

TIMES: Final = {"before": "Before", "after": "After"}
READ: Final = {
    "er": "ER",
    "pgr": "PgR",
    "score": "HER2 score",
    "percent": "HER2 %",
    "ish": "ISH",
    "ki67": "Ki-67",
}
ISH: Final = {
    "ambiguous_dash": "–",
    "not_done": "not done",
    "not_amplified": "not amplified",
}
AMBIGUOUS: Final = "A dash under ISH is as it was printed: not done, or not amplified."
PLACES: Final = (
    "Two biopsies are two places of a tumour: they may differ by its own variety. A lower score is not a lost status: "
    "1+ with an amplified gene is HER2-positive."
)
STATUSES: Final = {"her2": "HER2", "er": "ER", "pgr": "PgR"}


def all_tables(content: Biopsied, house: House, banner: str | None) -> list[Table]:
    """Readings, statuses, and tests where there are any."""
    found = [readings(content, banner), statuses(content, banner)]
    return found + ([tests(content, house, banner)] if any(one.test for one in content.slopes) else [])


def readings(content: Biopsied, banner: str | None) -> Table:
    """What was read before and after, a row a patient, as such tables are printed."""
    table = content.found.table
    kinds = [kind for kind in READ if kind in table.columns]
    columns = tuple(Column(READ[kind], TIMES[time]) for time in TIMES for kind in kinds)
    rows = [
        Row(
            f"Patient {patient}",
            tuple(_reading(kind, _one(table, patient, time, kind)) for time in TIMES for kind in kinds),
        )
        for patient in table["patient"].unique(maintain_order=True)
    ]
    dashes = (table["ish"] == "ambiguous_dash").any()
    notes = (*((AMBIGUOUS,) if dashes else ()), *content.notes)
    return Table(content.heading.id, "", content.heading.title, columns, tuple(rows), notes, banner, "")


def _one(table: pl.DataFrame, patient: Any, time: str, column: str) -> Any:
    """One value; None where there is no such biopsy."""
    found = table.filter((pl.col("patient") == patient) & (pl.col("time") == time))[column].to_list()
    return found[0] if found else None


def _reading(kind: str, value: Any) -> Cell:
    if value is None:
        return Cell("")
    if kind in ("score", "ish"):
        return Cell(ISH.get(str(value), str(value).replace("_", " ")))
    return Cell(f"{float(value):g}%", float(value))


def statuses(content: Biopsied, banner: str | None) -> Table:
    """HER2, ER and PgR status before and after, and what was converted."""
    table = content.found.table
    lower = dict(content.found.changes.select("patient", "score_lower").iter_rows())
    rows: list[Row] = []
    counts = dict.fromkeys(STATUSES, 0)
    for patient in table["patient"].unique(maintain_order=True):
        cells: list[Cell] = []
        for kind in STATUSES:
            before, after = (_one(table, patient, time, f"{kind}_status") for time in TIMES)
            changed = before is not None and after is not None and before != after
            counts[kind] += changed
            words = f"{before or 'unknown'} → {after or 'unknown'}" if changed else str(before or "unknown")
            reason = _one(table, patient, "after", "her2_reason") if kind == "her2" else None
            cells.append(Cell(words, notes=(f"Patient {patient}, after: {reason}.",) if reason else ()))
        told = lower.get(patient)
        cells.append(Cell(DASH if told is None else "lower" if told else "not lower"))
        rows.append(Row(f"Patient {patient}", tuple(cells)))
    n = len(content.found.changes)
    total = [Cell(f"{count} of {n}", count) for count in counts.values()]
    fell = sum(1 for value in lower.values() if value)
    rows.append(Row("Converted", (*total, Cell(f"{fell} of {n} lower", fell))))
    columns = (
        *(Column(f"{name} status", align="left") for name in STATUSES.values()),
        Column("HER2 score", align="left"),
    )
    notes = (f"HER2 by ASCO/CAP {content.found.edition}; ER and PgR positive from 1%.", PLACES)
    title = f"{content.heading.title}: statuses"
    return Table(f"{content.heading.id}-statuses", "", title, columns, tuple(rows), notes, banner, "")


def tests(content: Biopsied, house: House, banner: str | None) -> Table:
    """Directions of the pairs, exact tests, and the least p that so many pairs can give."""
    told = [one for one in content.slopes if one.test is not None]
    rows = [Row(one.name, _tested(one, house)) for one in told]
    columns = (
        Column("Pairs"), Column("Lower"), Column("Higher"), Column("Equal"), Column("P(lower)\n(95% CI)"),
        Column("Sign test", "Exact p"), Column("Wilcoxon", "Exact p"), Column("Smallest possible", "Exact p"),
    )  # fmt: skip
    notes = ("Two-sided exact tests of pairs that differ; not adjusted. " + _limit(told),)
    title = f"{content.heading.title}: exact paired tests"
    return Table(f"{content.heading.id}-tests", "", title, columns, tuple(rows), notes, banner, "Measure")


def _limit(told: list[Slopes]) -> str:
    """What so many pairs can show at all."""
    known = [one.test for one in told if one.test and not math.isnan(one.test.least_p)]
    if not known:
        return "No pair differs."
    most = min(known, key=lambda test: test.least_p)
    few = most.least_p >= 0.05
    end = "no result here could be significant at 0.05, whatever the truth" if few else "exact p-values"
    return (
        f"With {most.lower + most.higher} pairs the smallest two-sided p is {number(most.least_p, 3)}: {end}."
    )


def _tested(one: Slopes, house: House) -> tuple[Cell, ...]:
    test = one.test
    assert test is not None, "only tested measures are listed"
    counts = [Cell(str(n), n) for n in (test.pairs, test.lower, test.higher, test.equal)]
    share = test.share_lower
    if math.isnan(share.value):
        return (
            *counts,
            Cell(DASH, notes=(f"{share.reason}.".capitalize(),)),
            Cell(DASH),
            Cell(DASH),
            Cell(DASH),
        )
    text = f"{number(share.value, 2, house.style)} ({interval(share.lower, share.upper, 2, house.style)})"
    limits = (("lower", share.lower), ("upper", share.upper))
    return (*counts, Cell(text, share.value, limits), _p(test.sign, house), _p(test.ranks, house),
            Cell(number(test.least_p, 3, house.style), test.least_p))  # fmt: skip


def _p(test: Test, house: House) -> Cell:
    if math.isnan(test.p):
        return Cell(DASH, notes=(f"{test.reason}.".capitalize(),) if test.reason else ())
    return Cell(number(test.p, 3, house.style), test.p)
