"""Target trial emulation by cloning, censoring and weighting: what if everybody had followed each strategy?

Every patient is cloned into the strategies that fit; a clone that departs is censored; those who stay stand in for
those who left, with the weight  sw(k) = prod_{j<k} P(stay at j | strategy) / P(stay at j | strategy, covariates to j).
The chances to stay come from pooled logistic regressions over the choices of each strategy: not to begin what is
forbidden, and to have begun by the end of the grace period. Weighted clones give survival
S(k) = prod_{j<=k} (1 - d_j / n_j), its area, and a hazard ratio by pooled logistic regression over strategy and time.
The bootstrap (patients, or whole clusters) repeats every step.
Sources: Hernán and Robins (Am J Epidemiol 2016); Cain et al. (Int J Biostat 2010), grace periods; Maringe et al. (Int J
Epidemiol 2020); Cole and Hernán (Am J Epidemiol 2008), stabilised and truncated weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sequela.core.estimate import Estimate, normal_p
from sequela.estimates.personmonths import NEVER, Clones, FollowUp, Strategy, clone, follow
from sequela.estimates.pooled import pooled_logistic, time_terms
from sequela.estimates.resampling import draws
from sequela.estimates.weights import effective_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Real = NDArray[Any]

PRIOR = 0.01  # precision of the normal prior on standardised coefficients: its standard deviation is 10
FEW = 20  # effective clones under follow-up after the grace period, below which nothing is estimated
BLOCK = 4_000_000  # numbers of one block of bootstrap weights
Late = Literal["any", "last"]


@dataclass(frozen=True, eq=False)
class Arm:
    """One strategy and its clones.

    Attributes:
        name: of the strategy.
        clones, events: how many, and events while they followed it.
        departed: censored for beginning what is forbidden; `missed` for not having begun by the end of grace.
        time: T + 1 days; `survival` there, with `lower` and `upper` (NaN without a bootstrap).
        at_risk: clones at risk at each of the T intervals; `weighted` the sum of their weights.
        weights: of each clone when last seen; `cut` the largest allowed (infinite: none), `truncated` how many it held.
        effective: Kish's effective number of those still followed after the last departure.
        at_tau: survival at the horizon; `mean` the restricted mean, in days.
    """

    name: str
    clones: int
    events: int
    departed: int
    missed: int
    time: Real
    survival: Real
    lower: Real
    upper: Real
    at_risk: NDArray[np.int64]
    weighted: Real
    weights: Real
    cut: float
    truncated: int
    effective: float
    at_tau: Estimate
    mean: Estimate


@dataclass(frozen=True, eq=False)
class Contrast:
    """A strategy against the first: survival at the horizon, restricted mean (days), hazard ratio."""

    name: str
    survival: Estimate
    mean: Estimate
    hazard_ratio: Estimate


@dataclass(frozen=True, eq=False)
class TargetTrial:
    """An emulated trial of K strategies; the first is the reference.

    Attributes:
        arms: one for each strategy.
        contrasts: K - 1.
        patients: compatible with at least one strategy at time zero.
        tau: days.
        reason: why nothing can be estimated, or None; then every estimate carries it.
    """

    arms: tuple[Arm, ...]
    contrasts: tuple[Contrast, ...]
    patients: int
    tau: float
    reason: str | None


@dataclass(frozen=True, eq=False)
class _Counts:
    """Of B weightings: events and numbers at risk (B x T), each clone's last weight (B x m) and the cut (B)."""

    events: Real
    at_risk: Real
    last: Real
    cut: Real


@dataclass(frozen=True, eq=False)
class _Choices:
    """The two pooled logistic models of one strategy: rows of the design, and what came of them."""

    clones: Clones
    within: Real
    deadline: Real
    late: Late


