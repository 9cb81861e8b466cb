"""Multi-state occupation probabilities: line 1, line 2, ..., death, by the Aalen-Johansen product.

p(t) = p(0) times the product over event times of I + dA(u), dA_hj = d_hj/Y_h, the last state entered at the
exit. Occupation probabilities do not need a Markov process (Datta and Satten 2001). Two variances:
"jackknife" follows each subject's influence on p, and on its integral, through the product, the shares at
the start included (as R's `survfit`); "aalen" follows the covariance step by step, given the start (Greenwood
type: Andersen, Borgan, Gill and Keiding 1993, section IV.4.1.3), at a cost that does not grow with subjects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, normal_quantile
from sequela.core.finding import Finding
from sequela.core.wording import number
from sequela.estimates.intervals import Interval, limits
from sequela.estimates.spoken import Spoken

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import ArrayLike, NDArray


Variance = Literal["jackknife", "aalen"]


@dataclass(frozen=True, eq=False, repr=False)
class Occupation(Spoken):
    """Probability of being in each state at each transition time: m x K, and its standard error.

    `area_se` is the standard error of the time spent in each state up to each time, `shared` the covariance
    of that with the probability; `interval` the scale of the limits.
    """

    states: tuple[str, ...]
    time: NDArray[Any]
    probability: NDArray[Any]
    se: NDArray[Any]
    n: int
    level: float = 0.95
    area_se: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0)))
    shared: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0)))
    interval: Interval = "log"
    method: str = "Aalen-Johansen"
    unit: str = "day"

    def sentence(self) -> str:
        """Method, number of subjects, and the mean time in every state to the last transition."""
        tau = float(self.time[-1])
        means = ", ".join(f"{state} {number(self.mean_time(state, tau).value)}" for state in self.states)
        return f"{self.method}: n {self.n}, {self.unit}s in each state to {tau:g}: {means}"

    def at(self, t: float) -> dict[str, Estimate]:
        """The probability of each state at time `t`."""
        row = int(np.searchsorted(self.time, t, side="right")) - 1
        found: dict[str, Estimate] = {}
        for k, state in enumerate(self.states):
            name = f"in {state} at {t:g}"
            facts: dict[str, Any] = {"level": self.level, "n": self.n, "method": self.method}
            if row < 0:
                found[state] = Estimate(name, math.nan, reason="before the first entry", **facts)
                continue
            p, se = self.probability[row, k], self.se[row, k]
            limit = limits(np.array([p]), np.array([se / p if p > 0 else 0.0]), self.level, self.interval)
            reason = "a probability of 0 has no interval" if p == 0 else None
            if p > 0 and math.isnan(limit[0][0]):
                reason = f"the {self.interval} interval has no limits at a probability of 1"
            found[state] = Estimate(
                name, float(p), float(se), float(limit[0][0]), float(limit[1][0]), reason=reason, **facts
            )
        return found

    def mean_time(self, state: str, tau: float) -> Estimate:
        """Expected time spent in `state` up to `tau`, with its normal interval."""
        k, name = self.states.index(state), f"time in {state} to {tau:g}"
        facts: dict[str, Any] = {"level": self.level, "n": self.n, "method": self.method, "unit": self.unit}
        if not self.time[0] <= tau <= self.time[-1]:
            reason = "tau lies beyond the last transition" if tau > self.time[0] else "before the first entry"
            return Estimate(name, math.nan, reason=reason, **facts)
        rows = self.time <= tau
        length = np.diff(np.append(self.time[rows], tau))
        value, last = float(length @ self.probability[rows, k]), int(rows.sum()) - 1
        more = float(tau - self.time[last])
        spread = self.area_se[last, k] ** 2 + 2 * more * self.shared[last, k] + (more * self.se[last, k]) ** 2
        se = math.sqrt(max(0.0, float(spread)))
        half = normal_quantile(self.level) * se
        most = float(tau - self.time[0])
        return Estimate(name, value, se, max(0.0, value - half), min(most, value + half), **facts)

    def frame(self) -> pl.DataFrame:
        """One row per time and state: time, state, probability, se, lower, upper."""
        import polars as pl

        m, k = self.probability.shape
        p = self.probability
        ratio = np.divide(self.se, p, out=np.zeros_like(p), where=p > 0)
        lower, upper = limits(p, ratio, self.level, self.interval)
        return pl.DataFrame(
            {
                "time": np.repeat(self.time, k),
                "state": list(self.states) * m,
                "probability": self.probability.ravel(),
                "se": self.se.ravel(),
                "lower": lower.ravel(),
                "upper": upper.ravel(),
            }
        )


def occupation(
    entry: ArrayLike,
    exit: ArrayLike,
    source: Sequence[Any],
    target: Sequence[Any],
    states: Sequence[str] | None = None,
    ids: ArrayLike | None = None,
    level: float = 0.95,
    interval: Interval = "log",
    variance: Variance = "jackknife",
    weights: ArrayLike | None = None,
    unit: str = "day",
) -> Occupation:
    """Occupation probabilities from intervals spent in states.

    Args:
        entry, exit: n interval ends, exit after entry; the subject is in `source` on (entry, exit].
        source: n states.
        target: n states entered at the exit, or None where the interval was cut off (censored).
        states: all states in order; by default sorted.
        ids: n subject ids, to count subjects, to find where each begins, and for the jackknife.
        level, interval: of the intervals and their scale, as for curves.
        variance: "jackknife" or "aalen" (unit weights only).
        weights: n case weights.
        unit: unit of the times.

    Raises:
        UsageError: an interval does not end after it begins, a state is unknown, or "aalen" with weights.
    """
    begin, end = np.asarray(entry, float), np.asarray(exit, float)
    if (end <= begin).any():
        raise UsageError(Finding("E196", "error", "intervals must end after they begin"))
    known = sorted({*map(str, source), *(str(state) for state in target if state is not None)})
    names = tuple(known) if states is None else tuple(states)
    unknown = [state for state in known if state not in names]
    if unknown:
        raise UsageError(
            Finding("E197", "error", "unknown state", found=unknown[0], allowed=", ".join(names))
        )
    k = len(names)
    start = np.array([names.index(str(state)) for state in source])
    goal = np.array([-1 if state is None else names.index(str(state)) for state in target])
    subjects = np.arange(len(end)) if ids is None else np.unique(np.asarray(ids), return_inverse=True)[1]
    w = np.ones(len(end)) if weights is None else np.asarray(weights, float)
    if variance == "aalen" and weights is not None:
        message = "Aalen's variance holds for unit weights"
        raise UsageError(Finding("E170", "error", message, remedy='variance="jackknife"'))
    chain = _Chain(begin, end, start, goal, subjects, w, k)
    time, rows, spread = (_jackknife if variance == "jackknife" else _aalen)(chain)
    method = f"Aalen-Johansen, {variance} variance"
    n = int(subjects.max()) + 1
    errors = np.sqrt(np.maximum(spread[:, 0], 0)), np.sqrt(np.maximum(spread[:, 2], 0))
    return Occupation(names, time, rows, errors[0], n, level, errors[1], spread[:, 1], interval, method, unit)


@dataclass(frozen=True, eq=False)
class _Chain:
    """n intervals with their states as positions; `goal` is -1 where cut off."""

    begin: NDArray[Any]
    end: NDArray[Any]
    start: NDArray[Any]
    goal: NDArray[Any]
    subject: NDArray[Any]
    weight: NDArray[Any]
    k: int

    @property
    def moved(self) -> NDArray[np.bool_]:
        """Intervals that end in another state."""
        return (self.goal >= 0) & (self.goal != self.start)

    def grid(self) -> NDArray[Any]:
        """Transition times."""
        return np.unique(self.end[self.moved])

    def jumps(self, grid: NDArray[Any]) -> NDArray[Any]:
        """Weighted transitions, times x K x K."""
        found = np.zeros((len(grid), self.k, self.k))
        moved = self.moved
        at = np.searchsorted(grid, self.end[moved])
        np.add.at(found, (at, self.start[moved], self.goal[moved]), self.weight[moved])
        return found

    def at_risk(self, grid: NDArray[Any]) -> NDArray[Any]:
        """Weighted numbers in each state just before each time, times x K."""
        columns = []
        for state in range(self.k):
            own = self.start == state
            parts: list[NDArray[Any]] = []
            for ends in (self.begin[own], self.end[own]):
                order = np.argsort(ends)
                total = np.concatenate([[0.0], np.cumsum(self.weight[own][order])])
                parts.append(total[np.searchsorted(ends[order], grid, side="left")])
            columns.append(parts[0] - parts[1])
        return np.column_stack(columns)

    def initial(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Shares of the states among those there from the earliest entry on, and who they are."""
        first = self.begin == self.begin.min()
        share = np.bincount(self.start[first], self.weight[first], self.k)
        return share / share.sum(), first


