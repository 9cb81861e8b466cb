"""Are the groups alike? Standardised mean differences and variance ratios, before and after weighting.

One definition throughout: the difference of (weighted) means over the unweighted pooled standard deviation
sqrt((s_a^2 + s_b^2) / 2), the same denominator before and after, so that only the means can close the gap; a 0/1
column has s^2 = p(1 - p). The variance ratio is the (weighted) variance of the second group over that of the
reference, for numeric columns and two groups. Weighted variances are sum w (x - m)^2 / (sum w - sum w^2 / sum w), the
usual one for unit weights. Of more than two groups the largest difference of any pair is given. Sources: Austin (Stat
Med 2009); Austin and Stuart (Stat Med 2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.estimates.design import design

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    Real = NDArray[np.float64]

LIMIT = 0.1  # the usual limit of a negligible difference (Austin 2009)


@dataclass(frozen=True, slots=True)
class Balanced:
    """One column before and after weighting.

    Attributes:
        name: of the column.
        before, after: standardised differences, second group less reference; of more groups the largest in size.
        ratio_before, ratio_after: ratios of variances (second over reference); NaN for a 0/1 column.
    """

    name: str
    before: float
    after: float
    ratio_before: float
    ratio_after: float


def balance(codes: Any, X: Any, weights: Any = None, names: Any = None) -> tuple[Balanced, ...]:
    """Balance of every column over groups.

    Args:
        codes: n group positions from 0, the reference first.
        X: n x p covariates, as for `cox`.
        weights: n weights; 1 by default, and then before and after are the same.
        names: names of an array's columns.
    """
    place = np.asarray(codes)
    matrix, columns = design(X, len(place), names)
    w = np.ones(len(place)) if weights is None else np.asarray(weights, float)
    return tuple(_column(name, matrix[:, j], place, w) for j, name in enumerate(columns))


def _column(name: str, x: Real, codes: NDArray[Any], w: Real) -> Balanced:
    binary = bool(np.isin(x, (0.0, 1.0)).all())
    groups = [codes == k for k in range(int(codes.max()) + 1)]
    pairs = list(combinations([mask for mask in groups if mask.any()], 2))
    plain = np.ones(len(x))
    before = [difference(x[a], x[b], plain[a], plain[b]) for a, b in pairs]
    after = [difference(x[a], x[b], w[a], w[b]) for a, b in pairs]
    ratios = (math.nan, math.nan)
    if not binary and len(pairs) == 1:
        a, b = pairs[0]
        ratios = _ratio(x[a], x[b], plain[a], plain[b]), _ratio(x[a], x[b], w[a], w[b])
    return Balanced(name, _largest(before), _largest(after), *ratios)


def difference(a: Real, b: Real, wa: Real | None = None, wb: Real | None = None) -> float:
    """Standardised mean difference, b less a; `wa` and `wb` weigh the means only."""
    if len(a) < 2 or len(b) < 2:
        return math.nan
    pooled = math.sqrt((_spread(a) + _spread(b)) / 2)
    gap = float(np.average(b, weights=wb) - np.average(a, weights=wa))
    return gap / pooled if pooled > 0 else (0.0 if gap == 0 else math.nan)


def _spread(x: Real) -> float:
    if np.isin(x, (0.0, 1.0)).all():
        return float(x.mean() * (1 - x.mean()))
    return float(x.var(ddof=1))


def _variance(x: Real, w: Real) -> float:
    total = float(w.sum())
    left = total - float((w**2).sum()) / total
    return float(w @ (x - np.average(x, weights=w)) ** 2) / left if left > 0 else math.nan


def _ratio(a: Real, b: Real, wa: Real, wb: Real) -> float:
    base = _variance(a, wa)
    return _variance(b, wb) / base if base > 0 else math.nan


def _largest(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return max(known, key=abs) if known else math.nan


def balance_frame(rows: tuple[Balanced, ...]) -> pl.DataFrame:
    """One row a column of the covariates."""
    import polars as pl

    fields = ("name", "before", "after", "ratio_before", "ratio_after")
    return pl.DataFrame({field: [getattr(row, field) for row in rows] for field in fields})
