"""Survival curves from a Cox model: at given covariates, and averaged over a population (g-formula).

The cumulative hazard is the estimate that goes with the tie rule (Breslow 1972, or its Efron form); its
variance adds the error of the coefficients (Tsiatis 1981; Link 1984). Averaged curves: Makuch (1982);
their variance takes the covariates of the population as given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.estimate import Curve
from sequela.estimates.intervals import Interval, limits
from sequela.estimates.likelihood import pieces
from sequela.estimates.timeline import timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times
    from sequela.estimates.likelihood import Problem


class Baseline:
    """The cumulative hazard at the centre of the covariates, and its parts, per stratum.

    Attributes:
        time: m distinct exit times of the stratum.
        hazard, variance: m cumulative values; `shift` m x p cumulative sum of mean covariate x hazard.
        at_risk, events, censored: m counts.
    """

    def __init__(
        self, times: Times, problem: Problem, beta: NDArray[Any], codes: NDArray[Any] | None, stratum: int
    ) -> None:
        _, risk = problem.risk(beta)
        parts, S1, E1 = pieces(problem, risk)
        rising = S1 * parts.c02[:, None]
        if E1 is not None:
            rising = rising - E1 * parts.c12[:, None]
        sets = problem.sets
        own = slice(int(sets.edges[stratum]), int(sets.edges[stratum + 1]))
        rows = np.arange(len(times)) if codes is None else np.flatnonzero(codes == stratum)
        line = timeline(times)
        count = len(line.values)
        leaving = np.bincount(line.exit[rows], minlength=count)
        at = np.flatnonzero(leaving)
        self.time = line.values[at]
        upto = np.searchsorted(sets.time[own], self.time, side="right")

        def cumulative(steps: NDArray[Any]) -> NDArray[Any]:
            start = np.zeros((1, *steps.shape[1:]))
            return np.concatenate([start, np.cumsum(steps[own], axis=0)])[upto]

        self.hazard, self.variance, self.shift = map(cumulative, (parts.hazard, parts.c02, rising))
        self.events = np.bincount(line.exit[rows], times.state[rows] > 0, count)[at]
        self.censored = leaving[at] - self.events
        entered = np.zeros(count + 1)
        if line.entry is not None:
            entered = np.bincount(line.entry[rows], minlength=count + 1).astype(float)
            entered[0] = 0
        not_yet = entered[::-1].cumsum()[::-1]
        self.at_risk = (leaving[::-1].cumsum()[::-1] - not_yet[1:])[at]
        self.n = len(rows)


def predicted(
    base: Baseline, beta: NDArray[Any], covariance: NDArray[Any], X: NDArray[Any], weights: Any = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Survival averaged over the rows of X (centred), and the variance of its logarithm (m each)."""
    share = np.full(len(X), 1 / len(X)) if weights is None else weights / weights.sum()
    ratio = np.exp(X @ beta)
    survival, slope = np.empty(len(base.time)), np.empty(len(base.time))
    pull = np.empty((len(base.time), X.shape[1]))
    for low in range(0, len(base.time), 256):  # blocks of times, so that times x rows stays small
        rows = slice(low, low + 256)
        each = np.exp(-np.outer(base.hazard[rows], ratio))
        survival[rows] = each @ share
        weighted = each * (ratio * share)
        slope[rows] = weighted.sum(axis=1)
        pull[rows] = weighted @ X
    gradient = slope[:, None] * base.shift - base.hazard[:, None] * pull
    variance = slope**2 * base.variance + np.einsum("ij,jk,ik->i", gradient, covariance, gradient)
    return survival, variance / np.where(survival > 0, survival, np.nan) ** 2


def curve_of(
    base: Baseline,
    survival: NDArray[Any],
    variance: NDArray[Any],
    times: Times,
    level: float,
    interval: Interval,
    label: str,
    method: str,
) -> Curve:
    """A Curve from survival and the variance of its logarithm."""
    log_se = np.sqrt(variance)
    lower, upper = limits(survival, log_se, level, interval)
    with np.errstate(divide="ignore"):
        hazard = -np.log(survival)
    return Curve(
        base.time, survival, survival * log_se, lower, upper, base.at_risk, base.events, base.censored, base.n,
        level, interval, method, times.unit, times.origin, label, variance, hazard, log_se,
        independent=False,
    )  # fmt: skip
