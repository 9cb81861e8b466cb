"""A sequence of nested trials: at the start of every interval those who could start are enrolled once more.

In the trial of interval m take part all who are still at risk, have become eligible and have not started before it;
who starts in the interval is treated, who does not is control. Both are followed from the interval's start, so that
nobody is classified by the future. A control who starts later is censored there and, where covariates are given,
those who stay are weighted by the inverse of their chance not to start (pooled logistic model). One Cox model,
stratified by trial, adjusted for the covariates, with errors robust to patients who take part in many trials.
Sources: Hernán et al., Epidemiology 2008;19:766; Danaei et al., Stat Methods Med Res 2013;22:70; Gran et al., Stat
Med 2010;29:2757.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate
from sequela.core.finding import Finding
from sequela.core.outcome import Times
from sequela.core.units import DAYS_PER_MONTH
from sequela.estimates.cox import cox
from sequela.estimates.design import design
from sequela.estimates.logistic import chances, logistic
from sequela.estimates.targettrial import PRIOR, earlier, rows_of, scaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]
    Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class NestedTrials:
    """Trials nested in one cohort.

    Attributes:
        hazard_ratio: of starting in the interval against not starting.
        trials: intervals in which somebody started and somebody did not.
        treated, controls: enrolments, over all trials.
        patients: who took part in any.
        switched: controls censored because they started later.
        largest: the largest weight.
        reason: why there is no estimate, or None.
    """

    hazard_ratio: Estimate
    trials: int
    treated: int
    controls: int
    patients: int
    switched: int
    largest: float
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """Enrolments, arrays of shape (rows,): patient, trial, whether treated, end of follow-up, event, switched."""

    patient: Whole
    trial: Whole
    treated: NDArray[np.bool_]
    end: Real
    event: NDArray[np.bool_]
    switched: NDArray[np.bool_]


def nested_trials(
    times: Times,
    start: Any,
    X: Any = None,
    *,
    eligible: Any = None,
    width: float = DAYS_PER_MONTH,
    truncation: float = 0.99,
    level: float = 0.95,
    data: Any = None,
) -> NestedTrials:
    """The hazard ratio of starting a treatment, from trials nested in the course of n patients.

    Args:
        times: n patients from time zero; no delayed entry.
        start: when each started, infinity is never.
        X: covariates known at time zero (array, columns by name, or a formula with `data`).
        eligible: from when each could have started; 0 by default, infinity is never.
        width: of an interval.
        truncation: weights above this quantile are set to it; 1 cuts none.
        level: of the interval.
        data: frame behind a formula.

    Raises:
        UsageError: E271, arrays of another length, or delayed entry.
    """
    n = len(times)
    begun = np.asarray(start, float)
    since = np.zeros(n) if eligible is None else np.asarray(eligible, float)
    if begun.shape != (n,) or since.shape != (n,) or times.delayed:
        message = f"nested trials need one start for each of the {n} patients, from time zero"
        raise UsageError(Finding("E271", "error", message, remedy="see the arguments of nested_trials"))
    matrix, names = design(X, n, None, data, None) if X is not None else (np.zeros((n, 0)), ())
    found = enrol(times, begun, since, width)
    facts: dict[str, Any] = {
        "level": level,
        "n": int(np.unique(found.patient).size),
        "events": float(found.event.sum()),
    }
    reason = _why_not(found)
    if reason is not None:
        missing = Estimate("hazard ratio of starting", math.nan, reason=reason, **facts)
        return NestedTrials(missing, *_counts(found), 1.0, reason)
    rows, w = _rows(found, matrix, width, truncation)
    trial = found.trial[rows.enrolment]
    columns = {"start": found.treated[rows.enrolment].astype(float)}
    columns |= {name: matrix[found.patient[rows.enrolment], j] for j, name in enumerate(names)}
    data_rows = Times(rows.exit, rows.event.astype(np.int8), rows.entry, weights=w, unit=times.unit)
    model = cox(
        data_rows, columns, ties="breslow", strata=trial, cluster=found.patient[rows.enrolment], level=level
    )
    ratio = replace(model.hazard_ratios()[0], n=facts["n"], events=facts["events"])
    return NestedTrials(ratio, *_counts(found), float(w.max()))


def enrol(times: Times, start: Real, eligible: Real, width: float) -> Enrolled:
    """Every patient in every trial that she or he could have joined."""
    exits, dead = np.asarray(times.exit, float), np.asarray(times.state) > 0
    known = np.isfinite(eligible)
    first = np.ceil(np.where(known, eligible, 0.0) / width - 1e-9)
    upto = np.floor(np.minimum(exits, start) / width) + 1
    count = np.where(known, np.maximum(upto - first, 0), 0).astype(np.int64)
    patient, inside = rows_of(count)
    trial = first[patient].astype(np.int64) + inside
    opened = trial.astype(np.float64) * width
    kept = (exits[patient] > opened) & (start[patient] >= opened)
    patient, trial, opened = patient[kept], trial[kept], opened[kept]
    treated = start[patient] < opened + width
    treated &= start[patient] < exits[patient]
    switched = ~treated & (start[patient] < exits[patient])
    end = np.where(switched, start[patient], exits[patient]) - opened
    return Enrolled(patient, trial, treated, end, dead[patient] & ~switched, switched)


def _why_not(found: Enrolled) -> str | None:
    if not found.treated.any():
        return "nobody started while eligible"
    if found.treated.all():
        return "everybody started as soon as eligible: there are no controls"
    if not found.event.any():
        return "no events"
    return None


def _counts(found: Enrolled) -> tuple[int, int, int, int, int]:
    treated, control = (set(found.trial[found.treated == arm].tolist()) for arm in (True, False))
    return (
        len(treated & control),
        int(found.treated.sum()),
        int((~found.treated).sum()),
        int(np.unique(found.patient).size),
        int(found.switched.sum()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    enrolment: Whole
    entry: Real
    exit: Real
    event: NDArray[np.bool_]


def _rows(found: Enrolled, X: Real, width: float, truncation: float) -> tuple[_Rows, Real]:
    """Intervals of every enrolment, and the weight of each: 1 for the treated."""
    count = np.maximum(np.ceil(found.end / width - 1e-9).astype(np.int64), 1)
    row, interval = rows_of(count)
    last = interval == count[row] - 1
    entry = interval.astype(np.float64) * width
    stop = np.where(last, found.end[row], entry + width)
    kept = stop > entry
    rows = _Rows(row[kept], entry[kept], stop[kept], (last & found.event[row])[kept])
    weights = _weights(found, X, row, interval, last, truncation)
    return rows, weights[kept]


def _weights(
    found: Enrolled, X: Real, row: Whole, interval: Whole, last: NDArray[np.bool_], truncation: float
) -> Real:
    """Inverse of the chance of a control not to have started, stabilised by the chance given time alone."""
    control = ~found.treated[row]
    leaves = (last & found.switched[row])[control].astype(np.intp)
    if not X.shape[1] or not leaves.any() or leaves.all():
        return np.ones(row.size)
    clock = (found.trial[row] + interval)[control].astype(float)
    clock /= max(clock.max(), 1.0)
    base = np.column_stack([np.ones(clock.size), clock, clock**2])
    full = np.column_stack([base, scaled(X[found.patient[row[control]]])])
    top, bottom = (chances(Z, logistic(Z, leaves, 2, PRIOR).coef)[:, 0] for Z in (base, full))
    ratio = np.ones(row.size)
    ratio[control] = np.where(leaves == 1, 1.0, top / np.maximum(bottom, 1e-6))
    weights = earlier(ratio, interval)
    return np.minimum(weights, np.quantile(weights, truncation)) if truncation < 1 else weights
