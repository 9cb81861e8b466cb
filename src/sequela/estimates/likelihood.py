"""The Cox partial likelihood, its score and information, in a few passes over the rows.

Efron's average over the d! orders of d tied events has closed scalars per event time: with
f = 0, 1/d, ..., (d-1)/d and den = S0 - f E0,

    log L  = sum over events of w eta  -  sum over times (W/d) sum_f log den
    score  = sum over events of w x    -  sum over times (W/d) sum_f (S1 - f E1) / den
    info   = X' diag(v) X              -  sum over times (W/d) sum_f (S1 - f E1)(S1 - f E1)' / den^2

where S0, S1 are the sums of w exp(eta) (1, x) over the risk set, E0, E1 over the tied events, W the sum of
their weights. No p x p matrix is kept per time: v is one number per row, w exp(eta) times what the running
sum of (W/d) sum_f 1/den gains while the row is at risk, less its own share as an event. Breslow is f = 0.
Sources: Cox (1972); Breslow (1974); Efron (JASA 1977); Therneau and Grambsch (2000, chapter 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.estimates.risksets import Carriers, RiskSets

BLOCK = 80_000  # numbers in one weighted product: the scaled copy stays in cache


@dataclass(frozen=True, eq=False)
class Problem:
    """What a fit needs: covariates (n x p, centred), risk sets, weights, offset, and the tie rule."""

    X: NDArray[Any]
    sets: RiskSets
    carriers: Carriers
    weights: NDArray[Any] | None
    offset: NDArray[Any] | None
    efron: bool

    @cached_property
    def observed(self) -> NDArray[Any]:
        """Weighted sum of x over the events (p): the part of the score that never changes."""
        rows = self.X[self.sets.event]
        ones = np.ones(len(rows)) if self.weights is None else self.weights[self.sets.event]
        return ones @ rows

    def weigh(self, values: NDArray[Any]) -> NDArray[Any]:
        """`values` times the case weights."""
        return values if self.weights is None else values * self.weights

    def risk(self, beta: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Linear predictor eta and w exp(eta), n values each."""
        eta = self.X @ beta
        if self.offset is not None:
            eta = eta + self.offset
        with np.errstate(over="ignore"):
            return eta, self.weigh(np.exp(eta))


@dataclass(frozen=True, eq=False)
class Scalars:
    """Per event time: sums over f of powers of 1/den, times W/d.

    c_ab is sum of f^a / den^b; `hazard` = c01, `tied` = c11; `log_den` = sum of log den; all times W/d.
    """

    hazard: NDArray[Any]
    tied: NDArray[Any]
    c02: NDArray[Any]
    c12: NDArray[Any]
    c22: NDArray[Any]
    log_den: float
    mass: NDArray[Any]


def scalars(problem: Problem, risk: NDArray[Any]) -> Scalars:
    """The tie sums of one step, from w exp(eta)."""
    sets = problem.sets
    total = sets.total(risk)
    ones = np.ones(len(sets.event)) if problem.weights is None else problem.weights[sets.event]
    mass = sets.tied_sum(ones)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if not (problem.efron and sets.ties):
            inverse = 1 / total
            zero = np.zeros(len(total))
            c01 = mass * inverse
            return Scalars(c01, zero, c01 * inverse, zero, zero, float(mass @ np.log(total)), mass)
        events = sets.tied_sum(risk[sets.event])
        f, at = sets.share, sets.each
        den = total[at] - f * events[at]
        each = (mass / sets.deaths)[at]
        first = each / den
        second = first / den
        return Scalars(
            hazard=sets.summed(first),
            tied=sets.summed(first * f),
            c02=sets.summed(second),
            c12=sets.summed(second * f),
            c22=sets.summed(second * f * f),
            log_den=float(each @ np.log(den)),
            mass=mass,
        )


@dataclass(frozen=True, eq=False)
class Step:
    """Log-likelihood, score (p) and information (p x p) at one coefficient."""

    log_likelihood: float
    score: NDArray[Any]
    information: NDArray[Any]


def log_likelihood(problem: Problem, beta: NDArray[Any]) -> float:
    """The partial log-likelihood alone: one pass."""
    eta, risk = problem.risk(beta)
    return _value(problem, eta, scalars(problem, risk))


def _value(problem: Problem, eta: NDArray[Any], parts: Scalars) -> float:
    event = problem.sets.event
    gained = eta[event] if problem.weights is None else eta[event] * problem.weights[event]
    return float(gained.sum()) - parts.log_den


def evaluate(problem: Problem, beta: NDArray[Any]) -> Step:
    """Log-likelihood, score and information at `beta`."""
    eta, risk = problem.risk(beta)
    parts = scalars(problem, risk)
    value = _value(problem, eta, parts)
    if not np.isfinite(value):
        p = len(beta)
        return Step(-np.inf, np.zeros(p), np.zeros((p, p)))
    S1, E1 = covariate_sums(problem, risk)
    score = problem.observed - parts.hazard @ S1
    if E1 is not None:
        score = score + parts.tied @ E1
    return Step(value, score, information(problem, risk, parts, S1, E1))


def covariate_sums(problem: Problem, risk: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """S1 over risk sets and, where Efron needs it, E1 over tied events (J x p each)."""
    sets, carriers = problem.sets, problem.carriers
    tied = carriers.deaths(sets, problem.X, risk) if problem.efron and sets.ties else None
    return carriers.at_risk(sets, problem.X, risk), tied


def pieces(problem: Problem, risk: NDArray[Any]) -> tuple[Scalars, NDArray[Any], NDArray[Any] | None]:
    """Scalars, S1 and E1 at w exp(eta) = `risk`."""
    return scalars(problem, risk), *covariate_sums(problem, risk)


def information(
    problem: Problem, risk: NDArray[Any], parts: Scalars, S1: NDArray[Any], E1: NDArray[Any] | None
) -> NDArray[Any]:
    """Sum over event times of the variance of x in the risk set (p x p), times weighted as `parts` are."""
    return weighted_product(problem.X, risk * exposure(problem.sets, parts)) - _outer(S1, E1, parts)


def exposure(sets: RiskSets, parts: Scalars) -> NDArray[Any]:
    """Cumulative baseline hazard each row lived through, less its own share at a tied event (n)."""
    lived = sets.over(np.cumsum(parts.hazard))
    if parts.tied.any():
        lived[sets.event] -= parts.tied[sets.tied]
    return lived


def weighted_product(X: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    """X' diag(v) X in blocks that fit the cache."""
    n, p = X.shape
    result = np.zeros((p, p))
    block = max(256, BLOCK // max(p, 1))
    scaled = np.empty((min(block, n), p))
    for low in range(0, n, block):
        rows = X[low : low + block]
        part = np.multiply(rows, v[low : low + block, None], out=scaled[: len(rows)])
        result += part.T @ rows
    return result


def _outer(S1: NDArray[Any], E1: NDArray[Any] | None, parts: Scalars) -> NDArray[Any]:
    if E1 is None:
        return weighted_product(S1, parts.c02)
    cross = (S1 * parts.c12[:, None]).T @ E1
    return weighted_product(S1, parts.c02) - cross - cross.T + weighted_product(E1, parts.c22)
