"""Units of time. Days are counted; months and years are for people to read."""

from __future__ import annotations

from typing import Final, Literal

Unit = Literal["day", "week", "month", "year"]

DAYS_PER_YEAR: Final = 365.25
DAYS_PER_MONTH: Final = DAYS_PER_YEAR / 12  # 30.4375
DAYS_PER: Final[dict[str, float]] = {"day": 1.0, "week": 7.0, "month": DAYS_PER_MONTH, "year": DAYS_PER_YEAR}


def days_in(unit: Unit) -> float:
    """Days in one `unit` (a month is 30.4375 days, a year 365.25)."""
    return DAYS_PER[unit]
