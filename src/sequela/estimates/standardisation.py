"""Standardised survival: what everybody's survival would be, were all in one group (the g-formula).

S_k(t) = mean over subjects i of S(t | group k, x_i), from an outcome model: one Cox model with the group among them, a
Cox model within each group (no proportional hazards between groups), or a Weibull model. Differences and ratios of
the restricted mean to tau, and differences of survival at fixed times, have percentile bootstrap intervals that repeat
the outcome model, whole clusters where there are any. Sources: Robins (Math Model 1986); Makuch (J Chronic Dis 1982);
Hernán and Robins, Causal Inference: What If (2020), chapters 13 and 17; Royston and Parmar (BMC Med Res Methodol 2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, normal_p
from sequela.core.finding import Finding
from sequela.estimates.cox import CoxModel, cox
from sequela.estimates.design import design
from sequela.estimates.parametric import parametric
from sequela.estimates.predictions import Baseline
from sequela.estimates.resampling import draws
from sequela.estimates.timeline import labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sequela.core.outcome import Times

    Real = NDArray[np.float64]

Outcome = Literal["cox", "cox_by_group", "weibull"]
GRID = 400  # points of a smooth curve between 0 and tau


@dataclass(frozen=True, eq=False)
class Standardised:
    """Standardised survival of K groups, and contrasts with the first.

    Attributes:
        levels: the groups, the reference first.
        time: m times; survival: K x m, holding from each time on (Cox) or at it (Weibull).
        restricted: K restricted means to `tau`.
        differences, ratios: K - 1 contrasts of restricted means with the first group.
        at: for each of `marks`, K - 1 differences of survival.
        tau, marks: as asked; tau is lowered to the last time that every group reaches where no tau is given.
        outcome: the model behind.
    """

    levels: tuple[str, ...]
    time: Real
    survival: Real
    restricted: tuple[Estimate, ...]
    differences: tuple[Estimate, ...]
    ratios: tuple[Estimate, ...]
    at: tuple[tuple[Estimate, ...], ...]
    tau: float
    marks: tuple[float, ...]
    outcome: Outcome


def standardise(
    times: Times, group: Any, X: Any, tau: float | None = None, marks: Sequence[float] = (),
    outcome: Outcome = "cox", levels: Any = None, samples: int = 500, rng: np.random.Generator | None = None,
    cluster: Any = None, level: float = 0.95, names: Any = None,
) -> Standardised:  # fmt: skip
    """Standardise survival over the covariates of all subjects.

    Args:
        times: n subjects; delayed entry is used.
        group: n labels.
        X: n x p covariates, as for `cox`.
        tau: horizon of the restricted means; by default the smallest of the groups' latest exits.
        marks: times at which survival is compared.
        outcome: "cox", "cox_by_group" or "weibull".
        levels: the groups in order, the reference first.
        samples, rng: bootstrap; without samples there are no intervals.
        cluster: n labels; whole clusters are drawn.
        level, names: of the intervals, of an array's columns.

    Raises:
        UsageError: an unknown outcome model, fewer than two groups, or a group without events where it needs them.
    """
    matrix, _ = design(X, len(times), names)
    found = labels(group, len(times), "group")
    ordered = tuple(str(v) for v in (found.levels if levels is None else levels))
    words = np.asarray(group).astype(str)
    ordered = tuple(name for name in ordered if (words == name).any())
    _check(times, words, ordered, outcome)
    codes = np.array([ordered.index(word) for word in words])
    last = min(float(times.exit[codes == k].max()) for k in range(len(ordered)))
    horizon = last if tau is None else float(tau)
    axis = np.unique(np.concatenate([[0.0], times.exit[times.state > 0], [horizon, *marks]]))
    if outcome == "weibull":
        axis = np.unique(np.concatenate([np.linspace(0, horizon, GRID), [horizon, *marks]]))
    axis = axis[axis <= max([horizon, *marks])]

    def curves(rows: NDArray[np.intp]) -> Real:
        return _survival(times.take(rows), codes[rows], matrix[rows], len(ordered), outcome, axis)

    whole = curves(np.arange(len(times)))
    if samples and rng is None:
        raise ValueError("a bootstrap needs a generator: rng=np.random.default_rng(seed)")
    repeats = [
        _numbers(_guarded(curves, rows, len(ordered), len(axis)), axis, horizon, marks, outcome)
        for rows in (draws(len(times), rng, samples, cluster) if rng is not None else ())
    ]
    value = _numbers(whole, axis, horizon, marks, outcome)
    drawn = np.array(repeats) if repeats else np.full((0, *value.shape), math.nan)
    facts: dict[str, Any] = {
        "n": len(times),
        "events": float((times.state > 0).sum()),
        "level": level,
        "method": f"standardised, {outcome.replace('_', ' ')}, {samples} bootstrap samples",
    }
    frame = Standardised(ordered, axis, whole, (), (), (), (), horizon, tuple(map(float, marks)), outcome)
    return _contrasts(frame, value, drawn, times.unit, facts)


def _contrasts(
    frame: Standardised, value: Real, drawn: Real, unit: str, facts: dict[str, Any]
) -> Standardised:
    """Every number of `value` (K x (1 + marks)) and its contrast with the first group."""
    ordered, marks, horizon = frame.levels, frame.marks, frame.tau
    rest = range(1, len(ordered))
    return Standardised(
        ordered, frame.time, frame.survival,
        tuple(_estimate(f"restricted mean to {horizon:g}, {name}", value[k, 0], drawn[:, k, 0], unit, facts)
              for k, name in enumerate(ordered)),
        tuple(_estimate(f"difference of restricted means, {ordered[k]}", value[k, 0] - value[0, 0],
                        drawn[:, k, 0] - drawn[:, 0, 0], unit, facts, null=0.0) for k in rest),
        tuple(_ratio(f"ratio of restricted means, {ordered[k]}", value[k, 0] / value[0, 0],
                     drawn[:, k, 0] / drawn[:, 0, 0], facts) for k in rest),
        tuple(tuple(_estimate(f"difference of survival at {mark:g}, {ordered[k]}", value[k, j] - value[0, j],
                              drawn[:, k, j] - drawn[:, 0, j], "", facts, null=0.0) for k in rest)
              for j, mark in enumerate(marks, 1)),
        horizon, marks, frame.outcome,
    )  # fmt: skip


def _check(times: Times, words: NDArray[Any], ordered: tuple[str, ...], outcome: str) -> None:
    empty = [name for name in ordered if not (times.state[words == name] > 0).any()]
    bad = (
        f"outcome {outcome!r}"
        if outcome not in get_args(Outcome)
        else f"{len(ordered)} group"
        if len(ordered) < 2
        else f"no events in {', '.join(empty)}"
        if empty
        else None
    )
    if bad is not None:
        raise UsageError(
            Finding(
                "E223",
                "error",
                "survival cannot be standardised",
                found=bad,
                allowed=f"two groups or more, each with events; outcome {', '.join(get_args(Outcome))}",
                remedy="look at the groups and at their events",
            )
        )


def _guarded(curves: Callable[[NDArray[np.intp]], Real], rows: NDArray[np.intp], k: int, m: int) -> Real:
    """The curves of one bootstrap sample; NaN where it lost a group or its events."""
    try:
        return curves(rows)
    except (UsageError, np.linalg.LinAlgError, IndexError):
        return np.full((k, m), math.nan)


def _survival(times: Times, codes: NDArray[np.intp], X: Real, k: int, outcome: Outcome, axis: Real) -> Real:
    dummies = (codes[:, None] == np.arange(1, k)).astype(float)
    if outcome == "cox_by_group":
        rows: list[Real] = []
        for group in range(k):
            own = np.flatnonzero(codes == group)
            rows.append(_mean(cox(times.take(own), X[own]), X, axis))
        return np.array(rows)
    both = np.column_stack([dummies, X])
    fit = cox(times, both) if outcome == "cox" else None
    weibull = parametric(times, both, "weibull") if fit is None else None
    found: list[Real] = []
    for group in range(k):
        placed = both.copy()
        placed[:, : k - 1] = np.arange(1, k) == group
        if fit is not None:
            found.append(_mean(fit, placed, axis))
        else:
            assert weibull is not None
            eta = weibull.coef[0] + placed @ weibull.coef[1:]
            with np.errstate(divide="ignore"):
                found.append(np.exp(-np.exp((np.log(axis)[:, None] - eta) / weibull.scale)).mean(axis=1))
    return np.array(found)


def _mean(model: CoxModel, rows: Real, axis: Real) -> Real:
    """Survival averaged over `rows` at each time of the axis; a column that cannot be estimated has no effect."""
    if model.problem is None or model.optimum is None or model.times is None:
        raise UsageError(Finding("E154", "error", "this model was not fitted"))
    base = Baseline(model.times, model.problem, model.optimum.beta, None, 0)
    upto = np.searchsorted(base.time, axis, side="right")
    hazard = np.concatenate([[0.0], base.hazard])[upto]
    ratio = np.exp((rows - model.centre) @ model.optimum.beta)
    return np.exp(-np.outer(hazard, ratio)).mean(axis=1)


def _numbers(survival: Real, axis: Real, tau: float, marks: Sequence[float], outcome: Outcome) -> Real:
    """Per group: the restricted mean, then survival at each mark (K x (1 + marks))."""
    inside = axis <= tau
    time, height = axis[inside], survival[:, inside]
    width = np.diff(time)
    area = height[:, :-1] @ width if outcome != "weibull" else (height[:, :-1] + height[:, 1:]) @ width / 2
    return np.column_stack([area, *(survival[:, np.searchsorted(axis, mark)] for mark in marks)])


def _estimate(
    name: str, value: float, drawn: Real, unit: str, facts: dict[str, Any], null: float | None = None
) -> Estimate:
    known = drawn[np.isfinite(drawn)]
    if len(known) < 2:
        return Estimate(name, float(value), unit=unit, **facts)
    low, high = np.quantile(known, [(1 - facts["level"]) / 2, (1 + facts["level"]) / 2])
    se = float(known.std(ddof=1))
    p = math.nan if null is None or se <= 0 else normal_p((value - null) / se)
    return Estimate(name, float(value), se, float(low), float(high), unit=unit, p=p, **facts)


def _ratio(name: str, value: float, drawn: Real, facts: dict[str, Any]) -> Estimate:
    """A ratio: percentile interval; `se` and p on the log scale."""
    known = np.log(drawn[np.isfinite(drawn) & (drawn > 0)])
    if len(known) < 2:
        return Estimate(name, float(value), **facts)
    low, high = np.exp(np.quantile(known, [(1 - facts["level"]) / 2, (1 + facts["level"]) / 2]))
    se = float(known.std(ddof=1))
    p = normal_p(math.log(value) / se) if se > 0 else math.nan
    return Estimate(name, float(value), se, float(low), float(high), p=p, **facts)
