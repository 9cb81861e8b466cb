"""Sequential trials: a nested trial each interval for those who could start treatment then, analysed as one.

Trial j takes everybody still followed at the end of interval j who had not begun before it; who began in interval j is
treated, the others are controls, and follow-up starts after interval j, so that nobody's arm depends on later survival.
All trials are pooled: logit of the hazard = treatment + spline of time since the trial began + trial + covariates at
its start; a patient may be in many trials, so the variance is robust by patient. As assigned: arms as they were then.
Per protocol: controls are censored when they begin, and weighted by the inverse chance of not having begun, from a
pooled logistic regression over everybody's intervals before treatment.
Sources: Hernán et al. (Epidemiology 2008); Danaei et al. (Stat Methods Med Res 2013); Gran et al. (Stat Med 2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sequela.core.estimate import Estimate, normal_p, normal_quantile
from sequela.estimates.personmonths import NEVER, FollowUp, follow, interval_of
from sequela.estimates.pooled import pooled_logistic, sandwich, time_terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[Any]
    Whole = NDArray[np.int64]

PRIOR = 0.01
FEW_EVENTS = 10  # events in an arm over all trials, below which there is no hazard ratio
Effect = Literal["as assigned", "per protocol"]


@dataclass(frozen=True, eq=False)
class SequentialTrials:
    """Trials pooled.

    Attributes:
        hazard_ratio: of treatment; or the reason why there is none.
        treated, controls: participants of each trial (J).
        events: events among controls and treated, over all trials.
        patients: in at least one trial.
        weights: of every row (1 as assigned).
    """

    hazard_ratio: Estimate
    treated: Whole
    controls: Whole
    events: tuple[int, int]
    patients: int
    weights: Real


def sequential_trials(
    exit: Any, event: Any, start: Any, X: Any = None, *, trials: int, tau: float, width: float = 30.4375,
    updated: Any = None, effect: Effect = "as assigned", truncate: float = 0.99, level: float = 0.95,
) -> SequentialTrials:  # fmt: skip
    """A trial at each of the first `trials` intervals.

    Args:
        exit, event: n days from time zero to the event or the last contact, and whether it is the event.
        start: n days at which treatment begins, infinite where it never does.
        X: n x p covariates at time zero.
        trials: how many intervals have a trial.
        tau: days of follow-up from time zero.
        width: days in an interval.
        updated: n x T x q covariates at the start of each interval.
        effect: "as assigned" or "per protocol".
        truncate: weights are cut at this quantile.
        level: of the interval.

    Raises:
        UsageError: E230, follow-up that cannot be cut.
    """
    seen = follow(np.asarray(exit, float), np.asarray(event, bool), width, tau, width)
    begun = interval_of(np.asarray(start, float), width)
    n = len(begun)
    base = np.zeros((n, 0)) if X is None else np.asarray(X, float).reshape(n, -1)
    moving = np.zeros((n, seen.horizon, 0)) if updated is None else np.asarray(updated, float)
    number = np.arange(min(trials, seen.horizon - 1))
    chosen = (seen.rows[:, None] > number + 1) & (begun[:, None] >= number)
    who, trial = np.nonzero(chosen)
    arm = begun[who] == trial
    rows = seen.rows[who] - trial - 1
    if effect == "per protocol":
        until = np.where(arm, NEVER, begun[who] - trial)
        rows = np.minimum(rows, until)
    kept = np.flatnonzero(rows > 0)
    entry, k = np.repeat(kept, rows[kept]), _counting(rows[kept])
    ends = seen.event[who] & (trial + 1 + rows == seen.rows[who])
    y = ends[entry] & (k == rows[entry] - 1)
    weights = np.ones(len(entry))
    if effect == "per protocol":
        weights = _weights(seen, begun, base, moving, who[entry], trial[entry], arm[entry], k, truncate)
    design = np.column_stack(
        [
            np.ones(len(entry)),
            arm[entry],
            time_terms(k.astype(float), 4),
            time_terms(trial[entry].astype(float)),
            base[who[entry]],
            moving[who[entry], trial[entry]],
        ]
    )
    events = int(y[~arm[entry]].sum()), int(y[arm[entry]].sum())
    ratio = _ratio(design, y.astype(float), weights, who[entry], events, effect, level)
    return SequentialTrials(
        ratio,
        np.bincount(trial[arm], minlength=len(number)),
        np.bincount(trial[~arm], minlength=len(number)),
        events,
        len(np.unique(who)),
        weights,
    )


def _counting(lengths: Whole) -> Whole:
    """0, 1, ... for each length, one after another."""
    return np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _ratio(
    X: Real, y: Real, weights: Real, patient: Whole, events: tuple[int, int], effect: str, level: float
) -> Estimate:
    name, method = (
        "hazard ratio of starting",
        f"sequential trials, {effect}; pooled logistic, robust by patient",
    )
    if min(events) < FEW_EVENTS:
        reason = (
            f"only {min(events)} events in an arm over all trials (controls {events[0]}, treated {events[1]})"
        )
        return Estimate(name, math.nan, level=level, method=method, reason=reason)
    model = pooled_logistic(X, y, weights[None])
    if not model.converged[0]:
        return Estimate(name, math.nan, level=level, method=method, reason="not converged")
    code = np.unique(patient, return_inverse=True)[1]
    se = math.sqrt(sandwich(X, y, weights, model.coef[0], code)[1, 1])
    log, half = float(model.coef[0, 1]), normal_quantile(level) * se
    return Estimate(
        name, math.exp(log), se, math.exp(log - half), math.exp(log + half), level, len(np.unique(patient)),
        float(sum(events)), method=method, p=normal_p(log / se),
    )  # fmt: skip


def _weights(
    seen: FollowUp, begun: Whole, X: Real, moving: Real, patient: Whole, trial: Whole,
    arm: NDArray[np.bool_], k: Whole, truncate: float,
) -> Real:  # fmt: skip
    """Inverse chance that a control had not begun by each row, from the end of its trial's first interval."""
    untreated = np.maximum(np.minimum(seen.rows - 1, begun + 1), 0)
    who, at = np.repeat(np.arange(len(begun)), untreated), _counting(untreated)
    starts = begun[who] == at
    logs = np.zeros((len(begun), seen.horizon + 1))
    if starts.any():
        Z = np.column_stack([np.ones(len(who)), time_terms(at.astype(float)), X[who], moving[who, at]])
        stay = 1 - pooled_logistic(Z, starts.astype(float), np.ones((1, len(who))), PRIOR).chances(Z)[0]
        logs[who, at + 1] = -np.log(np.maximum(stay, 1e-12))
    summed = np.cumsum(logs, axis=1)
    found = np.where(arm, 1.0, np.exp(summed[patient, trial + 1 + k] - summed[patient, trial + 1]))
    return np.minimum(found, np.quantile(found, truncate)) if len(found) else found
