"""Survival from interval-censored times: Turnbull's non-parametric maximum likelihood estimate.

For progression seen only at visits: the event lies in (left, right]. The estimate puts mass on the innermost
intervals; where inside them cannot be known. Pointwise limits come from bootstrap samples of the subjects,
with the convention that where a sample does not determine survival its lower limit takes the least and its
upper limit the greatest value. With visits on a common grid the bootstrap is right; with visits at continuous
times the estimate converges slowly (at the cube root of n) and limits are a rough guide. Sources: Peto
(1973); Turnbull (JRSS B 1976); the EM steps are extrapolated by Varadhan and Roland (2008), and the end is
judged by the conditions of Gentleman and Geyer (Biometrika 1994); Sun (2001) for the bootstrap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate
from sequela.core.finding import Finding
from sequela.estimates.resampling import draws
from sequela.estimates.spoken import Spoken

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Turnbull(Spoken):
    """Mass on innermost intervals (left, right]; right is infinite where the last mass is open.

    `gap` is the largest violation of the optimality conditions (0 at the maximum). `samples` are the
    estimates of bootstrap samples, from which limits come; without them there are none.
    """

    left: NDArray[Any]
    right: NDArray[Any]
    mass: NDArray[Any]
    n: int
    log_likelihood: float
    gap: float
    steps: int
    level: float = 0.95
    unit: str = "day"
    samples: tuple[Turnbull, ...] = ()

    @property
    def method(self) -> str:
        """The estimate and where its limits come from."""
        return (
            f"Turnbull, percentile bootstrap of {len(self.samples)} samples" if self.samples else "Turnbull"
        )

    def sentence(self) -> str:
        """Method, number of subjects, median."""
        return f"{self.method}: n {self.n}, {self.median()}"

    def _facts(self) -> dict[str, Any]:
        return {"n": self.n, "level": self.level, "method": self.method}

    def bounds(self, t: float) -> tuple[float, float]:
        """Least and greatest survival at `t`: they differ strictly inside an interval that carries mass."""
        return float(self.mass[self.left >= t].sum()), float(self.mass[self.right > t].sum())

    def at(self, t: float) -> Estimate:
        """Survival at `t`; not determined strictly inside an interval that carries mass."""
        name = f"survival at {t:g}"
        lower, upper = self._limits([sample.bounds(t) for sample in self.samples])
        inside = (self.left < t) & (t < self.right) & (self.mass > 1e-9)
        if inside.any():
            reason = f"not determined between {self.left[inside][0]:g} and {self.right[inside][0]:g}"
            return Estimate(name, math.nan, lower=lower, upper=upper, reason=reason, **self._facts())
        return Estimate(name, self.bounds(t)[1], lower=lower, upper=upper, **self._facts())

    def _limits(self, pairs: list[tuple[float, float]]) -> tuple[float, float]:
        if not pairs:
            return math.nan, math.nan
        tail = (1 - self.level) / 2
        low, high = (sorted(ends) for ends in zip(*pairs, strict=True))
        rank = math.floor(tail * (len(pairs) - 1))
        return low[rank], high[len(pairs) - 1 - rank]

    def median_interval(self) -> tuple[float, float]:
        """The innermost interval in which survival passes one half; infinite where it does not."""
        passed = np.cumsum(self.mass) >= 0.5 - 1e-9
        if not passed.any():
            return math.inf, math.inf
        row = int(passed.argmax())
        return float(self.left[row]), float(self.right[row])

    def median(self) -> Estimate:
        """The time at which survival passes one half: the right end of its innermost interval.

        Limits are those of the bootstrap (left ends below, right ends above); without samples they are the
        ends of the interval itself, inside which the data say nothing.
        """
        left, right = self.median_interval()
        method = self.method if self.samples else "Turnbull, interval of the median"
        facts: dict[str, Any] = self._facts() | {"method": method, "unit": self.unit}
        if math.isinf(right):
            return Estimate("median", math.nan, reason="median not reached", **facts)
        if self.samples:
            left, high = self._limits([sample.median_interval() for sample in self.samples])
            return Estimate("median", right, lower=left, upper=high, **facts)
        return Estimate("median", right, lower=left, upper=right, **facts)

    def frame(self) -> pl.DataFrame:
        """One row an interval: left, right, mass, survival after it, lower and upper limit of that."""
        import polars as pl

        ends = [self.at(float(t)) if math.isfinite(t) else None for t in self.right]
        survival = 1 - np.cumsum(self.mass)
        survival = np.where(np.abs(survival) < 1e-12, 0.0, survival)
        columns = {
            name: [math.nan if end is None else getattr(end, name) for end in ends]
            for name in ("lower", "upper")
        }
        return pl.DataFrame(
            {"left": self.left, "right": self.right, "mass": self.mass, "survival": survival, **columns}
        )


def turnbull(
    left: ArrayLike,
    right: ArrayLike,
    weights: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    samples: int = 0,
    level: float = 0.95,
    unit: str = "day",
) -> Turnbull:
    """Fit events known to lie in (left, right]; right infinite is censored, left = right is exact.

    Args:
        left, right: n interval ends.
        weights: n case weights.
        rng, samples: bootstrap by subject for the limits; `rng` is needed when samples > 0.
        level: of the limits.
        unit: unit of the times.

    Raises:
        UsageError: lengths differ, an interval ends before it begins, nothing but censored rows, or samples
            without a generator.
    """
    low, high = np.asarray(left, float), np.asarray(right, float)
    if low.shape != high.shape or low.ndim != 1 or (low > high).any() or not np.isfinite(low).all():
        message = "intervals need a finite left end that is not above the right end"
        raise UsageError(Finding("E194", "error", message))
    if not np.isfinite(high).any():
        raise UsageError(Finding("E195", "error", "every interval is open to the right: no events"))
    if samples and rng is None:
        remedy = "rng=np.random.default_rng(seed)"
        raise UsageError(Finding("E199", "error", "a bootstrap needs a generator", remedy=remedy))
    w = np.ones(len(low)) if weights is None else np.asarray(weights, float)
    found = _estimate(low, high, w, level, unit, 1e-10)
    drawn = tuple(draws(len(low), rng, samples)) if rng is not None else ()
    again = tuple(_estimate(low[rows], high[rows], w[rows], level, unit, 1e-5) for rows in drawn)
    return replace(found, samples=again)


def _estimate(
    low: NDArray[Any], high: NDArray[Any], w: NDArray[Any], level: float, unit: str, enough: float
) -> Turnbull:
    """The maximum, up to a violation of `enough` of the optimality conditions."""
    rows, at = np.unique(np.column_stack([low, high]), axis=0, return_inverse=True)
    low, high, total, n = rows[:, 0], rows[:, 1], np.bincount(at.ravel(), w, len(rows)), len(w)
    if not np.isfinite(high).any():  # a bootstrap sample without events: all mass is open
        last = low.max()
        return Turnbull(np.array([last]), np.array([np.inf]), np.ones(1), n, 0.0, 0.0, 0, level, unit)
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
    mass, steps, gap = _climb(first, last, total, len(begin), enough)
    value = float(total @ np.log(_cover(mass, first, last)))
    return Turnbull(begin, end, mass, n, value, gap, steps, level, unit)


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
    first: NDArray[Any], last: NDArray[Any], w: NDArray[Any], m: int, enough: float, most: int = 20_000
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
        if gap < enough:
            return mass, step, gap
        one = mass * gradient
        two = one * slope(one)
        r, v = one - mass, two - 2 * one + mass
        length = -min(1e4, float(np.linalg.norm(r)) / max(float(np.linalg.norm(v)), 1e-300))
        leap = np.maximum(mass - 2 * length * r + length**2 * v, 0)
        leap = leap / leap.sum()
        mass = leap * slope(leap) if value(leap) >= value(two) else two
        mass = mass / mass.sum()
    return mass, most, gap
