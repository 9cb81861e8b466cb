"""Exact tails of small tests, and Holm's adjustment, for checks that ask whether chance would do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import bdtrc, gammaln, ndtr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEVEL: Final = 0.01  # of all tests of one rule together


def at_least(x: int, n: int, p: float) -> float:
    """P(X >= x), X binomial."""
    return 1.0 if x <= 0 else float(bdtrc(x - 1, n, p))


def apart(x: int, n: int, other: int, rest: int) -> float:
    """Two-sided p of `x` of `n` against `other` of `rest` at equal shares: twice the smaller hypergeometric tail."""
    marked, total = x + other, n + rest
    low, high = max(0, n - (total - marked)), min(n, marked)
    k = np.arange(low, high + 1)
    log = _choose(marked, k) + _choose(total - marked, n - k) - _choose(total, np.array([n]))
    below, above = float(np.exp(log[: x - low + 1]).sum()), float(np.exp(log[x - low :]).sum())
    return min(1.0, 2 * min(below, above))


def _choose(n: int, k: NDArray[np.int64]) -> NDArray[np.float64]:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def rank_sum(values: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """Two-sided p of the rank sum of some values, normal with ties (Wilcoxon, Biometrics Bull 1945;1:80)."""
    n, m = len(values), int(inside.sum())
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.cumsum(ties) - (ties - 1) / 2
    variance = m * (n - m) / 12 * (n + 1 - float((ties**3.0 - ties).sum()) / (n * (n - 1)))
    if variance <= 0:
        return 1.0
    z = (float(rank[place][inside].sum()) - m * (n + 1) / 2) / np.sqrt(variance)
    return float(2 * ndtr(-abs(z)))


def held(p: Sequence[float]) -> list[int]:
    """Which tests hold at LEVEL together (Holm, Scand J Stat 1979;6:65)."""
    order = np.argsort(p, kind="stable")
    kept: list[int] = []
    for step, at in enumerate(order.tolist()):
        if p[at] * (len(p) - step) >= LEVEL:
            break
        kept.append(at)
    return sorted(kept)
