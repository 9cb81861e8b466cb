"""Simultaneous bands, conditional survival, landmark sets and completeness of follow-up.

Sources: Hall and Wellner (Biometrika 1980); Nair (Technometrics 1984) for equal precision; Clark, Altman and De
Stavola (Lancet 2002) for completeness; van Houwelingen (2007) for landmarks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import brentq
from scipy.special import ndtr

from sequela.core.errors import UsageError
from sequela.core.estimate import TOLERANCE, Curve, Estimate
from sequela.core.finding import Finding
from sequela.core.outcome import Times
from sequela.core.wording import number
from sequela.estimates.intervals import Interval, limits, limits_at
from sequela.estimates.spoken import Spoken

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Band(Spoken):
    """Limits that hold for all times from `start` to `end` together, at the times of the curve."""

    time: NDArray[Any]
    lower: NDArray[Any]
    upper: NDArray[Any]
    kind: str
    critical: float
    level: float
    start: float
    end: float

    @property
    def method(self) -> str:
        """Name of the band."""
        return f"{self.kind} band"

    def sentence(self) -> str:
        """Level, kind, reach and critical value."""
        reach = f"from {self.start:g} to {self.end:g}"
        return f"{100 * self.level:g}% {self.method} {reach}, critical value {number(self.critical)}"

    def frame(self) -> pl.DataFrame:
        """One row per event time: time, lower, upper."""
        import polars as pl

        return pl.DataFrame({name: getattr(self, name) for name in ("time", "lower", "upper")})


def band(
    curve: Curve,
    kind: Literal["hall-wellner", "equal-precision"] = "hall-wellner",
    interval: Interval = "log-log",
    start: float | None = None,
    end: float | None = None,
) -> Band:
    """A simultaneous band over the event times from `start` to `end` (default: first to last with S > 0).

    With a(t) = n V/(1 + n V), V the variance of log S: Hall-Wellner's half-width of log S is
    c (1 + n V)/sqrt(n), c from the supremum of a Brownian bridge up to a(end); equal precision's is
    c sqrt(V), c from the bridge over its standard deviation between a(start) and a(end).

    Raises:
        UsageError: no event with survivors after it; a robust or a predicted curve.
    """
    _independent(curve, "a band")
    usable = (curve.events > 0) & (curve.survival > 0) & (curve.variance > 0)
    if start is not None:
        usable &= curve.time >= start
    if end is not None:
        usable &= curve.time <= end
    if not usable.any():
        raise UsageError(Finding("E122", "error", "no event times for a band", remedy="widen start and end"))
    first, last = np.flatnonzero(usable)[[0, -1]]
    rows = slice(int(first), int(last) + 1)
    n, variance = curve.n, curve.variance[rows]
    share = n * variance / (1 + n * variance)
    tail = 1 - curve.level
    if kind == "hall-wellner":
        critical = _crossing(lambda c: bridge_probability(c, float(share[-1])), 1 - tail, 0.2, 4.0)
        half = critical * (1 + n * variance) / math.sqrt(n)
    else:
        critical = _equal_precision(float(share[0]), float(share[-1]), tail)
        half = critical * np.sqrt(variance)
    lower, upper = limits_at(curve.survival[rows], half, interval)
    time = curve.time[rows]
    return Band(time, lower, upper, kind, critical, curve.level, float(time[0]), float(time[-1]))


def _independent(curve: Curve, what: str) -> None:
    if not curve.independent:
        message = f"{what} needs a curve whose variance has independent increments"
        raise UsageError(Finding("E124", "error", message, found=curve.method, remedy="bootstrap the curve"))


def _crossing(rising: Callable[[float], float], height: float, low: float, high: float) -> float:
    """Where a rising function reaches `height` between `low` and `high`, or the nearer end."""
    if rising(low) >= height:
        return low

    def above(c: float) -> float:
        return rising(c) - height

    root: Any = brentq(above, low, high, xtol=1e-12)
    return float(root)


def bridge_probability(c: float, a: float) -> float:
    """P(|Brownian bridge| <= c on [0, a]) (Hall and Wellner 1980, formula 3.2)."""
    if a >= 1:
        k = np.arange(1, 100)
        return float(1 + 2 * ((-1.0) ** k * np.exp(-2 * k**2 * c**2)).sum())
    r, d, k = c * math.sqrt((1 - a) / a), 1 / (1 - a), np.arange(1, 100)
    terms = (-1.0) ** k * np.exp(-2 * k**2 * c**2) * (ndtr(-r * (2 * k - d)) - ndtr(-r * (2 * k + d)))
    return float(1 - 2 * ndtr(-c / math.sqrt(a * (1 - a))) + 2 * terms.sum())


def _equal_precision(a: float, b: float, tail: float) -> float:
    stretch = math.log(b * (1 - a) / (a * (1 - b))) / 2
    return _crossing(lambda c: stay_probability(c, stretch), 1 - tail, 0.5, 8.0)


def stay_probability(c: float, stretch: float, size: int = 40) -> float:
    """P(|U| <= c throughout `stretch`), U the stationary Ornstein-Uhlenbeck process with unit variance.

    The bridge over its standard deviation is this process in the time 0.5 log(a/(1 - a)). Its generator on
    [-c, c] with absorbing ends, on even cosines, gives the decay of the probability (Galerkin).
    """
    nodes, weights = np.polynomial.legendre.leggauss(4 * size)
    x, w = c * nodes, c * weights * np.exp(-((c * nodes) ** 2) / 2) / math.sqrt(2 * math.pi)
    frequency = (np.arange(size) + 0.5) * math.pi / c
    wave, slope = np.cos(np.outer(frequency, x)), -frequency[:, None] * np.sin(np.outer(frequency, x))
    mass, stiff = (wave * w) @ wave.T, (slope * w) @ slope.T
    values, vectors = eigh(stiff, mass)
    share = vectors.T @ (wave @ w)
    return float(np.exp(-values * stretch) @ share**2)


def conditional(curve: Curve, since: float) -> Curve:
    """Survival from `since` on, given survival to `since`: S(since + t)/S(since), time counted from there.

    The variance of its logarithm is the increase of the variance of log S (Davis et al. 2010).
    """
    _independent(curve, "conditional survival")
    row = int(np.searchsorted(curve.time, since * (1 + TOLERANCE), side="right")) - 1
    survival = 1.0 if row < 0 else float(curve.survival[row])
    if survival == 0 or row + 1 >= len(curve.time):
        message = f"nobody is observed beyond {since:g}"
        raise UsageError(Finding("E123", "error", message, allowed=f"below {curve.time[-1]:g}"))
    rows = slice(row + 1, None)
    variance = curve.variance[rows] - (0.0 if row < 0 else curve.variance[row])
    ratio = curve.survival[rows] / survival
    lower, upper = limits(ratio, np.sqrt(variance), curve.level, curve.interval)  # pyright: ignore[reportArgumentType]
    zero = np.zeros(len(curve.hazard[rows])) if row < 0 else curve.hazard[row]
    return replace(
        curve, time=curve.time[rows] - since, survival=ratio, se=np.where(ratio > 0, ratio * np.sqrt(variance), np.nan),
        lower=lower, upper=upper, at_risk=curve.at_risk[rows], events=curve.events[rows], censored=curve.censored[rows],
        n=int(curve.at_risk[row + 1]), variance=variance, hazard=curve.hazard[rows] - zero, hazard_se=np.sqrt(variance),
        method=f"{curve.method}, given survival to {since:g}",
    )  # fmt: skip


def landmark(times: Times, at: float) -> Times:
    """The subjects under observation and free of the event at `at`, their time counted from there."""
    rows = np.flatnonzero((times.exit > at) & (times.entry <= at))
    weights = times.weights[rows] if times.weighted else None
    origin = f"landmark {at:g} after {times.origin or 'the origin'}"
    return Times(times.exit[rows] - at, times.state[rows], None, weights, times.ids[rows], times.unit, origin)


def completeness(times: Times, potential: ArrayLike) -> Estimate:
    """Clark's C: person-time observed over person-time that could have been observed.

    Args:
        times: n subjects.
        potential: n times from the origin to the end of the study; for those with an event, the time to the
            event is all that could be observed.
    """
    possible = np.where(times.state > 0, times.exit, np.asarray(potential, float))
    possible = np.maximum(possible, times.exit) - times.entry
    observed = float((times.exit - times.entry).sum())
    facts: dict[str, Any] = {"n": len(times), "events": float((times.state > 0).sum()), "method": "Clark's C"}
    if possible.sum() <= 0:
        return Estimate("completeness of follow-up", math.nan, reason="no follow-up was possible", **facts)
    return Estimate("completeness of follow-up", observed / float(possible.sum()), **facts)
