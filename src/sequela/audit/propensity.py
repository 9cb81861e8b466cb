"""Who could have been in either arm: a logistic model of the arm, preference scores, weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]

PRECISION = 0.01  # of the normal prior on standardised coefficients: its standard deviation is 10
STEPS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Propensity:
    """The chance of the second arm.

    Attributes:
        score: e, n chances of arm 1.
        arm: n, 0 or 1.
    """

    score: Real
    arm: NDArray[np.int64]

    @property
    def preference(self) -> Real:
        """Preference score F: logit F = logit e - logit of the share in arm 1 (Walker et al., CER 2013;3:11)."""
        share = self.arm.mean()
        odds = self.score / (1 - self.score) * (1 - share) / share
        return odds / (1 + odds)

    @property
    def weights(self) -> Real:
        """Inverse probability of the arm received: 1/e or 1/(1 - e)."""
        return 1 / np.where(self.arm == 1, self.score, 1 - self.score)


def effective_size(weights: Real) -> float:
    """Kish's effective sample size, (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def propensity(arm: NDArray[np.int64], columns: Real) -> Propensity:
    """Logistic regression of the arm on `columns` (n x c) by iteratively reweighted least squares.

    Columns are standardised and their coefficients have a weak normal prior (standard deviation 10), so that a
    period in which only one arm exists gives chances near 0 or 1 and not an infinite coefficient.
    """
    spread = columns.std(axis=0)
    used = (columns[:, spread > 0] - columns[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    x = np.column_stack([np.ones(len(arm)), used])
    penalty = np.diag([0.0, *[PRECISION] * used.shape[1]])
    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        e = _chance(x @ beta)
        information = (x * (e * (1 - e))[:, None]).T @ x + penalty
        step = np.linalg.lstsq(information, x.T @ (arm - e) - penalty @ beta, rcond=None)[0]
        beta += step * min(1.0, 5.0 / float(np.abs(step).max() + 1e-300))
        if np.abs(step).max() < 1e-9:
            break
    return Propensity(np.clip(_chance(x @ beta), 1e-9, 1 - 1e-9), arm)


def _chance(x: Real) -> Real:
    return 1 / (1 + np.exp(-np.clip(x, -40, 40)))
