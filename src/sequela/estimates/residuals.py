"""Residuals of a Cox model, in the order of the rows.

Martingale and deviance (Therneau, Grambsch and Fleming 1990), score and dfbeta (Cain and Lange 1984; Reid
and Crepeau 1985), Schoenfeld (1982). Under Efron ties an event row counts with 1 - f in the f-th term.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.estimates.likelihood import exposure, pieces, scalars

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.estimates.likelihood import Problem, Scalars
    from sequela.estimates.timeline import Labels


def martingale(problem: Problem, beta: NDArray[Any]) -> NDArray[Any]:
    """Observed minus expected events of each row (n)."""
    eta, risk = problem.risk(beta)
    lived = exposure(problem, scalars(problem, risk))
    result = -np.exp(eta) * lived
    result[problem.sets.event] += 1
    return result


def deviance(problem: Problem, beta: NDArray[Any]) -> NDArray[Any]:
    """Martingale residuals made more symmetric: sign(M) sqrt(-2 (M + d log(d - M)))."""
    m = martingale(problem, beta)
    d = np.zeros(len(m))
    d[problem.sets.event] = 1
    logs = np.where(d > 0, np.log(np.where(d > 0, np.maximum(d - m, 1e-300), 1.0)), 0.0)
    return np.sign(m) * np.sqrt(np.maximum(-2 * (m + d * logs), 0))


def _means(problem: Problem, risk: NDArray[Any]) -> tuple[Scalars, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Scalars; hazard-weighted means (J x p); the same with f; mean covariate an event is compared with."""
    parts, S1, E1 = pieces(problem, risk)
    rising, tied, _ = rising_means(problem, risk, parts, S1, E1)
    compared = (
        S1 * parts.hazard[:, None] if E1 is None else S1 * parts.hazard[:, None] - E1 * parts.tied[:, None]
    )
    return parts, rising, tied, compared / np.where(parts.mass > 0, parts.mass, 1.0)[:, None]


def rising_means(
    problem: Problem, risk: NDArray[Any], parts: Scalars, S1: NDArray[Any], E1: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mean covariate times hazard at each event time, the same times f (J x p), and exposure (n)."""
    lived = exposure(problem, parts)
    if E1 is None:
        rising = S1 * parts.c02[:, None]
        return rising, np.zeros_like(rising), lived
    rising = S1 * parts.c02[:, None] - E1 * parts.c12[:, None]
    return rising, S1 * parts.c12[:, None] - E1 * parts.c22[:, None], lived


def score_residuals(problem: Problem, beta: NDArray[Any], weighted: bool = False) -> NDArray[Any]:
    """Each row's part of the score, times its case weight if wanted (n x p)."""
    eta, risk = problem.risk(beta)
    parts, rising, tied, compared = _means(problem, risk)
    sets, X = problem.sets, problem.X
    result = sets.over(np.cumsum(rising, axis=0))
    result -= X * exposure(problem, parts)[:, None]
    result[sets.event] -= tied[sets.tied]
    result *= np.exp(eta)[:, None]
    result[sets.event] += X[sets.event] - compared[sets.tied]
    return result * problem.weights[:, None] if weighted and problem.weights is not None else result


def dfbeta(problem: Problem, beta: NDArray[Any], covariance: NDArray[Any]) -> NDArray[Any]:
    """Change of the coefficients when a row is left out, to first order, times its weight (n x p)."""
    return score_residuals(problem, beta, weighted=True) @ covariance


def grouped(values: NDArray[Any], cluster: Labels | None) -> NDArray[Any]:
    """Sums over clusters (m x p); the rows themselves without clusters."""
    if cluster is None:
        return values
    return np.column_stack([np.bincount(cluster.codes, column, len(cluster.levels)) for column in values.T])


def schoenfeld(problem: Problem, beta: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Times and covariates less their expected value, one row an event, by stratum and time (D, D x p)."""
    _, risk = problem.risk(beta)
    _, _, _, compared = _means(problem, risk)
    sets = problem.sets
    order = np.argsort(sets.tied, kind="stable")
    tied = sets.tied[order]
    return sets.time[tied], problem.X[sets.event[order]] - compared[tied]