def target_trial(
    exit: Any, event: Any, strategies: Sequence[Strategy], X: Any = None, *, grace: float, tau: float,
    width: float = 30.4375, opens: Any = None, updated: Any = None, late: Late = "any", truncate: float = 0.99,
    cluster: Any = None, samples: int = 0, rng: np.random.Generator | None = None, level: float = 0.95,
) -> TargetTrial:  # fmt: skip
    """Clone, censor, weight, compare.

    Args:
        exit, event: n days from time zero to the event or the last contact, and whether it is the event.
        strategies: two or more; the first is the reference.
        X: n x p covariates at time zero; None for none.
        grace: days from `opens` within which a strategy's treatment has to begin.
        tau: days of follow-up compared.
        width: days in an interval.
        opens: n days at which the grace period opens (infinite: never); by default time zero.
        updated: n x T x q covariates at the start of each interval; None for none.
        late: how those who have not begun when grace ends are represented: "any", by all who had begun, early or late
            (Maringe et al.), or "last", by those who begin in the last interval of grace (Cain et al.), which
            covariates that treatment changes demand.
        truncate: weights are cut at this quantile of the clones' last weights; 1 cuts none.
        cluster: n labels, drawn as a whole in the bootstrap; by default patients are drawn.
        samples, rng: of the bootstrap.
        level: of the percentile intervals.

    Raises:
        UsageError: E230, follow-up that cannot be cut; the bootstrap without a generator is a ValueError.
    """
    if samples and rng is None:
        raise ValueError("a bootstrap needs a generator: rng=np.random.default_rng(seed)")
    n = len(exit)
    opened = None if opens is None else np.asarray(opens, float)
    seen = follow(np.asarray(exit, float), np.asarray(event, bool), grace, tau, width, opened)
    base = np.zeros((n, 0)) if X is None else np.asarray(X, float).reshape(n, -1)
    moving = np.zeros((n, seen.horizon, 0)) if updated is None else np.asarray(updated, float)
    choices = [_choices(clone(seen, strategy), seen, base, moving, late) for strategy in strategies]
    found = _estimated(choices, np.ones((1, n)), seen, truncate)
    drawn = list(_bootstrap(choices, seen, truncate, n, cluster, samples, rng))
    again = [np.concatenate(parts) for parts in zip(*drawn, strict=True)] if drawn else None
    reason = _unanswerable(choices, found[0])
    results = _Results(found[1:], again, seen, level, samples, reason)
    arms = tuple(
        _arm(k, one.clones, counts, results)
        for k, (one, counts) in enumerate(zip(choices, found[0], strict=True))
    )
    contrasts = tuple(
        results.contrast(k, strategies[k].name, strategies[0].name) for k in range(1, len(strategies))
    )
    patients = len(np.unique(np.concatenate([one.clones.patient for one in choices])))
    return TargetTrial(arms, contrasts, patients, seen.horizon * width, reason)


def _choices(clones: Clones, seen: FollowUp, X: Real, moving: Real, late: Late) -> _Choices:
    return _Choices(
        clones,
        _design(clones, clones.within, seen, X, moving),
        _design(clones, clones.deadline, seen, X, moving),
        late,
    )


def _design(clones: Clones, rows: NDArray[np.int64], seen: FollowUp, X: Real, moving: Real) -> Real:
    """Constant, interval since grace opened, interval since time zero where the two differ, covariates."""
    patient, k = clones.patient[rows[0]], rows[1]
    since = (k - np.where(seen.opens[patient] < NEVER, seen.opens[patient], 0)).astype(float)
    columns = [np.ones((len(k), 1)), time_terms(since)]
    if len(np.unique(seen.opens[clones.patient])) > 1:
        columns.append(time_terms(k.astype(float)))
    return np.column_stack([*columns, X[patient], moving[patient, k]])


