"""Bootstrap and permutation: seeded, by subject or by cluster, vectorised where the statistic allows.

The median of many bootstrap curves and the log-rank statistic of many permutations come from counting all
draws at once on the axis of whole positions; any other statistic is called draw by draw. Sources: Efron
(1979; JASA 1987 for BCa); Davison and Hinkley (1997); Phipson and Smyth (2010) for the +1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import ndtr, ndtri

from sequela.core.estimate import TOLERANCE, Estimate, Test
from sequela.estimates.risk import risk_table
from sequela.estimates.tests import SCHEMES, grouped_table, score
from sequela.estimates.timeline import labels, timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from sequela.core.outcome import Times


def draws(n: int, rng: np.random.Generator, times: int, cluster: Any = None) -> Iterator[NDArray[np.intp]]:
    """Rows of each bootstrap sample: rows, or whole clusters, drawn with replacement."""
    if cluster is None:
        for _ in range(times):
            yield rng.integers(0, n, n)
        return
    codes = labels(cluster, n, "cluster").codes
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    for _ in range(times):
        yield np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    n: int,
    rng: np.random.Generator,
    samples: int = 1000,
    cluster: Any = None,
    level: float = 0.95,
    interval: Literal["percentile", "bca"] = "percentile",
    name: str = "bootstrap",
) -> Estimate:
    """`statistic` of resampled rows: its value on all rows, bootstrap error and interval.

    Args:
        statistic: from row positions to one number (NaN where it does not exist in a sample).
        n: number of rows.
        rng: the generator.
        samples: number of bootstrap samples.
        cluster: n labels; whole clusters are drawn.
        level, interval: percentile, or bias-corrected and accelerated by the jackknife over rows.

    The `method` tells in how many samples the statistic did not exist.
    """
    value = float(statistic(np.arange(n)))
    found = np.array([statistic(rows) for rows in draws(n, rng, samples, cluster)], float)
    known = found[~np.isnan(found)]
    lost = samples - len(known)
    method = f"{interval} bootstrap, {samples} samples" + (f", not defined in {lost}" if lost else "")
    if len(known) < 2:
        return Estimate(name, math.nan, level=level, n=n, method=method, reason="not defined in the samples")
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if interval == "bca":
        tails = _bca(statistic, n, value, known, tails)
    lower, upper = np.quantile(known, tails)
    reason = "not defined in the data" if math.isnan(value) else None
    return Estimate(
        name,
        value,
        float(known.std(ddof=1)),
        float(lower),
        float(upper),
        level,
        n,
        method=method,
        reason=reason,
    )


def _bca(statistic: Any, n: int, value: float, known: NDArray[Any], tails: NDArray[Any]) -> NDArray[Any]:
    """Tail probabilities corrected for bias and acceleration (Efron 1987)."""
    share = ((known < value).sum() + (known == value).sum() / 2) / len(known)
    bias = float(ndtri(np.clip(share, 1 / (len(known) + 1), len(known) / (len(known) + 1))))
    rows = np.arange(n)
    without = np.array([statistic(np.delete(rows, i)) for i in range(n)], float)
    away = np.nanmean(without) - without
    spread = float(np.nansum(away**2)) ** 1.5
    acceleration = float(np.nansum(away**3)) / (6 * spread) if spread > 0 else 0.0
    z = bias + ndtri(tails)
    return ndtr(bias + z / (1 - acceleration * z))


def bootstrap_medians(
    times: Times, rng: np.random.Generator, samples: int = 1000, q: float = 0.5, block: int = 64
) -> NDArray[Any]:
    """Kaplan-Meier quantiles of bootstrap samples (NaN where not reached), many curves at a time.

    A sample is a vector of multiplicities; the counts of all curves of a block are one matrix.
    """
    line = timeline(times)
    used, position = np.unique(line.exit, return_inverse=True)
    n, m = len(times), len(used)
    entered = None if line.entry is None else np.searchsorted(used, line.entry)
    event = times.state > 0
    values = line.values[used]
    result = np.empty(samples)
    for low in range(0, samples, block):
        size = min(block, samples - low)
        rows = rng.integers(0, n, (size, n))
        base = np.arange(size)[:, None] * m
        leaving = np.bincount((base + position[rows]).ravel(), minlength=size * m).reshape(size, m)
        d = np.bincount((base + position[rows]).ravel(), event[rows].ravel(), size * m).reshape(size, m)
        at_risk = leaving[:, ::-1].cumsum(axis=1)[:, ::-1].astype(float)
        if entered is not None:
            start = np.bincount(
                (np.arange(size)[:, None] * (m + 1) + entered[rows]).ravel(), minlength=size * (m + 1)
            )
            start = start.reshape(size, m + 1)
            start[:, 0] = 0
            at_risk -= start[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        survival = np.cumprod(1 - np.divide(d, at_risk, out=np.zeros_like(d), where=d > 0), axis=1)
        result[low : low + size] = _quantiles(values, survival, leaving, q)
    return result


def _quantiles(values: NDArray[Any], survival: NDArray[Any], leaving: NDArray[Any], q: float) -> NDArray[Any]:
    """R's rule on many curves: smallest time with S <= 1 - q, the middle of a stretch on which it is equal."""
    below = survival <= 1 - q + TOLERANCE
    reached, first = below.any(axis=1), below.argmax(axis=1)
    rows = np.arange(len(survival))
    height = survival[rows, first]
    lower = survival < height[:, None] - TOLERANCE
    last = survival.shape[1] - 1 - (leaving[:, ::-1] > 0).argmax(axis=1)
    following = np.where(lower.any(axis=1), lower.argmax(axis=1), last)
    flat = np.abs(height - (1 - q)) <= TOLERANCE
    middle = np.where(flat, (values[first] + values[following]) / 2, values[first])
    return np.where(reached, middle, np.nan)


def permutation_log_rank(
    times: Times, by: Any, rng: np.random.Generator, permutations: int = 2000, strata: Any = None
) -> Test:
    """Log-rank test of k groups against random relabelling (inside strata); p = (1 + hits)/(1 + permutations)."""
    n = len(times)
    group = labels(by, n, "by").codes
    blocks = np.zeros(n, np.intp) if strata is None else labels(strata, n, "strata").codes

    def statistic(codes: NDArray[Any]) -> float:
        found = score(
            grouped_table(risk_table(times, codes, None if strata is None else blocks), None, None),
            SCHEMES["log-rank"],
        )
        used = np.flatnonzero(found.expected > 0)[:-1]
        u = found.difference[used]
        return (
            float(u @ np.linalg.lstsq(found.covariance[np.ix_(used, used)], u, rcond=1e-12)[0])
            if len(used)
            else 0.0
        )

    observed, hits = statistic(group), 0
    order = np.argsort(blocks, kind="stable")
    for _ in range(permutations):
        shuffled = np.empty(n, np.intp)
        keys = np.lexsort((rng.random(n), blocks))
        shuffled[order] = group[keys]
        hits += statistic(shuffled) >= observed * (1 - 1e-10)
    name = f"permutation log-rank test, {permutations} permutations"
    return Test(observed, 0, (1 + hits) / (1 + permutations), name, n)
