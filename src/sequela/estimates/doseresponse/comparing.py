"""Comparison of two curves: on one log dose per experiment, which is the default and the honest unit.

The extra-sum-of-squares F test treats wells as independent. With several experiments pooled, the scatter
between experiments is counted as effect and the test rejects far too often; it says so in `warning`.
Source: Motulsky and Christopoulos, Fitting Models to Biological Data, 2004, chapters 27 and 29.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import least_squares
from scipy.special import fdtrc, stdtr, stdtrit

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, Test
from sequela.core.finding import Finding, Where
from sequela.estimates.doseresponse import fitting
from sequela.estimates.doseresponse.curves import collapse, split
from sequela.estimates.doseresponse.models import FORMS, Array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sequela.estimates.doseresponse.fit import Fit

WELLS = (
    "wells are not independent repeats: with several experiments pooled this test rejects far too often; "
    "compare one value per experiment"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """An F test between nested sets of curves, always with its warning about wells.

    `potency` is the second group's location over the first's (a difference for models of plain dose) where they
    share what is named and nothing else; None of more groups, or where the location is shared. Its interval is of
    wells.
    """

    test: Test
    df: tuple[int, int]
    shared: tuple[str, ...]
    potency: Estimate | None = None
    warning: str = WELLS


def compare(first: Fit, second: Fit, quantity: str = "ic50", paired: bool | None = None) -> Estimate:
    """Ratio second / first of a dose ("ic50", "ec50") or difference ("emax", "auc"), one value per experiment.

    Paired by experiment when both have the same experiments (or as `paired` says), otherwise Welch's t.
    p is two-sided. Without two experiments on each side there is no interval, and the reason says so.
    Raises UsageError for an unknown quantity, or when pairing is asked for but experiments differ.
    """
    if quantity not in ("ic50", "ec50", "emax", "auc"):
        raise _usage("quantity", "There is no such quantity.", quantity, "ic50, ec50, emax, auc")
    logged = quantity in ("ic50", "ec50")
    a, b = (_values(fit, quantity, logged) for fit in (first, second))
    same = bool(a) and set(a) == set(b)
    if paired and not same:
        raise _usage(
            "paired", "The curves do not share their experiments.", f"{sorted(a)}, {sorted(b)}", "the same"
        )
    name = f"{quantity} {'ratio' if logged else 'difference'}"
    return _compared(name, a, b, same if paired is None else paired, logged, first.level)


def _usage(field: str, message: str, found: str, allowed: str) -> UsageError:
    where = Where(field=field)
    remedy = "Choose one of the allowed values."
    return UsageError(Finding("E210", "error", message, where, found=found, allowed=allowed, remedy=remedy))


def _values(fit: Fit, quantity: str, logged: bool) -> dict[str, float]:
    found = {one.experiment: float(getattr(one, quantity).value) for one in fit.experiments}
    return {k: math.log(v) if logged else v for k, v in found.items() if not math.isnan(v)}


def _compared(
    name: str, a: dict[str, float], b: dict[str, float], paired: bool, logged: bool, level: float
) -> Estimate:
    facts: dict[str, Any] = {"level": level, "n": len(a) if paired else len(a) + len(b)}
    facts["method"] = f"{'paired' if paired else 'Welch'} t on experiments"
    if min(len(a), len(b)) < 2:
        reason = (
            f"a comparison needs two experiments with a value on each side; there are {len(a)} and {len(b)}"
        )
        return Estimate(name, math.nan, reason=reason, **facts)
    mean, se, df = _paired(a, b) if paired else _welch(np.array([*a.values()]), np.array([*b.values()]))
    if se == 0:
        value = math.exp(mean) if logged else mean
        return Estimate(name, value, reason="the experiments do not differ among themselves", **facts)
    half = float(stdtrit(df, 0.5 + level / 2)) * se
    p = 2 * float(stdtr(df, -abs(mean / se)))
    low, value, high = (math.exp(v) if logged else v for v in (mean - half, mean, mean + half))
    return Estimate(name, value, se * value if logged else se, low, high, p=p, **facts)


def _paired(a: dict[str, float], b: dict[str, float]) -> tuple[float, float, float]:
    gap = np.array([b[key] - a[key] for key in a])
    return float(gap.mean()), float(gap.std(ddof=1)) / math.sqrt(len(gap)), len(gap) - 1


def _welch(a: Array, b: Array) -> tuple[float, float, float]:
    parts = np.array([x.var(ddof=1) / len(x) for x in (a, b)])
    total = float(parts.sum())
    df = total**2 / float((parts**2 / [len(a) - 1, len(b) - 1]).sum()) if total > 0 else 1.0
    return float(b.mean() - a.mean()), math.sqrt(total), df


def extra_sum_of_squares(
    dose: ArrayLike,
    response: ArrayLike,
    by: ArrayLike,
    shared: tuple[str, ...],
    model: str = "ll4",
    *,
    fixed: dict[str, float] | None = None,
    level: float = 0.95,
) -> Comparison:
    """F test of curves that share the parameters named against curves that share none.

    `shared=("slope", "einf", "e0")` tests parallelism (only the location may shift); all names test that
    the curves are one; ("ec50",) tests the shift alone. `fixed` parameters are held in every curve. Raises
    UsageError for unknown names or one group.
    """
    form = FORMS.get(model)
    if form is None:
        raise _usage("model", "There is no such dose-response model.", model, ", ".join(FORMS))
    held = {name: (value, value) for name, value in (fixed or {}).items()}
    free = tuple(name for name in form.names if name not in {**dict(form.held), **held})
    if not shared or not set(shared) <= set(free):
        raise _usage("shared", "These parameters cannot be shared.", ", ".join(shared), ", ".join(free))
    wells = split(dose, response, by, None)
    if len(wells) < 2:
        raise _usage("by", "One curve cannot be compared.", "1 group", "2 or more groups")
    means = collapse(wells)
    curves = fitting.batch(form, means.dose, means.y, means.weight, held)
    apart = fitting.fit(curves)
    pure = float(means.pure.sum())
    separate = float(apart.rss.sum()) + pure
    joint = _joint(curves, apart.theta, tuple(form.names.index(name) for name in shared))
    df1 = len(shared) * (len(wells) - 1)
    n = sum(len(curve.dose) for curve in wells)
    df2 = n - len(free) * len(wells)
    potency = _potency(curves, joint, shared, n, pure, level)
    if df2 <= 0 or separate <= 0:
        missing = Test(
            math.nan, df1, math.nan, "extra sum of squares F", reason="no residual degrees of freedom"
        )
        return Comparison(missing, (df1, df2), shared, potency)
    statistic = max(0.0, joint.rss + pure - separate) / df1 / (separate / df2)
    p = float(fdtrc(df1, df2, statistic))
    return Comparison(Test(statistic, df1, p, "extra sum of squares F"), (df1, df2), shared, potency)


@dataclass(frozen=True, eq=False)
class _Joint:
    """Curves fitted together: their squares, the values in the order (shared, each curve's own), their gradient."""

    rss: float
    values: Array
    jacobian: Array
    own: tuple[int, ...]


def _joint(curves: fitting.Batch, start: Array, shared: tuple[int, ...]) -> _Joint:
    """Smallest weighted sum of squares when columns `shared` of theta are common to all curves."""
    k, p = start.shape
    own = [j for j in range(p) if j not in shared and (curves.low[:, j] < curves.high[:, j]).all()]

    def theta(values: Array) -> Array:
        full = curves.low.copy()
        full[:, list(shared)] = values[: len(shared)]
        full[:, own] = values[len(shared) :].reshape(k, len(own))
        return full

    def residuals(values: Array) -> Array:
        fitted = fitting.evaluate(curves.form, theta(values), curves.x, curves.dose)[0]
        return (np.sqrt(curves.weight) * (curves.y - fitted)).ravel()

    low = np.concatenate([curves.low[:, list(shared)].min(0), curves.low[:, own].ravel()])
    high = np.concatenate([curves.high[:, list(shared)].max(0), curves.high[:, own].ravel()])
    best: Any = None
    for common in (start.mean(0), *start):
        first = np.concatenate([common[list(shared)], start[:, own].ravel()])
        found: Any = least_squares(
            residuals, np.clip(first, low, high), bounds=(low, high), xtol=1e-12, ftol=1e-12
        )
        best = found if best is None or found.cost < best.cost else best
    return _Joint(2 * float(best.cost), np.asarray(best.x), np.asarray(best.jac), tuple(own))


def _potency(
    curves: fitting.Batch, joint: _Joint, shared: tuple[str, ...], n: int, pure: float, level: float
) -> Estimate | None:
    """exp(t2 - t1) of two groups, t the locations of the joint fit, with the delta method over wells."""
    form = curves.form
    if len(curves.y) != 2 or 3 not in joint.own:
        return None
    place = len(shared) + joint.own.index(3)
    way = np.zeros(len(joint.values))
    way[place + len(joint.own)], way[place] = 1.0, -1.0
    df = n - len(joint.values)
    value = float(way @ joint.values)
    name = "relative potency" if form.log_dose else "shift of the dose"
    facts: dict[str, Any] = {
        "level": level,
        "n": n,
        "method": f"{form.name}, shared {', '.join(shared)}, delta",
    }
    if df <= 0:
        shown = math.exp(value) if form.log_dose else value
        return Estimate(name, shown, reason="no residual degrees of freedom", **facts)
    cover = np.linalg.pinv(joint.jacobian.T @ joint.jacobian) * (joint.rss + pure) / df
    se = math.sqrt(float(way @ cover @ way))
    half = float(stdtrit(df, 0.5 + level / 2)) * se
    low, shown, high = (math.exp(v) if form.log_dose else v for v in (value - half, value, value + half))
    return Estimate(name, shown, se * shown if form.log_dose else se, low, high, **facts)
