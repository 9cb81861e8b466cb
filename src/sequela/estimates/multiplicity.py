"""p-values of a family of tests, adjusted: Bonferroni, Holm, Hochberg, Benjamini-Hochberg.

Sources: Holm (Scand J Stat 1979); Hochberg (Biometrika 1988); Benjamini and Hochberg (JRSS B 1995).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Adjustment = Literal["none", "bonferroni", "holm", "hochberg", "bh"]


def adjust(p: ArrayLike, method: Adjustment = "holm") -> NDArray[Any]:
    """Adjusted p-values in the given order; missing ones (NaN) stay missing and are not counted."""
    values = np.asarray(p, float)
    if method not in get_args(Adjustment):
        allowed = ", ".join(get_args(Adjustment))
        raise UsageError(Finding("E180", "error", "no such adjustment", found=str(method), allowed=allowed))
    known = np.flatnonzero(~np.isnan(values))
    result, m = values.copy(), len(known)
    order = known[np.argsort(values[known], kind="stable")]
    ascending, rank = values[order], np.arange(1, m + 1)
    if method == "bonferroni":
        adjusted = m * ascending
    elif method == "holm":
        adjusted = np.maximum.accumulate((m - rank + 1) * ascending)
    elif method == "hochberg":
        adjusted = np.minimum.accumulate(((m - rank + 1) * ascending)[::-1])[::-1]
    elif method == "bh":
        adjusted = np.minimum.accumulate((m / rank * ascending)[::-1])[::-1]
    else:
        adjusted = ascending
    result[order] = np.minimum(adjusted, 1)
    return result
