"""Results: numbers with their uncertainty, their method, and a reason where a number is missing."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from sequela.core import wording
from sequela.core.units import DAYS_PER

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl
    from numpy.typing import ArrayLike, NDArray

TOLERANCE = math.sqrt(np.finfo(float).eps)  # two survival values closer than this are the same height


def normal_quantile(level: float) -> float:
    """The half-width of a two-sided normal interval in standard errors: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def normal_p(z: float) -> float:
    """Two-sided p-value of a standard normal statistic."""
    return math.erfc(abs(z) / math.sqrt(2)) if math.isfinite(z) else (0.0 if math.isinf(z) else math.nan)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number with its interval. A missing value is NaN and always has a `reason`.

    An interval's upper limit that the data do not reach is infinite.
    """

    name: str
    value: float
    se: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    level: float = 0.95
    n: int = 0
    events: float = 0
    unit: str = ""
    method: str = ""
    reason: str | None = None
    p: float = math.nan

    def _unit_words(self) -> str:
        """` days`, ` mM`: only units of time have a plural."""
        return f" {self.unit}{'s' if self.unit in DAYS_PER else ''}" if self.unit else ""

    def __str__(self) -> str:
        if math.isnan(self.value):
            return f"{self.name} {wording.DASH} ({self.reason})"
        digits = wording.decimals(self.value)
        text = f"{self.name} {wording.number(self.value, digits)}" + self._unit_words()
        if not math.isnan(self.lower):
            text += f", {100 * self.level:g}% CI {wording.interval(self.lower, self.upper, digits)}"
        if not math.isnan(self.p):
            text += f", {wording.p_phrase(self.p)}"
        return text

    __rich__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>"

    def frame(self) -> pl.DataFrame:
        """One row, one column a field."""
        return estimates_frame([self])


def estimates_frame(estimates: Iterable[Estimate]) -> pl.DataFrame:
    """One row an estimate, one column a field."""
    import polars as pl

    rows = list(estimates)
    return pl.DataFrame(
        {name: [getattr(row, name) for row in rows] for name in Estimate.__dataclass_fields__}
    )


@dataclass(frozen=True, slots=True)
class Test:
    """A hypothesis test. A missing statistic is NaN and always has a `reason`."""

    __test__ = False  # pytest must not collect it

    statistic: float
    df: float
    p: float
    method: str
    n: int = 0
    reason: str | None = None
    groups: tuple[str, ...] = ()
    observed: tuple[float, ...] = ()
    expected: tuple[float, ...] = ()

    def __str__(self) -> str:
        if math.isnan(self.p):
            return f"{self.method}: {wording.DASH} ({self.reason})"
        freedom = f" (df {self.df:g})" if self.df else ""
        return f"{self.method}: {wording.number(self.statistic)}{freedom}, {wording.p_phrase(self.p)}"

    __rich__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>"

    def frame(self) -> pl.DataFrame:
        """One row: statistic, df, p, method, n, reason."""
        import polars as pl

        names = ("statistic", "df", "p", "method", "n", "reason")
        return pl.DataFrame({name: [getattr(self, name)] for name in names})


@dataclass(frozen=True, eq=False)
class Curve:
    """A step function of time with pointwise intervals; row i holds from `time[i]` until the next time.

    Arrays all have one row per distinct exit time (events or censorings). `se` belongs to `survival`;
    `variance` is the cumulative variance of log survival (Greenwood's sum for Kaplan-Meier); `hazard` and
    `hazard_se` are the cumulative hazard and its standard error. `convention` says whose quantile rule is
    followed, `independent` whether `variance` has independent increments (robust and predicted curves have not).
    """

    time: NDArray[Any]
    survival: NDArray[Any]
    se: NDArray[Any]
    lower: NDArray[Any]
    upper: NDArray[Any]
    at_risk: NDArray[Any]
    events: NDArray[Any]
    censored: NDArray[Any]
    n: int
    level: float = 0.95
    interval: str = "log"
    method: str = "Kaplan-Meier"
    unit: str = "day"
    origin: str = ""
    label: str = ""
    variance: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    hazard: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    hazard_se: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    convention: str = "r"
    independent: bool = True

    def __repr__(self) -> str:
        label = f" {self.label}" if self.label else ""
        return f"<Curve{label}: {self.method}, n {self.n}, events {self.events.sum():g}, {self.median()}>"

    def __rich__(self) -> str:
        return repr(self)[1:-1]

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.__rich__())}</p>"

    def _estimate(self, name: str, value: float, **fields: Any) -> Estimate:
        facts: dict[str, Any] = {
            "level": self.level,
            "n": self.n,
            "events": float(self.events.sum()),
            "method": self.method,
        }
        return Estimate(name, value, **{**facts, **fields})

    def median(self) -> Estimate:
        """Time at which survival falls to one half; `quantile(0.5)`."""
        return self.quantile(0.5)

    def quantile(self, q: float) -> Estimate:
        """Time by which a fraction `q` has had the event, with its interval.

        Convention "r": the smallest time with S <= 1 - q, or the middle of the stretch on which S equals
        1 - q; limits by inverting the limits of the curve (Brookmeyer and Crowley 1982). Convention
        "spss": the smallest time with S <= 1 - q, limits from its standard error (Collett 2015, section 2.4).
        """
        name = "median" if q == 0.5 else f"quantile {q:g}"
        if self.convention == "spss":
            value, se = self._first(q), self._quantile_se(q)
            half = normal_quantile(self.level) * se
            lower, upper = max(0.0, value - half), value + half
        else:
            value, se = self._crossing(self.survival, q), math.nan
            lower, upper = self._crossing(self.lower, q), self._crossing(self.upper, q)
            upper = math.inf if math.isnan(upper) else upper
        reason = f"{name} not reached" if math.isnan(value) else None
        return self._estimate(name, value, se=se, lower=lower, upper=upper, unit=self.unit, reason=reason)

    def _crossing(self, heights: NDArray[Any], q: float) -> float:
        known = ~np.isnan(heights)
        time, height = self.time[known], heights[known]
        below = np.flatnonzero(height <= 1 - q + TOLERANCE)
        if not len(below):
            return math.nan
        start = below[0]
        if abs(height[start] - (1 - q)) > TOLERANCE:
            return float(time[start])
        lower = np.flatnonzero(height < height[start] - TOLERANCE)
        return float((time[start] + time[lower[0] if len(lower) else -1]) / 2)

    def _first(self, q: float) -> float:
        below = np.flatnonzero(self.survival <= 1 - q + TOLERANCE)
        return float(self.time[below[0]]) if len(below) else math.nan

    def _quantile_se(self, q: float) -> float:
        """Standard error of a quantile: se of S over the density, a slope across 0.05 either side."""
        above = np.flatnonzero(self.survival >= 1 - q + 0.05 - TOLERANCE)
        below = np.flatnonzero(self.survival <= 1 - q - 0.05 + TOLERANCE)
        at = np.flatnonzero(self.survival <= 1 - q + TOLERANCE)
        if not (len(above) and len(below) and len(at)):
            return math.nan
        first, last = below[0], above[-1]
        density = (self.survival[last] - self.survival[first]) / (self.time[first] - self.time[last])
        return float(self.se[at[0]] / density)

    @overload
    def at(self, t: float) -> Estimate: ...
    @overload
    def at(self, t: list[float] | tuple[float, ...] | NDArray[Any]) -> list[Estimate]: ...
    def at(self, t: ArrayLike) -> Estimate | list[Estimate]:
        """Survival at time `t` (an Estimate) or at each of several times (a list of them)."""
        if np.ndim(t):
            return [self._at(float(value)) for value in np.asarray(t)]
        return self._at(float(np.asarray(t)))

    def _at(self, t: float) -> Estimate:
        name = f"survival at {t:g}"
        row = int(np.searchsorted(self.time, t + TOLERANCE * max(1.0, abs(t)), side="right")) - 1
        if row < 0:
            return self._estimate(name, 1.0, se=0.0, lower=1.0, upper=1.0)
        if t > self.time[-1] * (1 + TOLERANCE) and self.survival[-1] > 0:
            return self._estimate(name, math.nan, reason="beyond the last follow-up time")
        numbers = {"se": self.se[row], "lower": self.lower[row], "upper": self.upper[row]}
        reason = None
        if self.survival[row] == 0:
            reason = "no variance once every subject at risk had the event"
        elif np.isnan(self.lower[row]):
            reason = f"the {self.interval} interval has no limits while survival is 1"
        return self._estimate(
            name, float(self.survival[row]), reason=reason, **{k: float(v) for k, v in numbers.items()}
        )

    def rmst(self, tau: float | None = None) -> Estimate:
        """Restricted mean survival time: area under the curve up to `tau` (by default the last time).

        The variance is the sum of squared areas to the right of each event time times the increase of the
        variance of log survival there (Irwin 1949; Royston and Parmar 2013). Past the last follow-up time
        the area is not known unless survival is 0 there.
        """
        last = float(self.time[-1]) if len(self.time) else 0.0
        tau = last if tau is None else float(tau)
        name = f"restricted mean to {tau:g}"
        if tau > last * (1 + TOLERANCE) and not (len(self.time) and self.survival[-1] == 0):
            return self._estimate(
                name, math.nan, unit=self.unit, reason="tau lies beyond the last follow-up time"
            )
        rows = self.time < tau
        edges = np.concatenate([[0.0], self.time[rows], [tau]])
        areas = np.diff(edges) * np.concatenate([[1.0], self.survival[rows]])
        value = float(areas.sum())
        right = areas[::-1].cumsum()[::-1][1:]
        variance = self.area_variance(tau, right)
        if math.isnan(variance):
            reason = "no error of this curve's mean: bootstrap it"
            return self._estimate(name, value, unit=self.unit, reason=reason)
        se = math.sqrt(variance)
        half = normal_quantile(self.level) * se
        return self._estimate(
            name, value, se=se, lower=max(0.0, value - half), upper=min(tau, value + half), unit=self.unit
        )

    def area_variance(self, tau: float, right: NDArray[Any]) -> float:
        """Variance of the area up to `tau`; `right` is the area right of each time before `tau`."""
        steps = np.diff(self.variance[: len(right)], prepend=0.0)
        return float(right**2 @ steps) if self.independent else math.nan

    def frame(self) -> pl.DataFrame:
        """One row per time: time, survival, se, lower, upper, hazard, at_risk, events, censored."""
        import polars as pl

        names = ("time", "survival", "se", "lower", "upper", "hazard", "at_risk", "events", "censored")
        return pl.DataFrame(
            {name: getattr(self, name) for name in names if len(getattr(self, name)) == len(self.time)}
        )


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted regression model; `coef` is on the log hazard scale for Cox.

    `log_likelihood` holds the values without covariates and fitted; `tests` the keys "likelihood_ratio",
    "wald" and "score". A coefficient that could not be estimated is NaN and named in `reasons`; so is one
    that has a value but should not be believed (separation). `covariance` is the model-based one;
    intervals use `robust_se` where it is given. `ratio` says what exp(coef) is (a time ratio for accelerated
    failure time models).
    """

    names: tuple[str, ...]
    coef: NDArray[Any]
    se: NDArray[Any]
    covariance: NDArray[Any]
    log_likelihood: tuple[float, float]
    tests: dict[str, Test]
    n: int
    events: float
    robust_se: NDArray[Any] | None = None
    level: float = 0.95
    method: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    ratio: str = "hazard_ratio"

    def __repr__(self) -> str:
        lines = [
            f"{self.method}: n {self.n}, events {self.events:g}",
            *(f"  {ratio}" for ratio in self.hazard_ratios()),
        ]
        return "\n".join([*lines, *(f"  {name}: {test}" for name, test in self.tests.items())])

    def __rich__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

    def hazard_ratios(self) -> tuple[Estimate, ...]:
        """exp(coefficient) of each column with its Wald interval and p-value; `se` is that of its log."""
        half = normal_quantile(self.level)
        errors = self.se if self.robust_se is None else self.robust_se
        return tuple(
            self._ratio(name, float(b), float(s), half)
            for name, b, s in zip(self.names, self.coef, errors, strict=True)
        )

    def _ratio(self, name: str, b: float, se: float, half: float) -> Estimate:
        facts: dict[str, Any] = {
            "level": self.level,
            "n": self.n,
            "events": self.events,
            "method": self.method,
        }
        limits = [_exponential(b + sign * half * se) for sign in (-1, 1)]
        p = normal_p(b / se) if se > 0 else math.nan
        return Estimate(
            f"{'HR' if self.ratio == 'hazard_ratio' else 'time ratio'} {name}",
            _exponential(b),
            se,
            limits[0],
            limits[1],
            p=p,
            reason=self.reasons.get(name),
            **facts,
        )

    def frame(self) -> pl.DataFrame:
        """One row a column: term, coef, se (robust if given), hazard_ratio, lower, upper, z, p, reason."""
        import polars as pl

        ratios = self.hazard_ratios()
        errors = [ratio.se for ratio in ratios]
        return pl.DataFrame(
            {
                "term": list(self.names),
                "coef": self.coef,
                "se": errors,
                self.ratio: [ratio.value for ratio in ratios],
                "lower": [ratio.lower for ratio in ratios],
                "upper": [ratio.upper for ratio in ratios],
                "z": [b / s if s > 0 else math.nan for b, s in zip(self.coef, errors, strict=True)],
                "p": [ratio.p for ratio in ratios],
                "reason": [ratio.reason for ratio in ratios],
            },
            schema_overrides={"reason": pl.String},
        )


def _exponential(x: float) -> float:
    return math.exp(x) if x < 709 else (math.nan if math.isnan(x) else math.inf)