def _estimated(
    choices: Sequence[_Choices], drawn: Real, seen: FollowUp, truncate: float
) -> tuple[list[_Counts], Real, Real, Real]:
    """Counts by strategy; survival (B x K x T + 1), restricted means (B x K), log hazard ratios (B x K - 1)."""
    counts = [_weigh(one, drawn, seen, truncate) for one in choices]
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = [1 - np.where(one.at_risk > 0, one.events / one.at_risk, np.nan) for one in counts]
    survival = np.stack(
        [np.cumprod(np.column_stack([np.ones(len(drawn)), step]), axis=1) for step in steps], axis=1
    )
    means = seen.width * (survival[:, :, :-1] + survival[:, :, 1:]).sum(axis=2) / 2
    return counts, survival, means, _log_ratios(counts)


def _weigh(one: _Choices, drawn: Real, seen: FollowUp, truncate: float) -> _Counts:
    """Weights of one strategy's clones under B multiplicities of patients, and the weighted counts they give."""
    clones = one.clones
    mine = drawn[:, clones.patient]
    first = (
        int(max([-1, *clones.within[1], *clones.deadline[1]])) + 1
    )  # weights stay the same from this interval on
    logs = np.zeros((len(drawn), len(clones.patient), first + 1))
    _add(logs, clones.within, one.within, clones.stayed, np.ones(len(clones.stayed), bool), mine)
    counted = clones.waiting if one.late == "last" else np.ones(len(clones.waiting), bool)
    _add(logs, clones.deadline, one.deadline, clones.begun, counted, mine)
    weights = np.exp(np.cumsum(logs, axis=2)) * _stabiliser(clones, mine, first)
    upto = np.minimum(clones.rows - 1, first)
    last = np.take_along_axis(weights, upto[None, :, None], axis=2)[:, :, 0]
    cut = _cut(last, mine, truncate)
    weights, last = np.minimum(weights, cut[:, None, None]), np.minimum(last, cut[:, None])
    k = np.arange(seen.horizon)
    there = clones.rows[:, None] > k
    at_risk = (mine * weights[:, :, first]) @ there
    early = min(first, seen.horizon)
    at_risk[:, :early] = np.einsum("bm,bmk,mk->bk", mine, weights[:, :, :early], there[:, :early])
    ends = clones.event[:, None] & (clones.rows[:, None] - 1 == k)
    return _Counts((mine * last) @ ends, at_risk, last, cut)


def _add(
    logs: Real,
    rows: NDArray[np.int64],
    X: Real,
    stayed: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    mine: Real,
) -> None:
    """Add minus log P(stay) to the interval after each choice."""
    who, k = rows[0][counted], rows[1][counted]
    if not len(who) or stayed[counted].all():
        return
    model = pooled_logistic(X[counted], stayed[counted].astype(float), mine[:, who], PRIOR)
    logs[:, who, k + 1] -= np.log(np.maximum(model.chances(X[counted]), 1e-12))


def _stabiliser(clones: Clones, mine: Real, first: int) -> Real:
    """Share of the clones at the end of each interval that stay, multiplied up (B x 1 x first + 1).

    It depends on strategy and interval only, so it changes no hazard; it brings the weights near 1.
    """
    k = np.arange(first)
    goes = (clones.censored[:, None] == k).astype(float)
    stays = (clones.rows[:, None] > k + 1).astype(float)
    left, kept = mine @ goes, mine @ stays
    share = np.where(left + kept > 0, kept / np.maximum(left + kept, 1e-300), 1.0)
    return np.cumprod(np.column_stack([np.ones(len(mine)), np.maximum(share, 1e-12)]), axis=1)[:, None, :]


def _cut(last: Real, mine: Real, truncate: float) -> Real:
    """The quantile of the clones' last weights, counting each as often as it was drawn (B)."""
    if truncate >= 1:
        return np.full(len(last), np.inf)
    order = np.argsort(last, axis=1)
    held = np.cumsum(np.take_along_axis(mine, order, axis=1), axis=1)
    place = (held < truncate * held[:, -1:]).sum(axis=1)
    place = np.minimum(place, last.shape[1] - 1)
    return np.take_along_axis(np.take_along_axis(last, order, axis=1), place[:, None], axis=1)[:, 0]


