"""Groups compared from fixed times on, and a treatment that starts during follow-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.audit.design import time_zero
from sequela.estimates import landmark as estimates
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.report.content import Adjusted
from sequela.walk.cases import Case, closed, crude, left_out, row, size
from sequela.walk.settling import settled_day

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.report.content import Corrected
    from sequela.study.adjusting import Landmark, TimeDependent


def landmark(whole: Case, analysis: Landmark) -> Adjusted:
    """The groups compared from each landmark on."""
    _, _, known = whole.matrix(analysis.covariates)
    case = whole.take(known)
    X, names, _ = case.matrix(analysis.covariates)
    refused = closed(case, "Landmark")
    if refused is not None:
        return refused
    unit = case.walk.study.report.time_unit
    rows = crude("From the origin", case)
    found = estimates.landmarks(
        case.times, case.group, _settled(case, analysis), [mark * case.scale for mark in analysis.landmarks],
        case.groups, X if names else None, names or None, case.cluster(analysis.cluster),
    )  # fmt: skip
    notes: list[str] = []
    fixed: list[Corrected] = []
    for mark, one in zip(analysis.landmarks, found, strict=True):
        left = case.take(np.isin(np.arange(len(case.times)), one.rows))
        curves = [
            kaplan_meier(one.times.take(one.codes == k))
            for k in range(len(one.levels))
            if (one.codes == k).any()
        ]
        label = f"From {mark:g} {unit}s on"
        if len(left.groups) < 2 or not (one.times.state > 0).any():
            fixed.append(
                row(label, one.times, None, reason="cannot be estimated: a group or every event is gone")
            )
        else:
            ratios = one.model.hazard_ratios()[: len(case.groups) - 1]
            if len(case.groups) == 2:
                fixed.append(row(label, one.times, ratios[0], tuple(curve.median() for curve in curves)))
            else:
                fixed += [
                    row(f"{label}: {name}", one.times, ratio)
                    for name, ratio in zip(case.groups[1:], ratios, strict=True)
                ]
        notes.append(
            f"{label}: left out {one.over} who had the event or were lost before, {one.unentered} not yet under "
            f"observation, {one.unsettled} whose group was not yet settled."
        )
    return Adjusted(
        whole.heading, whole.endpoint, whole.origin, case.groups, (*rows, *fixed), tuple(fixed),
        notes=(*notes, *left_out(known), "Medians from a landmark are counted from there."),
    )  # fmt: skip


def _settled(case: Case, analysis: Landmark) -> NDArray[np.float64]:
    """Days from the origin to the moment at which each patient's group is settled; infinite where it never is."""
    clock = next(clock for clock in time_zero(case.walk.study) if clock.analysis == analysis.id)
    days = case.walk.people.frame.select("patient", settled_day(case.walk, clock).alias("_settled"))
    origin = case.walk.outcomes[analysis.endpoint].table.select("patient", "origin")
    table = (
        case.rows.select("patient")
        .join(days, on="patient", how="left", maintain_order="left")
        .join(origin, on="patient", how="left", maintain_order="left")
    )
    waited = (table["_settled"] - table["origin"]).cast(pl.Float64).fill_null(np.inf).to_numpy()
    return np.maximum(waited, 0.0)


def time_dependent(whole: Case, analysis: TimeDependent) -> Adjusted:
    """A treatment as it changes, beside the comparison that takes it as known from the origin."""
    _, _, known = whole.matrix(analysis.covariates)
    case = whole.take(known)
    X, names, _ = case.matrix(analysis.covariates)
    days = case.walk.people.frame.select(
        "patient", case.walk.people.expression(analysis.exposure).cast(pl.Int32).alias("_exposure")
    )
    origin = case.walk.outcomes[analysis.endpoint].table.select("patient", "origin")
    table = (
        case.rows.select("patient")
        .join(days, on="patient", how="left", maintain_order="left")
        .join(origin, on="patient", how="left", maintain_order="left")
    )
    start = (table["_exposure"] - table["origin"]).cast(pl.Float64).fill_null(np.inf).to_numpy()
    split, model = estimates.time_dependent(
        case.times, start, X if names else None, names or None, analysis.label, case.cluster(analysis.cluster)
    )
    ever = start < case.times.exit
    naive = cox(case.times, ever.astype(float), names=(analysis.label,)).hazard_ratios()[0]
    ratio = model.hazard_ratios()[0]
    groups = (f"not {analysis.label}", analysis.label)
    rows = (
        row("As if exposed from the origin (immortal time)", case.times, naive),
        row("Exposure as it changes", case.times, ratio),
    )
    parts = [split.times.take(split.exposed == flag) for flag in (False, True)]
    drawn = [(kaplan_meier(part), part.entry) for part in parts if len(part)]
    n, _ = size(case.times)
    notes = (
        f"Of {n} patients {split.before} were exposed from the start, {split.switched} became so under observation.",
        "Curves of Simon and Makuch: a patient counts among the unexposed until exposure, and among the exposed after.",
        *left_out(known),
    )
    return Adjusted(
        whole.heading, whole.endpoint, whole.origin, groups, rows, rows[1:], curves=tuple(c for c, _ in drawn) if
        len(drawn) == 2 else (), entries=tuple(e for _, e in drawn), notes=notes,
    )  # fmt: skip
