"""Efron's sums over the d tied events of an event time, on the scale of its risk set.

With r = E0/S0, the share of the risk set's weight that is tied, and f = 0, 1/d, ..., (d-1)/d,

    s_ab = sum over f of f^a / (1 - f r)^b,      log = sum over f of log(1 - f r).

They are listed term by term where the ties are few. Otherwise a few terms per event time are enough however heavy the
ties: for a small r the sums are power series in r whose coefficients are the power sums of f, and these are polynomials
in 1/d (Bernoulli's formula). Event times with a large r, the last few of most data sets, are always listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import bernoulli, binom

if TYPE_CHECKING:
    from numpy.typing import NDArray

TERMS = 18  # powers of r kept
HEAVY = 8  # mean number of tied events from which series are cheaper than lists
SMALL = 0.1  # series up to this r: the first term left out is below 1e-16


@dataclass(frozen=True, eq=False)
class TieSums:
    """J values each; see the head of this file."""

    s01: NDArray[Any]
    s11: NDArray[Any]
    s02: NDArray[Any]
    s12: NDArray[Any]
    s22: NDArray[Any]
    log: NDArray[Any]


def tie_sums(deaths: NDArray[Any], r: NDArray[Any], powers: NDArray[Any] | None = None) -> TieSums:
    """The sums for `deaths` tied events at each of J times, whose share is r; `powers` as by `power_sums`."""
    powers = power_sums(deaths) if powers is None else powers
    return _expanded(deaths, r, powers) if len(powers) else _listed(deaths, r)


def _listed(deaths: NDArray[Any], r: NDArray[Any]) -> TieSums:
    first = np.cumsum(deaths) - deaths
    at = np.repeat(np.arange(len(deaths)), deaths)
    f = (np.arange(len(at)) - first[at]) / deaths[at]
    den = 1 - f * r[at]
    once = 1 / den
    twice = once * once
    columns = (once, once * f, twice, twice * f, twice * f * f, np.log(den))
    return TieSums(*(np.add.reduceat(column, first) for column in columns))


def _expanded(deaths: NDArray[Any], r: NDArray[Any], sums: NDArray[Any]) -> TieSums:
    near = np.where(r <= SMALL, r, 0.0)
    powers = np.vander(near, TERMS, increasing=True)
    counted = powers * np.arange(1, TERMS + 1)
    logs = powers[:, 1:] / np.arange(1, TERMS)

    def series(terms: NDArray[Any], a: int) -> NDArray[Any]:
        return np.einsum("jk,jk->j", terms, sums[:, a : a + terms.shape[1]])

    found = TieSums(
        s01=series(powers, 0),
        s11=series(powers, 1),
        s02=series(counted, 0),
        s12=series(counted, 1),
        s22=series(counted, 2),
        log=-series(logs, 1),
    )
    far = np.flatnonzero(~(r <= SMALL))
    if len(far):
        exact = _listed(deaths[far], r[far])
        for name in TieSums.__dataclass_fields__:
            getattr(found, name)[far] = getattr(exact, name)
    return found


def power_sums(deaths: NDArray[Any]) -> NDArray[Any]:
    """Sum of f^k over f = 0, 1/d, ..., (d-1)/d for k = 0 ... TERMS + 1 (J columns of k); empty where ties are few."""
    if deaths.sum() <= HEAVY * len(deaths):
        return np.zeros((0, TERMS + 2))
    d = deaths.astype(float)
    sums = d[:, None] * (np.vander(1 / d, TERMS + 2, increasing=True) @ _coefficients())
    sums[:, 0] = d
    sums[d == 1, 1:] = 0
    return sums


@cache
def _coefficients() -> NDArray[Any]:
    """Row i, column k: what d^(1 - i) is multiplied by in the sum of the k-th powers of f."""
    k = np.arange(TERMS + 2)
    i = k[:, None]
    return np.where(i <= k, binom(k + 1, i) * bernoulli(TERMS + 1)[:, None] / (k + 1), 0.0)
