"""Intervals of fitted curves: profile likelihood (the default), delta method, bootstrap of residuals.

Profile: the values of a parameter for which RSS(theta_k) <= RSS_min (1 + t^2 / df), t the quantile of
Student's t with df residual degrees of freedom (Bates and Watts 1988, chapter 6). The signed root of the
rise in RSS is nearly linear in theta_k, so each limit is found by secant steps inside a bracket, for all
curves at once. A limit that lies beyond the box of the fit is open (infinite).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import stdtrit

from sequela.estimates.doseresponse.fitting import Batch, Fitted, covariance, descend
from sequela.estimates.doseresponse.models import Array, evaluate

STEPS: Final = 12
CLOSE: Final = 1e-4  # relative error allowed in the rise of the residual sum of squares


def student(level: float, df: Array) -> Array:
    """Two-sided quantile of Student's t; NaN without degrees of freedom."""
    return np.where(df > 0, stdtrit(np.maximum(df, 1), 0.5 + level / 2), np.nan)


def delta(curves: Batch, found: Fitted, pure: Array, df: Array, level: float) -> tuple[Array, Array, Array]:
    """Standard error, lower and upper limit of theta (curves, parameters); `pure` is the replicates' RSS."""
    variance = (found.rss + pure) / np.maximum(df, 1)
    se = np.sqrt(np.einsum("kpp->kp", covariance(curves, found.theta)) * variance[:, None])
    half = student(level, df)[:, None] * se
    return se, found.theta - half, found.theta + half


def profile(curves: Batch, found: Fitted, pure: Array, df: Array, level: float) -> tuple[Array, Array]:
    """Lower and upper limits of theta (curves, parameters); held parameters and df 0 give NaN."""
    se = delta(curves, found, pure, df, level)[0]
    lower, upper = np.full_like(found.theta, np.nan), np.full_like(found.theta, np.nan)
    rise = (found.rss + pure) * student(level, df) ** 2 / np.maximum(df, 1)
    for k in range(found.theta.shape[1]):
        for side, limits in ((-1, lower), (1, upper)):
            rows = np.flatnonzero((curves.low[:, k] < curves.high[:, k]) & (rise > 0))
            if len(rows):
                part = Fitted(*(getattr(found, n)[rows] for n in ("theta", "rss", "converged")))
                limits[rows, k] = _limit(curves.rows(rows), part, k, side, rise[rows], se[rows, k])
    return lower, upper


def _limit(curves: Batch, found: Fitted, k: int, side: int, rise: Array, se: Array) -> Array:
    """The value of theta_k on one side at which the profiled RSS has risen by `rise`."""
    best = found.theta[:, k]
    wall = curves.high[:, k] if side > 0 else curves.low[:, k]
    target = np.sqrt(rise)
    inside, height = best.copy(), np.zeros(len(best))  # the last value below the target
    outside, above = wall.copy(), np.full(len(best), np.nan)
    guess = best + side * np.where(se > 0, 2 * se, 0.1 * np.abs(wall - best))
    theta, open_ended = found.theta.copy(), np.zeros(len(best), bool)
    active = np.arange(len(best))
    answer = guess.copy()
    for _ in range(STEPS):
        value = np.clip(guess[active], np.minimum(best, wall)[active], np.maximum(best, wall)[active])
        held = _held(curves.rows(active), theta[active], k, value)
        theta[active] = held.theta
        root = np.sqrt(np.maximum(held.rss - found.rss[active], 0))
        over = root >= target[active]
        outside[active[over]], above[active[over]] = value[over], root[over]
        inside[active[~over]], height[active[~over]] = value[~over], root[~over]
        answer[active] = value
        stuck = ~over & (value == wall[active])
        open_ended[active[stuck]] = True
        near = np.abs(root - target[active]) <= CLOSE * target[active]
        active = active[~(near | stuck)]
        if not len(active):
            break
        guess = _next_guess(inside, height, outside, above, target, best)
    return np.where(open_ended, side * np.inf, answer)


def _held(curves: Batch, theta: Array, k: int, value: Array) -> Fitted:
    low, high = curves.low.copy(), curves.high.copy()
    low[:, k] = high[:, k] = value
    held = Batch(curves.form, curves.dose, curves.y, curves.weight, low, high)
    return descend(held, theta, iterations=40)


def _next_guess(
    inside: Array, height: Array, outside: Array, above: Array, target: Array, best: Array
) -> Array:
    """Secant inside a bracket; before there is one, a straight line from the best value, at most trebled."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip((target - height) / (above - height), 0.02, 0.98)
        stretch = np.clip(target / height, 1.02, 3.0)
    ahead = best + (inside - best) * stretch
    return np.where(np.isnan(above), ahead, inside + share * (outside - inside))


def bootstrap(
    curves: Batch,
    found: Fitted,
    pure: Array,
    df: Array,
    level: float,
    rng: np.random.Generator,
    draws: int = 500,
) -> tuple[Array, Array]:
    """Percentile limits of theta from parametric redraws of the dose means, started at the fit."""
    sd = np.sqrt((found.rss + pure) / np.maximum(df, 1))[:, None]
    fitted = evaluate(curves.form, found.theta, curves.x, curves.dose)[0]
    spread = sd / np.sqrt(np.where(curves.weight > 0, curves.weight, 1.0))
    again = np.empty((draws, *found.theta.shape))
    for draw in range(draws):
        y = fitted + spread * rng.standard_normal(fitted.shape)
        redrawn = Batch(curves.form, curves.dose, y, curves.weight, curves.low, curves.high)
        again[draw] = descend(redrawn, found.theta).theta
    lower, upper = np.quantile(again, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    unknown = (df <= 0)[:, None] | (curves.low == curves.high)
    return np.where(unknown, np.nan, lower), np.where(unknown, np.nan, upper)
