"""A target trial emulated by cloning, censoring and weighting.

Every patient is cloned into each strategy that the data at time zero are compatible with. A clone is censored when the
patient's course departs from its strategy: a required start did not come within its grace period, or something that
the strategy forbids began. This censoring depends on prognosis, so the clones that stay are weighted by the inverse of
their chance to stay, from a pooled logistic model over the intervals in which a departure is possible, with time as a
natural spline, baseline covariates and covariates that change at a known time. Nobody is classified by the future,
so there is no immortal time.

Survival under a strategy is the weighted Kaplan-Meier curve of its clones; the hazard ratio comes from a weighted Cox
model of all clones. A bootstrap repeats the weighting, over whole clusters where there are any (a patient's clones stay
together): its percentiles are the intervals of survival and means, its spread gives that of the log hazard ratio.
Sources: Cain et al., Int J Biostat 2010;6(2):18; Hernán, BMJ 2018;360:k182; Maringe et al., Int J Epidemiol
2020;49:1719; Hernán and Robins, Causal Inference: What If (2020), chapter 21.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, normal_p, normal_quantile
from sequela.core.finding import Finding
from sequela.core.outcome import Times
from sequela.core.units import DAYS_PER_MONTH
from sequela.estimates.cox import cox
from sequela.estimates.design import design
from sequela.estimates.logistic import chances, logistic
from sequela.estimates.resampling import draws
from sequela.estimates.splines import spline_basis
from sequela.estimates.weights import effective_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Real = NDArray[np.float64]
    Whole = NDArray[np.int64]
    Booleans = NDArray[np.bool_]

PRIOR = 1e-4  # precision of a normal prior: keeps coefficients finite where an interval separates


@dataclass(frozen=True, slots=True, eq=False)
class Strategy:
    """One strategy, over n patients; times count from time zero, infinity is never.

    Attributes:
        name: as it is printed.
        eligible: whose data at time zero are compatible with it, shape (n,).
        due: by when the required start must have come, shape (n,).
        start: when it came, shape (n,).
        forbidden: when something began that the strategy forbids, shape (n,).
        forbids: whether the strategy forbids anything.
    """

    name: str
    eligible: Booleans
    due: Real
    start: Real
    forbidden: Real
    forbids: bool = True

    @property
    def departs(self) -> Real:
        """When the course departs from the strategy, shape (n,)."""
        late = np.where(self.start > self.due, self.due, np.inf)
        return np.minimum(late, np.where(self.forbidden < self.start, self.forbidden, np.inf))


@dataclass(frozen=True, slots=True, eq=False)
class Clones:
    """Person-intervals of the clones of one strategy.

    Attributes:
        patient: position of the patient, shape (rows,).
        interval: number of the interval from 0, shape (rows,).
        entry, exit: of the row, shape (rows,).
        event: whether the row ends with the event, shape (rows,).
        departed: whether the clone is censored in the row for departing, shape (rows,).
        at_risk: whether it could have departed in the row, shape (rows,).
        deadline: whether a required start is due in the row, shape (rows,).
    """

    patient: Whole
    interval: Whole
    entry: Real
    exit: Real
    event: Booleans
    departed: Booleans
    at_risk: Booleans
    deadline: Booleans


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """The clones of one strategy, and what becomes of them.

    Attributes:
        name: the strategy.
        n: clones.
        events: while they followed it.
        departed: censored for departing from it.
        survival: at tau.
        restricted: mean survival time restricted to tau.
        time, curve, lower, upper: weighted survival at the end of each interval with its bootstrap limits.
        at_risk: clones that still follow the strategy, after each of `time`.
        died: events between each of `time` and the one before.
        largest, effective: the largest weight, and the effective number of clones at the last time.
    """

    name: str
    n: int
    events: int
    departed: int
    survival: Estimate
    restricted: Estimate
    time: Real
    curve: Real
    lower: Real
    upper: Real
    at_risk: Whole
    died: Whole
    largest: float
    effective: float


@dataclass(frozen=True, slots=True, eq=False)
class TargetTrial:
    """Two or more strategies; contrasts are against the first.

    Attributes:
        arms: the strategies.
        differences: of survival at tau.
        restricted_differences: of restricted mean survival times.
        hazard_ratios: of the weighted Cox model.
        tau: the horizon.
        width: of an interval.
        truncation: quantile at which weights were cut.
        samples: bootstrap samples that could be used, of those drawn.
        reason: why there is no estimate, or None.
    """

    arms: tuple[Arm, ...]
    differences: tuple[Estimate, ...]
    restricted_differences: tuple[Estimate, ...]
    hazard_ratios: tuple[Estimate, ...]
    tau: float
    width: float
    truncation: float
    samples: tuple[int, int]
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    times: Times
    strategies: tuple[Strategy, ...]
    clones: tuple[Clones, ...]
    X: Real
    changes: tuple[Real, ...]
    tau: float
    width: float
    truncation: float
    marks: Real


def target_trial(
    times: Times,
    strategies: Sequence[Strategy],
    X: Any = None,
    *,
    rng: np.random.Generator,
    changes: Mapping[str, Any] | None = None,
    tau: float | None = None,
    width: float = DAYS_PER_MONTH,
    truncation: float = 0.99,
    samples: int = 200,
    cluster: Any = None,
    level: float = 0.95,
    data: Any = None,
) -> TargetTrial:
    """Survival under each strategy, as a trial of them would have shown it.

    Args:
        times: n patients from time zero; no delayed entry.
        strategies: at least two; the first is the reference.
        X: baseline covariates (n x p array, columns by name, or a formula with `data`) of the weights.
        rng: random generator of the bootstrap.
        changes: covariates that turn from 0 to 1 at a time, by name; n times each, infinity is never.
        tau: horizon; by default the last time to which a tenth of every strategy's clones is followed.
        width: of an interval, in the unit of the times.
        truncation: weights above this quantile are set to it; 1 cuts none.
        samples: bootstrap samples.
        cluster: n labels; whole clusters are drawn.
        level: of the intervals.
        data: frame behind a formula.

    Raises:
        UsageError: E270, fewer than two strategies, delayed entry, or arrays of another length.
    """
    _check(times, strategies)
    n = len(times)
    matrix = design(X, n, None, data, None)[0] if X is not None else np.zeros((n, 0))
    clones = tuple(person_intervals(times, strategy, width) for strategy in strategies)
    reason = _why_not(times, strategies)
    horizon = float(tau) if tau is not None else _horizon(clones, width)
    problem = _Problem(
        times,
        tuple(strategies),
        clones,
        scaled(matrix),
        tuple(np.asarray(when, float) for when in (changes or {}).values()),
        horizon,
        width,
        truncation,
        np.append(np.arange(width, horizon, width), horizon),
    )
    if reason is not None:
        return _nothing(problem, reason, samples, level)
    found = _evaluate(problem, np.ones(n))
    drawn = [_sample(problem, rows) for rows in draws(n, rng, samples, cluster)]
    known = np.array([one for one in drawn if one is not None]).reshape(-1, found[0].size)
    return _gathered(problem, found, known, samples, level)


def _check(times: Times, strategies: Sequence[Strategy]) -> None:
    fault = None
    if len(strategies) < 2:
        fault = f"a target trial compares at least two strategies, got {len(strategies)}"
    elif times.delayed:
        fault = "a target trial follows patients from time zero: there is no delayed entry"
    elif any(
        np.asarray(getattr(s, a)).shape != (len(times),)
        for s in strategies
        for a in ("eligible", "due", "start", "forbidden")
    ):
        fault = f"every array of a strategy needs one value for each of the {len(times)} patients"
    if fault:
        raise UsageError(Finding("E270", "error", fault, remedy="see the arguments of target_trial"))


def _why_not(times: Times, strategies: Sequence[Strategy]) -> str | None:
    """A strategy that nobody followed, or from which nobody could be lost: the file holds only those who complied."""
    for strategy in strategies:
        own = strategy.eligible
        if not own.any():
            return f"nobody is eligible for “{strategy.name}”"
        exits = times.exit[own]
        obliged = np.isfinite(strategy.start[own])
        if np.isfinite(strategy.due[own]).any() and obliged.all() and not (exits < strategy.start[own]).any():
            return (
                f"every patient of the file made the start that “{strategy.name}” requires, and nobody died before it: "
                "those who died or went on without it are not in these data"
            )
        if not (strategy.departs[own] > 0).any():
            return f"nobody followed “{strategy.name}”"
    return None


def person_intervals(times: Times, strategy: Strategy, width: float) -> Clones:
    """The eligible patients cloned into a strategy, a row for each interval until event, censoring or departure.

    A clone that departs is followed to the end of that interval, when the weights of those who stay begin to stand for
    it: left out at once, it would be missed for the rest of the interval.
    """
    who = np.flatnonzero(strategy.eligible)
    departs, exits = strategy.departs[who], np.asarray(times.exit, float)[who]
    departed = departs < exits
    end = np.minimum(np.where(departed, np.maximum(np.ceil(departs / width), 1) * width, np.inf), exits)
    count = np.maximum(np.ceil(end / width).astype(np.int64), 1)
    row, interval = rows_of(count)
    clock = interval.astype(np.float64)
    last = interval == count[row] - 1
    entry, stop = clock * width, np.where(last, end[row], (clock + 1) * width)
    due, start = strategy.due[who][row], strategy.start[who][row]
    undone = start >= entry
    # Who dies before the deadline never faced it, and says nothing of the chance to meet it.
    deadline = undone & (due > entry) & (due <= entry + width) & (exits[row] > due)
    return Clones(
        who[row],
        interval,
        entry,
        stop,
        last & (end[row] == exits[row]) & (np.asarray(times.state)[who][row] > 0),
        last & departed[row],
        undone & (deadline | strategy.forbids),
        deadline,
    )


def _horizon(clones: Sequence[Clones], one_interval: float) -> float:
    """The last time to which a tenth of the clones of every strategy is followed."""
    ends: list[float] = []
    for one in clones:
        exits = one.exit[_last(one)]
        ends.append(float(np.quantile(exits, 0.9)) if exits.size else one_interval)
    return min(ends)


def _last(clones: Clones) -> Booleans:
    """The last row of each clone."""
    return np.diff(clones.patient, append=-1) != 0


def scaled(X: Real) -> Real:
    """Columns of mean 0 and spread 1: one prior serves all."""
    if not X.shape[1]:
        return X
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _stays(problem: _Problem, clones: Clones, counts: Real) -> Real:
    """Weight of each row: the inverse of the clone's chance to have stayed until then, given its covariates.

    It is stabilised by the chance given time alone where every clone can depart at any time. At a deadline only those
    who have not started yet can: they must stand for those who did not start at all, and nothing may cancel that.
    """
    risk = clones.at_risk & (counts[clones.patient] > 0)
    ratio = np.ones(clones.patient.size)
    if (clones.departed & risk).any() and not clones.departed[risk].all():
        w = counts[clones.patient[risk]]
        codes = clones.departed[risk].astype(np.intp)
        clock = _clock(clones, risk)
        full = np.column_stack([clock, problem.X[clones.patient[risk]], *_changed(problem, clones, risk)])
        top, bottom = (chances(Z, logistic(Z, codes, 2, PRIOR, w).coef)[:, 0] for Z in (clock, full))
        stable = 1.0 if clones.deadline.any() else top
        ratio[risk] = np.where(clones.departed[risk], 1.0, stable / np.maximum(bottom, 1e-6))
    return earlier(ratio, clones.interval)


def _clock(clones: Clones, risk: Booleans) -> Real:
    """The constant, the deadline, and time as a natural spline where there are enough intervals."""
    t = clones.interval[risk].astype(float)
    columns = [np.ones(t.size)]
    if clones.deadline[risk].any() and not clones.deadline[risk].all():
        columns.append(clones.deadline[risk].astype(float))
    knots = np.unique(np.quantile(t, [0.05, 0.35, 0.65, 0.95]))
    if knots.size >= 3:
        columns.append(spline_basis(t / knots[-1], knots / knots[-1])[0][:, 1:])
    elif np.unique(t).size > 1:
        columns.append(t / t.max())
    return np.column_stack(columns)


def _changed(problem: _Problem, clones: Clones, risk: Booleans) -> list[Real]:
    return [(when[clones.patient[risk]] <= clones.entry[risk]).astype(float) for when in problem.changes]


def rows_of(count: Whole) -> tuple[Whole, Whole]:
    """A row for each of `count` intervals, shape (n,): whose it is, and its number from 0."""
    row = np.repeat(np.arange(count.size), count)
    return row, np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)


def earlier(ratio: Real, interval: Whole) -> Real:
    """The product over the earlier rows of the same clone: a row counts in full until the clone departs in it.

    Args:
        ratio: of each row, shape (rows,).
        interval: its number, 0 where a clone begins, shape (rows,).
    """
    logs = np.cumsum(np.log(np.maximum(ratio, 1e-12)))
    shifted = np.concatenate([[0.0], logs[:-1]])
    first = np.flatnonzero(interval == 0)
    return np.exp(shifted - np.repeat(shifted[first], np.diff(np.append(first, interval.size))))


def _evaluate(problem: _Problem, counts: Real) -> tuple[Real, list[Real]]:
    """Survival of every strategy at the marks, its restricted mean, and the log hazard ratios; and the weights."""
    curves, means, weights = [], [], []
    for clones in problem.clones:
        stays = _stays(problem, clones, counts)
        cut = np.quantile(stays, problem.truncation) if problem.truncation < 1 else np.inf
        weights.append(np.minimum(stays, cut))
        survival, mean = _survival(clones, weights[-1] * counts[clones.patient], problem.marks, problem.tau)
        curves.append(survival)
        means.append(mean)
    ratios = _log_ratios(problem, counts, weights)
    return np.concatenate([*curves, np.array(means), ratios]), weights


def _survival(clones: Clones, w: Real, marks: Real, tau: float) -> tuple[Real, float]:
    """Weighted Kaplan-Meier at the marks, and its mean restricted to tau."""
    at = np.unique(clones.exit[clones.event & (clones.exit <= tau) & (w > 0)])
    if not at.size:
        return np.ones(marks.size), tau
    died = np.bincount(
        np.searchsorted(at, clones.exit[clones.event]).clip(0, at.size - 1),
        (w * (clones.exit <= at[-1]))[clones.event],
        at.size,
    )
    # At risk just before t: entered before it, not out before it.
    low, high = (
        np.searchsorted(at, clones.entry, side="right"),
        np.searchsorted(at, clones.exit, side="right"),
    )
    steps = np.bincount(low, w, at.size + 1) - np.bincount(high, w, at.size + 1)
    risk = np.cumsum(steps)[: at.size]
    survival = np.cumprod(1.0 - np.divide(died, risk, out=np.zeros(at.size), where=risk > 0))
    place = np.searchsorted(at, marks, side="right")
    heights = np.concatenate([[1.0], survival])
    mean = float(np.diff(np.concatenate([[0.0], at, [tau]])) @ heights)
    return heights[place], mean


def _log_ratios(problem: _Problem, counts: Real, weights: Sequence[Real]) -> Real:
    """Log hazard ratios of the weighted Cox model of all clones."""
    parts = problem.clones
    w = np.concatenate([one * counts[clones.patient] for one, clones in zip(weights, parts, strict=True)])
    kept = w > 0
    arm = np.concatenate([np.full(clones.patient.size, k) for k, clones in enumerate(parts)])
    exits = np.concatenate([clones.exit for clones in parts])
    entry = np.concatenate([clones.entry for clones in parts])
    state = np.concatenate([clones.event for clones in parts])
    kept &= exits > entry
    rows = Times(
        exits[kept], state[kept].astype(np.int8), entry[kept], weights=w[kept], unit=problem.times.unit
    )
    columns = {
        strategy.name: (arm == k).astype(float)[kept] for k, strategy in enumerate(problem.strategies) if k
    }
    model = cox(rows, columns, ties="breslow")
    return np.where(np.isfinite(model.coef), model.coef, np.nan)


def _sample(problem: _Problem, rows: NDArray[np.intp]) -> Real | None:
    counts = np.bincount(rows, minlength=len(problem.times)).astype(float)
    try:
        found = _evaluate(problem, counts)[0]
    except UsageError:  # a sample without events has no Cox model
        return None
    return found if np.isfinite(found).all() else None


def _gathered(
    problem: _Problem, found: tuple[Real, list[Real]], drawn: Real, samples: int, level: float
) -> TargetTrial:
    values, weights = found
    k, m = len(problem.clones), problem.marks.size
    tails = [(1 - level) / 2, (1 + level) / 2]
    limits = np.quantile(drawn, tails, axis=0) if len(drawn) else np.full((2, values.size), np.nan)
    facts: dict[str, Any] = {
        "level": level,
        "n": len(problem.times),
        "events": float((np.asarray(problem.times.state) > 0).sum()),
        "method": f"clone, censor, weight; bootstrap of {len(drawn)} samples",
    }

    def estimate(name: str, at: int, unit: str = "") -> Estimate:
        se = float(drawn[:, at].std(ddof=1)) if len(drawn) > 1 else math.nan
        low, high = limits[:, at].tolist()
        return Estimate(name, float(values[at]), se, low, high, unit=unit, **facts)

    def contrast(name: str, a: int, b: int, unit: str = "") -> Estimate:
        value, spread = float(values[b] - values[a]), drawn[:, b] - drawn[:, a]
        low, high = np.quantile(spread, tails) if spread.size else (np.nan, np.nan)
        se = float(spread.std(ddof=1)) if spread.size > 1 else math.nan
        p = normal_p(value / se) if se > 0 else math.nan
        return Estimate(name, value, se, float(low), float(high), unit=unit, p=p, **facts)

    def ratio(name: str, at: int) -> Estimate:
        se = float(drawn[:, at].std(ddof=1)) if len(drawn) > 1 else math.nan
        p = normal_p(float(values[at]) / se) if se > 0 else math.nan
        half = normal_quantile(level) * se
        low, high = math.exp(values[at] - half), math.exp(values[at] + half)
        return Estimate(f"hazard ratio, {name}", math.exp(values[at]), se, low, high, p=p, **facts)

    unit = str(problem.times.unit)
    arms = tuple(
        _arm(problem, i, values, limits, weights[i], estimate(f"survival at {problem.tau:g}", (i + 1) * m - 1),
             estimate("restricted mean survival time", k * m + i, unit))
        for i in range(k)
    )  # fmt: skip
    names = [strategy.name for strategy in problem.strategies]
    return TargetTrial(
        arms,
        tuple(contrast(f"difference of survival, {names[i]}", m - 1, (i + 1) * m - 1) for i in range(1, k)),
        tuple(
            contrast(f"difference of restricted means, {names[i]}", k * m, k * m + i, unit)
            for i in range(1, k)
        ),
        tuple(ratio(names[i], k * m + k + i - 1) for i in range(1, k)),
        problem.tau,
        problem.width,
        problem.truncation,
        (len(drawn), samples),
    )


def _arm(
    problem: _Problem, i: int, values: Real, limits: Real, w: Real, survival: Estimate, restricted: Estimate
) -> Arm:
    clones, m = problem.clones[i], problem.marks.size
    mine = slice(i * m, (i + 1) * m)
    return Arm(
        problem.strategies[i].name,
        int(problem.strategies[i].eligible.sum()),
        int(clones.event.sum()),
        int(clones.departed.sum()),
        survival,
        restricted,
        problem.marks,
        values[mine],
        limits[0, mine],
        limits[1, mine],
        _following(clones, problem.marks),
        _died(clones, problem.marks),
        float(w.max(initial=1.0)),
        _effective(clones, w, problem.tau),
    )


def _following(clones: Clones, marks: Real) -> Whole:
    """Clones with person-time beyond each mark."""
    return (clones.exit[_last(clones)][:, None] > marks[None, :]).sum(axis=0)


def _died(clones: Clones, marks: Real) -> Whole:
    """Events of clones up to each mark since the one before."""
    upto = (clones.exit[clones.event][:, None] <= marks[None, :]).sum(axis=0)
    return np.diff(np.append(0, upto))


def _effective(clones: Clones, w: Real, tau: float) -> float:
    """(Σw)² / Σw² of the clones followed to tau (Kish)."""
    return effective_size(w[(clones.entry < tau) & (clones.exit >= tau)])


def _nothing(problem: _Problem, reason: str, samples: int, level: float) -> TargetTrial:
    """Counts without estimates, and why."""

    def missing(name: str) -> Estimate:
        return Estimate(name, math.nan, level=level, n=len(problem.times), reason=reason)

    blank = np.full(problem.marks.size, np.nan)
    arms = tuple(
        Arm(
            strategy.name, int(strategy.eligible.sum()), int(clones.event.sum()), int(clones.departed.sum()),
            missing("survival"), missing("restricted mean survival time"), problem.marks, blank, blank, blank,
            _following(clones, problem.marks), _died(clones, problem.marks), math.nan, math.nan,
        )
        for strategy, clones in zip(problem.strategies, problem.clones, strict=True)
    )  # fmt: skip
    others = [strategy.name for strategy in problem.strategies[1:]]
    return TargetTrial(
        arms,
        tuple(missing(f"difference of survival, {name}") for name in others),
        tuple(missing(f"difference of restricted means, {name}") for name in others),
        tuple(missing(f"hazard ratio, {name}") for name in others),
        problem.tau,
        problem.width,
        problem.truncation,
        (0, samples),
        reason,
    )
