"""Comparisons of groups on measurements: t, Welch, Mann-Whitney, Kruskal-Wallis, standardised difference.

Sources: Welch (1947); Mann and Whitney (1947); Kruskal and Wallis (1952); Austin (Stat Med 2009) and Yang and
Dalton (SAS Global Forum 2012) for the standardised difference. Tables of counts are in `tables`.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc, fdtrc, ndtr, stdtr, stdtrit

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, Test
from sequela.core.finding import Finding
from sequela.estimates.fisher import fisher
from sequela.estimates.tables import (
    binomial_interval,
    chi_square,
    kappa,
    likelihood_ratio,
    linear_by_linear,
    mcnemar,
    odds_ratio,
)
from sequela.estimates.timeline import labels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "anova",
    "binomial_interval",
    "chi_square",
    "fisher",
    "kappa",
    "kruskal_wallis",
    "likelihood_ratio",
    "linear_by_linear",
    "mann_whitney",
    "mcnemar",
    "mean_difference",
    "odds_ratio",
    "standardised_difference",
    "t_test",
]


def _numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    column = np.asarray(values, float).ravel()
    if not np.isfinite(column).all():
        message = f"`{name}` has missing or infinite values"
        raise UsageError(Finding("E160", "error", message, remedy="leave these subjects out, and count them"))
    return column


def mean_difference(
    a: ArrayLike, b: ArrayLike, equal_variance: bool = False, level: float = 0.95
) -> Estimate:
    """Mean of `a` less mean of `b` with its t interval (Welch's degrees of freedom unless told otherwise)."""
    x, y = _numbers(a, "a"), _numbers(b, "b")
    n = len(x) + len(y)
    method = "Student's t" if equal_variance else "Welch's t"
    if min(len(x), len(y)) < 2:
        return Estimate(
            "mean difference", math.nan, n=n, method=method, reason="a group has fewer than two values"
        )
    se, df = _standard_error(x, y, equal_variance)
    value = float(x.mean() - y.mean())
    if se == 0:
        return Estimate("mean difference", value, 0.0, n=n, method=method, reason="neither group varies")
    half = float(stdtrit(df, 0.5 + level / 2)) * se
    p = 2 * float(stdtr(df, -abs(value / se)))
    return Estimate("mean difference", value, se, value - half, value + half, level, n, method=method, p=p)


def _standard_error(x: NDArray[Any], y: NDArray[Any], equal_variance: bool) -> tuple[float, float]:
    """Standard error of the difference of means and its degrees of freedom."""
    vx, vy = x.var(ddof=1), y.var(ddof=1)
    if equal_variance:
        df = len(x) + len(y) - 2
        pooled = ((len(x) - 1) * vx + (len(y) - 1) * vy) / df
        return math.sqrt(pooled * (1 / len(x) + 1 / len(y))), df
    ex, ey = vx / len(x), vy / len(y)
    if ex + ey == 0:
        return 0.0, 1.0
    return math.sqrt(ex + ey), float((ex + ey) ** 2 / (ex**2 / (len(x) - 1) + ey**2 / (len(y) - 1)))


def t_test(a: ArrayLike, b: ArrayLike, equal_variance: bool = False) -> Test:
    """Two-sided t-test of two independent samples; Welch's by default, Student's with `equal_variance`."""
    x, y = _numbers(a, "a"), _numbers(b, "b")
    name = "t-test" if equal_variance else "Welch's t-test"
    if min(len(x), len(y)) < 2:
        return Test(math.nan, 0, math.nan, name, len(x) + len(y), "a group has fewer than two values")
    se, df = _standard_error(x, y, equal_variance)
    if se == 0:
        return Test(math.nan, df, math.nan, name, len(x) + len(y), "neither group varies")
    t = float((x.mean() - y.mean()) / se)
    return Test(t, df, 2 * float(stdtr(df, -abs(t))), name, len(x) + len(y))


def anova(values: ArrayLike, by: Any) -> Test:
    """One-way analysis of variance, F with k - 1 degrees of freedom (and n - k; equal variances)."""
    x = _numbers(values, "values")
    group = labels(by, len(x), "by")
    k, n = len(group.levels), len(x)
    count = np.bincount(group.codes)
    means = np.bincount(group.codes, x) / count
    between, within = float(count @ (means - x.mean()) ** 2), float(((x - means[group.codes]) ** 2).sum())
    if k < 2 or n <= k or within == 0:
        reason = "fewer than two groups" if k < 2 else "no variation inside the groups"
        return Test(math.nan, 0, math.nan, "one-way analysis of variance", n, reason)
    f = (between / (k - 1)) / (within / (n - k))
    return Test(f, k - 1, float(fdtrc(k - 1, n - k, f)), "one-way analysis of variance", n)


def _ranks(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mid-ranks, and sizes of tied sets."""
    _, inverse, count = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[inverse], count


def mann_whitney(a: ArrayLike, b: ArrayLike, exact: bool | None = None, correction: bool = True) -> Test:
    """Mann-Whitney (Wilcoxon rank sum) test, two-sided; the statistic is U of `a`, R's W.

    As R's `wilcox.test`: exact by default when both groups have fewer than 50 values and no ties; else normal
    with tie correction and, with `correction`, a continuity correction.
    """
    x, y = _numbers(a, "a"), _numbers(b, "b")
    m, n = len(x), len(y)
    if not (m and n):
        return Test(math.nan, 0, math.nan, "Mann-Whitney test", m + n, "a group is empty")
    ranks, ties = _ranks(np.concatenate([x, y]))
    u = float(ranks[:m].sum() - m * (m + 1) / 2)
    tied = bool((ties > 1).any())
    if exact is None:
        exact = m < 50 and n < 50 and not tied
    if exact and tied:
        raise UsageError(
            Finding("E161", "error", "no exact Mann-Whitney test with ties", remedy="exact=False")
        )
    if exact:
        counts = _rank_sum_counts(m, n)
        low = counts[: math.floor(min(u, m * n - u)) + 1].sum() / counts.sum()
        return Test(u, 0, min(1.0, 2 * float(low)), "exact Mann-Whitney test", m + n)
    total = m + n
    variance = m * n / 12 * (total + 1 - (ties**3.0 - ties).sum() / (total * (total - 1)))
    if variance <= 0:
        return Test(u, 0, math.nan, "Mann-Whitney test", total, "all values are equal")
    away = abs(u - m * n / 2) - (0.5 if correction else 0)
    p = 2 * float(ndtr(-away / math.sqrt(variance)))
    return Test(u, 0, min(1.0, p), "Mann-Whitney test", total)


def _rank_sum_counts(m: int, n: int) -> NDArray[Any]:
    """Number of orders with U = 0...mn: the Gaussian binomial coefficient, as a polynomial."""
    counts = np.zeros(m * n + 1)
    counts[0] = 1
    for i in range(1, m + 1):
        counts[n + i :] -= counts[: len(counts) - n - i].copy()  # times (1 - q^(n+i))
        for start in range(i):  # divided by (1 - q^i)
            counts[start::i] = np.cumsum(counts[start::i])
    return counts


def kruskal_wallis(values: ArrayLike, by: Any) -> Test:
    """Kruskal-Wallis rank test of k groups, with tie correction."""
    x = _numbers(values, "values")
    group = labels(by, len(x), "by")
    k, n = len(group.levels), len(x)
    ranks, ties = _ranks(x)
    correction = 1 - float((ties**3.0 - ties).sum()) / (n**3 - n) if n > 1 else 0.0
    if k < 2 or correction <= 0:
        reason = "fewer than two groups" if k < 2 else "all values are equal"
        return Test(math.nan, 0, math.nan, "Kruskal-Wallis test", n, reason)
    sums, count = np.bincount(group.codes, ranks), np.bincount(group.codes)
    h = (12 / (n * (n + 1)) * float((sums**2 / count).sum()) - 3 * (n + 1)) / correction
    return Test(h, k - 1, float(chdtrc(k - 1, h)), "Kruskal-Wallis test", n)


def standardised_difference(values: Any, by: Any, weights: ArrayLike | None = None) -> Estimate:
    """Standardised difference of a column between groups; with more than two, the largest over pairs.

    Numbers: |mean difference| / sqrt((s1^2 + s2^2)/2), weighted means and variances where weights are given.
    Text: sqrt(t' S^-1 t), t the differences of the shares of all levels but one and S the mean of the two
    multinomial covariance matrices (Yang and Dalton 2012), which does not depend on the level left out.
    """
    column = np.asarray(values)
    group = labels(by, len(column), "by")
    w = np.ones(len(column)) if weights is None else np.asarray(weights, float)
    if column.dtype.kind in "biuf":
        parts = _numbers(column, "values")[:, None]
    else:
        levels = labels(column, len(column), "values")
        parts = np.eye(len(levels.levels))[levels.codes][:, 1:]
    moments = [_moments(parts[group.codes == g], w[group.codes == g]) for g in range(len(group.levels))]
    distances = [_distance(a, b) for a, b in combinations(moments, 2)]
    name, method = "standardised difference", "largest over pairs" if len(moments) > 2 else "Austin 2009"
    if not distances or math.isnan(max(distances)):
        reason = "fewer than two groups" if not distances else "no variation inside the groups"
        return Estimate(name, math.nan, n=len(column), method=method, reason=reason)
    return Estimate(name, max(distances), n=len(column), method=method)


def _moments(parts: NDArray[Any], w: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weighted mean and covariance: n - 1 in the denominator for one column of numbers, n for shares."""
    total = w.sum()
    mean = w @ parts / total
    shares = bool(((parts == 0) | (parts == 1)).all())
    free = total if shares else total - (w**2).sum() / total
    away = parts - mean
    return mean, (away * w[:, None]).T @ away / free if free > 0 else np.zeros((parts.shape[1],) * 2)


def _distance(a: tuple[NDArray[Any], NDArray[Any]], b: tuple[NDArray[Any], NDArray[Any]]) -> float:
    t, spread = a[0] - b[0], (a[1] + b[1]) / 2
    if not t.any():
        return 0.0
    solved, *_ = np.linalg.lstsq(spread, t, rcond=1e-12)
    return math.sqrt(max(0.0, float(t @ solved))) if np.allclose(spread @ solved, t, atol=1e-9) else math.nan
