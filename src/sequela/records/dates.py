"""Calendar dates to whole days since 1970-01-01, with the precision in which they are known."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

EPOCH: Final = date(1970, 1, 1).toordinal()
Precision = Literal["day", "month", "year"]
Imputation = Literal["first", "middle", "last"]

FORMATS: Final[dict[str, re.Pattern[str]]] = {
    "YYYY-MM-DD": re.compile(r"^(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?$"),
    "DD/MM/YYYY": re.compile(r"^(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{4})$"),
    "MM/DD/YYYY": re.compile(r"^(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})$"),
    "DD.MM.YYYY": re.compile(r"^(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})$"),
    "DD-MM-YYYY": re.compile(r"^(?P<d>\d{1,2})-(?P<m>\d{1,2})-(?P<y>\d{4})$"),
    "YYYY/MM/DD": re.compile(r"^(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})$"),
    "YYYYMMDD": re.compile(r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})$"),
}
PARTIAL: Final = re.compile(r"^(?P<y>\d{4})(?:[-/](?P<m>\d{1,2}))?$")
MONTH_FIRST: Final = re.compile(r"^(?P<m>\d{1,2})[/.-](?P<y>\d{4})$")


@dataclass(frozen=True, slots=True)
class Day:
    """A day and how exactly it is known."""

    day: int
    precision: Precision


def parse_date(text: str, form: str = "YYYY-MM-DD", imputation: Imputation = "middle") -> Day | None:
    """The day of a text in one format, or of a month or year alone; None when it is no such date.

    A partial date is put at the first day, the middle (the 15th; 1 July) or the last day of what is known.
    """
    match = FORMATS[form].match(text)
    if match:
        return _full(int(match["y"]), int(match["m"]), int(match["d"]))
    partial = PARTIAL.match(text) or MONTH_FIRST.match(text)
    if partial is None:
        return None
    year, month = int(partial["y"]), partial.groupdict().get("m")
    if month is None:
        at = {"first": (1, 1), "middle": (7, 1), "last": (12, 31)}[imputation]
        return Day(date(year, *at).toordinal() - EPOCH, "year") if 1000 <= year <= 9999 else None
    if not 1 <= int(month) <= 12:
        return None
    day = {"first": 1, "middle": 15, "last": calendar.monthrange(year, int(month))[1]}[imputation]
    return Day(date(year, int(month), day).toordinal() - EPOCH, "month")


def _full(year: int, month: int, day: int) -> Day | None:
    try:
        return Day(date(year, month, day).toordinal() - EPOCH, "day")
    except ValueError:
        return None


def formats_of(text: str) -> tuple[str, ...]:
    """The formats in which `text` is a full date."""
    return tuple(name for name in FORMATS if (match := FORMATS[name].match(text)) and _full(int(match["y"]), int(match["m"]), int(match["d"])))
