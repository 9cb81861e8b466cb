"""Is the hazard ratio constant? Score tests for coefficients that change with a function of time.

For each covariate the model is extended by x g(t), g centred over the events; the score test of the new
coefficient at 0 needs sums of the variance of x over risk sets, weighted with g and g^2. This is the exact
test, as R's `cox.zph` since survival 3.0. Source: Grambsch and Therneau (Biometrika 1994).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy.special import chdtrc

from sequela.core.errors import UsageError
from sequela.core.estimate import Test
from sequela.core.finding import Finding
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.likelihood import information, pieces
from sequela.estimates.residuals import schoenfeld
from sequela.estimates.spoken import Spoken

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from sequela.core.outcome import Times
    from sequela.estimates.likelihood import Problem

Transform = Literal["km", "rank", "identity", "log"]


@dataclass(frozen=True, eq=False, repr=False)
class Proportionality(Spoken):
    """Tests per column and for all, and what a plot of them needs.

    Attributes:
        tests: {column: Test}, the key "GLOBAL" last.
        time, g: event times and their transformed values (D).
        scaled: D x p scaled Schoenfeld residuals plus the coefficient: their smooth is beta(t).
    """

    tests: dict[str, Test]
    time: NDArray[Any]
    g: NDArray[Any]
    scaled: NDArray[Any]
    transform: str

    @property
    def method(self) -> str:
        """The test and its transform of time."""
        return self.tests["GLOBAL"].method

    def sentence(self) -> str:
        """The test of all columns."""
        return str(self.tests["GLOBAL"])

    def frame(self) -> pl.DataFrame:
        """One row a column, GLOBAL last: term, statistic, df, p, method, n, reason."""
        import polars as pl

        rows = pl.concat([test.frame() for test in self.tests.values()], how="vertical_relaxed")
        return rows.insert_column(0, pl.Series("term", list(self.tests)))


def transformed(times: Times, at: NDArray[Any], transform: Transform) -> NDArray[Any]:
    """g at the event times `at`: "km" is one minus the overall curve just before, "rank" the mid-rank of exits."""
    if transform == "identity":
        return at.astype(float)
    if transform == "log":
        return np.log(at)
    if transform == "rank":
        ascending = np.sort(times.exit)
        first, last = (np.searchsorted(ascending, at, side=side) for side in ("left", "right"))
        return (first + last + 1) / 2
    if transform == "km":
        curve = kaplan_meier(times)
        before = np.searchsorted(curve.time, at * (1 - 1e-12), side="left")
        return 1 - np.concatenate([[1.0], curve.survival])[before]
    found, allowed = str(transform), ", ".join(get_args(Transform))
    raise UsageError(Finding("E153", "error", "no such transform of time", found=found, allowed=allowed))


def proportionality(
    times: Times,
    problem: Problem,
    beta: NDArray[Any],
    kept: NDArray[Any],
    names: tuple[str, ...],
    transform: Transform,
) -> Proportionality:
    """Score tests of proportional hazards at the fitted `beta`; `kept` flags the columns that were fitted."""
    sets = problem.sets
    event_times, residuals = schoenfeld(problem, beta)
    order = np.argsort(sets.tied, kind="stable")
    weights = np.ones(len(event_times)) if problem.weights is None else problem.weights[sets.event[order]]
    values = transformed(times, event_times, transform)
    g = values - values.mean()
    per_time = np.zeros(len(sets.time))
    per_time[sets.tied[order]] = g
    _, risk = problem.risk(beta)
    parts, S1, E1 = pieces(problem, risk)

    def sums(power: int) -> NDArray[Any]:
        scale = per_time**power
        names_ = ("hazard", "tied", "c02", "c12", "c22")
        scaled = replace(parts, **{name: getattr(parts, name) * scale for name in names_})
        return information(problem, risk, scaled, S1, E1)[np.ix_(kept, kept)]

    plain, once, twice = sums(0), sums(1), sums(2)
    u = ((weights * g) @ residuals)[kept]
    inner = twice - once @ np.linalg.solve(plain, once)
    single = u**2 / np.diag(inner)
    together = float(u @ np.linalg.solve(inner, u))
    used = [name for name, keep in zip(names, kept, strict=True) if keep]
    n = len(times)
    method = f"proportional hazards, g(t) {transform}"
    tests = {
        name: Test(float(x), 1, float(chdtrc(1, x)), method, n) for name, x in zip(used, single, strict=True)
    }
    missing = Test(math.nan, 0, math.nan, method, n, "the coefficient was not estimated")
    tests = {name: tests.get(name, missing) for name in names}
    tests["GLOBAL"] = Test(together, len(used), float(chdtrc(len(used), together)), method, n)
    covariance = np.linalg.inv(plain)
    scaled = len(event_times) * residuals[:, kept] @ covariance + beta[kept]
    return Proportionality(tests, event_times, values, scaled, transform)
