"""Pointwise limits of a survival probability on five scales (as R's `survfit`, `conf.type`).

Kalbfleisch and Prentice (2002, section 1.4); Klein and Moeschberger (2003, section 4.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.estimate import normal_quantile
from sequela.core.finding import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

Interval = Literal["log", "log-log", "plain", "logit", "arcsin"]
KINDS = ("log", "log-log", "plain", "logit", "arcsin")


def limits(
    survival: NDArray[Any], log_se: NDArray[Any], level: float, kind: Interval
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lower and upper limits; NaN where survival is 0, and where the scale has no finite value at 1.

    Args:
        survival: S, any shape.
        log_se: standard error of log S.
        level: between 0 and 1.
        kind: the scale on which the estimate is taken as normal.
    """
    return limits_at(survival, normal_quantile(level) * log_se, kind)


def limits_at(
    survival: NDArray[Any], half: NDArray[Any], kind: Interval
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Limits for given half-widths of log S (a multiple of its standard error)."""
    s = np.where(survival > 0, survival, np.nan)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if kind == "plain":
            return np.maximum(s - s * half, 0), np.minimum(s + s * half, 1)
        if kind == "log":
            return s * np.exp(-half), np.minimum(s * np.exp(half), 1)
        inside = np.where(s < 1, s, np.nan)
        if kind == "log-log":
            width = np.exp(half / np.log(inside))
            return inside ** (1 / width), inside**width
        if kind == "logit":
            odds, width = inside / (1 - inside), np.exp(half / (1 - inside))
            return odds / (odds + width), odds * width / (1 + odds * width)
        if kind == "arcsin":
            angle, width = np.arcsin(np.sqrt(inside)), 0.5 * half * np.sqrt(inside / (1 - inside))
            return np.sin(np.maximum(0, angle - width)) ** 2, np.sin(
                np.minimum(np.pi / 2, angle + width)
            ) ** 2
    message = "no such interval"
    raise UsageError(Finding("E120", "error", message, found=str(kind), allowed=", ".join(KINDS)))
