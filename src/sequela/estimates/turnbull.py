"""Survival from interval-censored times: Turnbull's non-parametric maximum likelihood estimate.

For progression seen only at visits: the event lies in (left, right]. The estimate puts mass on the innermost
intervals; where inside them cannot be known. Sources: Peto (1973); Turnbull (JRSS B 1976); the EM steps are
extrapolated by Varadhan and Roland (2008), and the end is judged by the conditions of Gentleman and Geyer
(Biometrika 1994).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate
from sequela.core.finding import Finding

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Turnbull:
    """Mass on innermost intervals (left, right]; right is infinite where the last mass is open.

    `gap` is the largest violation of the optimality conditions (0 at the maximum).
    """

    left: NDArray[Any]
    right: NDArray[Any]
    mass: NDArray[Any]
    n: int
    log_likelihood: float
    gap: float
    steps: int

    def at(self, t: float) -> Estimate:
        """Survival at `t`; not determined strictly inside an interval that carries mass."""
        name = f"survival at {t:g}"
        inside = (self.left < t) & (t < self.right) & (self.mass > 1e-9)
        if inside.any():
            reason = f"not determined between {self.left[inside][0]:g} and {self.right[inside][0]:g}"
            return Estimate(name, math.nan, n=self.n, method="Turnbull", reason=reason)
        return Estimate(name, float(self.mass[self.right > t].sum()), n=self.n, method="Turnbull")

    def median(self) -> Estimate:
        """The interval in which survival passes one half: its ends as limits, its right end as value."""
        passed = np.cumsum(self.mass) >= 0.5 - 1e-9
        if not passed.any() or math.isinf(self.right[passed.argmax()]):
            return Estimate("median", math.nan, n=self.n, method="Turnbull", reason="median not reached")
        row = int(passed.argmax())
        left, right = float(self.left[row]), float(self.right[row])
        return Estimate(
            "median", right, lower=left, upper=right, n=self.n, method="Turnbull, interval of the median"
        )


def turnbull(left: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None) -> Turnbull:
    """Fit events known to lie in (left, right]; right infinite is censored, left = right is exact.

    Raises:
        UsageError: lengths differ, an interval ends before it begins, or nothing but censored rows.
    """
    low, high = np.asarray(left, float), np.asarray(right, float)
    if low.shape != high.shape or low.ndim != 1 or (low > high).any() or not np.isfinite(low).all():
        message = "intervals need a finite left end that is not above the right end"
        raise UsageError(Finding("E194", "error", message))
    if not np.isfinite(high).any():
        raise UsageError(Finding("E195", "error", "every interval is open to the right: no events"))
    w = np.ones(len(low)) if weights is None else np.asarray(weights, float)
    begin, end = _innermost(low, high)
    # interval j belongs to row i when low_i <= begin_j and end_j <= high_i (an exact point when both equal)
    exact = begin == end
    first = np.searchsorted(begin, low, side="left")
    first = first + (
        (low < high)
        & (first < len(begin))
        & exact[np.minimum(first, len(begin) - 1)]
        & (begin[np.minimum(first, len(begin) - 1)] == low)
    )
    last = np.searchsorted(end, high, side="right")
    mass, steps, gap = _climb(first, last, w, len(begin))
    value = float(w @ np.log(_cover(mass, first, last)))
    return Turnbull(begin, end, mass, len(low), value, gap, steps)


def _innermost(low: NDArray[Any], high: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Intervals that begin at a left end and end at the next right end, with no other end between.

    At one time right ends (closed) come before left ends (open), except that an exact time begins first.
    """
    point = low == high
    ends = np.concatenate([low, high])
    rank = np.concatenate([np.where(point, 0, 2), np.where(point, 1, 1)])
    is_left = np.concatenate([np.ones(len(low), bool), np.zeros(len(high), bool)])
    order = np.lexsort((rank, ends))
    ends, is_left = ends[order], is_left[order]
    at = np.flatnonzero(is_left[:-1] & ~is_left[1:])
    pairs = np.unique(np.column_stack([ends[at], ends[at + 1]]), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _cover(mass: NDArray[Any], first: NDArray[Any], last: NDArray[Any]) -> NDArray[Any]:
    total = np.concatenate([[0.0], np.cumsum(mass)])
    return np.maximum(total[last] - total[first], 1e-300)


def _climb(
    first: NDArray[Any], last: NDArray[Any], w: NDArray[Any], m: int, most: int = 20_000
) -> tuple[NDArray[Any], int, float]:
    total = w.sum()

    def slope(mass: NDArray[Any]) -> NDArray[Any]:
        share = w / _cover(mass, first, last)
        edges = np.bincount(first, share, m + 1) - np.bincount(last, share, m + 1)
        return np.cumsum(edges)[:m] / total

    def value(mass: NDArray[Any]) -> float:
        return float(w @ np.log(_cover(mass, first, last)))

    mass = np.full(m, 1 / m)
    gap = math.inf
    for step in range(1, most + 1):
        gradient = slope(mass)
        gap = float(gradient.max() - 1)
        if gap < 1e-10:
            return mass, step, gap
        one = mass * gradient
        two = one * slope(one)
        r, v = one - mass, two - 2 * one + mass
        length = -float(np.linalg.norm(r) / max(float(np.linalg.norm(v)), 1e-300))
        leap = np.maximum(mass - 2 * length * r + length**2 * v, 0)
        leap = leap / leap.sum()
        mass = leap * slope(leap) if value(leap) >= value(two) else two
        mass = mass / mass.sum()
    return mass, most, gap
