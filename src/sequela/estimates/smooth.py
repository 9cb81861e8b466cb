"""What a survival model with a formula says of one subject: survival, hazard, quantiles, with their limits.

All follow from the log cumulative hazard log H(t) and its error by the delta method: limits of survival on
the log(-log) scale, of the hazard and of quantiles on the log scale (R's `predict.survreg` gives the same
error of a log quantile). Beyond the last follow-up time these are extrapolations, and `reason` says so.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.estimate import Estimate, Model, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

STEP = 1e-5  # of the central differences, relative to the parameter
FAR = "extrapolated: beyond the last follow-up time"


@dataclass(frozen=True, eq=False, repr=False)
class SmoothModel(Model):
    """A model with a smooth hazard.

    Attributes:
        theta: all k parameters; `theta_covariance` k x k.
        columns: p names of the covariates, in the order of x.
        last: the last follow-up time; `unit` of the times.
    """

    theta: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    theta_covariance: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0)))
    columns: tuple[str, ...] = ()
    last: float = math.inf
    unit: str = "day"

    @abstractmethod
    def log_hazards(
        self, t: NDArray[Any], x: NDArray[Any], theta: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """log H(t) and log h(t) at times `t` for one row of covariates."""

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 k - 2 log L, k all parameters."""
        return 2 * len(self.theta) - 2 * self.log_likelihood[1]

    @property
    def bic(self) -> float:
        """Schwarz' criterion, k log n - 2 log L, n subjects (as R's `BIC` of a `survreg`)."""
        return len(self.theta) * math.log(self.n) - 2 * self.log_likelihood[1]

    def _x(self, x: Any) -> NDArray[Any]:
        return (
            np.array([x[name] for name in self.columns], float)
            if isinstance(x, dict)
            else np.asarray(x, float)
        )

    def survival(self, t: Any, x: Any) -> NDArray[Any]:
        """Fitted survival at times `t` for one row of covariates (p numbers, or {name: number})."""
        times = np.atleast_1d(np.asarray(t, float))
        return np.exp(-np.exp(self.log_hazards(times, self._x(x), self.theta)[0]))

    def at(self, t: float, x: Any) -> Estimate:
        """Survival at `t`."""
        value, se = self._delta(lambda theta: self._logs(t, x, theta)[0])
        survival, half = math.exp(-math.exp(value)), normal_quantile(self.level) * se
        lower, upper = (math.exp(-math.exp(value + sign * half)) for sign in (1, -1))
        own_se = survival * math.exp(value) * se
        return self._estimate(f"survival at {t:g}", survival, own_se, lower, upper, t, "")

    def hazard(self, t: float, x: Any) -> Estimate:
        """Hazard at `t`, per unit of time; `se` is that of its logarithm."""
        value, se = self._delta(lambda theta: self._logs(t, x, theta)[1])
        half = normal_quantile(self.level) * se
        limits = math.exp(value - half), math.exp(value + half)
        return self._estimate(f"hazard at {t:g}", math.exp(value), se, *limits, t, f"per {self.unit}")

    def median(self, x: Any) -> Estimate:
        """Time by which half have had the event; `quantile(0.5, x)`."""
        return self.quantile(0.5, x)

    def quantile(self, q: float, x: Any) -> Estimate:
        """Time by which a fraction `q` has had the event; `se` is that of its logarithm."""
        goal, low, high = math.log(-math.log1p(-q)), -60.0, 60.0
        for _ in range(200):
            middle = (low + high) / 2
            below = self._logs(math.exp(middle), x, self.theta)[0] < goal
            low, high = (middle, high) if below else (low, middle)
        t = math.exp(low)
        value, slope = self._logs(t, x, self.theta)
        _, se = self._delta(lambda theta: self._logs(t, x, theta)[0])
        se /= math.exp(slope - value + low)  # d log H / d log t = t h/H
        half = normal_quantile(self.level) * se
        name = "median" if q == 0.5 else f"quantile {q:g}"
        return self._estimate(name, t, se, t * math.exp(-half), t * math.exp(half), t, self.unit)

    def _logs(self, t: float, x: Any, theta: NDArray[Any]) -> tuple[float, float]:
        value, slope = self.log_hazards(np.array([float(t)]), self._x(x), theta)
        return float(value[0]), float(slope[0])

    def _delta(self, function: Callable[[NDArray[Any]], float]) -> tuple[float, float]:
        """A function of the parameters and its standard error, by central differences."""
        slope = np.empty(len(self.theta))
        for k, size in enumerate(STEP * np.maximum(1.0, np.abs(self.theta))):
            up, down = self.theta.copy(), self.theta.copy()
            up[k], down[k] = up[k] + size, down[k] - size
            slope[k] = (function(up) - function(down)) / (2 * size)
        return function(self.theta), math.sqrt(max(0.0, float(slope @ self.theta_covariance @ slope)))

    def _estimate(
        self, name: str, value: float, se: float, lower: float, upper: float, t: float, unit: str
    ) -> Estimate:
        reason = FAR if t > self.last * (1 + 1e-12) else None
        return Estimate(
            name, value, se, lower, upper, self.level, self.n, self.events, unit, self.method, reason
        )
