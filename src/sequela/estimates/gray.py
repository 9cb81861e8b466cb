"""Gray's test: do k groups share one cumulative incidence of a cause?

Source: Gray (Annals of Statistics 1988), with the tie corrections of his program (as cmprsk's `cuminc`).
In the paper's words h = Y/S(t-), R = h (1 - F(t-)), the score of group i is the sum of
(1 - F0(t-))^rho (d_i - d R_i/R). Its variance follows each group's events of the cause and of other causes
through the scores still to come (`reach`). With case weights, delayed entry or clusters the same comparison
is the robust score test of the subdistribution hazards with Geskus' weights (Biometrics 2011; R's `finegray`
followed by the robust score test of `coxph`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc

from sequela.core.errors import UsageError
from sequela.core.estimate import Test
from sequela.core.finding import Finding
from sequela.estimates.finegray import subdistribution
from sequela.estimates.residuals import grouped
from sequela.estimates.timeline import Labels, labels, timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times


def gray(
    times: Times, by: Any, cause: int = 1, strata: Any = None, rho: float = 0, cluster: Any = None
) -> Test:
    """Gray's test of one cause among the groups `by`, chi-square with k - 1 degrees of freedom.

    Args:
        times: n subjects, with delayed entry or case weights if need be.
        by: n group labels.
        cause: the state that is tested; other states above 0 compete with it.
        strata: n labels; scores and variances are added over strata.
        rho: weights (1 - F0(t-))^rho; without weights, delayed entry and clusters only.
        cluster: n labels of subjects that depend on each other.

    Raises:
        UsageError: fewer than two groups, or `rho` where the robust test is used.
    """
    n = len(times)
    group = labels(by, n, "by")
    k = len(group.levels)
    if k < 2:
        raise UsageError(Finding("E130", "error", "a comparison needs at least two groups"))
    blocks = Labels(("",), np.zeros(n, np.intp)) if strata is None else labels(strata, n, "strata")
    if times.weighted or times.delayed or cluster is not None:
        if rho:
            message = "the robust form of Gray's test takes no rho"
            raise UsageError(Finding("E171", "error", message, found=f"rho {rho:g}", remedy="rho=0"))
        units = None if cluster is None else labels(cluster, n, "cluster")
        return _robust(times, group, blocks, cause, units)
    state = np.where(times.state == 0, 0, np.where(times.state == cause, 1, 2))
    line = timeline(times)
    score, variance = np.zeros(k), np.zeros((k, k))
    for s in range(len(blocks.levels)):
        rows = np.flatnonzero(blocks.codes == s)
        code = (line.exit[rows] * k + group.codes[rows]) * 3 + state[rows]
        cells = np.bincount(code, minlength=len(line.values) * k * 3).reshape(-1, k, 3).astype(float)
        part = _stratum(cells[cells.any(axis=(1, 2))], rho)
        score, variance = score + part[0], variance + part[1]
    name = f"Gray's test, cause {cause}"
    u, v = score[:-1], variance[:-1, :-1]
    if not (times.state == cause).any() or np.linalg.matrix_rank(v) < k - 1:
        return Test(
            math.nan, 0, math.nan, name, len(times), "no events of the cause, or a group without subjects"
        )
    statistic = float(u @ np.linalg.solve(v, u))
    return Test(
        statistic,
        k - 1,
        float(chdtrc(k - 1, statistic)),
        name,
        len(times),
        None,
        tuple(map(str, group.levels)),
    )


def _robust(times: Times, group: Labels, blocks: Labels, cause: int, cluster: Labels | None) -> Test:
    """The score of all groups but one under equal subdistribution hazards, strata apart, squared robustly."""
    k, parts = len(group.levels), np.zeros((len(times), len(group.levels) - 1))
    dummies = np.eye(k)[group.codes][:, 1:]
    for s in range(len(blocks.levels)):
        rows = np.flatnonzero(blocks.codes == s)
        if (times.state[rows] == cause).any():
            sets = subdistribution(times.take(rows), dummies[rows], cause, "survival")
            parts[rows] = sets.influence(np.zeros(k - 1))
    each = grouped(parts, cluster)
    score, variance = each.sum(axis=0), each.T @ each
    name = f"robust score test of subdistribution hazards, cause {cause}, Geskus weights"
    names = tuple(map(str, group.levels))
    if not (times.state == cause).any() or np.linalg.matrix_rank(variance) < k - 1:
        reason = "no events of the cause, or a group without subjects"
        return Test(math.nan, 0, math.nan, name, len(times), reason, names)
    statistic = float(score @ np.linalg.solve(variance, score))
    return Test(statistic, k - 1, float(chdtrc(k - 1, statistic)), name, len(times), None, names)


def _lag(values: NDArray[Any], first: float) -> NDArray[Any]:
    return np.concatenate([np.full((1, *values.shape[1:]), first), values[:-1]])


def _stratum(cells: NDArray[Any], rho: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Score (k) and its covariance (k x k) from cells: times x groups x (censored, cause, other)."""
    at_risk = cells.sum(axis=2)[::-1].cumsum(axis=0)[::-1]
    events = cells[:, :, 1:].any(axis=(1, 2))
    d1, d2, Y = cells[events, :, 1], cells[events, :, 2], at_risk[events]
    there = Y > 0
    safe = np.where(there, Y, 1.0)
    after = np.cumprod(np.where(there, 1 - (d1 + d2) / safe, 1.0), axis=0)
    before = _lag(after, 1.0)
    h = np.where(there, Y / np.where(before > 0, before, 1.0), 0.0)
    own = _lag(np.cumsum(before * d1 / safe, axis=0), 0.0)
    total, d = h.sum(axis=1), d1.sum(axis=1)
    pooled = np.cumsum(d / total)
    left = 1 - _lag(pooled, 0.0)
    weight = left**rho
    R = h * (1 - own)
    score = (weight[:, None] * (d1 - (d / R.sum(axis=1))[:, None] * R)).sum(axis=0)
    k = Y.shape[1]
    a = weight[:, None, None] * (
        np.eye(k) * h[:, :, None] - h[:, :, None] * h[:, None, :] / total[:, None, None]
    )
    c = np.cumsum(a * (d / (total * left))[:, None, None], axis=0)
    reach = c[-1] - c
    alive = after > 0
    inverse = np.divide((1 - pooled)[:, None], after, out=np.zeros_like(after), where=alive)
    # the cause: own martingale of each group, its variance from the pooled hazard
    spare = total[:, None] * before - 1
    ties = 1 - np.divide(
        d[:, None] - 1, spare, out=np.zeros_like(Y), where=there & (d[:, None] > 1) & (spare > 0)
    )
    first = np.where(there, ties * before * d[:, None] / (total[:, None] * safe), 0.0)
    pull = a + np.where(alive, 1 - inverse, 1.0)[:, None, :] * reach
    variance = np.einsum("tk,tik,tjk->ij", first, pull, pull)
    # other causes: they take subjects away from the cause
    ties = np.where(d2 > 1, 1 - (d2 - 1) / np.where(Y > 1, Y - 1, 1.0), 1.0)
    second = np.where(alive, ties * before**2 * d2 / safe**2, 0.0)
    pull = inverse[:, None, :] * reach
    return score, variance + np.einsum("tk,tik,tjk->ij", second, pull, pull)
