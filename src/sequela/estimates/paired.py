"""Paired exact tests for a handful of pairs: the sign test and Wilcoxon's signed ranks, and their least p.

Both are two-sided and exact. The smallest p that n informative pairs can give is 2 / 2^n: 0.125 for four, 0.031 for
six, the first below 0.05. Ties between before and after carry no direction: they are left out of the sign test;
Wilcoxon ranks them and drops their ranks (Pratt 1959).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import comb
from typing import TYPE_CHECKING, Final

import numpy as np

from sequela.core.estimate import Estimate, Test
from sequela.core.wording import number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MOST: Final = 18  # pairs up to which all sign patterns are counted


@dataclass(frozen=True, slots=True)
class Paired:
    """Directions of the pairs, both tests, the least p that so many pairs can reach, and P(lower) with its interval."""

    pairs: int
    lower: int
    higher: int
    equal: int
    sign: Test
    ranks: Test
    least_p: float
    share_lower: Estimate

    @property
    def sentence(self) -> str:
        """What the pairs can show at all, in words."""
        told = f"{self.lower} of {self.pairs} lower, {self.higher} higher, {self.equal} equal"
        n = self.lower + self.higher
        if not n:
            return f"{told}; nothing to test."
        end = "no result could be significant at 0.05" if self.least_p >= 0.05 else "exact p-values"
        return f"{told}. With {n} pairs the smallest two-sided p is {number(self.least_p, 3)}: {end}."


def paired_exact(before: ArrayLike, after: ArrayLike, level: float = 0.95) -> Paired:
    """Exact paired comparison of n values before and after; pairs with a missing value are left out.

    The interval of P(lower) is Clopper and Pearson's, over pairs that differ.
    """
    x, y = np.asarray(before, float), np.asarray(after, float)
    change = (y - x)[~np.isnan(y - x)]
    lower, higher = int((change < 0).sum()), int((change > 0).sum())
    n = lower + higher
    none = "no pair differs"
    if not n:
        nothing = Test(np.nan, 0, np.nan, "exact sign test", len(change), none)
        share = Estimate("P(lower)", np.nan, reason=none, level=level)
        return Paired(len(change), 0, 0, len(change), nothing, nothing, np.nan, share)
    least = min(1.0, 2 / 2**n)
    p = min(1.0, 2 * sum(comb(n, k) for k in range(min(lower, higher) + 1)) / 2**n)
    sign = Test(float(lower), 0, p, "exact sign test", n)
    return Paired(
        len(change),
        lower,
        higher,
        len(change) - n,
        sign,
        _signed_ranks(change),
        least,
        _share(lower, n, level),
    )


def _signed_ranks(change: NDArray[np.float64]) -> Test:
    """All 2^n sign patterns of the ranks of the pairs that differ."""
    size = np.abs(change)
    ranks = np.array([(size < one).sum() + ((size == one).sum() + 1) / 2 for one in size])[change != 0]
    if len(ranks) > MOST:
        return Test(np.nan, 0, np.nan, "exact Wilcoxon signed ranks", len(ranks), f"more than {MOST} pairs")
    seen = float(ranks[change[change != 0] > 0].sum())
    signs = np.array(list(product((0, 1), repeat=len(ranks))))
    away = np.abs(signs @ ranks - ranks.sum() / 2)
    p = float(np.mean(away >= abs(seen - ranks.sum() / 2) - 1e-9))
    return Test(seen, 0, p, "exact Wilcoxon signed ranks", len(ranks))


def _share(k: int, n: int, level: float) -> Estimate:
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return Estimate("P(lower)", k / n, lower=low, upper=high, level=level, n=n, method="Clopper-Pearson")
