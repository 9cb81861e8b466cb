"""Multi-state occupation probabilities: line 1, line 2, ..., death, by the Aalen-Johansen product.

p(t) = p(0) times the product over event times of I + dA(u), dA_hj = d_hj/Y_h, the last state entered at the
exit. The covariance follows the product step by step (Greenwood type: Andersen, Borgan, Gill and Keiding
1993, section IV.4.1.3). Occupation probabilities do not need a Markov process (Datta and Satten 2001).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, normal_quantile
from sequela.core.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Occupation:
    """Probability of being in each state at each transition time: m x K, and its standard error."""

    states: tuple[str, ...]
    time: NDArray[Any]
    probability: NDArray[Any]
    se: NDArray[Any]
    n: int
    level: float = 0.95

    def at(self, t: float) -> dict[str, Estimate]:
        """The probability of each state at time `t`."""
        row = int(np.searchsorted(self.time, t, side="right")) - 1
        z, found = normal_quantile(self.level), {}
        for k, state in enumerate(self.states):
            p, se = float(self.probability[row, k]), float(self.se[row, k])
            limits = max(0.0, p - z * se), min(1.0, p + z * se)
            found[state] = Estimate(
                f"in {state} at {t:g}", p, se, *limits, self.level, self.n, method="Aalen-Johansen"
            )
        return found

    def mean_time(self, state: str, tau: float) -> Estimate:
        """Expected time spent in `state` up to `tau`."""
        rows = self.time < tau
        length = np.diff(np.append(self.time[rows], tau))
        value = float(length @ self.probability[rows, self.states.index(state)])
        reason = None if tau <= self.time[-1] else "tau lies beyond the last transition"
        value = value if reason is None else math.nan
        return Estimate(
            f"time in {state} to {tau:g}", value, n=self.n, method="Aalen-Johansen", reason=reason
        )

    def frame(self) -> pl.DataFrame:
        """One row per time and state: time, state, probability, se."""
        import polars as pl

        m, k = self.probability.shape
        return pl.DataFrame(
            {
                "time": np.repeat(self.time, k),
                "state": list(self.states) * m,
                "probability": self.probability.ravel(),
                "se": self.se.ravel(),
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
) -> Occupation:
    """Occupation probabilities from intervals spent in states.

    Args:
        entry, exit: n interval ends, exit after entry; the subject is in `source` on (entry, exit].
        source: n states.
        target: n states entered at the exit, or None where the interval was cut off (censored).
        states: all states in order; by default sorted.
        ids: n subject ids, to count subjects and find where each begins.

    Raises:
        UsageError: an interval does not end after it begins, or a state is unknown.
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
    moved = (goal >= 0) & (goal != start)
    grid = np.unique(end[moved])
    at_risk = _at_risk(begin, end, start, grid, k)
    position = np.searchsorted(grid, end[moved])
    jumps = np.zeros((len(grid), k, k))
    np.add.at(jumps, (position, start[moved], goal[moved]), 1.0)
    p, covariance = _initial(begin, start, subjects, k), np.zeros((k, k))
    rows, errors = [p], [np.zeros(k)]
    for Y, d in zip(at_risk, jumps, strict=True):
        p, covariance = _step(p, covariance, Y, d)
        rows.append(p)
        errors.append(np.sqrt(np.maximum(np.diag(covariance), 0)))
    time = np.concatenate([[float(begin.min())], grid])
    return Occupation(names, time, np.array(rows), np.array(errors), int(subjects.max()) + 1, level)


def _at_risk(
    begin: NDArray[Any], end: NDArray[Any], start: NDArray[Any], grid: NDArray[Any], k: int
) -> NDArray[Any]:
    columns = []
    for state in range(k):
        own = start == state
        entered = np.searchsorted(np.sort(begin[own]), grid, side="left")
        left = np.searchsorted(np.sort(end[own]), grid, side="left")
        columns.append(entered - left)
    return np.column_stack(columns).astype(float)


def _initial(begin: NDArray[Any], start: NDArray[Any], subjects: NDArray[Any], k: int) -> NDArray[Any]:
    """Shares of the states among those there from the earliest entry on."""
    first = begin == begin.min()
    return np.bincount(start[first], minlength=k) / max(1, int(first.sum()))


def _step(
    p: NDArray[Any], covariance: NDArray[Any], Y: NDArray[Any], d: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """One event time: p (I + dA), and the covariance with the multinomial variance of each row of dA."""
    safe = np.where(Y > 0, Y, 1.0)
    share = d / safe[:, None]
    move = share - np.diag(share.sum(axis=1)) + np.eye(len(p))
    covariance = move.T @ covariance @ move
    for h in np.flatnonzero(d.any(axis=1)):
        row = share[h].copy()
        row[h] = -share[h].sum()
        full = share[h].copy()
        full[h] = 1 - share[h].sum()
        spread = (np.diag(full) - np.outer(full, full)) / safe[h]  # of the next state of one at risk
        covariance = covariance + p[h] ** 2 * spread
    return p @ move, covariance
