"""A fitted dose-response curve: parameters, doses that reach a response, Emax, area, and their reasons.

Intervals of parameters are those asked for (profile by default). Doses read off the curve, Emax and the area
have delta-method intervals with Student's t (doses on the log scale); their `method` says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import stdtrit

from sequela.core.estimate import Estimate, Test, estimates_frame
from sequela.estimates.doseresponse.models import BEYOND, Array, Form, curve, evaluate

if TYPE_CHECKING:
    import polars as pl

ONE: Final = "one experiment only: nothing is known of the scatter between experiments"
FINE: Final = 2001  # points of the scan for a crossing


@dataclass(frozen=True, eq=False)
class Fit:
    """One curve, or the summary of one curve per experiment (`experiments`, then n is their number).

    `theta` is on the scale of the fit and `covariance` its delta-method covariance; `tests` holds "flat"
    (against a constant) and "lack_of_fit" (against the dose means); `notes` what a reader must know.
    """

    label: str
    experiment: str
    form: Form
    parameters: dict[str, Estimate]
    dose: Array
    response: Array
    theta: Array
    covariance: Array
    df: float
    residual_sd: float
    tests: dict[str, Test]
    notes: tuple[str, ...] = ()
    unit: str = ""
    level: float = 0.95
    flaw: str | None = None  # why no dose can be read off this curve
    experiments: tuple[Fit, ...] = ()
    summary: dict[str, Estimate] = field(default_factory=dict[str, Estimate])

    def __repr__(self) -> str:
        head = f"{self.label or 'dose-response'}: {self.form.name}, {len(self.dose)} wells"
        rows = [*self.parameters.values(), self.ec50, self.ic50, self.emax, self.auc]
        return "\n".join([head, *(f"  {row}" for row in rows), *(f"  note: {note}" for note in self.notes)])

    @property
    def ec50(self) -> Estimate:
        """Dose half-way between the two plateaus (relative)."""
        if "ec50" in self.parameters:
            return self.parameters["ec50"]
        return self.summary.get("ec50") or self.effective_dose(0.5)

    @property
    def ic50(self) -> Estimate:
        """Dose at which the response is half of that at dose 0 (absolute)."""
        return self.summary.get("ic50") or self._dose_for("ic50", 0.0, 0.0, 0.5)

    @property
    def emax(self) -> Estimate:
        """Fitted response at the highest dose tested."""
        return self.summary.get("emax") or self._emax()

    @property
    def auc(self) -> Estimate:
        """Mean fitted response over the tested positive doses (on ln dose), relative to dose 0: 1 is no effect."""
        return self.summary.get("auc") or self._auc()

    @property
    def aoc(self) -> Estimate:
        """Mean of 1 - fitted response over the tested positive doses (on ln dose): GR_AOC of a GR curve."""
        return self.summary.get("aoc") or self._aoc()

    @property
    def residuals(self) -> Array:
        """Response of each well minus the curve."""
        return self.response - self.predict(self.dose)

    @property
    def r_squared(self) -> float:
        """Share of the variance of the wells about their mean that the curve explains (unweighted)."""
        total = float(((self.response - self.response.mean()) ** 2).sum())
        return 1 - float((self.residuals**2).sum()) / total if total > 0 else math.nan

    def effective_dose(self, fraction: float) -> Estimate:
        """Dose at which `fraction` of the way from e0 to einf is gone (ED50 is 0.5)."""
        name = "ec50" if fraction == 0.5 else f"ED{100 * fraction:g}"
        return self._dose_for(name, 0.0, fraction, 1 - fraction)

    def dose_for(self, response: float) -> Estimate:
        """Dose at which the curve crosses `response`, e.g. GR50 = dose_for(0.5) of a GR curve.

        Of several experiments: the mean of theirs, of logarithms where the model is one of ln dose.
        """
        if self.experiments:
            each = [one.dose_for(response) for one in self.experiments]
            return over_experiments(each, self.form.log_dose, self.level)
        return self._dose_for(f"dose for {response:g}", response, 0.0, 0.0)

    def predict(self, dose: Array) -> Array:
        """The curve at each dose."""
        return curve(self.form, self.theta[None], np.asarray(dose, float)[None])[0]

    def band(self, dose: Array) -> tuple[Array, Array]:
        """Pointwise delta-method limits of the curve at each dose (NaN without degrees of freedom)."""
        at = np.asarray(dose, float)[None]
        y, gradient = evaluate(self.form, self.theta[None], self.form.position(at), at)
        se = np.sqrt(np.einsum("pn,pq,qn->n", gradient[:, 0], self.covariance, gradient[:, 0]))
        return y[0] - self._quantile() * se, y[0] + self._quantile() * se

    def frame(self) -> pl.DataFrame:
        """One row an estimate: parameters, ec50, ic50, emax, auc."""
        rows = {
            row.name: row for row in (*self.parameters.values(), self.ec50, self.ic50, self.emax, self.auc)
        }
        return estimates_frame(rows.values())

    def _quantile(self) -> float:
        return float(stdtrit(self.df, 0.5 + self.level / 2)) if self.df > 0 else math.nan

    def _estimate(self, name: str, value: float, **facts: Any) -> Estimate:
        base: dict[str, Any] = {"level": self.level, "n": 1, "method": f"{self.form.name}, delta"}
        return Estimate(name, value, **{**base, **facts})

    def _linear(self, name: str, value: float, gradient: Array) -> Estimate:
        se = math.sqrt(max(0.0, float(gradient @ self.covariance @ gradient))) if self.df > 0 else math.nan
        half = self._quantile() * se
        return self._estimate(name, float(value), se=se, lower=float(value - half), upper=float(value + half))

    def _emax(self) -> Estimate:
        if math.isnan(self.theta[0]):
            return self._estimate("emax", math.nan, reason=self.flaw)
        top = np.array([[self.dose.max()]])
        y, gradient = evaluate(self.form, self.theta[None], self.form.position(top), top)
        return self._linear("emax", float(y[0, 0]), gradient[:, 0, 0])

    def _auc(self) -> Estimate:
        positive = self.dose[self.dose > 0]
        if math.isnan(self.theta[0]) or len(np.unique(positive)) < 2:
            return self._estimate("auc", math.nan, reason=self.flaw or "fewer than two positive doses")
        start = float(self.theta[2])
        if start <= 0:
            return self._estimate("auc", math.nan, reason="the response at dose 0 is not positive")
        mean, slope = self._mean_response(positive)
        value, slope = mean / start, slope / start
        slope[2] -= value / start
        return self._linear("auc", value, slope)

    def _aoc(self) -> Estimate:
        positive = self.dose[self.dose > 0]
        if math.isnan(self.theta[0]) or len(np.unique(positive)) < 2:
            return self._estimate("aoc", math.nan, reason=self.flaw or "fewer than two positive doses")
        value, slope = self._mean_response(positive)
        return self._linear("aoc", 1 - value, -slope)

    def _mean_response(self, positive: Array) -> tuple[float, Array]:
        """Mean of the curve over the tested doses on the scale of the fit (trapezoids), and its gradient."""
        first, last = self.form.position(np.array([positive.min(), positive.max()]))
        x = np.linspace(first, last, 401)[None]
        y, gradient = evaluate(self.form, self.theta[None], x, np.exp(x) if self.form.log_dose else x)
        weight = np.full(401, 1 / 400)
        weight[[0, -1]] /= 2
        return float(y[0] @ weight), gradient[:, 0] @ weight

    def _dose_for(self, name: str, fixed: float, of_einf: float, of_e0: float) -> Estimate:
        """Dose at which the response is fixed + of_einf * einf + of_e0 * e0."""
        if self.flaw:
            return self._estimate(name, math.nan, unit=self.unit, reason=self.flaw)
        x = self._crossing(fixed + of_einf * float(self.theta[1]) + of_e0 * float(self.theta[2]))
        if x is None:
            return self._estimate(
                name, math.nan, unit=self.unit, reason="the curve does not reach this response"
            )
        reason = outside(self.form, self.dose, x)
        if reason:
            return self._estimate(name, math.nan, unit=self.unit, reason=reason)
        se = self._position_se(x, of_einf, of_e0)
        half = self._quantile() * se
        limits = (x - half, x, x + half)
        low, value, high = (math.exp(v) for v in limits) if self.form.log_dose else limits
        return self._estimate(
            name, value, se=se * value if self.form.log_dose else se, lower=low, upper=high, unit=self.unit
        )

    def _value(self, x: float) -> float:
        at = np.array([[x]])
        return float(
            evaluate(self.form, self.theta[None], at, np.exp(at) if self.form.log_dose else at)[0][0, 0]
        )

    def _crossing(self, response: float) -> float | None:
        """Position of the last crossing of `response`, searched 100-fold beyond the tested doses."""
        ends = self.form.position(np.array([self.dose[self.dose > 0].min(), self.dose.max()]))
        beyond = BEYOND if self.form.log_dose else float(ends[1] - ends[0])
        x = np.linspace(ends[0] - beyond, ends[1] + beyond, FINE)[None]
        y = evaluate(self.form, self.theta[None], x, np.exp(x) if self.form.log_dose else x)[0][0] - response
        turns = np.flatnonzero(np.sign(y[:-1]) != np.sign(y[1:]))
        if not len(turns):
            return None
        left, right = float(x[0, turns[-1]]), float(x[0, turns[-1] + 1])
        sign = np.sign(y[turns[-1]])
        for _ in range(60):
            middle = (left + right) / 2
            left, right = (
                (middle, right) if np.sign(self._value(middle) - response) == sign else (left, middle)
            )
        return (left + right) / 2

    def _position_se(self, x: float, of_einf: float, of_e0: float) -> float:
        """Implicit function theorem: dx/dtheta = (dtarget/dtheta - dy/dtheta) / (dy/dx)."""
        if self.df <= 0:
            return math.nan
        at = np.array([[x]])
        gradient = evaluate(self.form, self.theta[None], at, np.exp(at) if self.form.log_dose else at)[1][
            :, 0, 0
        ]
        step = 1e-5 * max(1.0, abs(x))
        slope = (self._value(x + step) - self._value(x - step)) / (2 * step)
        moved = np.zeros_like(gradient)
        moved[1], moved[2] = of_einf, of_e0
        way = (moved - gradient) / slope
        return math.sqrt(max(0.0, float(way @ self.covariance @ way)))


def outside(form: Form, dose: Array, x: float) -> str | None:
    """Why a position cannot be reported as a dose: it lies outside the tested range."""
    low, high = form.position(np.array([dose[dose > 0].min(), dose.max()]))
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    if x > high + slack:
        return "above the highest dose tested"
    return "below the lowest dose tested" if x < low - slack else None


def over_experiments(estimates: list[Estimate], logged: bool, level: float) -> Estimate:
    """Mean over experiments with Student's interval, of logarithms where `logged`; se is that of the mean."""
    first = estimates[0]
    if first.method == "held":
        return first
    values = np.array([e.value for e in estimates if not math.isnan(e.value)])
    n = len(values)
    missing = [e.reason for e in estimates if math.isnan(e.value)]
    short = f"missing in {len(missing)} of {len(estimates)} experiments: {missing[0]}" if missing else None
    facts: dict[str, Any] = {"level": level, "n": n, "unit": first.unit, "method": "experiments, Student"}
    if not n:
        return Estimate(first.name, math.nan, reason=short, **facts)
    scale = np.log(values) if logged else values
    mean = float(scale.mean())
    value = math.exp(mean) if logged else mean
    if n == 1:
        return Estimate(first.name, value, reason=short or ONE, **facts)
    se = float(scale.std(ddof=1)) / math.sqrt(n)
    half = float(stdtrit(n - 1, 0.5 + level / 2)) * se
    low, high = (math.exp(mean + s * half) if logged else mean + s * half for s in (-1, 1))
    doubtful = next((e.reason for e in estimates if e.reason), None)
    return Estimate(
        first.name, value, se * value if logged else se, low, high, reason=short or doubtful, **facts
    )
