"""The log-rank family on a risk table: k groups, strata, weights over time.

At each event time of a stratum the events of each group are compared with their hypergeometric
expectation; differences are weighted, summed over times and strata and referred to chi-square.
Sources: Mantel (1966); Peto and Peto (1972); Gehan (1965); Tarone and Ware (1977); Andersen, Borgan, Gill
and Keiding (1982); Harrington and Fleming (1982); Fleming and Harrington (1991).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from scipy.special import chdtrc

from sequela.core.errors import UsageError
from sequela.core.estimate import Test
from sequela.core.finding import Finding
from sequela.estimates.risk import RiskTable, across, risk_table
from sequela.estimates.timeline import labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from sequela.core.outcome import Times

    Weight = Callable[["RiskSets"], NDArray[Any]]

Scheme = Literal["log-rank", "gehan", "tarone-ware", "peto", "modified-peto"]


@dataclass(frozen=True, eq=False)
class RiskSets:
    """One stratum: m event times x k groups.

    Attributes:
        time: m event times.
        events, at_risk: m x k; `d` and `n` are their sums over groups.
    """

    time: NDArray[Any]
    events: NDArray[Any]
    at_risk: NDArray[Any]

    @property
    def d(self) -> NDArray[Any]:
        """Events at each time."""
        return across(self.events)

    @property
    def n(self) -> NDArray[Any]:
        """At risk at each time."""
        return across(self.at_risk)

    def before(self, extra: float = 0.0) -> NDArray[Any]:
        """Pooled survival just before each time, the product of 1 - d/(n + extra)."""
        steps = np.cumprod(1 - self.d / (self.n + extra))
        return np.concatenate([[1.0], steps[:-1]])


def risk_sets(table: RiskTable) -> Iterator[RiskSets]:
    """Each stratum of `table` with all its groups side by side."""
    edges = np.searchsorted(table.stratum, np.arange(len(table.strata) + 1))
    net = across(table.leaving) - table.entered
    for low, high in pairwise(edges.tolist()):
        rows = slice(low, high)
        times, position = np.unique(table.time[rows], return_inverse=True)
        events = np.zeros((len(table.groups), len(times)))
        change = np.zeros_like(events)
        events[table.group[rows], position] = table.events[rows]
        change[table.group[rows], position] = net[rows]
        at_risk = change[:, ::-1].cumsum(axis=1)[:, ::-1]
        keep = events.any(axis=0)
        yield RiskSets(times[keep], events[:, keep].T, at_risk[:, keep].T)


@dataclass(frozen=True, eq=False)
class Score:
    """Observed minus expected of k groups, and its covariance."""

    observed: NDArray[Any]
    expected: NDArray[Any]
    covariance: NDArray[Any]

    @property
    def difference(self) -> NDArray[Any]:
        """Observed minus expected."""
        return self.observed - self.expected


def score(table: RiskTable, weight: Weight) -> Score:
    """Weighted observed and expected events per group, summed over strata."""
    k = len(table.groups)
    observed, expected, covariance = np.zeros(k), np.zeros(k), np.zeros((k, k))
    for sets in risk_sets(table):
        w, d, n = weight(sets), sets.d, sets.n
        share = sets.at_risk / n[:, None]
        observed += w @ sets.events
        expected += (w * d) @ share
        spread = w**2 * d * np.divide(n - d, n - 1, out=np.zeros(len(n)), where=n > 1)
        covariance += np.diag(spread @ share) - (share * spread[:, None]).T @ share
    return Score(observed, expected, covariance)


def fleming_harrington_weight(rho: float, gamma: float) -> Weight:
    """S(t-)^rho (1 - S(t-))^gamma of the pooled Kaplan-Meier curve."""

    def weight(sets: RiskSets) -> NDArray[Any]:
        survival = sets.before()
        return survival**rho * (1 - survival) ** gamma

    return weight


SCHEMES: Final[dict[str, Weight]] = {
    "log-rank": lambda sets: np.ones(len(sets.time)),
    "gehan": lambda sets: sets.n,
    "tarone-ware": lambda sets: np.sqrt(sets.n),
    "peto": lambda sets: np.cumprod(1 - sets.d / (sets.n + 1)),
    "modified-peto": lambda sets: np.cumprod(1 - sets.d / (sets.n + 1)) * sets.n / (sets.n + 1),
}


def log_rank(
    times: Times | RiskTable,
    by: Any = None,
    strata: Any = None,
    rho: float = 0,
    gamma: float = 0,
    scheme: Scheme = "log-rank",
    cluster: Any = None,
) -> Test:
    """Test that k groups share one hazard.

    Args:
        times: n subjects, with delayed entry or case weights if need be, or a risk table with groups.
        by: n group labels (needed unless `times` is a risk table).
        strata: n stratum labels; expectations are formed inside strata.
        rho, gamma: Fleming-Harrington weights S(t-)^rho (1 - S(t-))^gamma; rho = 1 is the Peto and Peto
            test as R's `survdiff(rho = 1)` computes it.
        scheme: other weights over time: Gehan, Tarone-Ware, Peto-Peto, modified Peto-Peto.
        cluster: n labels of rows that depend on each other.

    Returns:
        chi-square with k - 1 degrees of freedom; `observed` and `expected` are weighted events. The variance
        is hypergeometric; with case weights or clusters it is robust, and `method` says so.

    Raises:
        UsageError: fewer than two groups, or a risk table of weighted subjects.
    """
    weight = fleming_harrington_weight(rho, gamma) if rho or gamma else SCHEMES[scheme]
    name = f"Fleming-Harrington ({rho:g}, {gamma:g}) test" if rho or gamma else f"{scheme} test"
    found, table = compared(times, by, strata, weight, cluster)
    name += f", stratified ({len(table.strata)} strata)" if len(table.strata) > 1 else ""
    robust = cluster is not None or (not isinstance(times, RiskTable) and times.weighted)
    return chi_square_of(found, table, name + (", robust variance" if robust else ""))


def compared(
    times: Times | RiskTable, by: Any, strata: Any, weight: Weight, cluster: Any = None
) -> tuple[Score, RiskTable]:
    """The score and its table; the covariance is robust with case weights or clusters."""
    if isinstance(times, RiskTable) or not (times.weighted or cluster is not None):
        table = grouped_table(times, by, strata)
        return score(table, weight), table
    from sequela.estimates.robust import robust_score

    n = len(times)
    table = _at_least_two(risk_table(times, by, strata))
    blocks, units = (
        None if column is None else labels(column, n, name)
        for column, name in ((strata, "strata"), (cluster, "cluster"))
    )
    return robust_score(times, labels(by, n, "by"), blocks, weight, units), table


def _at_least_two(table: RiskTable) -> RiskTable:
    if len(table.groups) < 2:
        found = ", ".join(map(str, table.groups)) or "none"
        raise UsageError(Finding("E130", "error", "a comparison needs at least two groups", found=found))
    return table


def grouped_table(times: Times | RiskTable, by: Any, strata: Any) -> RiskTable:
    """A risk table fit for testing: at least two groups and no case weights."""
    table = _at_least_two(times if isinstance(times, RiskTable) else risk_table(times, by, strata))
    if not np.array_equal(table.leaving, table.exits):
        message = "this test does not take case weights"
        remedy = "give log_rank the Times behind the table: its variance is then robust"
        raise UsageError(Finding("E131", "error", message, remedy=remedy))
    return table


def chi_square_of(found: Score, table: RiskTable, name: str) -> Test:
    """Quadratic form of observed minus expected; groups never at risk at an event are left out."""
    facts: dict[str, Any] = {
        "groups": tuple(str(group) for group in table.groups),
        "observed": tuple(found.observed.tolist()),
        "expected": tuple(found.expected.tolist()),
    }
    used = np.flatnonzero(found.expected > 0)[:-1]
    if not len(used):
        reason = "no events" if not found.observed.any() else "only one group was ever at risk at an event"
        return Test(math.nan, 0, math.nan, name, table.n, reason, **facts)
    difference, inner = found.difference[used], found.covariance[np.ix_(used, used)]
    statistic = float(difference @ np.linalg.lstsq(inner, difference, rcond=1e-12)[0])
    return Test(statistic, len(used), float(chdtrc(len(used), statistic)), name, table.n, None, **facts)
