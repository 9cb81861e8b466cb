"""The Fine-Gray model: proportional hazards of the subdistribution of one cause.

Subjects who had another cause stay at risk with weight P(t-)/P(x-). Convention "cmprsk": P is G, the
Kaplan-Meier curve of censoring, and the variance counts its estimation (Fine and Gray, JASA 1999; cmprsk's
`crr`). Convention "survival", which also takes delayed entry, case weights and clusters: P is G times H, H
the distribution of the entry times by the product-limit estimator in reversed time, and the variance is the
sandwich over subjects with the weights taken as known (Geskus, Biometrics 2011; R's `finegray` followed by
`coxph` with Breslow ties). Sums over these growing risk sets are running sums from both ends, so a step
costs one pass over the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Model, Test
from sequela.core.finding import Finding
from sequela.core.outcome import Times
from sequela.estimates.cox import centred
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.design import design
from sequela.estimates.inference import reasons_of, robust_score_test, three_tests
from sequela.estimates.likelihood import Step, weighted_product
from sequela.estimates.newton import maximise
from sequela.estimates.residuals import grouped
from sequela.estimates.timeline import labels, timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.estimates.timeline import Timeline


Convention = Literal["cmprsk", "survival"]


def fine_gray(
    times: Times, X: Any, cause: int = 1, names: Any = None, level: float = 0.95, data: Any = None,
    reference: dict[str, Any] | None = None, cluster: Any = None, convention: Convention | None = None,
) -> Model:  # fmt: skip
    """Fit the subdistribution hazard of `cause`; `robust_se` is the error.

    Args:
        times: n subjects, with delayed entry or case weights if need be; states 1...K are causes.
        X, names, data, reference: covariates, as for `cox`.
        cause: the cause of interest.
        level: of the intervals.
        cluster: n labels of subjects that depend on each other.
        convention: "cmprsk" (the default) or "survival" (the default with weights, entry or clusters).

    Raises:
        UsageError: "cmprsk" with weights, entry or clusters; or entries and exits that leave the risk set
            empty on the way, so that the weights do not exist.
    """
    convention = convention_for(times, cluster, convention)
    matrix, columns = design(X, len(times), names, data, reference)
    Z, _, scale = centred(matrix)
    events = int((times.state == cause).sum())
    p = len(columns)
    if not events:
        gone = np.full(p, np.nan)
        reason = f"no events of cause {cause}"
        return Model(columns, gone, gone, np.full((p, p), np.nan), (np.nan, np.nan), {}, len(times), 0,
                     gone, level, "Fine-Gray", dict.fromkeys(columns, reason))  # fmt: skip
    sets = subdistribution(times, Z, cause, convention)
    group = None if cluster is None else labels(cluster, len(times), "cluster")
    optimum = maximise(sets.evaluate, np.zeros(p), scale)
    influence = grouped(sets.influence(optimum.beta), group) @ optimum.covariance
    robust = influence.T @ influence
    reasons = reasons_of(optimum, columns)
    lost = np.array([name in reasons for name in columns], bool)
    tests: dict[str, Test] = three_tests(optimum, robust, len(times))
    if convention == "survival":
        tests["robust_score"] = robust_score_test(
            optimum, grouped(sets.influence(np.zeros(p)), group), len(times)
        )
    method = f"Fine-Gray, cause {cause}" + ("" if convention == "cmprsk" else ", Geskus weights")
    return Model(
        columns, np.where(lost, np.nan, optimum.beta), np.where(lost, np.nan, np.sqrt(np.diag(optimum.covariance))),
        optimum.covariance, (optimum.first.log_likelihood, optimum.last.log_likelihood), tests, len(times), events,
        np.where(lost, np.nan, np.sqrt(np.diag(robust))), level, method, reasons,
    )  # fmt: skip


def convention_for(times: Times, cluster: Any, convention: Convention | None) -> Convention:
    """The convention asked for, or the one these data need."""
    special = times.weighted or times.delayed or cluster is not None
    if convention == "cmprsk" and special:
        message = "cmprsk's convention takes neither weights nor delayed entry nor clusters"
        raise UsageError(Finding("E172", "error", message, remedy='convention="survival"'))
    return convention or ("survival" if special else "cmprsk")


@dataclass(frozen=True, eq=False)
class Subdistribution:
    """n rows on J event times of the cause.

    start, stop: event times up to each entry and exit; own: event rows of the cause; other: rows of other
    causes; P: the weight's curve just before each event time (J); entry_weight: 1/P(x-) of the other rows;
    weight: case weights; known: whether the variance takes P as known.
    """

    X: NDArray[Any]
    start: NDArray[Any]
    stop: NDArray[Any]
    own: NDArray[Any]
    tied: NDArray[Any]
    mass: NDArray[Any]
    other: NDArray[Any]
    entry_weight: NDArray[Any]
    P: NDArray[Any]
    exit: NDArray[Any]
    censored: NDArray[Any]
    weight: NDArray[Any]
    known: bool

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum of n `values` (or n x p) over the weighted risk set of each event time (J or J x p)."""
        J = len(self.P)
        columns = values.reshape(len(values), -1).T

        def later(at: NDArray[Any], column: NDArray[Any]) -> NDArray[Any]:
            return np.bincount(at, column, J + 1)[1:][::-1].cumsum()[::-1]

        living = np.stack([later(self.stop, c) - later(self.start, c) for c in columns])
        extra = [column[self.other] * self.entry_weight for column in columns]
        gone = np.stack([np.bincount(self.stop[self.other], column, J + 1).cumsum()[:-1] for column in extra])
        return (living + gone * self.P).T.reshape(J, *values.shape[1:])

    def lived(self, hazard: NDArray[Any]) -> NDArray[Any]:
        """Integral of weight x hazard over each row's time at risk (n, or n x p)."""
        begin = np.zeros((1, *hazard.shape[1:]))
        padded = np.concatenate([begin, hazard.cumsum(axis=0)])
        total = padded[self.stop] - padded[self.start]
        P = self.P.reshape(-1, *[1] * (hazard.ndim - 1))
        after = np.concatenate([(hazard * P)[::-1].cumsum(axis=0)[::-1], begin])[self.stop[self.other]]
        total[self.other] += after * self.entry_weight.reshape(-1, *[1] * (hazard.ndim - 1))
        return total

    def evaluate(self, beta: NDArray[Any]) -> Step:
        """Log-likelihood, score, information."""
        eta = self.X @ beta
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            risk = self.weight * np.exp(eta)
            S0 = self.sums(risk)
            value = float(self.weight[self.own] @ eta[self.own] - self.mass @ np.log(S0))
        if not np.isfinite(value):
            return Step(-np.inf, np.zeros(len(beta)), np.zeros((len(beta), len(beta))))
        hazard = self.mass / S0
        mean = self.sums(risk[:, None] * self.X) / S0[:, None]
        information = weighted_product(self.X, risk * self.lived(hazard)) - weighted_product(mean, self.mass)
        return Step(value, self.weight[self.own] @ self.X[self.own] - self.mass @ mean, information)

    def influence(self, beta: NDArray[Any]) -> NDArray[Any]:
        """Each row's part of the score times its case weight, the estimation of G included (n x p)."""
        risk = np.exp(self.X @ beta)
        S0 = self.sums(self.weight * risk)
        hazard = self.mass / S0
        mean = self.sums((self.weight * risk)[:, None] * self.X) / S0[:, None]
        part = risk[:, None] * (self.lived(hazard[:, None] * mean) - self.X * self.lived(hazard)[:, None])
        part[self.own] += self.X[self.own] - mean[self.tied]
        return part * self.weight[:, None] if self.known else part + self._censoring(risk, hazard, mean)

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
        later = np.concatenate([(hazard * self.P)[::-1].cumsum()[::-1], [0.0]])[from_here]
        later_mean = ((hazard * self.P)[:, None] * mean)[::-1].cumsum(axis=0)[::-1]
        later_mean = np.concatenate([later_mean, np.zeros((1, mean.shape[1]))])[from_here]
        first = np.stack([earlier(weight * column) for column in self.X[self.other].T], axis=1)
        q = first * later[:, None] - earlier(weight)[:, None] * later_mean
        jump = q / at_risk[:, None]
        passed = np.cumsum(jump * (lost / at_risk)[:, None], axis=0)
        psi = -passed[self.exit]
        psi[self.censored] += jump[self.exit[self.censored]]
        return psi


