"""Corrected comparisons as tables and figures: estimates, further measures, balance, curves, tipping line."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from sequela.core.wording import DASH, interval, number
from sequela.report.content_tables import NOT_REACHED, House
from sequela.report.figures import ForestRow, forest, kaplan_meier, love, tipping
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.core.estimate import Estimate
    from sequela.estimates.sensitivity import EValue
    from sequela.report.content import Adjusted, Corrected, Correction, Measure, Regression
    from sequela.report.figures import Figure

E_NOTE = (
    "E-value: the least strength, as a risk ratio with the group and with the outcome alike, of an unseen confounder "
    "that could explain the estimate (in brackets: its interval); VanderWeele and Ding, Ann Intern Med 2017."
)


def tables(content: Adjusted, house: House) -> tuple[Table, ...]:
    """The estimates; then, where there are any, further measures and the balance."""
    found = [_estimates(content, house)]
    if content.measures:
        found.append(_measures(content, house))
    if content.balance:
        found.append(_balance(content, house))
    return tuple(found)


def figures(content: Adjusted, house: House) -> tuple[Figure, ...]:
    """The forest (or the tipping line), weighted curves or curves by exposure, and the balance."""
    found: list[Figure] = []
    name = content.heading.id
    if content.tipping is not None:
        words = (
            "Hazard after censoring, times"
            if content.tipping.deltas[0] == 1
            else "Shift of the imputed values"
        )
        found.append(
            tipping(
                content.tipping,
                id=name,
                title=content.heading.title,
                departure=f"{words} ({content.tipping.group})",
                style=house.style,
                banner=house.banner,
            )
        )
    elif any(row.hazard_ratio for row in content.rows):
        rows = [_forest_row(content.endpoint, row, plain=not place) for place, row in enumerate(content.rows)]
        found.append(
            forest(rows, id=name, title=content.heading.title, style=house.style, banner=house.banner)
        )
    if content.curves:
        drawn = dict(zip(content.groups, content.curves, strict=True))
        entries = dict(zip(content.groups, content.entries, strict=True)) if _exact(content) else None
        found.append(
            kaplan_meier(
                drawn,
                id=f"{name}-curves",
                title=f"{content.heading.title}: curves",
                time_unit=house.unit,
                x_label=f"Time since {content.origin}",
                entries=entries,
                style=house.style,
                banner=house.banner,
                note="Numbers are sums of weights." if content.balance else "",
            )
        )
    if content.balance:
        title = f"{content.heading.title}: balance"
        found.append(
            love(content.balance, id=f"{name}-balance", title=title, style=house.style, banner=house.banner)
        )
    return tuple(found)


def _exact(content: Adjusted) -> bool:
    """Whether numbers at risk can be counted from entry times: they are no sums of weights."""
    return bool(content.entries) and not content.balance


def _forest_row(label: str, row: Corrected, *, plain: bool) -> ForestRow:
    ratio = row.hazard_ratio
    return ForestRow(
        label, row.label, row.n, row.events,
        ratio.value if ratio else None, ratio.lower if ratio else None, ratio.upper if ratio else None,
        row.p, reason=row.reason, tone="plain" if plain else "main",
    )  # fmt: skip


def _e_cell(found: EValue | None, house: House) -> Cell:
    if found is None or math.isnan(found.point):
        return Cell("")
    text = f"{number(found.point, 2, house.style)} ({number(found.limit, 2, house.style)})"
    return Cell(text, found.point, (("limit", found.limit),))


def _estimates(content: Adjusted, house: House) -> Table:
    medians = any(row.medians for row in content.rows)
    heads = [f"{group}\nmedian, {house.unit}s (95% CI)" for group in content.groups] if medians else []
    columns = [
        Column("n"), Column("Events"), *map(Column, heads), Column("HR (95% CI)"), Column("p value"), Column("E-value"),
    ]  # fmt: skip
    rows: list[Row] = []
    for row in content.rows:
        shown = tuple(house.time(median) for median in row.medians) or tuple(Cell("") for _ in heads)
        counts = (Cell(str(row.n), row.n), Cell(str(row.events), row.events))
        end = (house.ratio(row.hazard_ratio), house.p(row.p), _e_cell(row.e_value, house))
        notes = (row.reason[0].upper() + row.reason[1:] + ".",) if row.reason else ()
        rows.append(Row(row.label, (*counts, *shown, *end), notes=notes))
    notes = [
        f"{content.endpoint}, time from {content.origin}. Hazard ratio against “{content.groups[0]}”."
        if content.groups
        else "",
        *content.notes,
        *((NOT_REACHED + ".",) if medians else ()),
        E_NOTE,
    ]
    return house.table(content.heading, columns, rows, notes, stub="Analysis")


def _measures(content: Adjusted, house: House) -> Table:
    columns = [Column(f"{name}\n(95% CI)") for name in content.columns] + [Column("p value")]
    rows = [
        Row(one.label, (*(_measure(one, value, house) for value in one.estimates), _last_p(one, house)))
        for one in content.measures
    ]
    head = replace(content.heading, number="", title=f"{content.heading.title}: further estimates")
    return house.table(head, columns, rows, (), stub="Estimate", suffix="measures")


def _last_p(one: Measure, house: House) -> Cell:
    last = one.estimates[-1]
    return house.p(last.p) if last is not None and not math.isnan(last.p) else Cell("")


def _measure(one: Measure, value: Estimate | None, house: House) -> Cell:
    if value is None:
        return Cell(DASH)
    if one.kind == "time":
        return house.time(value)
    if one.kind == "ratio":
        return house.ratio(value)
    text = number(100 * value.value, 1, house.style)
    if not math.isnan(value.lower):
        text += f" ({interval(100 * value.lower, 100 * value.upper, 1, house.style)})"
    return Cell(text, value.value, (("lower", value.lower), ("upper", value.upper)))


def _balance(content: Adjusted, house: House) -> Table:
    columns = [
        Column("Before", "Standardised difference"), Column("After", "Standardised difference"),
        Column("Before", "Ratio of variances"), Column("After", "Ratio of variances"),
    ]  # fmt: skip

    def cell(value: float) -> Cell:
        return Cell(number(value, 2, house.style), value) if math.isfinite(value) else Cell("")

    rows = [
        Row(row.name, (cell(row.before), cell(row.after), cell(row.ratio_before), cell(row.ratio_after)))
        for row in content.balance
    ]
    notes = (
        "Standardised difference: means over the unweighted pooled standard deviation, before and after alike; under "
        "0.1 is usually called negligible (Austin, Stat Med 2009). Ratio of variances: second group over first.",
    )
    head = replace(content.heading, number="", title=f"{content.heading.title}: balance")
    return house.table(head, columns, rows, notes, stub="Covariate", suffix="balance")


def e_values(content: Regression, house: House) -> Table | None:
    """The E-value of every contrast of a Cox analysis; None where it has none."""
    rows: list[Row] = []
    for term in content.terms:
        if term.e_value is None:
            continue
        joint = term.variable in content.entered and term.multivariable is not None
        ratio = term.multivariable if joint else term.univariate
        model = "multivariable" if joint else "univariate"
        cells = (Cell(model), house.ratio(ratio), _e_cell(term.e_value, house))
        rows.append(Row(f"{term.variable}: {term.level}", cells))
    if not rows:
        return None
    head = replace(content.heading, number="", title=f"{content.heading.title}: E-values")
    columns = [Column("Model", align="left"), Column("HR (95% CI)"), Column("E-value")]
    return house.table(
        head, columns, rows, (E_NOTE, "The event is taken as common."), stub="Contrast", suffix="e-values"
    )


def each_correction(
    content: Correction | None,
    adjusted: Sequence[Adjusted],
    endpoint: str,
    groups: tuple[str, ...],
    house: House,
) -> Figure | None:
    """One forest of a comparison: as asked, with the clock mended, and under each corrected analysis of the study.

    Args:
        content: naive and corrected clocks, where the clock starts too early.
        adjusted: the corrected analyses of the study; those of this endpoint and these groups are drawn.
        endpoint, groups: of the comparison.
        house: style, unit, banner.

    Returns:
        The figure, or None where nothing but the naive estimate is known.
    """
    rows = (
        [] if content is None else [("The clock", row, not place) for place, row in enumerate(content.rows)]
    )
    own = [one for one in adjusted if (one.endpoint, one.groups) == (endpoint, groups) and one.corrects]
    if content is None and own:
        rows.append(("As asked", own[0].rows[0], True))
    rows += [(one.heading.title, row, False) for one in own for row in one.corrects]
    if len(rows) < 2:
        return None
    drawn = [_forest_row(label, row, plain=plain) for label, row, plain in rows]
    title = f"{endpoint}: what each correction gives, {groups[1]} against {groups[0]}"
    return forest(
        drawn, id="each-correction", title=title, heading="Correction", style=house.style, banner=house.banner
    )
