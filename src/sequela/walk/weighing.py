"""Groups made comparable by weights, and survival standardised over covariates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sequela.estimates import standardisation
from sequela.estimates import weighted as weights
from sequela.estimates.cox import cox
from sequela.report.content import Adjusted, Measure
from sequela.walk.cases import Case, closed, contrasts, crude, left_out

if TYPE_CHECKING:
    from sequela.report.content import Corrected
    from sequela.study.adjusting import Standardised, Weighted

METHODS = {
    "iptw": "Inverse probability weights",
    "overlap": "Overlap weights",
    "matching": "Matching weights",
    "att": "Weights of the treated",
}


def weighted(whole: Case, analysis: Weighted) -> Adjusted:
    """The groups after weighting, with their balance; or why weighting cannot make them comparable."""
    _, _, known = whole.matrix(analysis.covariates)
    case = whole.take(known)
    X, names, _ = case.matrix(analysis.covariates)
    label = METHODS[analysis.method]
    refused = closed(case, label)
    if refused is not None:
        return refused
    target = analysis.target if analysis.target in case.groups else None
    found = weights.weighted(
        case.times, case.group, X, analysis.method, analysis.truncate, case.groups, names, target,
        case.cluster(analysis.cluster), analysis.samples, np.random.default_rng(analysis.seed),
    )  # fmt: skip
    curves = tuple(found.curves.values()) if found.reason is None else ()
    robust = contrasts(f"{label}, robust interval", case, found.ratios, curves)
    booted = (
        contrasts(f"{label}, bootstrap interval", case, found.bootstrapped, curves)
        if found.bootstrapped
        else []
    )
    rows = (*crude("Not weighted", case), *robust, *booted)
    notes = [
        f"Propensity score: logistic regression on {', '.join(names)}.",
        "Effective patients after weighting: "
        + "; ".join(
            f"{name} {effective:.0f} of {size}"
            for name, size, effective in zip(
                case.groups, found.weights.size, found.weights.effective, strict=True
            )
        )
        + ".",
        *left_out(known),
    ]
    if found.weights.limits is not None:
        low, high = found.weights.limits
        notes.append(f"Weights cut to {low:.2f} to {high:.2f}: {found.weights.cut} of {len(case.times)}.")
    entries = tuple(case.times.entry[case.group == name] for name in case.groups)
    return Adjusted(
        whole.heading, whole.endpoint, whole.origin, case.groups, rows, tuple(booted or robust), (), (),
        found.balance, curves, entries if case.times.delayed else (), None,
        tuple(notes),
    )  # fmt: skip


def standardised(whole: Case, analysis: Standardised) -> Adjusted:
    """Survival were everybody in each group, from a model of the outcome."""
    _, _, known = whole.matrix(analysis.covariates)
    case = whole.take(known)
    X, names, _ = case.matrix(analysis.covariates)
    refused = closed(case, "Standardised")
    if refused is not None:
        return refused
    tau = None if analysis.tau is None else analysis.tau * case.scale
    marks = tuple(mark * case.scale for mark in analysis.landmarks)
    found = standardisation.standardise(
        case.times, case.group, X, tau, marks, analysis.outcome, case.groups, analysis.samples,
        np.random.default_rng(analysis.seed), case.cluster(analysis.cluster),
    )  # fmt: skip
    groups = found.levels
    unit = case.walk.study.report.time_unit
    horizon = f"{found.tau / case.scale:.0f} {unit}s"
    measures = [
        Measure(f"Restricted mean to {horizon}: {name}", "time", (value,))
        for name, value in zip(groups, found.restricted, strict=True)
    ]
    for name, difference, ratio in zip(groups[1:], found.differences, found.ratios, strict=True):
        measures.append(
            Measure(f"Difference of restricted means: {name} less {groups[0]}", "time", (difference,))
        )
        measures.append(Measure(f"Ratio of restricted means: {name} to {groups[0]}", "ratio", (ratio,)))
    for mark, differences in zip(analysis.landmarks, found.at, strict=True):
        measures += [
            Measure(
                f"Difference of survival at {mark:g} {unit}s, points: {name} less {groups[0]}",
                "percent",
                (one,),
            )
            for name, one in zip(groups[1:], differences, strict=True)
        ]
    rows = crude("Without the covariates", case)
    adjusted_rows: list[Corrected] = []
    if analysis.outcome == "cox":
        columns = (case.group[:, None] == np.array(groups[1:])).astype(float)
        model = cox(
            case.times,
            np.column_stack([columns, X]),
            names=(*groups[1:], *names),
            cluster=case.cluster(analysis.cluster),
        )
        adjusted_rows = contrasts(
            "Covariates in the Cox model", case, model.hazard_ratios()[: len(groups) - 1]
        )
    notes = (
        f"Outcome model: {analysis.outcome.replace('_', ' ')} on {', '.join(names)}; "
        f"{analysis.samples} bootstrap samples.",
        "Survival averaged over the covariates of everybody in the analysis, once with all in each group.",
        *left_out(known),
    )
    return Adjusted(
        whole.heading, whole.endpoint, whole.origin, groups, (*rows, *adjusted_rows), tuple(adjusted_rows),
        ("Estimate",), tuple(measures), notes=notes,
    )  # fmt: skip
