"""The curve of several experiments as it is drawn: the mean of their curves with a band."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from sequela.estimates.doseresponse.fit import Fit
    from sequela.estimates.doseresponse.models import Array


def mean_curve(fit: Fit, dose: Array) -> tuple[Array, Array, Array]:
    """The curve at each dose with lower and upper limits, each (doses,).

    Of several experiments: the mean of their curves, with Student's interval over experiments at each dose; a
    curve that cannot be read is left out. Of one: its curve with the delta-method band over wells. NaN where
    there is nothing to draw.
    """
    readable = [one for one in fit.experiments or (fit,) if np.isfinite(one.theta).all()]
    if not readable:
        empty = np.full(len(dose), math.nan)
        return empty, empty, empty
    if len(readable) == 1:
        return readable[0].predict(dose), *readable[0].band(dose)
    curves = np.stack([one.predict(dose) for one in readable])
    n = len(curves)
    half = stdtrit(n - 1, 0.5 + fit.level / 2) * curves.std(0, ddof=1) / math.sqrt(n)
    middle = curves.mean(0)
    return middle, middle - half, middle + half
