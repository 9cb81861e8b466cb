"""Growth: the slope of the logarithm of counts over time, one an experiment and culture.

ln N(t) = ln N(0) + r t by least squares on the wells of an experiment (Hafner et al., Nat Methods 2016; 13:
521 use the same rate). The rate is given as doublings a day, 24 r / ln 2 with r an hour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

TIMES = 3  # distinct times without which there is no rate


@dataclass(frozen=True, slots=True)
class Rate:
    """Doublings a day of one culture in one experiment, with the wells' standard error, or the reason for none."""

    culture: str
    experiment: str
    doublings: float
    se: float
    start: float
    wells: int
    times: int
    reason: str | None = None

    @property
    def doubling_hours(self) -> float:
        """Hours to double; infinite without growth."""
        return 24 / self.doublings if self.doublings > 0 else math.inf


def slope(hours: ArrayLike, counts: ArrayLike) -> tuple[float, float, float]:
    """Doublings a day, their standard error (NaN of two points) and the count at hour 0, of positive counts."""
    x, y = np.asarray(hours, float), np.log2(np.asarray(counts, float))
    centred = x - x.mean()
    size = float(centred @ centred)
    rate = float(centred @ y) / size
    left = y - y.mean() - rate * centred
    se = math.sqrt(float(left @ left) / (len(x) - 2) / size) if len(x) > 2 else math.nan
    return 24 * rate, 24 * se, float(2 ** (y.mean() - rate * x.mean()))


def rates(frame: pl.DataFrame, first: float = 0.0, last: float | None = None) -> tuple[Rate, ...]:
    """The growth rate of every culture in every experiment, between two hours (ends included).

    `frame` has the rows of a growth assay; only untreated wells count (dose 0 or none). Fewer than three times,
    or a count of 0, leave no rate, and the reason says so.
    """
    untreated = pl.col("dose").fill_null(0.0) == 0
    window = (pl.col("hours") >= first) & (pl.col("hours") <= (math.inf if last is None else last))
    rows = frame.filter(pl.col("unused").is_null() & untreated & window & (pl.col("role") != "blank"))
    found: list[Rate] = []
    for (culture, experiment), part in rows.group_by(["culture", "experiment"], maintain_order=True):
        found.append(_rate(str(culture), str(experiment or ""), part))
    return tuple(found)


def _rate(culture: str, experiment: str, part: pl.DataFrame) -> Rate:
    hours, counts = part["hours"].to_numpy(), part["value"].to_numpy()
    times = len(np.unique(hours))
    if times < TIMES:
        reason = f"a rate needs {TIMES} times, there are {times}"
    elif (counts <= 0).any():
        reason = "a count is 0 or less"
    else:
        return Rate(culture, experiment, *slope(hours, counts), len(counts), times)
    return Rate(culture, experiment, math.nan, math.nan, math.nan, len(counts), times, reason)


def missing_times(frame: pl.DataFrame, assay: str) -> tuple[Finding, ...]:
    """Growth needs the hour of every row (B250)."""
    rows = frame.filter(pl.col("hours").is_null() & pl.col("unused").is_null())
    if rows.is_empty():
        return ()
    where = Where(rows["_file"][0], rows["_line"][0], "hours")
    return (
        Finding("B250", "error", f"rows of the growth assay `{assay}` have no time", where, f"{rows.height} rows",
                "hours since seeding or dosing", "add a column `hours`"),
    )  # fmt: skip