def subdistribution(times: Times, X: NDArray[Any], cause: int, convention: Convention) -> Subdistribution:
    """Rows X on the event times of `cause`, with their weights after other causes."""
    line = timeline(times)
    width = len(line.values)
    own = np.flatnonzero((times.state == cause) & (times.weights > 0))
    other = np.flatnonzero((times.state > 0) & (times.state != cause))
    has = np.bincount(line.exit[own], minlength=width) > 0
    upto = np.concatenate([[0], np.cumsum(has)])
    stop = upto[line.exit + 1]
    start = np.zeros(len(times), np.intp) if line.entry is None else upto[line.entry]
    if convention == "cmprsk":
        curve = kaplan_meier(Times(line.exit, times.state == 0))  # the time to censoring
        at = np.searchsorted(curve.time, np.arange(width), side="left")
        staying = np.concatenate([[1.0], curve.survival])[at]
    else:
        staying = _staying(times, line)
    if (staying[line.exit[other]] <= 0).any():
        message = "nobody is left under observation on the way: the weights do not exist"
        remedy = "start later, where the risk set stays filled, or fit the cause-specific model"
        raise UsageError(Finding("E173", "error", message, remedy=remedy))
    tied = stop[own] - 1
    weight = np.asarray(times.weights, float)
    mass = np.bincount(tied, weight[own], minlength=int(has.sum()))
    censored = np.flatnonzero(times.state == 0)
    return Subdistribution(
        X, start, stop, own, tied, mass, other, 1 / staying[line.exit[other]], staying[has], line.exit, censored,
        weight, convention == "survival",
    )  # fmt: skip


def _staying(times: Times, line: Timeline) -> NDArray[Any]:
    """G(t-) H(t-) at each position: not yet censored, and already entered (Geskus 2011, section 3).

    Those with an event at a time are no longer at risk of being censored at it, as in R's `finegray`.
    """
    width = len(line.values)
    event = times.state > 0
    leaving = np.bincount(line.exit, minlength=width)
    entered = np.bincount(
        np.zeros(len(times), np.intp) if line.entry is None else line.entry, minlength=width + 1
    )
    present = np.cumsum(entered)[:width] - np.concatenate([[0], np.cumsum(leaving)[:-1]])
    lost = np.bincount(line.exit[~event], minlength=width)
    exposed = present - np.bincount(line.exit[event], minlength=width)
    G = np.cumprod(1 - np.divide(lost, exposed, out=np.zeros(width), where=lost > 0))
    came = entered[1:]  # at each position; those of the origin came before all
    inside = np.cumsum(entered)[1:] - np.cumsum(leaving)
    still = 1 - np.divide(came, inside, out=np.zeros(width), where=(came > 0) & (inside > 0))
    if not entered[0]:
        still[np.flatnonzero(came)[0]] = 1.0  # the first entry: nobody was there to miss it
    H = np.concatenate([still[::-1].cumprod()[::-1], [1.0]])  # H[j]: entered before position j
    return np.concatenate([[1.0], G[:-1]]) * H[:width]
