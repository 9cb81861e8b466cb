"""Comparison of whole curves over experiments: a dose (or Emax, area) of each group from one mixed model.

Every well of every experiment enters one fit (`sequela.estimates.doseresponse.effects`); experiments, never wells,
carry the uncertainty. A curve that its own doses determine poorly leans on the others, which one value an
experiment cannot do; the price is the assumption of normal effects on the scale of the fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate
from sequela.core.finding import Finding, Where
from sequela.estimates.doseresponse import fitting
from sequela.estimates.doseresponse.curves import Wells, collapse, split
from sequela.estimates.doseresponse.effects import Effects, mixed_effects
from sequela.estimates.doseresponse.fit import Fit
from sequela.estimates.doseresponse.models import FORMS, Array, Form

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from sequela.estimates.doseresponse.curves import Means

LEAST: Final = 3  # experiments a group
FLAT: Final = 0.05  # p of F against a constant from which a curve shows no effect
POOR: Final = 0.5  # share of the variance of wells that a curve must explain
METHOD: Final = "mixed model of curves"


@dataclass(frozen=True, eq=False)
class MixedComparison:
    """What a mixed model of curves says.

    Attributes:
        values: the quantity of every group, with intervals.
        contrasts: every group against the first (or `reference`): ratios of doses, else differences; with p. A group
            with too few experiments, or without an effect of dose, stays out of the model and has its reason.
        df: of each contrast.
        effects: the fit; None where there is none.
        reason: why there is none.
    """

    values: dict[str, Estimate]
    contrasts: tuple[Estimate, ...]
    df: tuple[float, ...]
    effects: Effects | None
    reason: str | None = None


def compare_mixed(
    dose: ArrayLike,
    response: ArrayLike,
    by: ArrayLike,
    experiment: ArrayLike,
    quantity: str = "ic50",
    model: str = "ll4",
    *,
    reference: str | None = None,
    random: tuple[str, ...] | None = None,
    fixed: dict[str, float] | None = None,
    level: float = 0.95,
    unit: str = "",
) -> MixedComparison:
    """Compare a dose ("ic50", "ec50") or a response ("emax", "auc") of groups by one model of all curves.

    Args:
        dose, response, by, experiment: one value a well.
        quantity, model: as of `dose_response`.
        reference: the group that others are compared with; the first unless given.
        random: parameters that vary between experiments; all but the slope unless given.
        fixed: parameters that are held.
        level, unit: of the estimates.

    Raises:
        UsageError: E210, an unknown quantity, model, group or parameter, or one group; E213, lengths differ.
        DataError: E214, E215, wells that cannot be used.
    """
    form, names = _checked(quantity, model, random)
    wells = split(dose, response, by, experiment)
    groups = list(dict.fromkeys(curve.group for curve in wells))
    first = groups[0] if reference is None else reference
    if first not in groups or len(groups) < 2:
        raise _usage("by", "Curves of two groups are needed.", first, "the reference and another group")
    limits = {name: (value, value) for name, value in (fixed or {}).items()}
    means = collapse(wells)
    curves = fitting.batch(form, means.dose, means.y, means.weight, limits)
    found = fitting.fit(curves)
    absent = _absent(wells, groups, curves, found, means)
    kept = [i for i, curve in enumerate(wells) if curve.group not in absent]
    parts = _Parts(form, [wells[i] for i in kept], groups, absent, quantity, level, unit)
    if first in absent or len(groups) - len(absent) < 2:
        return parts.nothing(first, absent.get(first) or next(iter(absent.values())))
    days = list(dict.fromkeys(curve.experiment for curve in parts.wells))
    effects = mixed_effects(
        curves.rows(np.array(kept)), parts.pooled(limits), float(means.pure[kept].sum()),
        sum(len(curve.dose) for curve in parts.wells),
        np.array([parts.present.index(curve.group) for curve in parts.wells]),
        np.array([days.index(curve.experiment) for curve in parts.wells]), names,
    )  # fmt: skip
    return (
        parts.nothing(first, effects)
        if isinstance(effects, str)
        else parts.told(first, effects, curves.low[0])
    )


def _absent(
    wells: list[Wells], groups: list[str], curves: fitting.Batch, found: fitting.Fitted, means: Means
) -> dict[str, str]:
    """Groups that cannot be in the model, and why: too few experiments, or none of them with a curve."""
    free = (curves.low < curves.high).sum(1)
    middle = (curves.weight * curves.y).sum(1) / curves.weight.sum(1)
    rise = (curves.weight * (curves.y - middle[:, None]) ** 2).sum(1) - found.rss
    rest = np.array([len(curve.dose) for curve in wells]) - free
    ratio = (rise / np.maximum(free - 1, 1)) / np.maximum(
        (found.rss + means.pure) / np.maximum(rest, 1), 1e-300
    )
    left = found.rss + means.pure
    flat = fdtrc(np.maximum(free - 1, 1), np.maximum(rest, 1), np.maximum(ratio, 0)) >= FLAT
    flat |= left > (1 - POOR) * (left + rise)
    reasons: dict[str, str] = {}
    for name in groups:
        own = [i for i, curve in enumerate(wells) if curve.group == name]
        if len(own) < LEAST:
            reasons[name] = f"the model needs {LEAST} experiments a side; {name} has {len(own)}"
        elif flat[own].all():
            reasons[name] = f"no effect of dose, or a poor fit, in every experiment of {name}"
    return reasons


def _usage(field: str, message: str, found: str, allowed: str) -> UsageError:
    where, remedy = Where(field=field), "Choose one of the allowed values."
    return UsageError(Finding("E210", "error", message, where, found=found, allowed=allowed, remedy=remedy))


def _checked(quantity: str, model: str, random: tuple[str, ...] | None) -> tuple[Form, tuple[str, ...]]:
    if quantity not in ("ic50", "ec50", "emax", "auc"):
        raise _usage("quantity", "There is no such quantity.", quantity, "ic50, ec50, emax, auc")
    if model not in FORMS:
        raise _usage("model", "There is no such dose-response model.", model, ", ".join(FORMS))
    form = FORMS[model]
    names = tuple(name for name in form.names if name != "slope") if random is None else random
    strange = [name for name in names if name not in form.names]
    if strange or not names:
        raise _usage("random", "There is no such parameter.", ", ".join(strange), ", ".join(form.names))
    return form, names


@dataclass(frozen=True, eq=False)
class _Parts:
    """What turns a fit into estimates."""

    form: Form
    wells: list[Wells]  # of the groups in the model
    groups: list[str]
    absent: dict[str, str]
    quantity: str
    level: float
    unit: str

    @property
    def logged(self) -> bool:
        return self.quantity in ("ic50", "ec50")

    @property
    def present(self) -> list[str]:
        return [name for name in self.groups if name not in self.absent]

    def pooled(self, limits: dict[str, tuple[float, float]]) -> Array:
        """theta of all wells of each group in the model, fitted as one curve."""
        one = [self._together(name) for name in self.present]
        means = collapse(one)
        return fitting.fit(fitting.batch(self.form, means.dose, means.y, means.weight, limits)).theta

    def _together(self, name: str) -> Wells:
        own = [curve for curve in self.wells if curve.group == name]
        return Wells(
            name, "", *(np.concatenate([getattr(c, key) for c in own]) for key in ("dose", "response"))
        )

    def _empty(self, name: str, group: str, reason: str) -> Estimate:
        why = self.absent.get(group, reason)
        return Estimate(name, math.nan, level=self.level, n=len(self.wells), method=METHOD, reason=why)

    def nothing(self, first: str, reason: str) -> MixedComparison:
        others = [name for name in self.groups if name != first]
        contrasts = tuple(self._empty(self._name(name, first), name, reason) for name in others)
        values = {name: self._empty(name, name, reason) for name in self.groups}
        return MixedComparison(values, contrasts, (math.nan,) * len(contrasts), None, reason)

    def told(self, first: str, effects: Effects, held: Array) -> MixedComparison:
        rows = {name: self._row(i, effects, held) for i, name in enumerate(self.present)}
        values: dict[str, Estimate] = {}
        found: list[tuple[Estimate, float]] = []
        for name in self.groups:
            label = self._name(name, first)
            if name in self.absent:
                values[name] = self._empty(name, name, "")
                found.append((self._empty(label, name, ""), math.nan))
                continue
            values[name] = self._estimate(name, rows[name], effects, self.unit if self.logged else "")[0]
            if name != first:
                found.append(self._estimate(label, _less(rows[name], rows[first]), effects, "", tested=True))
        return MixedComparison(values, tuple(e for e, _ in found), tuple(df for _, df in found), effects)

    def _name(self, name: str, first: str) -> str:
        return f"{name} {'/' if self.logged else '−'} {first}"

    def _row(self, i: int, effects: Effects, held: Array) -> tuple[float, Array, str | None]:
        """The quantity of one group (logarithm of a dose), its gradient in beta, and why it is missing."""
        own = self._together(self.present[i])
        theta = held.copy()
        theta[list(effects.free)] = effects.beta[i]
        bare = Fit(
            "", "", self.form, {}, own.dose, own.response, theta, np.zeros((len(theta),) * 2), 0, math.nan, {}
        )

        def at(point: Array) -> Estimate:
            return getattr(replace(bare, theta=point), self.quantity)

        here = at(theta)
        gradient = np.zeros_like(effects.beta)
        if math.isnan(here.value):
            return math.nan, gradient.ravel(), here.reason
        gradient[i] = [
            self._slope(lambda point: self._scale(at(point).value), theta, j) for j in effects.free
        ]
        return self._scale(here.value), gradient.ravel(), None

    def _scale(self, value: float) -> float:
        return math.log(value) if self.logged else value

    @staticmethod
    def _slope(function: Callable[[Array], float], theta: Array, j: int) -> float:
        step = np.zeros_like(theta)
        step[j] = 1e-5 * max(1.0, abs(float(theta[j])))
        return (function(theta + step) - function(theta - step)) / (2 * float(step[j]))

    def _estimate(
        self, name: str, row: tuple[float, Array, str | None], effects: Effects, unit: str, *, tested: bool = False
    ) -> tuple[Estimate, float]:  # fmt: skip
        value, gradient, reason = row
        facts: dict[str, Any] = {"level": self.level, "n": len(self.wells), "method": METHOD, "unit": unit}
        if reason or not np.isfinite(gradient).all():
            why = reason or "the dose lies at the edge of those tested"
            return Estimate(name, math.nan, reason=why, **facts), math.nan
        se = math.sqrt(float(gradient @ effects.covariance @ gradient))
        df = effects.df(gradient)
        half = float(stdtrit(df, 0.5 + self.level / 2)) * se
        p = 2 * float(stdtr(df, -abs(value / se))) if tested else math.nan
        low, middle, high = (math.exp(v) if self.logged else v for v in (value - half, value, value + half))
        return Estimate(name, middle, se * middle if self.logged else se, low, high, p=p, **facts), df


def _less(
    one: tuple[float, Array, str | None], base: tuple[float, Array, str | None]
) -> tuple[float, Array, str | None]:
    return one[0] - base[0], one[1] - base[1], one[2] or base[2]
