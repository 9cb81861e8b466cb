"""More than one look at k groups: trend, all pairs, the best of several weights, differences of means.

Sources: Tarone (Biometrika 1975) for trend; Lee (JASA 1996) and Karrison (Stata Journal 2016) for the maximum
of weighted log-rank tests; Genz (1992) for its normal probability; Royston and Parmar (2013) for RMST.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc, ndtr, ndtri

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, Test, normal_p, normal_quantile
from sequela.core.finding import Finding
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.jackknife import RobustCurve
from sequela.estimates.multiplicity import Adjustment, adjust
from sequela.estimates.risk import RiskTable
from sequela.estimates.tests import (
    SCHEMES,
    chi_square_of,
    compared,
    fleming_harrington_weight,
    grouped_table,
    risk_sets,
    score,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.core.estimate import Curve
    from sequela.core.outcome import Times

COMBINATION = ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0))
POINTS = 100_003  # lattice points of the normal probability; a prime


def trend_test(
    times: Times | RiskTable, by: Any = None, scores: Any = None, strata: Any = None, cluster: Any = None
) -> Test:
    """Log-rank test for trend over ordered groups; scores 1, 2, 3... in the order of the sorted labels.

    With case weights or clusters the variance is robust, as in `log_rank`.
    """
    found, table = compared(times, by, strata, SCHEMES["log-rank"], cluster)
    values = np.arange(1.0, len(table.groups) + 1) if scores is None else np.asarray(scores, float)
    variance = float(values @ found.covariance @ values)
    if variance <= 0:
        return Test(math.nan, 1, math.nan, "log-rank test for trend", table.n, "no events")
    statistic = float(values @ found.difference) ** 2 / variance
    return Test(statistic, 1, float(chdtrc(1, statistic)), "log-rank test for trend", table.n)


def pairwise(
    times: Times | RiskTable,
    by: Any = None,
    adjustment: Adjustment = "holm",
    strata: Any = None,
    rho: float = 0,
    gamma: float = 0,
) -> dict[tuple[str, str], Test]:
    """Log-rank tests of all pairs, each on its own rows; p-values adjusted, the rule named in `method`."""
    table = grouped_table(times, by, strata)
    tests: dict[tuple[str, str], Test] = {}
    for a, b in combinations(range(len(table.groups)), 2):
        pair = _only(table, a, b)
        weight = fleming_harrington_weight(rho, gamma)
        tests[str(table.groups[a]), str(table.groups[b])] = chi_square_of(
            score(pair, weight), pair, "log-rank test"
        )
    adjusted = adjust([test.p for test in tests.values()], adjustment)
    note = "" if adjustment == "none" else f", {adjustment} adjusted over {len(tests)} pairs"
    return {
        pair: Test(
            test.statistic,
            test.df,
            float(p),
            test.method + note,
            test.n,
            test.reason,
            pair,
            test.observed,
            test.expected,
        )
        for (pair, test), p in zip(tests.items(), adjusted, strict=True)
    }


def _only(table: RiskTable, a: int, b: int) -> RiskTable:
    rows = np.flatnonzero((table.group == a) | (table.group == b))
    part = table.rows(rows)
    group = (part.group == b).astype(np.intp)
    names = (table.groups[a], table.groups[b])
    sums = {
        name: getattr(part, name)
        for name in ("leaving", "leaving_squared", "entered", "entered_squared", "exits")
    }
    return RiskTable(
        names, part.strata, part.time, group, part.stratum, **sums, unit=part.unit, origin=part.origin
    )


def max_combo(
    times: Times | RiskTable,
    by: Any = None,
    strata: Any = None,
    weights: Sequence[tuple[float, float]] = COMBINATION,
) -> Test:
    """The largest of several Fleming-Harrington tests of two groups; the statistic is the largest |Z|.

    The p-value is the normal probability that any of the correlated statistics exceeds it, by a lattice
    rule with 100,003 points (error about 1e-5).
    """
    table = grouped_table(times, by, strata)
    if len(table.groups) != 2:
        raise UsageError(
            Finding("E132", "error", "max_combo compares two groups", found=str(len(table.groups)))
        )
    functions = [fleming_harrington_weight(rho, gamma) for rho, gamma in weights]
    size = len(functions)
    u, covariance = np.zeros(size), np.zeros((size, size))
    for sets in risk_sets(table):
        w = np.array([function(sets) for function in functions])
        d, n, y = sets.d, sets.n, sets.at_risk[:, 0]
        u += w @ (sets.events[:, 0] - d * y / n)
        spread = d * (y / n) * (1 - y / n) * np.divide(n - d, n - 1, out=np.zeros(len(n)), where=n > 1)
        covariance += (w * spread) @ w.T
    name = "MaxCombo test of " + ", ".join(f"({rho:g}, {gamma:g})" for rho, gamma in weights)
    used = np.diag(covariance) > 0
    if not used.any():
        return Test(math.nan, 0, math.nan, name, table.n, "no events")
    u, covariance = u[used], covariance[np.ix_(used, used)]
    scale = np.sqrt(np.diag(covariance))
    largest = float(np.abs(u / scale).max())
    inside = rectangle_probability(covariance / np.outer(scale, scale), largest)
    return Test(largest, 0, min(1.0, max(0.0, 1 - inside)), name, table.n)


def rectangle_probability(correlation: NDArray[Any], bound: float) -> float:
    """P(all |Z_i| <= bound) of a normal vector (Genz's transformation, Richtmyer's lattice)."""
    k = len(correlation)
    if k == 1:
        return 1 - normal_p(bound)
    root = np.linalg.cholesky(correlation + 1e-12 * np.eye(k))
    primes = np.array([2, 3, 5, 7, 11, 13, 17, 19, 23, 29][: k - 1])
    lattice = np.abs(2 * np.modf(np.outer(np.arange(1, POINTS + 1), np.sqrt(primes)))[0] - 1)
    y = np.zeros((POINTS, k))
    mass = np.ones(POINTS)
    for i in range(k):
        shift = y[:, :i] @ root[i, :i]
        low, high = ndtr((-bound - shift) / root[i, i]), ndtr((bound - shift) / root[i, i])
        mass *= high - low
        if i < k - 1:
            y[:, i] = ndtri(np.clip(low + lattice[:, i] * (high - low), 1e-300, 1 - 1e-16))
    return float(mass.mean())


def rmst_difference(
    times: Times | RiskTable,
    by: Any = None,
    tau: float | None = None,
    level: float = 0.95,
    robust: bool | None = None,
    cluster: Any = None,
) -> dict[str, Estimate]:
    """Restricted mean survival of two groups up to `tau`: {"difference", "ratio"}, second less first label.

    `tau` is by default the smaller of the two groups' last times. The ratio's `se` is that of its logarithm.
    `robust` and `cluster` as for `kaplan_meier`; a cluster may have members in both groups.
    """
    named = True if isinstance(times, RiskTable) else by
    curves = kaplan_meier(times, named, level, robust=robust, cluster=cluster)
    if len(curves) != 2:
        raise UsageError(Finding("E132", "error", "a difference needs two groups", found=str(len(curves))))
    first, second = curves.values()
    tau = float(min(first.time[-1], second.time[-1])) if tau is None else float(tau)
    a, b = first.rmst(tau), second.rmst(tau)
    covariance = _shared(first, second, tau) if cluster is not None else 0.0
    return contrast(a, b, covariance, f"RMST to {tau:g}", a.n + b.n, a.events + b.events)


def _shared(first: Curve, second: Curve, tau: float) -> float:
    """Covariance of two restricted means whose curves have clusters in common."""
    parts = [
        curve.members.area_influence(curve.right_of(tau))
        for curve in (first, second)
        if isinstance(curve, RobustCurve) and curve.members is not None
    ]
    return float(parts[0] @ parts[1]) if len(parts) == 2 else 0.0


def contrast(
    a: Estimate, b: Estimate, covariance: float, method: str, n: int, events: float
) -> dict[str, Estimate]:
    """{"difference": b - a, "ratio": b/a} of two restricted means; intervals by the delta method."""
    facts: dict[str, Any] = {"level": a.level, "n": n, "events": events, "method": method}
    reason = a.reason or b.reason
    if reason:
        return {
            name: Estimate(f"RMST {name}", math.nan, reason=reason, **facts)
            for name in ("difference", "ratio")
        }
    z, value = normal_quantile(a.level), b.value - a.value
    se = math.sqrt(max(0.0, a.se**2 + b.se**2 - 2 * covariance))
    difference = Estimate(
        "RMST difference", value, se, value - z * se, value + z * se, p=_p(value, se), unit=a.unit, **facts
    )
    log_ratio = math.log(b.value / a.value)
    squared = (a.se / a.value) ** 2 + (b.se / b.value) ** 2 - 2 * covariance / (a.value * b.value)
    log_se = math.sqrt(max(0.0, squared))
    limits = math.exp(log_ratio - z * log_se), math.exp(log_ratio + z * log_se)
    ratio = Estimate("RMST ratio", math.exp(log_ratio), log_se, *limits, p=_p(log_ratio, log_se), **facts)
    return {"difference": difference, "ratio": ratio}


def _p(value: float, se: float) -> float:
    return normal_p(value / se) if se > 0 else math.nan
