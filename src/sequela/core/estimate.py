"""Results: numbers with their uncertainty, their method, and a reason where a number is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number with its interval. A missing value is NaN and always has a `reason`."""

    name: str
    value: float
    se: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    level: float = 0.95
    n: int = 0
    events: int = 0
    unit: str = ""
    method: str = ""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """A hypothesis test."""

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


@dataclass(frozen=True, eq=False)
class Curve:
    """A step function of time with pointwise intervals; row i holds from `time[i]` until the next time.

    Arrays all have one row per distinct exit time (events or censorings).
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


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted regression model; `coef` is on the log hazard scale for Cox."""

    names: tuple[str, ...]
    coef: NDArray[Any]
    se: NDArray[Any]
    covariance: NDArray[Any]
    log_likelihood: tuple[float, float]
    tests: dict[str, Test]
    n: int
    events: int
    robust_se: NDArray[Any] | None = None
    level: float = 0.95
    method: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
