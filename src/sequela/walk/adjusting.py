"""Corrected comparisons by kind: the patients with a time and a group in, what the report prints out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sequela.audit.design import time_zero
from sequela.core.units import days_in
from sequela.report.content import Adjusted, Corrected
from sequela.study.adjusting import (
    Adjusting,
    Imputed,
    Landmark,
    Standardised,
    TimeDependent,
    TippingPoint,
    Weighted,
)
from sequela.walk.cases import Case, size
from sequela.walk.imputing import imputed, tipping
from sequela.walk.landmarking import landmark, time_dependent
from sequela.walk.weighing import standardised, weighted

if TYPE_CHECKING:
    from sequela.core.outcome import Times
    from sequela.report.content import Heading
    from sequela.walk.path import Walk


def adjusted(
    walk: Walk, analysis: Adjusting, frame: pl.DataFrame, groups: tuple[str, ...], times: Times, origin: str,
    heading: Heading,
) -> Adjusted:  # fmt: skip
    """The content of one corrected analysis.

    A covariate that is settled after the clock has started (GT003) is not adjusted for: the analysis says so and
    gives no estimate.
    """
    rows = pl.DataFrame({"patient": times.ids}).join(frame, on="patient", how="left", maintain_order="left")
    present = tuple(name for name in groups if (rows["sequence"] == name).any())
    outcome = walk.outcomes[analysis.endpoint]
    scale = days_in(walk.study.report.time_unit)
    case = Case(walk, heading, outcome.label, origin, times, rows, present, scale)
    late = _late(walk, analysis)
    if late is not None:
        n, events = size(times)
        refused = Corrected(heading.title, n, events, (), None, None, late)
        return Adjusted(heading, outcome.label, origin, present, (refused,), (refused,))
    match analysis:
        case Weighted():
            return weighted(case, analysis)
        case Standardised():
            return standardised(case, analysis)
        case Landmark():
            return landmark(case, analysis)
        case TimeDependent():
            return time_dependent(case, analysis)
        case Imputed():
            return imputed(case, analysis)
        case TippingPoint():
            return tipping(case, analysis)


def _late(walk: Walk, analysis: Adjusting) -> str | None:
    """The refusal of covariates from the future, or None."""
    late = {
        f"{fault.what} is known only at {fault.settled.words}"
        for clock in time_zero(walk.study)
        if clock.analysis == analysis.id
        for fault in clock.faults
        if fault.code == "GT003"
    }
    if not late:
        return None
    return f"not estimated: {'; '.join(sorted(late))}, after the clock has started (GT003)"
