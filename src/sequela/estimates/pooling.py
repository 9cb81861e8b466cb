"""Rubin's rules: one estimate from many completed data sets.

Total variance T = W + (1 + 1/m) B, W the mean of the variances, B the variance of the estimates. Degrees of freedom
after Barnard and Rubin (Biometrika 1999): 1 / (1/old + 1/observed), old = (m - 1) / lambda^2, lambda = (1 + 1/m) B / T,
observed = (v + 1) / (v + 3) v (1 - lambda) with v those of the complete data.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr, stdtrit

from sequela.core.estimate import Estimate, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence


def pool(
    name: str, fits: Sequence[tuple[float, float]], complete_df: float, level: float = 0.95, n: int = 0,
    events: float = 0, method: str = "",
) -> Estimate:  # fmt: skip
    """Pool log ratios; the result is exp of the mean, `se` that of its logarithm, its interval from t.

    Args:
        name: of the estimate.
        fits: (log ratio, standard error) of each completed data set.
        complete_df: degrees of freedom had nothing been missing.
        level: of the interval.
        n, events, method: as in `Estimate`; the fraction of missing information is added to `method`.
    """
    values, errors = (np.array(part, float) for part in zip(*fits, strict=True))
    known = np.isfinite(values) & np.isfinite(errors)
    if known.sum() < 2:
        reason = "not estimable in the completed data sets"
        return Estimate(name, math.nan, level=level, n=n, events=events, method=method, reason=reason)
    values, errors = values[known], errors[known]
    m, mean = len(values), float(values.mean())
    between = float(values.var(ddof=1))
    added = (1 + 1 / m) * between
    total = float((errors**2).mean()) + added
    df = degrees_of_freedom(m, added / total, complete_df)
    se = math.sqrt(total)
    half = float(stdtrit(df, 0.5 + level / 2)) * se if math.isfinite(df) else normal_quantile(level) * se
    p = (
        2 * float(stdtr(df, -abs(mean / se)))
        if math.isfinite(df)
        else math.erfc(abs(mean / se) / math.sqrt(2))
    )
    told = f"Rubin's rules, m = {m}, df {df:.0f}, missing information {added / total:.0%}"
    return Estimate(
        name, math.exp(mean), se, math.exp(mean - half), math.exp(mean + half), level, n, events,
        method=f"{method}; {told}" if method else told, p=p,
    )  # fmt: skip


def degrees_of_freedom(m: int, missing: float, complete: float) -> float:
    """Barnard and Rubin's degrees of freedom for m data sets and a share `missing` of the variance."""
    if missing <= 0:
        return complete
    old = (m - 1) / missing**2
    seen = (complete + 1) / (complete + 3) * complete * (1 - missing) if math.isfinite(complete) else math.inf
    return 1 / (1 / old + (0.0 if math.isinf(seen) else 1 / seen))
