"""Pooled logistic regression on person-intervals: one hazard model for rows of many patients and times.

A row is a patient in one interval of follow-up, or a cell of many of them with the share that had the event. With short
intervals the odds ratio is the hazard ratio (D'Agostino et al., Stat Med 1990; Thompson, Stat Med 1977). Fitted by
Newton's iterations (the same as iteratively reweighted least squares), many bootstrap weightings at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from sequela.estimates.splines import spline_basis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]

STEPS = 40
DONE = 1e-9  # largest change of a linear predictor's coefficient in the last step
LONGEST = 4.0  # a longer Newton step is shortened to this: log odds do not move further at once
BLOCK = 4_000_000  # numbers of one block of products


@dataclass(frozen=True, eq=False)
class Pooled:
    """Coefficients of B weightings of one design.

    Attributes:
        coef: B x p, for the columns as given.
        converged: B flags.
    """

    coef: Real
    converged: NDArray[np.bool_]

    def chances(self, X: Real) -> Real:
        """P(event) of R rows, B x R."""
        return expit(self.coef @ X.T)


def time_terms(k: Real, df: int = 3) -> Real:
    """A natural cubic spline of time without its constant: len(k) x at most `df` columns.

    Knots lie at quantiles of the distinct times; up to df + 1 distinct times have an indicator each but the first.
    """
    distinct = np.unique(k)
    if len(distinct) <= df + 1:
        return (k[:, None] == distinct[1:]).astype(float)
    scaled = k / distinct[-1]
    return spline_basis(scaled, np.quantile(distinct / distinct[-1], np.linspace(0, 1, df + 1)))[0][:, 1:]


def pooled_logistic(X: Real, y: Real, weights: Real, prior: float = 0.0) -> Pooled:
    """Maximise sum w (y log p + (1 - y) log(1 - p)), logit p = x'b, for B weightings of the same rows.

    Args:
        X: R x p, the constant first.
        y: R events (0 or 1), or B x R shares of cells.
        weights: B x R, not negative.
        prior: precision of a normal prior on every coefficient but the first, in units of the column's standard
            deviation: 0.01 (a standard deviation of 10) keeps separated rows finite.
    """
    spread = X.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    Z = X / scale
    penalty = np.concatenate([[0.0], np.full(X.shape[1] - 1, prior)])
    coef = np.zeros((len(weights), X.shape[1]))
    open_ = np.arange(len(weights))
    for _ in range(STEPS):
        step = _step(Z, y if y.ndim == 1 else y[open_], weights[open_], coef[open_], penalty)
        longest = np.abs(step).max(axis=1)
        coef[open_] += step * np.minimum(1, LONGEST / np.maximum(longest, 1e-300))[:, None]
        open_ = open_[longest > DONE]
        if not len(open_):
            break
    done = np.ones(len(weights), bool)
    done[open_] = False
    return Pooled(coef / scale, done)


def _step(Z: Real, y: Real, w: Real, coef: Real, penalty: Real) -> Real:
    """One Newton step for every weighting, B x p."""
    chance = expit(coef @ Z.T)
    score = (w * (y - chance)) @ Z - penalty * coef
    held = w * chance * (1 - chance)
    p = Z.shape[1]
    information = np.zeros((len(w), p, p))
    rows = max(1, BLOCK // (p * p))
    for start in range(0, len(Z), rows):
        part = Z[start : start + rows]
        products = (part[:, :, None] * part[:, None, :]).reshape(len(part), p * p)
        information += (held[:, start : start + rows] @ products).reshape(-1, p, p)
    # what the rows do not tell (an empty level in a bootstrap sample) stays where it is
    information += np.eye(p) * (
        penalty + 1e-10 * (1 + np.trace(information, axis1=1, axis2=2)[:, None, None])
    )
    return np.linalg.solve(information, score[:, :, None])[:, :, 0]


def sandwich(X: Real, y: Real, weights: Real, coef: Real, cluster: NDArray[np.intp]) -> Real:
    """Robust covariance by cluster (p x p): A^-1 (sum over clusters u u') A^-1 (Liang and Zeger, Biometrika 1986).

    Args:
        X: R x p rows; `y` and `weights` their R events and weights.
        coef: p coefficients at the maximum.
        cluster: R codes from 0.
    """
    chance = expit(X @ coef)
    bread = np.linalg.pinv((X * (weights * chance * (1 - chance))[:, None]).T @ X)
    scores = X * (weights * (y - chance))[:, None]
    summed = np.column_stack([np.bincount(cluster, column) for column in scores.T])
    return bread @ (summed.T @ summed) @ bread
