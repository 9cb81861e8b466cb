"""Robust variance of a curve: the infinitesimal jackknife, by row or by cluster, with delayed entry.

A row's influence on a cumulative hazard H(t) is w (jump at its own event - what H's steps gave while it was
at risk). Between its entry and its exit that is a constant less w H(t); so per cluster two sums, A(t) and
W(t), change only when a member enters or leaves, and the variance is the sum over clusters of
(A - W L(t))^2 = sum A^2 - 2 L sum AW + L^2 sum W^2: one sort of the members, never clusters x times.
Sources: Jaeckel (1972); Therneau and Grambsch (2000, section 7.2); the numbers are those of R's `survfit`
with `robust = TRUE`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.estimate import Curve
from sequela.estimates.timeline import timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times


@dataclass(frozen=True, eq=False)
class Members:
    """n rows on the m distinct exit times of one curve.

    `first` and `exit` bound the times at which a row is at risk (first <= j <= exit); `cluster` holds codes
    out of `clusters` of them, which may reach over several curves.
    """

    first: NDArray[Any]
    exit: NDArray[Any]
    event: NDArray[np.bool_]
    weight: NDArray[Any]
    cluster: NDArray[Any]
    clusters: int
    d: NDArray[Any]
    n: NDArray[Any]

    def steps(self, log_survival: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        """What H gains at each time, times the share of one at risk, and the jump of one with an event."""
        left = np.where(self.n > self.d, self.n - self.d, np.inf) if log_survival else self.n
        return self.d / (left * self.n), 1 / left

    def variance(self, log_survival: bool) -> NDArray[Any]:
        """Variance of the cumulative hazard, or of log survival, at each time (m)."""
        steps, jump = self.steps(log_survival)
        lived = np.concatenate([[0.0], np.cumsum(steps)])
        joined, gone = lived[self.first], lived[self.exit + 1]
        position = np.concatenate([self.first, self.exit])
        cluster = np.tile(self.cluster, 2)
        w = np.concatenate([self.weight, -self.weight])
        a = self.weight * np.concatenate([[joined], [np.where(self.event, jump[self.exit], 0.0) - gone]])
        order = np.lexsort((position, cluster))
        position, cluster = position[order], cluster[order]
        A, W = (_running(column[order], cluster) for column in (a.ravel(), w))
        begins = np.concatenate([[True], np.diff(cluster) != 0])
        sums = [
            np.bincount(position, _change(square, begins), len(steps)).cumsum()
            for square in (A * A, A * W, W * W)
        ]
        L = lived[1:]
        return np.maximum(sums[0] - 2 * L * sums[1] + L * L * sums[2], 0.0)

    def area_influence(self, right: NDArray[Any]) -> NDArray[Any]:
        """Influence of each cluster on an area; `right` is the area right of each time before its end."""
        padded = np.concatenate([right, np.zeros(len(self.d) - len(right))])
        steps, jump = self.steps(True)
        lived = np.concatenate([[0.0], np.cumsum(steps * padded)])
        own = np.where(self.event, (jump * padded)[self.exit], 0.0)
        each = self.weight * (lived[self.exit + 1] - lived[self.first] - own)
        return np.bincount(self.cluster, each, self.clusters)


@dataclass(frozen=True, eq=False, repr=False)
class RobustCurve(Curve):
    """A curve with a robust variance; it keeps its rows, so that its restricted mean has an error too."""

    members: Members | None = None

    def right_of(self, tau: float) -> NDArray[Any]:
        """Area right of each time before `tau`."""
        rows = self.time < tau
        areas = self.survival[rows] * np.diff(np.append(self.time[rows], tau))
        return areas[::-1].cumsum()[::-1]

    def area_variance(self, tau: float, right: NDArray[Any]) -> float:
        """Sum over clusters of the squared influence on the area."""
        if self.members is None:
            return math.nan
        influence = self.members.area_influence(right)
        return float(influence @ influence)


def members(times: Times, curve: Curve, cluster: NDArray[Any], clusters: int) -> Members:
    """The rows of `times` placed on the times of their own `curve`."""
    line = timeline(times)
    used = np.bincount(line.exit, minlength=len(line.values)) > 0
    before = np.concatenate([[0], np.cumsum(used)])
    first = np.zeros(len(times), np.intp) if line.entry is None else before[line.entry]
    weight = np.asarray(times.weights, float)
    return Members(
        first, before[line.exit], times.state > 0, weight, cluster, clusters, curve.events, curve.at_risk
    )


def _running(values: NDArray[Any], cluster: NDArray[Any]) -> NDArray[Any]:
    """Running sums inside each cluster; `cluster` is ascending."""
    total = np.cumsum(values)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(cluster) != 0]))
    base = np.concatenate([[0.0], total])[starts]
    return total - np.repeat(base, np.diff(np.append(starts, len(values))))


def _change(values: NDArray[Any], begins: NDArray[np.bool_]) -> NDArray[Any]:
    """Increase from one step to the next inside each cluster."""
    previous = np.concatenate([[0.0], values[:-1]])
    return values - np.where(begins, 0.0, previous)
