"""Cumulative incidence under competing risks: the Aalen-Johansen estimator with two variances.

F_k(t) = sum over u <= t of S(u-) d_k(u)/n(u), S the survival free of any cause. Sources: Aalen and Johansen
(Scand J Stat 1978); Aalen (Ann Stat 1978) and Gray (Ann Stat 1988) for "aalen" (as cmprsk's `cuminc`); the
infinitesimal jackknife for "jackknife" (as R's `survfit`), which also holds for weights and delayed entry.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate
from sequela.core.finding import Finding
from sequela.core.outcome import Times
from sequela.estimates.cox import CoxModel, cox
from sequela.estimates.intervals import Interval, limits
from sequela.estimates.spoken import Spoken
from sequela.estimates.timeline import labels, timeline

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

Variance = Literal["jackknife", "aalen"]


@dataclass(frozen=True, eq=False, repr=False)
class Incidence(Spoken):
    """The probability of having had one cause by each time; arrays have one row per distinct exit time."""

    time: NDArray[Any]
    probability: NDArray[Any]
    se: NDArray[Any]
    lower: NDArray[Any]
    upper: NDArray[Any]
    at_risk: NDArray[Any]
    events: NDArray[Any]
    censored: NDArray[Any]
    cause: int
    n: int
    level: float = 0.95
    interval: str = "log"
    method: str = "Aalen-Johansen"
    unit: str = "day"
    origin: str = ""
    label: str = ""

    def at(self, t: float) -> Estimate:
        """Probability of the cause by time `t`."""
        row = int(np.searchsorted(self.time, t * (1 + 1e-12), side="right")) - 1
        facts: dict[str, Any] = {"level": self.level, "n": self.n, "events": float(self.events.sum())}
        name = f"cumulative incidence at {t:g}"
        if t > self.time[-1] * (1 + 1e-12):
            reason = "beyond the last follow-up time"
            return Estimate(name, math.nan, reason=reason, method=self.method, **facts)
        if row < 0 or self.probability[row] == 0:
            return Estimate(name, 0.0, 0.0, reason="no event yet: no interval", method=self.method, **facts)
        p, se, lower, upper = (
            float(column[row]) for column in (self.probability, self.se, self.lower, self.upper)
        )
        return Estimate(name, p, se, lower, upper, method=self.method, **facts)

    def frame(self) -> pl.DataFrame:
        """One row per time: time, probability, se, lower, upper, at_risk, events, censored."""
        import polars as pl

        names = ("time", "probability", "se", "lower", "upper", "at_risk", "events", "censored")
        return pl.DataFrame({name: getattr(self, name) for name in names})

    def sentence(self) -> str:
        """Method, cause, numbers, and the probability at the last event of the cause."""
        of = f" of {self.label}" if self.label else ""
        known = np.flatnonzero(self.events > 0)
        last = f", {self.at(float(self.time[known[-1]]))}" if len(known) else ""
        return f"{self.method}{of}, cause {self.cause}: n {self.n}, events {self.events.sum():g}{last}"


def aalen_johansen(
    times: Times,
    by: Any = None,
    level: float = 0.95,
    interval: Interval = "log",
    variance: Variance = "jackknife",
) -> dict[Any, Any]:
    """Cumulative incidence of every cause: {cause: Incidence}, or {label: {cause: Incidence}} with `by`.

    Args:
        times: n subjects; states 1...K are the causes.
        by: n group labels.
        level, interval: of the pointwise intervals, on the scale of the probability.
        variance: "jackknife" (R survival) or "aalen" (cmprsk; unit weights, no delayed entry).

    Raises:
        UsageError: "aalen" with weights or delayed entry.
    """
    if by is None:
        return _incidences(times, "", level, interval, variance)
    group = labels(by, len(times), "by")
    return {
        str(name): _incidences(
            times.take(np.flatnonzero(group.codes == g)), str(name), level, interval, variance
        )
        for g, name in enumerate(group.levels)
    }


def cause_specific(times: Times, X: Any, cause: int = 1, **options: Any) -> CoxModel:
    """A Cox model of one cause, the others censored; `options` go to `cox`."""
    entry = times.entry if times.delayed else None
    weights = times.weights if times.weighted else None
    single = Times(times.exit, times.state == cause, entry, weights, times.ids, times.unit, times.origin)
    return cox(single, X, **options)


@dataclass(frozen=True, eq=False)
class _Counts:
    """Weighted counts on the axis of positions: at risk, all events, events by cause, leaving."""

    values: NDArray[Any]
    exit: NDArray[Any]
    entry: NDArray[Any] | None
    n: NDArray[Any]
    d: NDArray[Any]
    leaving: NDArray[Any]
    cause: NDArray[Any]


def _counts(times: Times, causes: int) -> _Counts:
    line = timeline(times)
    width, w = len(line.values), np.asarray(times.weights, float)
    cells = np.bincount(line.exit * (causes + 1) + times.state, w, width * (causes + 1)).reshape(
        width, causes + 1
    )
    leaving = cells.sum(axis=1)
    at_risk = leaving[::-1].cumsum()[::-1]
    if line.entry is not None:
        entered = np.bincount(line.entry, w, width + 1)
        entered[0] = 0
        at_risk = at_risk - entered[::-1].cumsum()[::-1][1:]
    return _Counts(
        line.values, line.exit, line.entry, at_risk, cells[:, 1:].sum(axis=1), leaving, cells[:, 1:]
    )


def _share(top: NDArray[Any], bottom: NDArray[Any]) -> NDArray[Any]:
    return np.divide(top, bottom, out=np.zeros(len(top)), where=(top > 0) & (bottom > 0))


def _incidences(
    times: Times, label: str, level: float, interval: Interval, variance: Variance
) -> dict[int, Incidence]:
    if variance == "aalen" and (times.weighted or times.delayed):
        message = "Aalen's variance holds for unit weights and no delayed entry"
        raise UsageError(Finding("E170", "error", message, remedy='variance="jackknife"'))
    causes = max(1, int(times.state.max(initial=0)))
    counts = _counts(times, causes)
    survival = np.cumprod(1 - _share(counts.d, counts.n))
    before = np.concatenate([[1.0], survival[:-1]])
    keep = np.bincount(counts.exit, minlength=len(counts.values)) > 0
    found: dict[int, Incidence] = {}
    for k in range(1, causes + 1):
        own = counts.cause[:, k - 1]
        probability = np.cumsum(before * _share(own, counts.n))
        if variance == "aalen":
            spread = _aalen(counts, own, probability, survival, before)
        else:
            spread = _jackknife(times, counts, k, probability, before)
        p, se = probability[keep], np.sqrt(np.maximum(spread[keep], 0))
        lower, upper = limits(p, np.divide(se, p, out=np.zeros(len(p)), where=p > 0), level, interval)
        censored = (counts.leaving - counts.d)[keep]
        found[k] = Incidence(
            counts.values[keep], p, se, lower, upper, counts.n[keep], own[keep], censored, k, len(times),
            level, interval, f"Aalen-Johansen, {variance} variance", times.unit, times.origin, label,
        )  # fmt: skip
    return found


def _aalen(counts: _Counts, own: Any, probability: Any, survival: Any, before: Any) -> NDArray[Any]:
    """Aalen's variance: sum of squared influence of each cause's martingale, with the tie correction."""
    n, other = counts.n, counts.d - own
    inverse = np.divide(1.0, survival, out=np.zeros(len(survival)), where=survival > 0)

    def steps(d: NDArray[Any]) -> NDArray[Any]:
        ties = np.where(d > 1, 1 - (d - 1) / np.maximum(n - 1, 1), 1.0)
        return before**2 * ties * _share(d, n * n)

    first, second = steps(own), np.where(survival > 0, steps(other), 0.0)
    a, b = 1 + probability * inverse, probability * inverse
    squares = (first * a**2 + second * b**2).cumsum()
    cross = (first * a * inverse + second * b * inverse).cumsum()
    return squares - 2 * probability * cross + probability**2 * ((first + second) * inverse**2).cumsum()


def _jackknife(times: Times, counts: _Counts, k: int, probability: Any, before: Any) -> NDArray[Any]:
    """Sum of squared weighted influences of the subjects on F_k, at each time, in one pass.

    The influence of a subject on F_k(t) is p + F_k(t) q with p and q fixed once it has left, so sums of
    w^2 (p^2, pq, q^2) over those who left, and the same over those still at risk, are enough.
    """
    n, d = counts.n, counts.d
    left = np.where(n > d, n - d, np.inf)
    lived_p = np.cumsum(-before * _share(counts.cause[:, k - 1], n * n) - probability * _share(d, n) / left)
    lived_q = np.cumsum(_share(d, n) / left)
    jump_p = np.where(times.state == k, (before / np.where(n > 0, n, 1.0))[counts.exit], 0.0)
    event = times.state > 0
    jump_p = jump_p + np.where(event, (probability / left)[counts.exit], 0.0)
    jump_q = np.where(event, -1 / left[counts.exit], 0.0)
    zero = np.zeros(1)
    start = np.zeros(len(times), np.intp) if counts.entry is None else counts.entry
    entry_p, entry_q = (np.concatenate([zero, lived])[start] for lived in (lived_p, lived_q))
    p, q = lived_p[counts.exit] - entry_p + jump_p, lived_q[counts.exit] - entry_q + jump_q
    squared = np.asarray(times.weights, float) ** 2
    width = len(counts.values)

    def left_by(values: NDArray[Any]) -> NDArray[Any]:
        return np.bincount(counts.exit, squared * values, width).cumsum()

    def still(values: NDArray[Any]) -> NDArray[Any]:
        """Sum over those entered who leave later than each time."""
        entered = np.bincount(start, squared * values, width + 1)[:width].cumsum()
        return entered - np.bincount(counts.exit, squared * values, width).cumsum()

    F = probability
    gone = left_by(p * p) + 2 * F * left_by(p * q) + F**2 * left_by(q * q)
    now = lived_p + F * lived_q
    one = still(np.ones(len(times)))
    first = still(entry_p) + F * still(entry_q)
    second = still(entry_p**2) + 2 * F * still(entry_p * entry_q) + F**2 * still(entry_q**2)
    return gone + one * now**2 - 2 * now * first + second
