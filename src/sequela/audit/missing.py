"""Missing covariates by arm (A181)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sequela.audit.verdict import Figure, Verdict, not_applicable, numbers, p_values, shares
from sequela.estimates.comparisons import chi_square, fisher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.audit.data import Clock, Variable


def missing_p(counts: Sequence[tuple[int, int]]) -> float:
    """p of equal missingness over the arms: Fisher's test where an expected count is under 5, else chi-square.

    Args:
        counts: by arm, missing and known.
    """
    table = np.array(counts, float)
    if not table[:, 0].any() or not table[:, 1].any() or (table.sum(axis=1) == 0).any():
        return math.nan
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return fisher(table).p if expected.min() < 5 else chi_square(table).p


def missingness(clock: Clock, covariates: Sequence[Variable]) -> Verdict:
    """A181: the share of unknown values by arm and covariate, with a test, and the complete cases."""
    title = "Missing covariates"
    if not covariates:
        return not_applicable("A181", title, "the study declares no baseline covariate")
    figures: list[Figure] = []
    apart: list[str] = []
    worst = 0.0
    whole = np.ones(len(clock), bool)
    sizes = np.bincount(clock.arm, minlength=len(clock.arms))
    for one in covariates:
        unknown = one.missing
        whole &= ~unknown
        if not unknown.any():
            continue
        gone = np.bincount(clock.arm[unknown], minlength=len(clock.arms))
        share = [float(a / b) if b else math.nan for a, b in zip(gone, sizes, strict=True)]
        p = missing_p([(int(a), int(b - a)) for a, b in zip(gone, sizes, strict=True)])
        figures += [
            shares(f"{one.name}: unknown", share),
            p_values(f"{one.name}: same share in the arms, p", [p]),
        ]
        worst = max(worst, float(unknown.mean()))
        if p < 0.05:
            apart.append(one.name)
    complete = np.bincount(clock.arm[whole], minlength=len(clock.arms))
    figures.append(numbers("Patients with every covariate known", list(complete), 0))
    kept = float(whole.mean()) if len(whole) else 1.0
    lost = f"{1 - kept:.0%} of patients lack at least one covariate and leave a complete-case model without a word"
    words = lost if kept < 1 else "Every covariate of every patient is known"
    return Verdict(
        "A181",
        title,
        "warn" if apart or worst > 0.1 or kept < 0.8 else "pass",
        words + (f"; missing more often in one arm: {', '.join(apart)}." if apart else "."),
        tuple(figures),
        "White and Royston, Stat Med 2009;28:1982",
        "impute with the outcome in the model, and print the complete-case numbers beside it",
    )
