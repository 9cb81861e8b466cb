"""The exact partial likelihood for tied events (discrete logistic likelihood).

At a time with d events in a risk set R, the denominator is the elementary symmetric polynomial e_d of
exp(eta) over R: a sum over all subsets of size d. It is the d-th coefficient of the polynomial
product of (1 + r_i z), read off by Fourier's formula on a circle whose radius makes d the expected count:
there the terms away from d fade like the tails of a sum of independent 0/1 draws, and few points suffice.
Score and information are moments of the inclusion probabilities under the same weights on the circle.
Sources: Cox (1972); Gail, Lubin and Rubinstein (Biometrika 1981) for the likelihood; Good (1957) and
Daniels (1954) for the radius.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.estimates.likelihood import Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.estimates.likelihood import Problem


def evaluate_exact(problem: Problem, beta: NDArray[Any]) -> Step:
    """Log-likelihood, score and information of the exact partial likelihood at `beta`."""
    eta, _ = problem.risk(beta)
    sets, X = problem.sets, problem.X
    value = float(eta[sets.event].sum())
    score = X[sets.event].sum(axis=0)
    information = np.zeros((X.shape[1], X.shape[1]))
    start = np.zeros(len(eta), np.intp) if sets.start is None else sets.start
    for j, d in enumerate(sets.deaths):
        rows = np.flatnonzero((start <= j) & (j < sets.stop))
        log_e, mean, spread = subset_moments(eta[rows], X[rows], int(d))
        value -= log_e
        score = score - mean
        information += spread
    return Step(value, score, information)


def subset_moments(eta: NDArray[Any], X: NDArray[Any], d: int) -> tuple[float, NDArray[Any], NDArray[Any]]:
    """log e_d, and mean (p) and covariance (p x p) of the sum of x over a random subset of size d.

    Subsets are drawn with probability proportional to the product of their exp(eta).
    """
    n = len(eta)
    if d == n:
        return float(eta.sum()), X.sum(axis=0), np.zeros((X.shape[1], X.shape[1]))
    log_radius, share = _radius(eta, d)
    points = min(n, int(9 * np.sqrt(d)) + d + 40) + 1
    angle = 2 * np.pi * np.arange(points) / points
    z = np.exp(1j * angle)
    # 1 + r z relative to 1 + r, so that the product stays near 1 in size
    terms = (1 - share)[:, None] + share[:, None] * z
    product = terms.prod(axis=0) * z ** (-d)
    total = product.mean().real
    log_e = float(np.log(total) - np.log1p(-share).sum() - d * log_radius)
    weight = product / (points * total)
    inclusion = share[:, None] * z / terms
    sums = inclusion.T @ X
    mean = (weight @ sums).real
    pairs = ((sums * weight[:, None]).T @ sums).real
    own = ((inclusion * (1 - inclusion)) @ weight).real
    return log_e, mean, pairs + (X * own[:, None]).T @ X - np.outer(mean, mean)


def _radius(eta: NDArray[Any], d: int) -> tuple[float, NDArray[Any]]:
    """log radius at which the shares r/(1 + r) sum to d, and the shares (bisection, then Newton)."""
    low, high = -float(eta.max()) - 50 - np.log(len(eta)), -float(eta.min()) + 50 + np.log(len(eta))
    middle = 0.0
    for _ in range(80):
        middle = (low + high) / 2
        share = 1 / (1 + np.exp(-np.clip(eta + middle, -700, 700)))
        if share.sum() > d:
            high = middle
        else:
            low = middle
        if high - low < 1e-6:
            break
    return middle, 1 / (1 + np.exp(-np.clip(eta + middle, -700, 700)))
