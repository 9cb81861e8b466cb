"""Efron's sums over the d tied events of an event time, on the scale of its risk set.

With r = E0/S0, the share of the risk set's weight that is tied, and f = 0, 1/d, ..., (d-1)/d,

    s_ab = sum over f of f^a / (1 - f r)^b,      log = sum over f of log(1 - f r).

`listed` writes the d terms out. `expanded` needs a few terms per event time however heavy the ties: for a small r
the sums are power series in r whose coefficients are the power sums of f, and these are polynomials in 1/d
(Bernoulli's formula). Event times with a large r, the last few of most data sets, are listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import bernoulli, binom

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.estimates.risksets import RiskSets

TERMS = 18  # powers of r kept
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


def listed(sets: RiskSets, r: NDArray[Any]) -> TieSums:
    """The sums from every event, for the event times of `sets`."""
    return _listed(sets.each, sets.share, sets.first, r)


def _listed(at: NDArray[Any], f: NDArray[Any], first: NDArray[Any], r: NDArray[Any]) -> TieSums:
    den = 1 - f * r[at]
    once = 1 / den
    twice = once * once
    columns = (once, once * f, twice, twice * f, twice * f * f, np.log(den))
    return TieSums(*(np.add.reduceat(column, first) for column in columns))


def expanded(deaths: NDArray[Any], r: NDArray[Any]) -> TieSums:
    """The same from series in r, for `deaths` tied events at each of J times."""
    near = np.where(r <= SMALL, r, 0.0)
    sums = _power_sums(deaths)
    powers = near[:, None] ** np.arange(TERMS)
    counted = powers * np.arange(1, TERMS + 1)
    logs = powers[:, 1:] / np.arange(1, TERMS)
    found = TieSums(
        *(np.einsum("jk,jk->j", powers, sums[:, a : a + TERMS]) for a in (0, 1)),
        *(np.einsum("jk,jk->j", counted, sums[:, a : a + TERMS]) for a in (0, 1, 2)),
        -np.einsum("jk,jk->j", logs, sums[:, 1:TERMS]),
    )
    far = np.flatnonzero(~(r <= SMALL))
    if not len(far):
        return found
    d = deaths[far]
    at, first = np.repeat(np.arange(len(far)), d), np.cumsum(d) - d
    exact = _listed(at, (np.arange(len(at)) - first[at]) / d[at], first, r[far])
    for name in TieSums.__dataclass_fields__:
        getattr(found, name)[far] = getattr(exact, name)
    return found


def _power_sums(deaths: NDArray[Any]) -> NDArray[Any]:
    """Sum of f^k over f = 0, 1/d, ..., (d-1)/d for k = 0 ... TERMS + 1 (J columns of k)."""
    d = deaths.astype(float)[:, None]
    sums = d * (d ** -np.arange(TERMS + 2.0) @ _coefficients())
    sums[:, 0] = d[:, 0]
    sums[d[:, 0] == 1, 1:] = 0
    return sums


@cache
def _coefficients() -> NDArray[Any]:
    """Row i, column k: what d^(1 - i) is multiplied by in the sum of the k-th powers of f."""
    k = np.arange(TERMS + 2)
    i = k[:, None]
    return np.where(i <= k, binom(k + 1, i) * bernoulli(TERMS + 1)[:, None] / (k + 1), 0.0)
