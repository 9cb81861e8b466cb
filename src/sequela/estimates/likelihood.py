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

from sequela.estimates.tiesums import power_sums, tie_sums

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
    def mass(self) -> NDArray[Any]:
        """Sum of weights of the events at each event time (J)."""
        if self.weights is None:
            return self.sets.deaths.astype(float)
        return self.sets.tied_sum(self.weights[self.sets.event])

    @cached_property
    def powers(self) -> NDArray[Any]:
        """Power sums of the tied event times, the same in every step."""
        return power_sums(self.sets.deaths[self.carriers.at])

    @cached_property
    def observed(self) -> NDArray[Any]:
        """Weighted sum of x over the events (p)."""
        flags = np.zeros(len(self.X))
        flags[self.sets.event] = 1.0 if self.weights is None else self.weights[self.sets.event]
        return flags @ self.X

    @cached_property
    def shifted(self) -> float:
        """Weighted sum of the offset over the events."""
        if self.offset is None:
            return 0.0
        return float(self.weigh(self.offset)[self.sets.event].sum())

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

    def hazards(self, beta: NDArray[Any]) -> NDArray[Any]:
        """w exp(eta) alone (n values, not to be changed), with no copy kept of eta."""
        if self.offset is None and not beta.any():
            return np.ones(len(self.X)) if self.weights is None else self.weights
        eta = self.X @ beta
        if self.offset is not None:
            eta += self.offset
        with np.errstate(over="ignore"):
            np.exp(eta, out=eta)
        if self.weights is not None:
            eta *= self.weights
        return eta


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
    sets, mass, at = problem.sets, problem.mass, problem.carriers.at
    total, events = problem.carriers.totals(sets, risk)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inverse = 1 / total
        hazard, log_den, none = mass * inverse, float(mass @ np.log(total)), np.zeros(len(total))
        parts = Scalars(hazard, none, hazard * inverse, none, none, log_den, mass)
        return _tied(problem, parts, events * inverse[at], inverse[at]) if len(at) else parts


def _tied(problem: Problem, plain: Scalars, share: NDArray[Any], inverse: NDArray[Any]) -> Scalars:
    """The scalars of a step with Efron's sums at the tied event times; `share` is E0/S0, `inverse` 1/S0 there."""
    at = problem.carriers.at
    deaths = problem.sets.deaths[at]
    sums = tie_sums(deaths, share, problem.powers)
    each = plain.mass[at] / deaths
    once, twice = each * inverse, each * inverse * inverse

    def put(column: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        whole = column.copy()
        whole[at] = values
        return whole

    return Scalars(
        hazard=put(plain.hazard, once * sums.s01),
        tied=put(plain.tied, once * sums.s11),
        c02=put(plain.c02, twice * sums.s02),
        c12=put(plain.c12, twice * sums.s12),
        c22=put(plain.c22, twice * sums.s22),
        log_den=plain.log_den + float(each @ sums.log),
        mass=plain.mass,
    )


@dataclass(frozen=True, eq=False)
class Step:
    """Log-likelihood, score (p) and information (p x p) at one coefficient."""

    log_likelihood: float
    score: NDArray[Any]
    information: NDArray[Any]


def log_likelihood(problem: Problem, beta: NDArray[Any]) -> float:
    """The partial log-likelihood alone: one pass."""
    return _value(problem, beta, scalars(problem, problem.hazards(beta)))


def _value(problem: Problem, beta: NDArray[Any], parts: Scalars) -> float:
    return float(problem.observed @ beta) + problem.shifted - parts.log_den


def evaluate(problem: Problem, beta: NDArray[Any]) -> Step:
    """Log-likelihood, score and information at `beta`."""
    risk = problem.hazards(beta)
    parts = scalars(problem, risk)
    value = _value(problem, beta, parts)
    if not np.isfinite(value):
        p = len(beta)
        return Step(-np.inf, np.zeros(p), np.zeros((p, p)))
    v = exposure(problem, parts)
    v *= risk
    np.maximum(v, 0.0, out=v)  # rounding may leave -1e-17 at an event
    S1, events = problem.carriers.sums(problem.sets, problem.X, risk)
    outer = _outer(S1, events, parts, problem.carriers.at)
    return Step(value, _score(problem, v), weighted_product(problem.X, v) - outer)


def slope(problem: Problem, beta: NDArray[Any], information: NDArray[Any]) -> Step:
    """Log-likelihood and score at `beta`, with an `information` known already."""
    risk = problem.hazards(beta)
    parts = scalars(problem, risk)
    value = _value(problem, beta, parts)
    if not np.isfinite(value):
        return Step(-np.inf, np.zeros(len(beta)), information)
    return Step(value, _score(problem, risk * exposure(problem, parts)), information)


def _score(problem: Problem, v: NDArray[Any]) -> NDArray[Any]:
    return problem.observed - v @ problem.X


def pieces(problem: Problem, risk: NDArray[Any]) -> tuple[Scalars, NDArray[Any], NDArray[Any] | None]:
    """Scalars, S1 over risk sets and, where Efron needs it, E1 over tied events (J x p) at w exp(eta) = `risk`.

    E1 is 0 at event times without ties, where f = 0 is all there is.
    """
    S1, events = problem.carriers.sums(problem.sets, problem.X, risk)
    at = problem.carriers.at
    if not len(at):
        return scalars(problem, risk), S1, None
    E1 = np.zeros_like(S1)
    E1[at] = events
    return scalars(problem, risk), S1, E1


def information(
    problem: Problem, risk: NDArray[Any], parts: Scalars, S1: NDArray[Any], E1: NDArray[Any] | None
) -> NDArray[Any]:
    """Sum over event times of the variance of x in the risk set (p x p), times weighted as `parts` are."""
    v = risk * exposure(problem, parts)
    at = problem.carriers.at
    return weighted_product(problem.X, v) - _outer(S1, S1[:0] if E1 is None else E1[at], parts, at)


def exposure(problem: Problem, parts: Scalars) -> NDArray[Any]:
    """Cumulative baseline hazard each row lived through, less its own share at a tied event (n)."""
    return problem.carriers.lived(problem.sets, np.cumsum(parts.hazard), parts.tied)


def weighted_product(X: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    """X' diag(v) X in blocks that fit the cache.

    Where no v is negative a block is scaled by the root of v: BLAS sees a matrix times itself and does half the work.
    """
    n, p = X.shape
    result = np.zeros((p, p))
    block = max(256, BLOCK // max(p, 1))
    scaled = np.empty((min(block, n), p))
    rooted = n > 0 and v.min() >= 0
    for low in range(0, n, block):
        rows, factor = X[low : low + block], v[low : low + block, None]
        part = np.multiply(rows, np.sqrt(factor) if rooted else factor, out=scaled[: len(rows)])
        result += part.T @ (part if rooted else rows)
    return result


def _outer(S1: NDArray[Any], E1: NDArray[Any], parts: Scalars, at: NDArray[Any]) -> NDArray[Any]:
    """Sum over event times of (W/d) sum_f (S1 - f E1)(S1 - f E1)' / den^2; E1 at the tied times `at` only."""
    square = weighted_product(S1, parts.c02)
    if not len(at):
        return square
    cross = (S1[at] * parts.c12[at, None]).T @ E1
    return square - cross - cross.T + weighted_product(E1, parts.c22[at])
