"""Growth-rate inhibition: effect of a dose on the rate of growth, not on the count at one time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sequela.estimates.doseresponse.models import Array


def growth_rate_inhibition(final: ArrayLike, start: ArrayLike, control: ArrayLike) -> Array:
    """GR = 2^(log2(x / x0) / log2(xc / x0)) - 1 (Hafner et al., Nat Methods 2016; 13: 521).

    `final` counts at the end, `start` counts at dosing, `control` untreated counts at the end; shapes
    broadcast. 1 is no effect, 0 no growth, negative cell loss. Raises DataError when a count is not
    positive or the control did not grow.
    """
    x, x0, xc = (np.asarray(count, float) for count in (final, start, control))
    if not all(np.all(np.isfinite(count) & (count > 0)) for count in (x, x0, xc)) or np.any(xc <= x0):
        raise DataError(
            Finding(
                "E212", "error", "Growth rates need positive counts and a control that grew.",
                Where(field="control"), found=f"smallest control {xc.min():g}, largest start {x0.max():g}",
                allowed="final, start, control > 0 and control > start",
                remedy="Check the counts at dosing, or use viability relative to control.",
            )
        )  # fmt: skip
    return 2 ** (np.log2(x / x0) / np.log2(xc / x0)) - 1
