"""The variants of an endpoint as tables and a forest: what counts as an end decides part of the answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sequela.core.wording import number, percent
from sequela.report.content_tables import NOT_REACHED, House
from sequela.report.figures import ForestRow, forest
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from sequela.core.estimate import Estimate
    from sequela.report.content import Counted, Variants
    from sequela.report.figures import Figure


def variant_tables(content: Variants, house: House) -> tuple[Table, ...]:
    """Events, medians and hazard ratio of every variant; then the kinds of event as competing."""
    return (_ratios(content, house), *((_incidences(content, house),) if content.causes else ()))


def range_words(content: Variants, house: House) -> str:
    """`The hazard ratio lies between 1.02 and 1.31; p ≤ 0.05 in 3 of 5 ways to count.`"""
    if content.span is None:
        return "No way to count gives a hazard ratio."
    low, high = (number(value, 2, house.style) for value in content.span)
    few, all_ = content.significant
    return f"The hazard ratio lies between {low} and {high}; p ≤ 0.05 in {few} of {all_} ways to count."


def _ratios(content: Variants, house: House) -> Table:
    columns = [
        Column("What counts", align="left"),
        Column("n"),
        Column("Events"),
        *(Column(f"{group}\nmedian, {house.unit}s (95% CI)") for group in content.groups),
        Column("HR (95% CI)"),
        Column("p value"),
    ]
    rows = [_row(row, content, house) for row in content.rows]
    notes = [
        range_words(content, house),
        f"Hazard ratio: {content.groups[1]} against {content.groups[0]}, Cox model; V7: Weibull model of "
        f"interval-censored times, and Turnbull's median with the interval in which it lies. {NOT_REACHED}.",
        *_waiting(content, house),
    ]
    if content.late:
        notes.append(
            "The clock of this endpoint starts before its groups are settled: see “Time zero”. "
            "No way to count mends that."
        )
    title = f"{content.endpoint}: what counts as its end"
    population = f"Population: {content.heading.population}."
    return Table(
        content.heading.id,
        "",
        title,
        tuple(columns),
        tuple(rows),
        (population, *notes),
        house.banner,
        "Variant",
    )


def _row(row: Counted, content: Variants, house: House) -> Row:
    if row.reason and not row.events:
        blank = tuple(Cell("") for _ in range(len(content.groups) + 3))
        return Row(row.code, (Cell(row.words), *blank, Cell(f"not counted: {row.reason}")), 0, "muted")
    medians = [house.time(median) for median in row.medians]
    ratio = row.hazard_ratio
    counts = (Cell(str(row.n), row.n), Cell(str(row.events), row.events))
    found = Cell(row.reason) if ratio is None else house.ratio(ratio)
    return Row(
        row.code, (Cell(row.words), *counts, *medians, found, house.p(None if ratio is None else ratio.p))
    )


def _waiting(content: Variants, house: House) -> list[str]:
    found: list[str] = []
    for values, words in (
        (content.visits, "Median interval between visits"),
        (content.waits, "Median time from progression to the next line"),
    ):
        known = [
            f"{group} {number(value, 0, house.style)} days"
            for group, value in zip(content.groups, values, strict=False)
            if not math.isnan(value)
        ]
        if known:
            found.append(f"{words}: {', '.join(known)}.")
    return found


def _incidences(content: Variants, house: House) -> Table:
    columns = [Column("Events"), *(Column(f"{month:g} months\n% (95% CI)") for month in content.landmarks)]
    rows: list[Row] = []
    seen = ""
    for row in sorted(content.causes, key=lambda one: [c.cause for c in content.causes].index(one.cause)):
        if row.cause != seen:
            rows.append(Row(row.cause[0].upper() + row.cause[1:], (), 0, "group"))
            seen = row.cause
        cells = (Cell(str(row.events), row.events), *(_share(one, house) for one in row.at))
        rows.append(Row(row.group, cells, 1))
    notes = ("Aalen-Johansen: each kind of event as competing with the others.",)
    title = f"{content.endpoint}: which event came first"
    return Table(
        f"{content.heading.id}-events", "", title, tuple(columns), tuple(rows), notes, house.banner, "Event"
    )


def _share(estimate: Estimate, house: House) -> Cell:
    if math.isnan(estimate.value):
        return Cell("–", notes=(f"{(estimate.reason or '').capitalize()}.",))
    text = percent(estimate.value, 1, 1, house.style)
    if math.isnan(estimate.lower):
        return Cell(text, estimate.value)
    limits = [percent(limit, 1, 1, house.style).rstrip("%") for limit in (estimate.lower, estimate.upper)]
    parts = (("lower", estimate.lower), ("upper", estimate.upper))
    return Cell(f"{text} ({limits[0]}{house.style.interval}{limits[1]})", estimate.value, parts)


def variant_forest(content: Variants, house: House) -> Figure | None:
    """The hazard ratio of every variant; None where there is none to draw."""
    rows = [
        ForestRow(
            f"{row.code}: {row.words}" if row.code.startswith("V") else row.code,
            "",
            row.n,
            row.events,
            ratio.value,
            ratio.lower,
            ratio.upper,
            ratio.p,
            tone="plain" if row.code.startswith("V") else "main",
        )
        for row in content.rows
        if (ratio := row.hazard_ratio) is not None and not ratio.reason
    ]
    if not rows:
        return None
    title = f"{content.endpoint}: {content.groups[1]} against {content.groups[0]}, by what counts as its end"
    return forest(
        rows, id=content.heading.id, title=title, heading="Variant", style=house.style, banner=house.banner
    )
