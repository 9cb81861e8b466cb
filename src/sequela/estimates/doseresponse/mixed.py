"""Comparison of whole curves over experiments: a dose (or Emax, area) of each group from one mixed model.

Every well of every experiment enters one fit (`sequela.estimates.doseresponse.effects`); experiments, never wells,
carry the uncertainty. A curve that its own doses determine poorly leans on the others, which one value an
experiment cannot do; the price is the assumption of normal effects on the scale of the fit.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import stdtr, stdtrit

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate
from sequela.core.finding import Finding, Where
from sequela.estimates.doseresponse import fitting
from sequela.estimates.doseresponse.curves import collapse, split
from sequela.estimates.doseresponse.effects import Effects, mixed_effects
from sequela.estimates.doseresponse.fit import Fit
from sequela.estimates.doseresponse.models import FORMS, Array, Form

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from sequela.estimates.doseresponse.curves import Wells

LEAST: Final = 3  # experiments a group
METHOD: Final = "mixed model of curves"


@dataclass(frozen=True, eq=False)
class MixedComparison:
    """What a mixed model of curves says.

    Attributes:
        values: the quantity of every group, with intervals.
        contrasts: every group against the first (or `reference`): ratios of doses, else differences; with p.
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
    parts = _Parts(form, wells, groups, quantity, level, unit)
    counts = Counter(curve.group for curve in wells)
    short = [name for name in groups if counts[name] < LEAST]
    if short:
        return parts.nothing(
            first, f"the model needs {LEAST} experiments a side; {short[0]} has {counts[short[0]]}"
        )
    limits = {name: (value, value) for name, value in (fixed or {}).items()}
    means = collapse(wells)
    curves = fitting.batch(form, means.dose, means.y, means.weight, limits)
    days = list(dict.fromkeys(curve.experiment for curve in wells))
    effects = mixed_effects(
        curves, fitting.fit(curves).theta, float(means.pure.sum()), sum(len(curve.dose) for curve in wells),
        np.array([groups.index(curve.group) for curve in wells]),
        np.array([days.index(curve.experiment) for curve in wells]), names,
    )  # fmt: skip
    return (
        parts.nothing(first, effects)
        if isinstance(effects, str)
        else parts.told(first, effects, curves.low[0])
    )


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
    wells: list[Wells]
    groups: list[str]
    quantity: str
    level: float
    unit: str

    @property
    def logged(self) -> bool:
        return self.quantity in ("ic50", "ec50")

    def nothing(self, first: str, reason: str) -> MixedComparison:
        def empty(name: str) -> Estimate:
            return Estimate(name, math.nan, level=self.level, n=len(self.wells), method=METHOD, reason=reason)

        contrasts = tuple(empty(self._name(name, first)) for name in self.groups if name != first)
        values = {name: empty(name) for name in self.groups}
        return MixedComparison(values, contrasts, (math.nan,) * len(contrasts), None, reason)

    def told(self, first: str, effects: Effects, held: Array) -> MixedComparison:
        rows = [self._row(i, effects, held) for i in range(len(self.groups))]
        base = rows[self.groups.index(first)]
        values = {
            name: self._estimate(name, row, effects, self.unit if self.logged else "")[0]
            for name, row in zip(self.groups, rows, strict=True)
        }
        found = [
            self._estimate(self._name(name, first), _less(row, base), effects, "", tested=True)
            for name, row in zip(self.groups, rows, strict=True)
            if name != first
        ]
        return MixedComparison(values, tuple(e for e, _ in found), tuple(df for _, df in found), effects)

    def _name(self, name: str, first: str) -> str:
        return f"{name} {'/' if self.logged else '−'} {first}"

    def _row(self, i: int, effects: Effects, held: Array) -> tuple[float, Array, str | None]:
        """The quantity of one group (logarithm of a dose), its gradient in beta, and why it is missing."""
        own = [curve for curve in self.wells if curve.group == self.groups[i]]
        dose = np.concatenate([curve.dose for curve in own])
        response = np.concatenate([curve.response for curve in own])
        theta = held.copy()
        theta[list(effects.free)] = effects.beta[i]
        bare = Fit("", "", self.form, {}, dose, response, theta, np.zeros((len(theta),) * 2), 0, math.nan, {})

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
