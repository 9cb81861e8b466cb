"""Hazard ratios from interval-censored times: a Weibull model with proportional hazards.

An event known to lie in (l, r] adds log(S(l) - S(r)), an exact one log f(l), a censored one log S(l), and delayed entry
at e takes log S(e) away, where S(t) = exp(-H(t)) and H(t) = (t/u)^k exp(a + x'b), u a unit of time. With
z = a + x'b + k log(t/u), every first derivative is H times v = (1, x, k log(t/u)), the last with respect to log k.
Sources: Odell, Anderson and D'Agostino, Biometrics 1992;48:951; Lindsey and Ryan, Stat Med 1998;17:219. R's `survreg`
fits the same likelihood (without entry) on the scale of log time: b = -coefficient / scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Model
from sequela.core.finding import Finding
from sequela.estimates.design import design
from sequela.estimates.inference import covariate_tests, reasons_of
from sequela.estimates.likelihood import Step
from sequela.estimates.newton import Optimum, maximise
from sequela.estimates.parametric import positive

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Real = NDArray[np.float64]


def interval_weibull(
    left: ArrayLike, right: ArrayLike, X: Any, entry: ArrayLike | None = None, names: Any = None,
    level: float = 0.95,
) -> Model:  # fmt: skip
    """Fit hazard ratios to events known to lie in (left, right].

    Args:
        left: n times; 0 where nothing is known before `right`.
        right: n times; infinite is censored at `left`, equal to `left` is exact.
        X: n numbers, an n x p array, a frame or a dict of columns.
        entry: start of observation; 0 by default.
        names: of the columns of an array.
        level: of the intervals.

    Raises:
        UsageError: E200, lengths differ, an interval ends before it begins, an exact time is 0, or no event.
    """
    low, high = np.asarray(left, float), np.asarray(right, float)
    start = np.zeros(len(low)) if entry is None else np.asarray(entry, float)
    _check(low, high, start)
    matrix, labels = design(X, len(low), names)
    Z = np.column_stack([np.ones(len(low)), matrix])
    optimum, null = _fit(low, high, start, Z), _fit(low, high, start, Z[:, :1])
    p = len(labels) + 1
    rows = np.arange(1, p)
    covariance = optimum.covariance[1:p, 1:p]
    tests = covariate_tests(optimum, covariance, rows, null.last.log_likelihood, len(low))
    reasons = reasons_of(optimum, ("intercept", *labels, "shape"))
    lost = np.array([labels[i - 1] in reasons for i in rows], bool)
    return Model(
        tuple(labels), np.where(lost, np.nan, optimum.beta[1:p]),
        np.where(lost, np.nan, np.sqrt(np.diag(covariance))), covariance,
        (null.last.log_likelihood, optimum.last.log_likelihood), tests, len(low),
        float(np.isfinite(high).sum()), None, level, "Weibull model of interval-censored times", reasons,
    )  # fmt: skip


def _check(low: Real, high: Real, entry: Real) -> None:
    wrong = (
        "their numbers differ" if not len(low) == len(high) == len(entry)
        else "an interval ends before it begins" if (low > high).any()
        else "a left end is negative or not finite" if not (np.isfinite(low) & (low >= 0)).all()
        else "an exact event lies at 0" if ((low == high) & (high <= 0)).any()
        else "an interval does not lie after its entry" if ((entry > 0) & (high <= entry)).any()
        else "there is no event" if not np.isfinite(high).any()
        else ""
    )  # fmt: skip
    if wrong:
        message = f"interval-censored times cannot be fitted: {wrong}"
        raise UsageError(Finding("E200", "error", message, remedy="leave such subjects out, and count them"))


class _Point:
    """H and its derivatives at one time of every row; all 0 where the time is 0 or infinite."""

    def __init__(self, time: Real, unit: float, Z: Real, beta: Real) -> None:
        known = np.isfinite(time) & (time > 0)
        log_time = np.log(np.where(known, time, unit) / unit)
        self.slope = np.exp(beta[-1]) * log_time  # d z / d log k
        with np.errstate(over="ignore"):
            self.log = Z @ beta[:-1] + self.slope
            self.hazard = np.where(known, np.exp(np.minimum(self.log, 700)), 0.0)
        self.direction = np.column_stack([Z, self.slope])

    def first(self, weight: Real) -> Real:
        """Sum of weight times dH."""
        return (weight * self.hazard) @ self.direction

    def second(self, weight: Real, curvature: Real) -> Real:
        """Sum of weight times d2H plus curvature times dH dH'."""
        own = weight * self.hazard + curvature * self.hazard**2
        found = (self.direction * own[:, None]).T @ self.direction
        found[-1, -1] += float(weight @ (self.hazard * self.slope))
        return found


def _fit(low: Real, high: Real, entry: Real, Z: Real) -> Optimum:
    exact = low == high
    inside = np.isfinite(high) & ~exact
    unit = float(np.exp(np.log(np.where(np.isfinite(high), high, low).clip(1e-12)).mean()))
    rate = np.isfinite(high).sum() / len(low)
    seen = np.log(np.where(exact, low, 1.0))
    start = np.zeros(Z.shape[1] + 1)
    start[0] = np.log(rate)
    spread = np.append(np.maximum(np.sqrt((Z**2).mean(axis=0)), 1e-300), 1.0)

    def evaluate(beta: Real) -> Step:
        a, b, e = (_Point(time, unit, Z, beta) for time in (low, np.where(inside, high, np.inf), entry))
        gain = np.where(inside, b.hazard - a.hazard, 1.0)
        if not (np.isfinite(gain).all() and (gain[inside] > 0).all()):
            return _nowhere(len(beta))
        # phi(D) = log(1 - exp(-D)) of an interval, with its first two derivatives
        with np.errstate(over="ignore"):
            phi = np.where(inside, np.log(-np.expm1(-gain)), 0.0)
            d1 = np.where(inside, 1 / np.expm1(gain), 0.0)
        d2 = -d1 * (1 + d1)
        value = float((phi - a.hazard + e.hazard).sum() + (beta[-1] + a.log - seen)[exact].sum())
        score = a.first(-1 - d1) + b.first(d1) + e.first(np.ones(len(Z)))
        score += a.direction[exact].sum(axis=0)
        score[-1] += exact.sum()
        cross = (a.direction * (-d2 * a.hazard * b.hazard)[:, None]).T @ b.direction
        bend = a.second(-1 - d1, d2) + b.second(d1, d2) + e.second(np.ones(len(Z)), np.zeros(len(Z)))
        bend += cross + cross.T
        bend[-1, -1] += float(a.slope[exact].sum())
        return Step(value, score, positive(-bend)) if np.isfinite(value) else _nowhere(len(beta))

    return maximise(evaluate, start, spread)


def _nowhere(p: int) -> Step:
    return Step(-np.inf, np.zeros(p), np.eye(p))
