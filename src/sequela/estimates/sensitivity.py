"""How strong would what was not seen have to be? E-values, and tipping points of censoring.

E-value: the least strength, as a risk ratio with the group and with the outcome alike, of a confounder that could
explain the whole estimate: RR + sqrt(RR (RR - 1)), of 1/RR below 1; for a limit the same, and 1 once it crosses 1. A
hazard ratio of a common outcome is first turned into RR = (1 - 0.5^sqrt(HR)) / (1 - 0.5^sqrt(1/HR)). Source:
VanderWeele and Ding (Ann Intern Med 2017).

Tipping point: everybody censored before the end of their possible follow-up is given a time by multiple imputation, the
hazard after censoring being delta times that of those still followed in the same group; delta is raised, in one group,
until the conclusion changes. Sources: Lipkovich, Ratitch and O'Kelly (Pharm Stat 2016); Jackson et al. (Stat Med 2014).
For covariates, delta moves the imputed values away from what the known ones predict (`imputation.impute`, `shift`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.outcome import Times
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.imputation import impute
from sequela.estimates.pooling import pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sequela.core.estimate import Estimate
    from sequela.estimates.chains import Method

    Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EValue:
    """E-values of an estimate and of its limit nearer to 1 (1 when the interval holds 1)."""

    point: float
    limit: float


def e_value(ratio: Estimate, *, rare: bool = False) -> EValue:
    """The E-values of a hazard ratio with its interval.

    Args:
        ratio: the estimate; a missing one gives NaN.
        rare: whether under 15 % have the event, so that the hazard ratio is taken as a risk ratio.
    """
    if math.isnan(ratio.value):
        return EValue(math.nan, math.nan)

    def turn(hazard: float) -> float:
        if rare or hazard in (0.0, math.inf):
            return hazard
        return (1 - 0.5 ** math.sqrt(hazard)) / (1 - 0.5 ** math.sqrt(1 / hazard))

    near = ratio.lower if ratio.value > 1 else ratio.upper
    crossed = math.isnan(near) or (near <= 1 if ratio.value > 1 else near >= 1)
    return EValue(_least(turn(ratio.value)), 1.0 if crossed else _least(turn(near)))


def _least(risk: float) -> float:
    above = risk if risk >= 1 else (1 / risk if risk > 0 else math.inf)
    return above + math.sqrt(above * (above - 1)) if math.isfinite(above) else math.inf


@dataclass(frozen=True, slots=True)
class Tipping:
    """A conclusion against a growing departure.

    Attributes:
        deltas: departures tried, rising; 1 is none for a factor, 0 for a shift.
        ratios: the pooled hazard ratio of the second group at each.
        group: where the departure is made; `imputed` how many subjects it touches.
        tips: the first delta at which the interval gains or loses 1, between grid points by interpolation on the
            limit that crosses; None when it does not within the range.
        reason: why nothing was tried, or None.
    """

    deltas: tuple[float, ...]
    ratios: tuple[Estimate, ...]
    group: str
    imputed: int
    tips: float | None
    reason: str | None = None


def tipping_point(
    times: Times, second: Any, rng: np.random.Generator, deltas: Sequence[float] = (1, 1.25, 1.5, 2, 3, 5, 10),
    until: Any = None, imputations: int = 20, names: tuple[str, str] = ("reference", "second"), level: float = 0.95,
) -> Tipping:  # fmt: skip
    """Raise the hazard after censoring in the group that does better, until the conclusion changes.

    Args:
        times: n subjects; delayed entry is used.
        second: n flags, True for the second of two groups.
        rng: the generator; the same draws serve every delta, so that the line is smooth.
        deltas: factors of the hazard after censoring, in rising order.
        until: n possible ends of follow-up (data cut); by default the latest exit of anybody.
        imputations: data sets at each delta; the survival curve is re-estimated from a bootstrap sample for each.
        names: of the two groups.
        level: of the intervals.
    """
    flag = np.asarray(second, bool)
    end = np.full(len(times), float(times.exit.max())) if until is None else np.asarray(until, float)
    plain = cox(times, flag.astype(float), names=(names[1],), level=level).hazard_ratios()[0]
    if math.isnan(plain.value):
        return Tipping((), (), "", 0, None, plain.reason or "no hazard ratio")
    place = plain.value <= 1
    missing = np.flatnonzero((times.state == 0) & (times.exit < end))
    touched = missing[flag[missing] == place]
    curves = [_bootstrap_curves(times, flag, rng) for _ in range(imputations)]
    uniform = rng.random((imputations, len(missing)))
    ratios: list[Estimate] = []
    for delta in deltas:
        fits: list[tuple[float, float]] = []
        for curve, u in zip(curves, uniform, strict=True):
            filled = _filled(times, flag, missing, end, curve, u, float(delta), place)
            model = cox(filled, flag.astype(float), names=(names[1],), level=level)
            fits.append((float(model.coef[0]), float(model.se[0])))
        ratios.append(pool(f"HR {names[1]}", fits, float(len(times)), level))
    tips = crossing(tuple(map(float, deltas)), tuple(ratios), plain)
    return Tipping(tuple(map(float, deltas)), tuple(ratios), names[int(place)], len(touched), tips)


def tipping_missing(
    times: Times, covariates: Mapping[str, Any], moved: str, column: str, rng: np.random.Generator,
    deltas: Sequence[float] = (0, 0.5, 1, 1.5, 2, 3), method: Method = "smcfcs", imputations: int = 20,
    iterations: int = 10, levels: Mapping[str, Sequence[str]] | None = None, level: float = 0.95,
) -> Tipping:  # fmt: skip
    """Move the imputed values of one covariate until the conclusion on one column changes.

    Args:
        times, covariates, method, imputations, iterations, levels, level: as for `imputation.impute`.
        moved: the covariate whose imputed values move.
        column: the column of the Cox model (a covariate's name, or "name: level") that the conclusion is about.
        rng: one seed is drawn from it, and serves every delta.
        deltas: shifts of the mean, or of the log odds; rising from 0 or falling from 0.
    """
    seed = int(rng.integers(2**63))
    ratios: list[Estimate] = []
    touched = 0
    for delta in deltas:
        found = impute(
            times, covariates, np.random.default_rng(seed), method, imputations, iterations, {moved: float(delta)},
            levels, level,
        )  # fmt: skip
        touched = found.missing.get(moved, 0)
        ratios.append(next(ratio for ratio in found.ratios if ratio.name == f"HR {column}"))
    tried = tuple(map(float, deltas))
    if not touched:
        return Tipping((), (), moved, 0, None, f"no value of {moved} is missing")
    return Tipping(tried, tuple(ratios), moved, touched, crossing(tried, tuple(ratios), ratios[0]))


def _bootstrap_curves(times: Times, flag: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Any, Any]:
    """Kaplan-Meier curves of both groups in one bootstrap sample, drawn inside groups."""
    found: list[Any] = []
    for side in (False, True):
        rows = np.flatnonzero(flag == side)
        found.append(kaplan_meier(times.take(rows[rng.integers(0, len(rows), len(rows))])))
    return found[0], found[1]


def _filled(
    times: Times, flag: NDArray[np.bool_], missing: NDArray[np.intp], end: Real, curves: tuple[Any, Any],
    u: Real, delta: float, place: bool,
) -> Times:  # fmt: skip
    """Times in which each of `missing` lives on from censoring by the group's curve, hazard times delta in one group.

    S(t | c) = (S(t) / S(c))^delta; who outlives curve or possible follow-up is censored there.
    """
    exits, state = np.array(times.exit, float), np.array(times.state)
    for side in (False, True):
        rows = missing[flag[missing] == side]
        if not len(rows):
            continue
        curve = curves[int(side)]
        power = delta if side == place else 1.0
        steps = np.concatenate([[1.0], curve.survival])
        now = steps[np.searchsorted(curve.time, exits[rows], side="right")]
        target = now * u[flag[missing] == side] ** (1 / power)
        at = np.searchsorted(-curve.survival, -target, side="left")
        reached = at < len(curve.time)
        when = np.where(reached, curve.time[np.minimum(at, len(curve.time) - 1)], np.inf)
        dies = (when > exits[rows]) & (when <= end[rows])
        exits[rows] = np.where(dies, when, end[rows])
        state[rows] = dies
    entry = times.entry if times.delayed else None
    return Times(exits, state, entry, None, times.ids, times.unit, times.origin)


def crossing(deltas: tuple[float, ...], ratios: tuple[Estimate, ...], plain: Estimate) -> float | None:
    """Where the interval's side towards 1 first changes whether it holds 1, by interpolation on its logarithm."""

    def gap(ratio: Estimate) -> float:
        return math.log(ratio.upper if plain.value <= 1 else ratio.lower)

    gaps = [gap(ratio) for ratio in ratios if not math.isnan(ratio.lower)]
    if len(gaps) < len(ratios):
        return None
    for i in range(1, len(gaps)):
        if (gaps[i] > 0) != (gaps[0] > 0):
            share = gaps[i - 1] / (gaps[i - 1] - gaps[i])
            return deltas[i - 1] + share * (deltas[i] - deltas[i - 1])
    return None
