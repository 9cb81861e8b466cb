"""Multinomial logistic regression by Newton; with two groups it is the ordinary one.

log P(k | z) / P(0 | z) = z'b_k. A normal prior of precision `prior` on all but the first column (the constant) keeps
coefficients finite where groups are separated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sequela.estimates.likelihood import Step
from sequela.estimates.newton import maximise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.estimates.newton import Optimum

    Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Logistic:
    """A fitted model: `coef` (K - 1) x p against group 0, and where Newton ended (coefficients row by row)."""

    coef: Real
    optimum: Optimum

    @property
    def log_likelihood(self) -> float:
        """At the maximum, prior included."""
        return self.optimum.last.log_likelihood


def logistic(
    Z: Real, codes: NDArray[np.intp], k: int, prior: float = 0.0, weights: Real | None = None
) -> Logistic:
    """Fit P(group | z).

    Args:
        Z: n x p, the constant among the columns and first.
        codes: n groups, 0 to k - 1.
        k: number of groups.
        prior: precision of the normal prior.
        weights: n case weights; 1 by default.
    """
    w = np.ones(len(codes)) if weights is None else weights
    rest, p = k - 1, Z.shape[1]
    own = (codes[:, None] == np.arange(1, k)).astype(float)
    penalty = np.tile(np.concatenate([[0.0], np.full(p - 1, prior)]), rest)
    at = np.arange(len(codes)), codes

    def evaluate(flat: Real) -> Step:
        e = chances(Z, flat.reshape(rest, p))
        value = float(w @ np.log(np.maximum(e[at], 1e-300))) - float(penalty @ flat**2) / 2
        score = (((own - e[:, 1:]) * w[:, None]).T @ Z).ravel() - penalty * flat
        information = np.diag(penalty)
        for a in range(rest):
            for b in range(rest):
                v = w * e[:, a + 1] * ((a == b) - e[:, b + 1])
                information[a * p : (a + 1) * p, b * p : (b + 1) * p] += (Z * v[:, None]).T @ Z
        return Step(value, score, information)

    optimum = maximise(evaluate, np.zeros(rest * p), np.ones(rest * p))
    return Logistic(optimum.beta.reshape(rest, p), optimum)


def chances(Z: Real, coef: Real) -> Real:
    """P(group | z) of n rows, n x K."""
    eta = np.column_stack([np.zeros(len(Z)), Z @ coef.T])
    raised = np.exp(eta - eta.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
