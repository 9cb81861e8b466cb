"""Two adjusted curves compared: survival and restricted mean if all were treated, less if none were.

Both curves come from one Cox model, averaged over the same subjects (g-formula), so their errors are
correlated; the delta method counts that. The subjects' covariates are taken as given: for a population
they were sampled from, bootstrap the whole procedure (`resampling.bootstrap`). Sources: Makuch (1982); Chen
and Tsiatis (Biometrics 2001); Zucker (JASA 1998).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import TOLERANCE, Estimate, normal_p, normal_quantile
from sequela.core.finding import Finding
from sequela.estimates.groupwise import contrast
from sequela.estimates.predictions import PredictedCurve

if TYPE_CHECKING:
    from sequela.estimates.cox import CoxModel


def adjusted_difference(
    model: CoxModel, control: Any, treated: Any, tau: float | None = None, at: float | None = None,
    weights: Any = None,
) -> dict[str, Estimate]:  # fmt: skip
    """Contrasts of two adjusted curves, `treated` less `control`.

    Args:
        model: a Cox model without strata.
        control, treated: the same m subjects twice, m x p covariates with the treatment set to either value.
        tau: end of the restricted mean; by default the last time.
        at: a time; with it, "survival" holds the difference of survival there.
        weights: m weights of the subjects.

    Returns:
        {"control", "treated"} restricted means, their "difference" and "ratio", and "survival" if asked for.

    Raises:
        UsageError: a stratified model has a curve per stratum.
    """
    curves = [model.average(np.asarray(rows, float), weights) for rows in (control, treated)]
    if not all(isinstance(curve, PredictedCurve) for curve in curves):
        message = "a stratified model has no single adjusted curve"
        raise UsageError(Finding("E156", "error", message, remedy="adjust for the strata as a covariate"))
    a, b = (curve for curve in curves if isinstance(curve, PredictedCurve))
    tau = float(a.time[-1]) if tau is None else float(tau)
    means = {"control": a.rmst(tau), "treated": b.rmst(tau)}
    method = f"adjusted RMST to {tau:g}, g-formula"
    shared = a.area_covariance(b, tau)
    found = means | contrast(means["control"], means["treated"], shared, method, a.n, float(a.events.sum()))
    return found if at is None else found | {"survival": _survival_difference(a, b, float(at))}


def _survival_difference(a: PredictedCurve, b: PredictedCurve, t: float) -> Estimate:
    name = f"difference of survival at {t:g}"
    facts: dict[str, Any] = {"level": a.level, "n": a.n, "method": "g-formula"}
    row = int(np.searchsorted(a.time, t * (1 + TOLERANCE), side="right")) - 1
    if row < 0 or t > a.time[-1] * (1 + TOLERANCE):
        reason = "no event yet" if row < 0 else "beyond the last follow-up time"
        return Estimate(name, math.nan, reason=reason, **facts)
    value = float(b.survival[row] - a.survival[row])
    spread = a.survival_covariance(a, row) + b.survival_covariance(b, row) - 2 * a.survival_covariance(b, row)
    se = math.sqrt(max(0.0, spread))
    half = normal_quantile(a.level) * se
    p = normal_p(value / se) if se > 0 else math.nan
    return Estimate(name, value, se, value - half, value + half, events=float(a.events.sum()), p=p, **facts)
