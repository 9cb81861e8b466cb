"""Numbers below a survival curve: at risk, censored and events at each tick, read off the curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sequela.core.estimate import Curve


@dataclass(frozen=True, slots=True, eq=False)
class RiskCounts:
    """Counts of one group just before each of k ticks; without delayed entry the three add up to n.

    Attributes:
        ticks: times in the unit of the curve.
        at_risk: entered before the tick and not yet left.
        censored, events: before the tick.
    """

    ticks: NDArray[Any]
    at_risk: NDArray[Any]
    censored: NDArray[Any]
    events: NDArray[Any]


def risk_counts(curve: Curve, ticks: ArrayLike, entry: ArrayLike | None = None) -> RiskCounts:
    """Counts just before each tick.

    Args:
        curve: the curve; its rows are the distinct exit times.
        ticks: k times in the unit of the curve.
        entry: entry times of the subjects, in the same unit. Needed for exact numbers with delayed entry;
            without them the number at risk is that of the next time at which somebody leaves.
    """
    at = np.asarray(ticks, float)
    before = np.searchsorted(curve.time, at, side="left")
    events = np.concatenate([[0], np.cumsum(curve.events)])[before]
    censored = np.concatenate([[0], np.cumsum(curve.censored)])[before]
    if entry is None:
        at_risk = np.concatenate([curve.at_risk, [0]])[before]
    else:
        start = np.sort(np.asarray(entry, float))
        entered = np.maximum(np.searchsorted(start, at, side="left"), np.searchsorted(start, 0, side="right"))
        at_risk = entered - events - censored
    return RiskCounts(at, at_risk, censored, events)


def is_delayed(curve: Curve) -> bool:
    """Whether somebody entered after the first exit: the exits alone do not give the numbers at risk."""
    left = np.concatenate([[0], np.cumsum(curve.events + curve.censored)[:-1]])
    whole = curve.at_risk[0] if len(curve.at_risk) else 0
    return bool(np.any(np.abs(curve.at_risk + left - whole) > 1e-6 * max(whole, 1)))
