"""Missing covariates imputed, and how far what is missing must depart to change the conclusion."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sequela.estimates.imputation import impute
from sequela.estimates.sensitivity import tipping_missing, tipping_point
from sequela.report.content import Adjusted, Measure
from sequela.walk.cases import Case, closed, contrasts, crude, row
from sequela.walk.regression import block_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.study.adjusting import Imputed, TippingPoint
    from sequela.walk.regression import Block

CENSORING = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
SHIFTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


def _columns(case: Case, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """The groups and covariates as the imputation takes them, with their levels in order."""
    study = case.walk.study
    columns: dict[str, Any] = {study.sequences.label: case.group}
    levels: dict[str, tuple[str, ...]] = {study.sequences.label: case.groups}
    for name in names:
        block = block_of(study, name, case.rows, case.groups)
        column = case.rows[name]
        if column.dtype.is_numeric():
            (values,) = block.columns.values()
            columns[_key(block)] = np.where(block.known, values, np.nan)
        else:
            columns[_key(block)] = column.cast(pl.String).fill_null("").to_numpy().astype(str)
            levels[_key(block)] = block.levels
    return columns, levels


def _key(block: Block) -> str:
    """The name under which a covariate is imputed: with its step, where it is a number."""
    return next(iter(block.columns)) if len(block.columns) == len(block.levels) else block.label


def imputed(case: Case, analysis: Imputed) -> Adjusted:
    """Missing covariates imputed, beside the complete cases and the groups alone."""
    label = "Imputed (SMC-FCS)" if analysis.method == "smcfcs" else "Imputed (chained equations)"
    refused = closed(case, label)
    if refused is not None:
        return refused
    columns, levels = _columns(case, analysis.covariates)
    found = impute(
        case.times, columns, np.random.default_rng(analysis.seed), analysis.method, analysis.imputations,
        analysis.iterations, None, levels, cluster=case.cluster(analysis.cluster),
    )  # fmt: skip
    k = len(case.groups) - 1
    _, _, known = case.matrix(analysis.covariates)
    whole = case.take(known)
    rows = crude("Without the covariates", case)
    complete = found.complete.hazard_ratios() if found.complete is not None else None
    if complete is not None and len(whole.groups) == len(case.groups):
        rows += contrasts("Complete cases", whole, complete[:k])
    else:
        rows.append(
            row(
                "Complete cases",
                whole.times,
                None,
                reason="cannot be estimated: a group or every event is gone",
            )
        )
    made = contrasts(label, case, found.ratios[:k])
    measures = tuple(
        Measure(
            ratio.name.removeprefix("HR "), "ratio", (complete[j] if complete is not None else None, ratio)
        )
        for j, ratio in enumerate(found.ratios)
    )
    gone = "; ".join(f"{name} {n}" for name, n in found.missing.items())
    notes = (
        f"Imputed values: {gone}." if gone else "No value is missing.",
        f"Convergence: {found.statement}.",
        f"Pooled by Rubin's rules over {found.imputations} completed data sets, degrees of freedom after Barnard and "
        "Rubin. Values are taken to be missing at random given the outcome and the other covariates.",
    )
    return Adjusted(
        case.heading, case.endpoint, case.origin, case.groups, (*rows, *made), tuple(made),
        ("Complete cases", label), measures, notes=notes,
    )  # fmt: skip


def tipping(case: Case, analysis: TippingPoint) -> Adjusted:
    """The comparison under growing departures from what was seen."""
    refused = closed(case, "Tipping point")
    if refused is not None:
        return refused
    rng = np.random.default_rng(analysis.seed)
    if analysis.of == "censoring":
        found = tipping_point(
            case.times, case.group == case.groups[1], rng, analysis.deltas or CENSORING, _possible(case),
            analysis.imputations, (case.groups[0], case.groups[1]),
        )  # fmt: skip
        words, departure = "Hazard after censoring times {:g}", f"in “{found.group}”"
    else:
        block = block_of(case.walk.study, analysis.of, case.rows, case.groups)
        columns, levels = _columns(case, list(dict.fromkeys((*analysis.covariates, analysis.of))))
        target = f"{case.walk.study.sequences.label}: {case.groups[1]}"
        found = tipping_missing(
            case.times, columns, _key(block), target, rng, analysis.deltas or SHIFTS, "smcfcs", analysis.imputations,
            analysis.iterations, levels,
        )  # fmt: skip
        words, departure = "Imputed values shifted by {:g}", f"of {block.label}"
    rows = tuple(
        row(words.format(delta), case.times, ratio)
        for delta, ratio in zip(found.deltas, found.ratios, strict=True)
    )
    if found.reason is not None:
        rows = (row("Tipping point", case.times, None, reason=found.reason),)
    tips = (
        f"The conclusion changes at a departure of {found.tips:.2g} {departure}."
        if found.tips is not None
        else f"No departure tried changes the conclusion ({departure})."
    )
    notes = (
        tips,
        f"{found.imputed} patients are touched; {analysis.imputations} completed data sets at each departure.",
    )
    done = found.reason is None
    return Adjusted(
        case.heading, case.endpoint, case.origin, case.groups, rows,
        tipping=found if done else None, notes=notes if done else (),
    )  # fmt: skip


def _possible(case: Case) -> NDArray[np.float64] | None:
    """Days from each patient's origin to the data cut, where the study has one; then only the lost are imputed."""
    cut = case.walk.study.study.data_cut
    if case.walk.study.study.time != "dates" or cut is None:
        return None
    day = (date.fromisoformat(cut) - date(1970, 1, 1)).days
    name = next(name for name, outcome in case.walk.outcomes.items() if outcome.label == case.endpoint)
    origin = case.walk.outcomes[name].table.select("patient", "origin")
    table = case.rows.select("patient").join(origin, on="patient", how="left", maintain_order="left")
    return np.maximum((day - table["origin"]).cast(pl.Float64).to_numpy(), case.times.exit)
