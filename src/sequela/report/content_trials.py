"""A target trial as printed: strategies and contrasts in one table, survival under each strategy as curves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sequela.core.units import days_in
from sequela.core.wording import DASH, interval, number
from sequela.report.figures import kaplan_meier
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from sequela.core.estimate import Estimate
    from sequela.report.content import Emulated
    from sequela.report.content_tables import House
    from sequela.report.figures import Figure


def emulated(content: Emulated, house: House) -> Table:
    """Clones, events, departures, survival and restricted mean by strategy; contrasts with the first below."""
    trial, months = content.trial, number(content.trial.tau / days_in(house.unit), 0, house.style)
    columns = [
        Column("Clones"),
        Column("Events"),
        Column("Departed"),
        Column(f"At {months} {house.unit}s, %\n(95% CI)"),
        Column(f"Mean to {months} {house.unit}s\n(95% CI)"),
        Column("HR (95% CI)"),
        Column("p"),
    ]
    rows = [
        Row(
            arm.name,
            (
                Cell(str(arm.n), arm.n),
                Cell(str(arm.events), arm.events),
                Cell(str(arm.departed), arm.departed),
                _share(arm.survival, house),
                _mean(arm.restricted, house),
                _ratio(place, content, house),
                Cell("") if place == 0 else _p(trial.hazard_ratios[place - 1], house),
            ),
        )
        for place, arm in enumerate(trial.arms)
    ]
    for place in range(len(trial.differences) if trial.reason is None else 0):
        share, mean = trial.differences[place], trial.restricted_differences[place]
        blank = (Cell(""),) * 3
        cells = (*blank, _share(share, house), _mean(mean, house), Cell(""), _p(mean, house))
        rows.append(Row(f"Difference, {trial.arms[place + 1].name}", cells))
    if content.nested is not None:
        rows.append(_nested(content, house))
    return house.table(content.heading, columns, rows, _notes(content, house), stub="Strategy")


def _ratio(place: int, content: Emulated, house: House) -> Cell:
    if content.trial.reason is not None:
        return Cell(DASH)
    return Cell("1") if place == 0 else house.ratio(content.trial.hazard_ratios[place - 1])


def _nested(content: Emulated, house: House) -> Row:
    found = content.nested
    assert found is not None
    ratio = found.hazard_ratio
    cells = (
        Cell(str(found.treated + found.controls), found.treated + found.controls),
        Cell(""),
        Cell(str(found.switched), found.switched),
        Cell(""),
        Cell(""),
        house.ratio(ratio),
        _p(ratio, house),
    )
    return Row(f"{found.trials} nested trials, {found.treated} treated", cells)


def _share(estimate: Estimate, house: House) -> Cell:
    if math.isnan(estimate.value):
        return Cell(DASH)
    limits = interval(100 * estimate.lower, 100 * estimate.upper, 1, house.style)
    return Cell(f"{number(100 * estimate.value, 1, house.style)} ({limits})", estimate.value)


def _mean(estimate: Estimate, house: House) -> Cell:
    return Cell(DASH) if math.isnan(estimate.value) else house.time(estimate)


def _p(estimate: Estimate, house: House) -> Cell:
    return Cell(DASH) if math.isnan(estimate.p) else house.p(estimate.p)


def _notes(content: Emulated, house: House) -> list[str]:
    trial = content.trial
    if trial.reason is not None:
        return [f"This trial cannot be emulated: {trial.reason}."]
    width = number(trial.width / days_in(house.unit), 1, house.style)
    known, drawn = trial.samples
    by = f" by {content.cluster}" if content.cluster else ""
    weights = ", ".join(
        f"{arm.name} {number(arm.largest, 1, house.style)} (effective clones at the end "
        f"{number(arm.effective, 0, house.style)})"
        for arm in trial.arms
    )
    return [
        f"Time from {content.origin}. Every patient is cloned into each strategy compatible with the data at time "
        "zero, censored when departing from it, and weighted for that (Hernán, BMJ 2018;360:k182).",
        f"Weights: pooled logistic model over intervals of {width} {house.unit}s on time"
        + (f", {', '.join(content.covariates)}" if content.covariates else "")
        + f"; cut at the {100 * trial.truncation:g}% quantile; the largest: {weights}.",
        f"Intervals: bootstrap{by}, {known} of {drawn} samples." if drawn else "No bootstrap: no intervals.",
        "Nested trials: a patient takes part once a month until the start; controls are censored at a later start "
        "(Danaei et al., Stat Methods Med Res 2013;22:70)."
        if content.nested is not None
        else "",
        "Left out: " + "; ".join(f"{reason} {n}" for reason, n in content.unused) + "."
        if content.unused
        else "",
    ]


def emulated_curves(content: Emulated, house: House) -> Figure:
    """Weighted survival under each strategy."""
    ratios = [
        f"{arm.name}: HR {house.ratio(ratio).text}"
        for arm, ratio in zip(content.trial.arms[1:], content.trial.hazard_ratios, strict=True)
    ]
    return kaplan_meier(
        {arm.name: curve for arm, curve in zip(content.trial.arms, content.curves, strict=True)},
        id=content.heading.id,
        title=content.heading.title,
        time_unit=house.unit,
        x_label=f"Time since {content.origin}",
        y_label="Survival under the strategy",
        annotations=tuple(ratios),
        note="Clones that follow the strategy; each patient may stand in several.",
        style=house.style,
        banner=house.banner,
    )
