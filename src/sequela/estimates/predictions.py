"""Survival curves from a Cox model: at given covariates, and averaged over a population (g-formula).

The cumulative hazard is the estimate that goes with the tie rule (Breslow 1972, or its Efron form); its
variance adds the error of the coefficients (Tsiatis 1981; Link 1984). Averaged curves: Makuch (1982);
their variance takes the covariates of the population as given. The error of S(t) has two parts, the noise
of the cumulative hazard, with independent increments, and that of the coefficients; so has that of an area
under S, which is their integral (Zucker, JASA 1998; Chen and Tsiatis, Biometrics 2001).
"""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(frozen=True, eq=False, repr=False)
class PredictedCurve(Curve):
    """A curve from a Cox model; it keeps what the errors of areas and of differences need.

    Attributes:
        slope: m values, minus the derivative of survival in the cumulative hazard.
        gradient: m x p, the derivative of survival in the coefficients.
        noise: m cumulative variances of the cumulative hazard; `covariance` p x p of the coefficients.
    """

    slope: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    gradient: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0)))
    noise: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    covariance: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0)))

    def area_variance(self, tau: float, right: NDArray[Any]) -> float:
        """Variance of the area under the curve up to `tau`."""
        return self.area_covariance(self, tau)

    def area_parts(self, tau: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """What the noise from each time on, and the coefficients, do to the area up to `tau`."""
        rows = self.time < tau
        width = np.diff(np.append(self.time[rows], tau))
        reach = (self.slope[rows] * width)[::-1].cumsum()[::-1]
        return reach, width @ self.gradient[rows]

    def area_covariance(self, other: PredictedCurve, tau: float) -> float:
        """Covariance of the areas under two curves of one model."""
        (mine, pull), (theirs, push) = self.area_parts(tau), other.area_parts(tau)
        steps = np.diff(self.noise[: len(mine)], prepend=0.0)
        return float((mine * theirs) @ steps + pull @ self.covariance @ push)

    def survival_covariance(self, other: PredictedCurve, row: int) -> float:
        """Covariance of the survival of two curves of one model at their time number `row`."""
        noise = self.slope[row] * other.slope[row] * self.noise[row]
        return float(noise + self.gradient[row] @ self.covariance @ other.gradient[row])


def predicted(
    base: Baseline, beta: NDArray[Any], X: NDArray[Any], weights: Any = None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Survival averaged over the rows of X (centred), its slope (m each) and its gradient (m x p)."""
    share = np.full(len(X), 1 / len(X)) if weights is None else np.asarray(weights) / np.sum(weights)
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
    return survival, slope, slope[:, None] * base.shift - base.hazard[:, None] * pull


def curve_of(
    base: Baseline,
    parts: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    covariance: NDArray[Any],
    times: Times,
    level: float,
    interval: Interval,
    label: str,
    method: str,
) -> PredictedCurve:
    """A curve from the parts that `predicted` gives."""
    survival, slope, gradient = parts
    spread = slope**2 * base.variance + np.einsum("ij,jk,ik->i", gradient, covariance, gradient)
    variance = spread / np.where(survival > 0, survival, np.nan) ** 2
    log_se = np.sqrt(variance)
    lower, upper = limits(survival, log_se, level, interval)
    with np.errstate(divide="ignore"):
        hazard = -np.log(survival)
    return PredictedCurve(
        base.time, survival, survival * log_se, lower, upper, base.at_risk, base.events, base.censored, base.n,
        level, interval, method, times.unit, times.origin, label, variance, hazard, log_se, "r", False,
        slope, gradient, base.variance, covariance,
    )  # fmt: skip
