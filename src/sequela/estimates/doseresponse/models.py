"""Dose-response curves y = c + (d - c + f h(dose)) s(b, t, g), with gradients and self-starting bounds.

Every curve falls from s = 1 at dose 0 to s = 0 at infinite dose, with u = b (x - t):

    log-logistic   s = (1 + exp u)^-g, x = ln dose           logistic       the same with x = dose
    Weibull 1      s = exp(-exp u)                           Weibull 2      s = 1 - exp(-exp(-u))
    Brain-Cousens  log-logistic with h = dose                Cedergreen     with h = exp(-1 / dose^alpha)

so `e0` (d) is the response at dose 0 of the models in ln dose, `einf` (c) that at infinite dose; a rising
response has einf > e0 and the slope b stays positive. Free parameters are fitted as
(ln b, c, d, t, ln g or f). Sources: Ritz et al., PLoS ONE 2015; 10: e0146021; Brain and Cousens, Weed
Research 1989; 29: 93; Cedergreen et al., Environ Toxicol Chem 2005; 24: 3166 (alpha 1, 1/2, 1/4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[Any]

SLOPES: Final = (0.1, 20.0)
BEYOND: Final = float(np.log(100))  # how far outside the tested doses a location may lie, in ln dose


@dataclass(frozen=True, slots=True)
class Form:
    """One model: its shape, whether x is ln dose, its parameters and those that are held."""

    name: str
    shape: str
    log_dose: bool = True
    last: str = ""  # "asymmetry", "hormesis" or none
    held: tuple[tuple[str, float], ...] = ()
    alpha: float = 0.0  # of Cedergreen; 0 is Brain-Cousens

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters, in the order of the columns of theta."""
        middle = "ec50" if self.shape == "logistic" and not self.last else "location"
        return ("slope", "einf", "e0", middle, *([self.last] if self.last else []))

    def logged(self, name: str) -> bool:
        """Whether a parameter is fitted as its logarithm."""
        return name in ("slope", "asymmetry") or (name in ("ec50", "location") and self.log_dose)

    def position(self, dose: Array) -> Array:
        """x of each dose; dose 0 is minus infinity on the log scale."""
        if not self.log_dose:
            return np.asarray(dose, float)
        return np.log(dose, out=np.full(np.shape(dose), -np.inf), where=np.asarray(dose) > 0)


def _forms() -> dict[str, Form]:
    forms: dict[str, Form] = {}
    for prefix, shape, log_dose in (("ll", "logistic", True), ("l", "logistic", False)):
        forms |= {
            f"{prefix}2": Form(f"{prefix}2", shape, log_dose, held=(("einf", 0.0), ("e0", 1.0))),
            f"{prefix}3": Form(f"{prefix}3", shape, log_dose, held=(("einf", 0.0),)),
            f"{prefix}4": Form(f"{prefix}4", shape, log_dose),
            f"{prefix}5": Form(f"{prefix}5", shape, log_dose, last="asymmetry"),
        }
    for name in ("w1", "w2"):
        forms[f"{name}.3"] = Form(f"{name}.3", name, held=(("einf", 0.0),))
        forms[f"{name}.4"] = Form(f"{name}.4", name)
    forms["bc5"] = Form("bc5", "logistic", last="hormesis")
    for letter, alpha in (("a", 1.0), ("b", 0.5), ("c", 0.25)):
        forms[f"cedergreen.{letter}"] = Form(f"cedergreen.{letter}", "logistic", last="hormesis", alpha=alpha)
    return forms


FORMS: Final = _forms()


def fall(form: Form, u: Array, g: Array | float) -> tuple[Array, Array]:
    """s and ds/du of shape (curves, doses), without overflow at either end."""
    if form.shape == "w1":
        growth = np.exp(np.clip(u, -700, 700))
        s = np.exp(-np.minimum(growth, 700))
        return s, -np.minimum(growth, 700) * s
    if form.shape == "w2":
        growth = np.minimum(np.exp(np.clip(-u, -700, 700)), 700)
        return -np.expm1(-growth), -growth * np.exp(-growth)
    s = expit(-u)
    if form.last != "asymmetry":
        return s, -s * (1 - s)
    powered = s**g
    return powered, -g * powered * (1 - s)


def boost(form: Form, dose: Array) -> Array:
    """h(dose), the rise at low doses of the two hormesis models."""
    if not form.alpha:
        return dose
    inverse = np.power(dose, -form.alpha, out=np.full(dose.shape, np.inf), where=dose > 0)
    return np.exp(-inverse)


def curve(form: Form, theta: Array, dose: Array) -> Array:
    """Response of each curve: theta (curves, parameters), dose (curves or 1, doses)."""
    return evaluate(form, theta, form.position(dose), dose)[0]


def evaluate(form: Form, theta: Array, x: Array, dose: Array) -> tuple[Array, Array]:
    """Response (curves, doses) and its gradient (parameters, curves, doses)."""
    log_b, c, d, t = (theta[:, [k]] for k in range(4))
    b = np.exp(log_b)
    u = np.maximum(b * (x - t), -700)
    last = theta[:, [4]] if form.last else np.zeros_like(c)
    g = np.exp(last) if form.last == "asymmetry" else 1.0
    s, ds = fall(form, u, g)
    h = boost(form, dose) if form.last == "hormesis" else 0.0
    height = d - c + last * h if form.last == "hormesis" else d - c
    gradient = np.empty((len(form.names), *s.shape))
    slant = height * ds
    gradient[0], gradient[1], gradient[2], gradient[3] = slant * u, 1 - s, s, -slant * b
    if form.last == "asymmetry":
        gradient[4] = height * s * -g * np.logaddexp(0, u)
    elif form.last:
        gradient[4] = h * s
    return c + height * s, gradient


def box(form: Form, dose: Array, y: Array, used: Array) -> tuple[Array, Array]:
    """Lower and upper limits of theta (curves, parameters) from the tested doses and responses.

    Limits of the plateaus reach one range of the responses beyond them; the location 100-fold beyond the
    doses (one range beyond, for x = dose); the slope 0.1 to 20 per ln dose; asymmetry exp(-3) to exp(3).
    """
    seen = used & (dose > 0)
    x = form.position(np.where(seen, dose, 1.0))
    first, last = np.where(seen, x, np.inf).min(1), np.where(seen, x, -np.inf).max(1)
    width = np.maximum(last - first, 1e-12)
    bottom, top = np.where(used, y, np.inf).min(1), np.where(used, y, -np.inf).max(1)
    reach = np.where(top > bottom, top - bottom, np.maximum(np.abs(top), 1.0))
    beyond, scale = (BEYOND, 1.0) if form.log_dose else (width, width)
    low = [np.log(SLOPES[0] / scale) + 0 * first, bottom - reach, bottom - reach, first - beyond]
    high = [np.log(SLOPES[1] * 5 / scale) + 0 * first, top + reach, top + reach, last + beyond]
    if form.log_dose:
        high[0] = np.full(len(first), np.log(SLOPES[1]))
    if form.last == "asymmetry":
        low, high = [*low, np.full(len(first), -3.0)], [*high, np.full(len(first), 3.0)]
    elif form.last:
        unit = boost(form, np.where(seen, dose, np.inf).min(1))
        low, high = [*low, 0 * reach], [*high, 10 * reach / np.maximum(unit, 1e-12)]
    return np.stack(low, 1), np.stack(high, 1)
