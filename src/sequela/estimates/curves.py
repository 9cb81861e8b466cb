"""Survival curves from a risk table: Kaplan-Meier, Nelson-Aalen, Fleming-Harrington, reverse Kaplan-Meier.

Sources: Kaplan and Meier (JASA 1958); Greenwood (1926); Nelson (Technometrics 1972); Aalen (Ann Stat 1978);
Fleming and Harrington (Commun Stat 1984); Tsiatis (Ann Stat 1981); Schemper and Smith (1996) for the
reverse curve. Delayed entry: a subject is at risk at t when entry < t <= exit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import Curve
from sequela.core.finding import Finding
from sequela.core.outcome import Times
from sequela.estimates.intervals import Interval, limits
from sequela.estimates.jackknife import Members, RobustCurve, members
from sequela.estimates.risk import RiskTable, across, risk_table
from sequela.estimates.timeline import labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    # survival, variance of log survival, cumulative hazard, its variance
    _Steps = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]

Convention = Literal["r", "spss"]
Variance = Literal["greenwood", "tsiatis"]
ROBUST = "Kaplan-Meier, robust variance"


@overload
def kaplan_meier(
    times: Times | RiskTable,
    by: None = None,
    level: float = 0.95,
    interval: Interval | None = None,
    convention: Convention = "r",
    variance: Variance = "greenwood",
    robust: bool | None = None,
    cluster: Any = None,
) -> Curve: ...
@overload
def kaplan_meier(
    times: Times | RiskTable,
    by: Any,
    level: float = 0.95,
    interval: Interval | None = None,
    convention: Convention = "r",
    variance: Variance = "greenwood",
    robust: bool | None = None,
    cluster: Any = None,
) -> dict[str, Curve]: ...
def kaplan_meier(
    times: Times | RiskTable,
    by: Any = None,
    level: float = 0.95,
    interval: Interval | None = None,
    convention: Convention = "r",
    variance: Variance = "greenwood",
    robust: bool | None = None,
    cluster: Any = None,
) -> Curve | dict[str, Curve]:
    """The product-limit curve, S(t) = product of 1 - d/n over event times up to t.

    Args:
        times: n subjects, or a risk table (then `by` is its groups, if it has any).
        by: n group labels (or a tuple of columns); then the result is {label: Curve}.
        level: of the pointwise intervals.
        interval: "log" (default), "log-log", "plain", "logit" or "arcsin"; "plain" under convention "spss".
        convention: "r" or "spss"; also the rule for quantiles.
        variance: Greenwood's sum d/(n(n-d)), or Tsiatis' sum d/n^2.
        robust: infinitesimal jackknife variance, right for weights that are not counts (inverse
            probability weights); by default, as R, when any weight is not a whole number, or with `cluster`.
        cluster: n labels of rows that belong together (patients with several rows, centres): the variance
            is then robust to dependence inside clusters.

    Raises:
        UsageError: a robust variance is asked of a risk table with delayed entry, which no longer knows
            its rows.
    """
    wanted = _wanted(times, robust, cluster)

    def rule(table: RiskTable) -> _Steps:
        d, n = table.events, table.at_risk()
        with np.errstate(divide="ignore", invalid="ignore"):
            survival = np.cumprod(np.where(d > 0, 1 - d / n, 1.0))
            greenwood = np.where((d > 0) & (n > d), d / (n * (n - d)), 0.0)
        if wanted and isinstance(times, RiskTable):
            spread = _jackknife(
                table, d / np.where(n > d, n - d, np.inf) / n, 1 / np.where(n > d, n - d, np.inf)
            )
            return survival, spread, _ratio(d, n).cumsum(), _jackknife(table, _ratio(d, n * n), 1 / n)
        each = greenwood if variance == "greenwood" else _ratio(d, n * n)
        return survival, each.cumsum(), _ratio(d, n).cumsum(), _ratio(d, n * n).cumsum()

    kind = interval or ("plain" if convention == "spss" else "log")
    found = _curves(times, by, rule, "Kaplan-Meier", level, kind, convention)
    if not wanted:
        return found
    if isinstance(times, RiskTable):
        return _each(found, lambda curve: replace(curve, method=ROBUST, independent=False))
    return _robust(times, by, found, cluster)


def _each(found: Curve | dict[str, Curve], change: Callable[[Curve], Curve]) -> Curve | dict[str, Curve]:
    return change(found) if isinstance(found, Curve) else {label: change(c) for label, c in found.items()}


def _wanted(times: Times | RiskTable, robust: bool | None, cluster: Any) -> bool:
    """Whether the variance is to be robust: asked for, clusters, or weights that are visibly no counts."""
    if robust is not None or cluster is not None:
        return robust is not False
    if isinstance(times, RiskTable):
        return not times.entered.any() and bool((times.leaving != np.floor(times.leaving)).any())
    return times.weighted and bool((times.weights != np.floor(times.weights)).any())


def _robust(times: Times, by: Any, found: Curve | dict[str, Curve], cluster: Any) -> Curve | dict[str, Curve]:
    """The curves with their variance replaced by the infinitesimal jackknife over rows or clusters."""
    n = len(times)
    if cluster is None:
        codes, count = np.arange(n), n
    else:
        named = labels(cluster, n, "cluster")
        codes, count = named.codes, len(named.levels)
    if isinstance(found, Curve):
        return _with_members(found, members(times, found, codes, count))
    group = labels(by, n, "by")
    rows = {str(name): np.flatnonzero(group.codes == g) for g, name in enumerate(group.levels)}
    return {
        label: _with_members(curve, members(times.take(rows[label]), curve, codes[rows[label]], count))
        for label, curve in found.items()
    }


def _with_members(curve: Curve, rows: Members) -> RobustCurve:
    variance, hazard = rows.variance(True), rows.variance(False)
    lower, upper = limits(curve.survival, np.sqrt(variance), curve.level, curve.interval)  # pyright: ignore[reportArgumentType]
    facts = {name: getattr(curve, name) for name in Curve.__dataclass_fields__}
    facts |= {
        "se": np.where(curve.survival > 0, curve.survival * np.sqrt(variance), np.nan),
        "lower": lower, "upper": upper, "variance": variance, "hazard_se": np.sqrt(hazard),
        "method": ROBUST, "independent": False,
    }  # fmt: skip
    return RobustCurve(**facts, members=rows)


def nelson_aalen(
    times: Times | RiskTable, by: Any = None, level: float = 0.95, interval: Interval = "log"
) -> Curve | dict[str, Curve]:
    """The cumulative hazard, sum of d/n, in `hazard` and `hazard_se`; `survival` is exp(-hazard).

    The variance is the sum of d/n^2 (Tsiatis 1981).
    """

    def rule(table: RiskTable) -> _Steps:
        d, n = table.events, table.at_risk()
        hazard, variance = _ratio(d, n).cumsum(), _ratio(d, n * n).cumsum()
        return np.exp(-hazard), variance, hazard, variance

    return _curves(times, by, rule, "Nelson-Aalen", level, interval, "r")


def fleming_harrington(
    times: Times | RiskTable, by: Any = None, level: float = 0.95, interval: Interval = "log"
) -> Curve | dict[str, Curve]:
    """As `nelson_aalen`, but d tied events count as d in a row: 1/n + 1/(n-1) + ... (tie correction)."""

    def rule(table: RiskTable) -> _Steps:
        hazard, variance = (part.cumsum() for part in _in_a_row(table))
        return np.exp(-hazard), variance, hazard, variance

    return _curves(times, by, rule, "Fleming-Harrington", level, interval, "r")


@overload
def reverse_kaplan_meier(
    times: Times, by: None = None, level: float = 0.95, interval: Interval = "log"
) -> Curve: ...
@overload
def reverse_kaplan_meier(
    times: Times, by: Any, level: float = 0.95, interval: Interval = "log"
) -> dict[str, Curve]: ...
def reverse_kaplan_meier(
    times: Times, by: Any = None, level: float = 0.95, interval: Interval = "log"
) -> Curve | dict[str, Curve]:
    """Kaplan-Meier of the time to censoring; its median is the median follow-up (Schemper and Smith 1996)."""
    entry = times.entry if times.delayed else None
    weights = times.weights if times.weighted else None
    turned = Times(times.exit, times.state == 0, entry, weights, times.ids, times.unit, times.origin)

    found = kaplan_meier(turned, by, level, interval)
    return _each(found, lambda curve: replace(curve, method="reverse Kaplan-Meier"))


def _ratio(top: NDArray[Any], bottom: NDArray[Any]) -> NDArray[Any]:
    return np.divide(top, bottom, out=np.zeros(len(top)), where=top > 0)


def _jackknife(table: RiskTable, steps: NDArray[Any], jump: NDArray[Any]) -> NDArray[Any]:
    """Sum over subjects of squared weight times influence on a cumulative hazard, at each time.

    A subject's influence is `jump` at its own event less the sum of `steps` it lived through. Squared
    weights per time are all that is needed, so the variance too is a function of the risk table.
    """
    if table.entered.any():
        message = "no robust variance from a risk table with delayed entry"
        remedy = "give kaplan_meier the Times behind the table"
        raise UsageError(Finding("E121", "error", message, remedy=remedy))
    lived = steps.cumsum()
    squares = table.leaving_squared
    left = squares[:, 0] * lived**2 + squares[:, 1:].sum(axis=1) * (jump - lived) ** 2
    still = table.at_risk(squared=True) - squares.sum(axis=1)
    return left.cumsum() + lived**2 * still


def _in_a_row(table: RiskTable) -> tuple[NDArray[Any], NDArray[Any]]:
    """Hazard and variance steps when tied events are counted one after the other, weights spread evenly."""
    d, n = table.events, table.at_risk()
    count = table.exits[:, 1:].sum(axis=1)
    row = np.repeat(np.arange(len(d)), count)
    step = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    each = d[row] / count[row]
    left = n[row] - step * each
    return np.bincount(row, each / left, len(d)), np.bincount(row, each / left**2, len(d))


def _curves(
    times: Times | RiskTable,
    by: Any,
    rule: Callable[[RiskTable], _Steps],
    method: str,
    level: float,
    interval: Interval,
    convention: Convention,
) -> Curve | dict[str, Curve]:
    table = times if isinstance(times, RiskTable) else risk_table(times, by)
    curves = {
        str(table.groups[part.group[0]]): _curve(part, rule, method, level, interval, convention)
        for part in (table.rows(cell) for cell in table.cells())
    }
    if by is None and len(curves) == 1 and table.groups == ("",):
        return next(iter(curves.values()))
    return curves


def _curve(
    table: RiskTable,
    rule: Callable[[RiskTable], _Steps],
    method: str,
    level: float,
    interval: Interval,
    convention: str,
) -> Curve:
    survival, variance, hazard, hazard_variance = rule(table)
    leaves = across(table.exits) > 0
    keep = slice(None) if leaves.all() else leaves  # a slice copies nothing
    at_risk = table.at_risk()[keep]
    survival, variance = survival[keep], variance[keep]
    lower, upper = limits(survival, np.sqrt(variance), level, interval)
    # After the last at-risk subject's event nothing is left to vary: the variance is not defined there.
    se = np.where(survival > 0, survival * np.sqrt(variance), np.nan)
    label = str(table.groups[table.group[0]]) if len(table.group) else ""
    return Curve(
        table.time[keep], survival, se, lower, upper, at_risk,
        table.events[keep], table.leaving[keep, 0], table.n,
        level, interval, method, table.unit, table.origin, label,
        variance, hazard[keep], np.sqrt(hazard_variance[keep]), convention,
    )  # fmt: skip