def _log_ratios(counts: Sequence[_Counts]) -> Real:
    """Pooled logistic regression over strategy and a spline of time, on the weighted cells (B x K - 1)."""
    strategies, intervals = len(counts), counts[0].events.shape[1]
    k = np.tile(np.arange(intervals, dtype=float), strategies)
    of = np.repeat(np.arange(strategies), intervals)
    X = np.column_stack([np.ones(len(k)), of[:, None] == np.arange(1, strategies), time_terms(k, 4)])
    n, d = (np.concatenate([getattr(one, name) for one in counts], axis=1) for name in ("at_risk", "events"))
    used = n.max(axis=0) > 0
    share = np.divide(d, n, out=np.zeros_like(d), where=n > 0)
    found = pooled_logistic(X[used].astype(float), share[:, used], n[:, used], 0.0)
    none = np.stack([one.events.sum(axis=1) <= 0 for one in counts], axis=1)
    empty = none[:, 1:] | none[:, :1] | ~found.converged[:, None]
    return np.where(empty, np.nan, found.coef[:, 1:strategies])


def _bootstrap(
    choices: Sequence[_Choices], seen: FollowUp, truncate: float, n: int, cluster: Any, samples: int,
    rng: np.random.Generator | None,
) -> Iterator[tuple[Real, Real, Real]]:  # fmt: skip
    """Survival, restricted means and log hazard ratios of bootstrap samples, a block at a time."""
    if rng is None or not samples:
        return
    largest = max(len(one.clones.patient) for one in choices) * (
        2 + max(int(one.clones.within[1].max(initial=0)) for one in choices)
    )
    size = max(1, min(samples, BLOCK // max(largest, 1)))
    block: list[Real] = []
    for rows in draws(n, rng, samples, cluster):
        block.append(np.bincount(rows, minlength=n).astype(float))
        if len(block) == size:
            yield _estimated(choices, np.stack(block), seen, truncate)[1:]
            block = []
    if block:
        yield _estimated(choices, np.stack(block), seen, truncate)[1:]


def _unanswerable(choices: Sequence[_Choices], counts: Sequence[_Counts]) -> str | None:
    """Why the strategies cannot be compared in these data, or None."""
    for one, found in zip(choices, counts, strict=True):
        clones = one.clones
        if not len(clones.patient):
            return f"nobody could follow “{clones.name}” at time zero"
        if not clones.event.any():
            return f"no event while anybody followed “{clones.name}”"
        counted = clones.waiting if one.late == "last" else np.ones(len(clones.waiting), bool)
        if counted.any() and not clones.begun[counted].any():
            return f"positivity fails: nobody begins “{clones.name}” in time"
        left = _after(clones)
        size = effective_size(found.last[0, left])
        if size < FEW:
            return (
                f"positivity fails: only {size:.0f} effective patients are left in “{clones.name}” when the grace "
                f"period is over, and at least {FEW} are needed"
            )
    return None


def _after(clones: Clones) -> NDArray[np.bool_]:
    """Clones still followed after the interval of the last deadline (or at all, where there is none)."""
    ends = clones.deadline[1] if clones.deadline.size else clones.within[1]
    return (clones.censored < 0) & (clones.rows - 1 > (np.median(ends) if ends.size else -1))


@dataclass(frozen=True, eq=False)
class _Results:
    """Estimates on all patients and in bootstrap samples, made into `Estimate`s."""

    found: tuple[Real, Real, Real]
    again: list[Real] | None
    seen: FollowUp
    level: float
    samples: int
    reason: str | None

    def limits(self, k: int) -> tuple[Real, Real]:
        """Percentile limits of a survival curve."""
        if self.again is None or self.reason:
            blank = np.full(self.found[0].shape[2], np.nan)
            return blank, blank
        tail = (1 - self.level) / 2
        low, high = np.quantile(self.again[0][:, k], [tail, 1 - tail], axis=0)
        return low, high

    def estimate(
        self, name: str, value: float, drawn: Real | None, unit: str = "", method: str = ""
    ) -> Estimate:
        """A number with its bootstrap error and percentile interval."""
        words = method or "clone, censor, weight"
        if self.reason or math.isnan(value):
            why = self.reason or "follow-up ends before"
            return Estimate(name, math.nan, level=self.level, unit=unit, method=words, reason=why)
        if drawn is None:
            return Estimate(name, value, level=self.level, unit=unit, method=words)
        known = drawn[np.isfinite(drawn)]
        words += f"; percentile bootstrap, {self.samples} samples"
        words += f", not defined in {len(drawn) - len(known)}" if len(known) < len(drawn) else ""
        if len(known) < 2:
            return Estimate(name, value, level=self.level, unit=unit, method=words)
        tail = (1 - self.level) / 2
        low, high = np.quantile(known, [tail, 1 - tail])
        se = float(known.std(ddof=1))
        return Estimate(name, value, se, float(low), float(high), self.level, unit=unit, method=words)

    def contrast(self, k: int, name: str, reference: str) -> Contrast:
        """Strategy k against the first."""
        survival, means, logs = self.found
        drawn = self.again
        end = self.estimate(
            f"difference in survival, {name} against {reference}",
            float(survival[0, k, -1] - survival[0, 0, -1]),
            None if drawn is None else drawn[0][:, k, -1] - drawn[0][:, 0, -1],
        )
        mean = self.estimate(
            f"difference of restricted means, {name} against {reference}",
            float(means[0, k] - means[0, 0]),
            None if drawn is None else drawn[1][:, k] - drawn[1][:, 0],
            "day",
        )
        ratio = self.estimate(
            f"hazard ratio, {name} against {reference}",
            float(logs[0, k - 1]),
            None if drawn is None else drawn[2][:, k - 1],
            method="clone, censor, weight; pooled logistic",
        )
        ratio = replace(
            ratio, value=math.exp(ratio.value), lower=math.exp(ratio.lower), upper=math.exp(ratio.upper),
            p=_p(float(logs[0, k - 1]), ratio),
        )  # fmt: skip
        return Contrast(
            name,
            replace(end, p=_p(end.value, end)),
            replace(mean, p=_p(mean.value, mean)),
            ratio,
        )


def _p(value: float, one: Estimate) -> float:
    """Two-sided p of value / se; NaN without either."""
    known = one.reason is None and math.isfinite(value) and one.se > 0
    return normal_p(value / one.se) if known else math.nan


def _arm(k: int, clones: Clones, counts: _Counts, results: _Results) -> Arm:
    survival, means, _ = results.found
    lower, upper = results.limits(k)
    drawn, horizon = results.again, results.seen.horizon
    missed = int((~clones.begun).sum())
    out = int((clones.censored >= 0).sum())
    return Arm(
        clones.name,
        len(clones.patient),
        int(clones.event.sum()),
        out - missed,
        missed,
        results.seen.width * np.arange(horizon + 1),
        survival[0, k],
        lower,
        upper,
        (clones.rows[:, None] > np.arange(horizon)).sum(axis=0),
        counts.at_risk[0],
        counts.last[0],
        float(counts.cut[0]),
        int((counts.last[0] >= counts.cut[0]).sum()) if math.isfinite(counts.cut[0]) else 0,
        effective_size(counts.last[0, _after(clones)]),
        results.estimate(
            f"survival, {clones.name}",
            float(survival[0, k, -1]),
            None if drawn is None else drawn[0][:, k, -1],
        ),
        results.estimate(
            f"restricted mean, {clones.name}",
            float(means[0, k]),
            None if drawn is None else drawn[1][:, k],
            "day",
        ),
    )
