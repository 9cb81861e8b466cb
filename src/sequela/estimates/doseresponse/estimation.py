"""`dose_response`: from arrays to fits, every weakness of a curve named."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import fdtrc

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, Test
from sequela.core.finding import Finding, Where
from sequela.core.wording import p_phrase
from sequela.estimates.doseresponse import fitting, intervals
from sequela.estimates.doseresponse.curves import Means, Wells, collapse, raw, split
from sequela.estimates.doseresponse.fit import ONE, Fit, outside, over_experiments
from sequela.estimates.doseresponse.models import FORMS, Array, Form

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

INTERVALS: Final = ("profile", "delta", "bootstrap")
POOR: Final = 0.5  # share of the variance between wells that a curve must explain
REACHED: Final = 0.8  # share of e0 - einf that the highest dose must reach


def dose_response(
    dose: ArrayLike,
    response: ArrayLike,
    model: str = "ll4",
    by: ArrayLike | None = None,
    experiment: ArrayLike | None = None,
    *,
    level: float = 0.95,
    interval: str = "profile",
    fixed: dict[str, float] | None = None,
    bounds: dict[str, tuple[float, float]] | None = None,
    robust: bool = False,
    unit: str = "",
    rng: np.random.Generator | None = None,
) -> Fit | dict[str, Fit]:
    """Fit a curve to each group (`by`) and, where `experiment` is given, to each experiment within it.

    `dose` (wells,) in `unit`, 0 being the control; `response` (wells,). With `experiment` the result
    summarises the experiments (n is their number; means and Student intervals, of logarithms for doses and
    slopes) and keeps each fit in `.experiments`; without it the interval covers the wells of one experiment.
    `fixed` and `bounds` hold or limit parameters on their natural scale; `robust` weighs wells by Tukey's
    biweight (c = 4.685), its intervals approximate. Returns a Fit, or {group: Fit} when `by` is given.
    Raises UsageError for an unknown model, interval, parameter or length, DataError for unusable wells.
    """
    form = _form(model)
    limits = _limits(form, fixed or {}, bounds or {})
    _check_interval(interval, level, rng)
    wells = split(dose, response, by, experiment)
    fits = _fit_all(form, wells, limits, level=level, interval=interval, robust=robust, unit=unit, rng=rng)
    groups: dict[str, list[Fit]] = {}
    for one in fits:
        groups.setdefault(one.label, []).append(one)
    named = experiment is not None
    found = {label: summarise(tuple(group)) if named else group[0] for label, group in groups.items()}
    return found if by is not None else next(iter(found.values()))


def _usage(field: str, message: str, found: str, allowed: str) -> UsageError:
    where = Where(field=field)
    remedy = "Choose one of the allowed values."
    return UsageError(Finding("E211", "error", message, where, found=found, allowed=allowed, remedy=remedy))


def _form(model: str) -> Form:
    if model not in FORMS:
        raise _usage("model", "There is no such dose-response model.", model, ", ".join(FORMS))
    return FORMS[model]


def _limits(
    form: Form, fixed: dict[str, float], bounds: dict[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    limits = {**bounds, **{name: (value, value) for name, value in fixed.items()}}
    for name, (low, high) in limits.items():
        if name not in form.names:
            raise _usage("bounds", f"Model {form.name} has no such parameter.", name, ", ".join(form.names))
        if not low <= high or (form.logged(name) and low <= 0):
            sort = "0 < lower <= upper" if form.logged(name) else "lower <= upper"
            raise _usage("bounds", f"The bounds of {name} cannot be met.", f"({low:g}, {high:g})", sort)
    return limits


def _check_interval(interval: str, level: float, rng: np.random.Generator | None) -> None:
    if interval not in INTERVALS:
        raise _usage("interval", "There is no such interval.", interval, ", ".join(INTERVALS))
    if not 0 < level < 1:
        raise _usage("level", "The level is not a probability.", f"{level:g}", "between 0 and 1")
    if interval == "bootstrap" and rng is None:
        raise _usage("rng", "The bootstrap draws at random.", "None", "rng=np.random.default_rng(seed)")


def _fit_all(
    form: Form, wells: list[Wells], limits: dict[str, tuple[float, float]], *, level: float, interval: str,
    robust: bool, unit: str, rng: np.random.Generator | None,
) -> list[Fit]:  # fmt: skip
    means = raw(wells) if robust else collapse(wells)
    curves = fitting.batch(form, means.dose, means.y, means.weight, limits)
    found = fitting.fit(curves)
    if robust:
        curves, found = _robust(curves, found)
    free = (curves.low < curves.high).sum(1)
    df = np.array([len(curve.dose) for curve in wells]) - free
    se, low, high = intervals.delta(curves, found, means.pure, df, level)
    if interval == "profile":
        low, high = intervals.profile(curves, found, means.pure, df, level)
    elif rng is not None and interval == "bootstrap":
        low, high = intervals.bootstrap(curves, found, means.pure, df, level, rng)
    variance = np.where(df > 0, (found.rss + means.pure) / np.maximum(df, 1), np.nan)
    covariance = fitting.covariance(curves, found.theta) * np.nan_to_num(variance)[:, None, None]
    method = f"{form.name}, {interval}" + (", robust" if robust else "")
    return [
        _build(
            curve, curves.rows(slice(i, i + 1)), found.theta[i], (se[i], low[i], high[i]), covariance[i],
            int(df[i]), _tests(curve, means, found, i, int(free[i]), robust), math.sqrt(variance[i]), level,
            unit, method, bool(found.converged[i]), robust,
        )
        for i, curve in enumerate(wells)
    ]  # fmt: skip


def _robust(
    curves: fitting.Batch, found: fitting.Fitted, passes: int = 8
) -> tuple[fitting.Batch, fitting.Fitted]:
    """Tukey's biweight on residuals scaled by their median absolute value (Beaton and Tukey 1974).

    As many passes of Huber's weights, whose loss is convex, come first: the biweight keeps to the optimum it
    starts from, which least squares may have bent towards wild wells.
    """
    used = curves.weight > 0
    for turn in range(2 * passes):
        fitted = fitting.evaluate(curves.form, found.theta, curves.x, curves.dose)[0]
        size = np.where(used, np.abs(curves.y - fitted), np.nan)
        scale = np.maximum(np.nanmedian(size, axis=1, keepdims=True) / 0.6745, 1e-12)
        share = np.nan_to_num(size) / scale
        huber = 1 / np.maximum(share, 1)
        tukey = np.where(share < 4.685, (1 - np.minimum(share / 4.685, 1) ** 2) ** 2, 0.0)
        curves = curves.weighed(np.where(used, huber if turn < passes else tukey, 0.0))
        found = fitting.fit(curves) if turn < passes else fitting.descend(curves, found.theta)
    return curves, found


def _f_test(rise: float, df1: int, rest: float, df2: int, method: str) -> Test:
    if df1 <= 0 or df2 <= 0 or rest <= 0:
        return Test(math.nan, df1, math.nan, method, reason="no residual degrees of freedom")
    statistic = max(0.0, rise) / df1 / (rest / df2)
    return Test(statistic, df1, float(fdtrc(df1, df2, statistic)), method)


def _tests(
    curve: Wells, means: Means, found: fitting.Fitted, i: int, free: int, robust: bool
) -> dict[str, Test]:
    n, y = len(curve.dose), curve.response
    rss, pure, pure_df = float(found.rss[i] + means.pure[i]), float(means.pure[i]), int(means.pure_df[i])
    if robust:
        missing = Test(math.nan, 0, math.nan, "F", reason="no F test after a robust fit")
        return {"flat": missing, "lack_of_fit": missing}
    total = float(((y - y.mean()) ** 2).sum())
    flat = _f_test(total - rss, free - 1, rss, n - free, "F against a constant")
    lack = _f_test(float(found.rss[i]), n - free - pure_df, pure, pure_df, "F against the dose means")
    return {"flat": flat, "lack_of_fit": lack}


def _build(
    curve: Wells, row: fitting.Batch, theta: Array, limits: tuple[Array, Array, Array], covariance: Array,
    df: int, tests: dict[str, Test], sd: float, level: float, unit: str, method: str, converged: bool, robust: bool,
) -> Fit:  # fmt: skip
    form = row.form
    flaw = _flaw(curve, row, theta, tests, converged, robust)
    fit = Fit(
        curve.group, curve.experiment, form, {}, curve.dose, curve.response,
        theta if flaw is None or readable_curve(flaw) else np.full_like(theta, np.nan), covariance, df, sd, tests,
        (), unit, level, flaw,
    )  # fmt: skip
    parameters = {
        name: _parameter(fit, row, k, tuple(float(limit[k]) for limit in limits), method)
        for k, name in enumerate(form.names)
    }
    return replace(fit, parameters=parameters, notes=_notes(curve, row, theta, fit))


def readable_curve(flaw: str) -> bool:
    """Whether a flaw leaves the plateaus and the fitted curve readable (only its doses are not)."""
    return not flaw.startswith(("too few doses", "the fit did not converge"))


def _flaw(
    curve: Wells, row: fitting.Batch, theta: Array, tests: dict[str, Test], converged: bool, robust: bool
) -> str | None:
    """Why no dose may be read off this curve, or None."""
    doses, free = len(np.unique(curve.dose)), int((row.low < row.high).sum())
    if doses < free or not (curve.dose > 0).any():
        return f"too few doses: {doses} for {free} free parameters"
    if np.ptp(curve.response) == 0:
        return "no effect of dose: every response is the same"
    flat = tests["flat"]
    if flat.p >= 0.05:
        return f"no effect of dose: a constant fits as well (F test p = {flat.p:.2g})"
    if not converged or not np.isfinite(theta).all():
        return "the fit did not converge"
    return _poor(curve, row, theta, robust)


def _poor(curve: Wells, row: fitting.Batch, theta: Array, robust: bool) -> str | None:
    """A curve that explains too little; after a robust fit with the weights that its wells were left."""
    n = len(curve.dose)
    y, weight = curve.response, row.weight[0, :n] if robust else np.ones(n)
    at = curve.dose[None]
    fitted = fitting.evaluate(row.form, theta[None], row.form.position(at), at)[0][0]
    middle = float(weight @ y) / float(weight.sum())
    explained = 1 - float(weight @ (y - fitted) ** 2) / float(weight @ (y - middle) ** 2)
    return (
        f"poor fit: the curve explains {100 * explained:.0f} % of the variance" if explained < POOR else None
    )


def _natural(form: Form, name: str, value: float) -> float:
    return math.exp(min(value, 709.0)) if form.logged(name) else value


def _parameter(fit: Fit, row: fitting.Batch, k: int, limits: tuple[float, ...], method: str) -> Estimate:
    form, theta = fit.form, fit.theta
    name = form.names[k]
    unit = fit.unit if name in ("ec50", "location") else ""
    facts: dict[str, Any] = {"level": fit.level, "n": 1, "unit": unit, "method": method}
    if fit.flaw and (k in (0, 3) or not readable_curve(fit.flaw)):
        return Estimate(name, math.nan, reason=fit.flaw, **facts)
    value = _natural(form, name, float(theta[k]))
    if row.low[0, k] == row.high[0, k]:
        return replace(Estimate(name, value, **facts), method="held")
    se, low, high = limits
    low, high = (_natural(form, name, v) if not math.isinf(v) else v for v in (low, high))
    low = 0.0 if form.logged(name) and low == -math.inf else low
    reason = _parameter_reason(fit, row, k)
    if name == "ec50" and reason and outside(form, fit.dose, float(theta[k])):
        value, se = math.nan, math.nan
    se = se * value if form.logged(name) else se
    known = fit.df > 0 and not at_bound(row, theta, k)
    return Estimate(name, value, se if known else math.nan, low, high, reason=reason, **facts)


def _parameter_reason(fit: Fit, row: fitting.Batch, k: int) -> str | None:
    """Why the value of one parameter is missing or should not be believed."""
    theta, name = fit.theta, fit.form.names[k]
    if name == "ec50" and (reason := outside(fit.form, fit.dose, float(theta[3]))):
        return reason
    if name in ("einf", "ec50") and row.low[0, 1] < row.high[0, 1] and not saturates(fit):
        return "the curve does not saturate: no plateau at high dose within the doses tested"
    edge = [other for j, other in enumerate(fit.form.names) if at_bound(row, theta, j)]
    if name in edge:
        return "at the bound of the fit: the doses do not determine it"
    if name == "ec50" and edge:
        return f"{edge[0]} is at the bound of the fit, which this value depends on"
    return None if fit.df > 0 else "no residual degrees of freedom: no interval"


def at_bound(row: fitting.Batch, theta: Array, k: int) -> bool:
    """Whether a free parameter ended at its limit."""
    low, high = float(row.low[0, k]), float(row.high[0, k])
    return low < high and not low < float(theta[k]) < high


def saturates(fit: Fit) -> bool:
    """Whether the highest dose goes at least 80 % of the way from e0 to einf."""
    last = float(fit.predict(np.array([fit.dose.max()]))[0])
    way = float(fit.theta[1] - fit.theta[2])
    return way == 0 or (last - float(fit.theta[2])) / way >= REACHED


def _notes(curve: Wells, row: fitting.Batch, theta: Array, fit: Fit) -> tuple[str, ...]:
    positive = np.unique(curve.dose[curve.dose > 0])
    notes = [fit.flaw] if fit.flaw else []
    if len(positive) < 5:
        notes.append(f"few doses: {len(positive)}")
    if not fit.flaw:
        share = (fit.predict(positive) - theta[2]) / ((theta[1] - theta[2]) or 1.0)
        if not saturates(fit):
            notes.append("no plateau at high dose")
        if ((share > 0.2) & (share < 0.8)).sum() < 2:
            notes.append(
                "fewer than two doses between 20 % and 80 % of the effect: the slope is poorly known"
            )
    lack = fit.tests["lack_of_fit"]
    if lack.p < 0.01:
        notes.append(f"lack of fit (F test {p_phrase(lack.p)})")
    if not curve.experiment:
        notes.append("experiments are not named: the intervals cover wells, not repeats")
    return tuple(notes)


def summarise(fits: tuple[Fit, ...]) -> Fit:
    """One Fit from one per experiment: every estimate is a mean over experiments, which are n.

    The curve of the summary has the mean theta of the experiments whose curve can be read.
    """
    first = fits[0]
    names = list(first.parameters)
    logged = {name for name in names if first.form.logged(name)}
    parameters = {
        name: over_experiments([f.parameters[name] for f in fits], name in logged, first.level)
        for name in names
    }
    doses = first.form.log_dose
    summary = {
        "ec50": over_experiments([f.ec50 for f in fits], doses, first.level),
        "ic50": over_experiments([f.ic50 for f in fits], doses, first.level),
        "emax": over_experiments([f.emax for f in fits], False, first.level),
        "auc": over_experiments([f.auc for f in fits], False, first.level),
        "aoc": over_experiments([f.aoc for f in fits], False, first.level),
    }
    readable = [f.theta for f in fits if np.isfinite(f.theta).all()]
    theta = np.mean(readable, axis=0) if readable else first.theta
    notes = tuple(f"experiment {f.experiment}: {note}" for f in fits for note in f.notes)
    spread = np.full_like(first.covariance, np.nan)
    if len(readable) > 1:
        spread = np.cov(np.array(readable).T) / len(readable)
    return replace(
        first, experiment="", parameters=parameters, summary=summary, theta=theta, covariance=spread,
        df=len(readable) - 1, dose=np.concatenate([f.dose for f in fits]),
        response=np.concatenate([f.response for f in fits]), residual_sd=math.nan, tests={},
        notes=(*([ONE] if len(fits) == 1 else []), *notes), flaw=None if readable else first.flaw,
        experiments=fits,
    )  # fmt: skip
