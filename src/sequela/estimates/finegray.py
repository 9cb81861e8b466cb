"""The Fine-Gray model: proportional hazards of the subdistribution of one cause.

Subjects who had another cause stay at risk with weight G(t-)/G(x-), G the Kaplan-Meier curve of censoring.
Sums over these growing risk sets are running sums from both ends, so a step costs one pass over the rows.
The variance counts the estimation of G. Source: Fine and Gray (JASA 1999); agrees with cmprsk's `crr`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Model, Test
from sequela.core.finding import Finding
from sequela.core.outcome import Times
from sequela.estimates.cox import centred
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.design import design
from sequela.estimates.inference import reasons_of, three_tests
from sequela.estimates.likelihood import Step, weighted_product
from sequela.estimates.newton import maximise
from sequela.estimates.timeline import timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray


def fine_gray(
    times: Times, X: Any, cause: int = 1, names: Any = None, level: float = 0.95, data: Any = None,
    reference: dict[str, Any] | None = None,
) -> Model:  # fmt: skip
    """Fit the subdistribution hazard of `cause`; `robust_se` is the error (Fine and Gray's variance).

    Args:
        times: n subjects without weights or delayed entry; states 1...K are causes.
        X, names, data, reference: covariates, as for `cox`.
        cause: the cause of interest.
        level: of the intervals.
    """
    if times.weighted or times.delayed:
        message = "the Fine-Gray model takes neither weights nor delayed entry"
        raise UsageError(Finding("E172", "error", message, remedy="fit the cause-specific model"))
    matrix, labels = design(X, len(times), names, data, reference)
    Z, _, scale = centred(matrix)
    events = int((times.state == cause).sum())
    p = len(labels)
    if not events:
        gone = np.full(p, np.nan)
        reason = f"no events of cause {cause}"
        return Model(labels, gone, gone, np.full((p, p), np.nan), (np.nan, np.nan), {}, len(times), 0,
                     gone, level, "Fine-Gray", dict.fromkeys(labels, reason))  # fmt: skip
    sets = _sets(times, Z, cause)
    optimum = maximise(sets.evaluate, np.zeros(p), scale)
    influence = sets.influence(optimum.beta) @ optimum.covariance
    robust = influence.T @ influence
    reasons = reasons_of(optimum, labels)
    lost = np.array([name in reasons for name in labels], bool)
    tests: dict[str, Test] = three_tests(optimum, robust, len(times))
    return Model(
        labels, np.where(lost, np.nan, optimum.beta), np.where(lost, np.nan, np.sqrt(np.diag(optimum.covariance))),
        optimum.covariance, (optimum.first.log_likelihood, optimum.last.log_likelihood), tests, len(times), events,
        np.where(lost, np.nan, np.sqrt(np.diag(robust))), level, f"Fine-Gray, cause {cause}", reasons,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Sets:
    """n rows on J event times of the cause.

    stop: event times up to each exit; own: event rows of the cause; other: rows of other causes;
    G: censoring survival just before each event time (J); entry_weight: 1/G(x-) of the other rows.
    """

    X: NDArray[Any]
    stop: NDArray[Any]
    own: NDArray[Any]
    tied: NDArray[Any]
    deaths: NDArray[Any]
    other: NDArray[Any]
    entry_weight: NDArray[Any]
    G: NDArray[Any]
    exit: NDArray[Any]
    censored: NDArray[Any]

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum of n `values` (or n x p) over the weighted risk set of each event time (J or J x p)."""
        J = len(self.G)
        columns = values.reshape(len(values), -1).T
        extra = [column[self.other] * self.entry_weight for column in columns]
        living = np.stack(
            [np.bincount(self.stop, column, J + 1)[1:][::-1].cumsum()[::-1] for column in columns]
        )
        gone = np.stack([np.bincount(self.stop[self.other], column, J + 1).cumsum()[:-1] for column in extra])
        return (living + gone * self.G).T.reshape(J, *values.shape[1:])

    def lived(self, hazard: NDArray[Any]) -> NDArray[Any]:
        """Integral of weight x hazard over each row's time at risk (n, or n x p)."""
        start = np.zeros((1, *hazard.shape[1:]))
        total = np.concatenate([start, hazard.cumsum(axis=0)])[self.stop]
        G = self.G.reshape(-1, *[1] * (hazard.ndim - 1))
        after = np.concatenate([(hazard * G)[::-1].cumsum(axis=0)[::-1], start])[self.stop[self.other]]
        total[self.other] += after * self.entry_weight.reshape(-1, *[1] * (hazard.ndim - 1))
        return total

    def evaluate(self, beta: NDArray[Any]) -> Step:
        """Log-likelihood, score, information."""
        eta = self.X @ beta
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            risk = np.exp(eta)
            S0 = self.sums(risk)
            value = float(eta[self.own].sum() - self.deaths @ np.log(S0))
        if not np.isfinite(value):
            return Step(-np.inf, np.zeros(len(beta)), np.zeros((len(beta), len(beta))))
        hazard = self.deaths / S0
        mean = self.sums(risk[:, None] * self.X) / S0[:, None]
        information = weighted_product(self.X, risk * self.lived(hazard)) - weighted_product(
            mean, self.deaths * 1.0
        )
        return Step(value, self.X[self.own].sum(axis=0) - self.deaths @ mean, information)

    def influence(self, beta: NDArray[Any]) -> NDArray[Any]:
        """Each row's part of the score, the estimation of G included (n x p)."""
        risk = np.exp(self.X @ beta)
        S0 = self.sums(risk)
        hazard = self.deaths / S0
        mean = self.sums(risk[:, None] * self.X) / S0[:, None]
        eta = risk[:, None] * (self.lived(hazard[:, None] * mean) - self.X * self.lived(hazard)[:, None])
        eta[self.own] += self.X[self.own] - mean[self.tied]
        return eta + self._censoring(risk, hazard, mean)

    def _censoring(self, risk: NDArray[Any], hazard: NDArray[Any], mean: NDArray[Any]) -> NDArray[Any]:
        """Influence through G: q(u)/n(u) against the martingale of censoring."""
        width = int(self.exit.max()) + 1
        left = np.bincount(self.exit, minlength=width)
        at_risk = np.maximum(left[::-1].cumsum()[::-1], 1)
        lost = np.bincount(self.exit[self.censored], minlength=width)
        weight = risk[self.other] * self.entry_weight

        def earlier(values: NDArray[Any]) -> NDArray[Any]:
            return np.bincount(self.exit[self.other], values, width).cumsum() - np.bincount(
                self.exit[self.other], values, width
            )

        stop_at = np.zeros(width, np.intp)
        stop_at[self.exit] = self.stop
        stop_at = np.maximum.accumulate(stop_at)
        has = np.zeros(width, bool)
        has[self.exit[self.own]] = True
        from_here = stop_at - has  # first event time at or after each position
        later = np.concatenate([(hazard * self.G)[::-1].cumsum()[::-1], [0.0]])[from_here]
        later_mean = ((hazard * self.G)[:, None] * mean)[::-1].cumsum(axis=0)[::-1]
        later_mean = np.concatenate([later_mean, np.zeros((1, mean.shape[1]))])[from_here]
        first = np.stack([earlier(weight * column) for column in self.X[self.other].T], axis=1)
        q = first * later[:, None] - earlier(weight)[:, None] * later_mean
        jump = q / at_risk[:, None]
        passed = np.cumsum(jump * (lost / at_risk)[:, None], axis=0)
        psi = -passed[self.exit]
        psi[self.censored] += jump[self.exit[self.censored]]
        return psi


def _sets(times: Times, X: NDArray[Any], cause: int) -> _Sets:
    line = timeline(times)
    width = len(line.values)
    own = np.flatnonzero(times.state == cause)
    other = np.flatnonzero((times.state > 0) & (times.state != cause))
    has = np.bincount(line.exit[own], minlength=width) > 0
    stop = np.cumsum(has)[line.exit]
    curve = kaplan_meier(Times(line.exit, times.state == 0))  # the time to censoring
    at = np.searchsorted(curve.time, np.arange(width), side="left")
    G = np.concatenate([[1.0], curve.survival])[at]
    tied = stop[own] - 1
    deaths = np.bincount(tied, minlength=int(has.sum()))
    censored = np.flatnonzero(times.state == 0)
    return _Sets(X, stop, own, tied, deaths, other, 1 / G[line.exit[other]], G[has], line.exit, censored)