_Spread = tuple["NDArray[Any]", "NDArray[Any]", "NDArray[Any]"]


def _moves(d: NDArray[Any], Y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Shares d/Y and the matrix I + dA of one time."""
    share = d / np.where(Y > 0, Y, 1.0)[:, None]
    return share, share - np.diag(share.sum(axis=1)) + np.eye(len(Y))


def _jackknife(chain: _Chain) -> _Spread:
    """Times, probabilities, and m x 3 x K: variance of p, covariance with its integral, variance of that.

    A row at risk in h at t changes p by w p_h (e_target - M_h)/Y_h; earlier changes are carried on by M.
    """
    grid = chain.grid()
    p, first = chain.initial()
    u, area = (
        np.zeros((int(chain.subject.max()) + 1, chain.k)),
        np.zeros((int(chain.subject.max()) + 1, chain.k)),
    )
    w0 = chain.weight[first]
    np.add.at(u, chain.subject[first], w0[:, None] * (np.eye(chain.k)[chain.start[first]] - p) / w0.sum())
    time = np.concatenate([[float(chain.begin.min())], grid])
    rows, spread = [p], [_squares(u, area)]
    for j, (Y, d) in enumerate(zip(chain.at_risk(grid), chain.jumps(grid), strict=True)):
        t = grid[j]
        area = area + u * (t - time[j])
        _, move = _moves(d, Y)
        u = u @ move
        there = np.flatnonzero((chain.begin < t) & (t <= chain.end) & d.any(axis=1)[chain.start])
        h = chain.start[there]
        target = np.where(chain.moved[there] & (chain.end[there] == t), chain.goal[there], h)
        change = (np.eye(chain.k)[target] - move[h]) * (chain.weight[there] * p[h] / Y[h])[:, None]
        np.add.at(u, chain.subject[there], change)
        p = p @ move
        rows.append(p)
        spread.append(_squares(u, area))
    return time, np.array(rows), np.array(spread)


def _squares(u: NDArray[Any], area: NDArray[Any]) -> NDArray[Any]:
    return np.stack([(u * u).sum(axis=0), (u * area).sum(axis=0), (area * area).sum(axis=0)])


def _aalen(chain: _Chain) -> _Spread:
    """As `_jackknife`, from the multinomial variance of each row of dA, given the shares at the start."""
    grid = chain.grid()
    p, _ = chain.initial()
    zero = np.zeros((chain.k, chain.k))
    cov, shared, area = zero, zero, zero
    time = np.concatenate([[float(chain.begin.min())], grid])
    rows, spread = [p], [np.zeros((3, chain.k))]
    for j, (Y, d) in enumerate(zip(chain.at_risk(grid), chain.jumps(grid), strict=True)):
        dt = grid[j] - time[j]
        area = area + dt * (shared + shared.T) + dt**2 * cov
        shared = shared + dt * cov
        share, move = _moves(d, Y)
        cov, shared = move.T @ cov @ move, move.T @ shared
        for h in np.flatnonzero(d.any(axis=1)):
            full = share[h].copy()
            full[h] = 1 - share[h].sum()
            cov = cov + p[h] ** 2 * (np.diag(full) - np.outer(full, full)) / Y[h]  # of one's next state
        p = p @ move
        rows.append(p)
        spread.append(np.stack([np.diag(cov), np.diag(shared), np.diag(area)]))
    return time, np.array(rows), np.array(spread)
