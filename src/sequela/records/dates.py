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

_TIME: Final = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
FORMATS: Final[dict[str, re.Pattern[str]]] = {
    "YYYY-MM-DD": re.compile(rf"(?P<y>\d{{4}})-(?P<m>\d{{1,2}})-(?P<d>\d{{1,2}}){_TIME}"),
    "DD/MM/YYYY": re.compile(rf"(?P<d>\d{{1,2}})/(?P<m>\d{{1,2}})/(?P<y>\d{{4}}){_TIME}"),
    "MM/DD/YYYY": re.compile(rf"(?P<m>\d{{1,2}})/(?P<d>\d{{1,2}})/(?P<y>\d{{4}}){_TIME}"),
    "DD.MM.YYYY": re.compile(rf"(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}}){_TIME}"),
    "DD-MM-YYYY": re.compile(rf"(?P<d>\d{{1,2}})-(?P<m>\d{{1,2}})-(?P<y>\d{{4}}){_TIME}"),
    "YYYY/MM/DD": re.compile(rf"(?P<y>\d{{4}})/(?P<m>\d{{1,2}})/(?P<d>\d{{1,2}}){_TIME}"),
    "YYYYMMDD": re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})"),
}
PARTIAL: Final = (
    re.compile(r"(?P<y>\d{4})(?:[-/](?P<m>\d{1,2}))?"),
    re.compile(r"(?P<m>\d{1,2})[/.-](?P<y>\d{4})"),
)
_YEAR: Final = {"first": (1, 1), "middle": (7, 1), "last": (12, 31)}


@dataclass(frozen=True, slots=True)
class Day:
    """Days since 1970-01-01, and how exactly the day is known."""

    day: int
    precision: Precision


def parse_date(text: str, form: str = "YYYY-MM-DD", imputation: Imputation = "middle") -> Day | None:
    """The day of a text in one format, or of a month or year alone; None when it is no such date.

    A partial date is put at the first day, the middle (the 15th; 1 July) or the last day of what is known.
    A time of day is read over.

    Args:
        text: without outer spaces.
        form: a key of `FORMATS`. Days and months may have one digit or two.
        imputation: where a partial date is put.
    """
    match = FORMATS[form].fullmatch(text)
    if match:
        return _day(int(match["y"]), int(match["m"]), int(match["d"]), "day")
    partial = next((found for pattern in PARTIAL if (found := pattern.fullmatch(text))), None)
    if partial is None:
        return None
    year = int(partial["y"])
    if partial["m"] is None:
        return _day(year, *_YEAR[imputation], "year")
    month = int(partial["m"])
    if not (1 <= month <= 12 and year):
        return None
    day = {"first": 1, "middle": 15, "last": calendar.monthrange(year, month)[1]}[imputation]
    return _day(year, month, day, "month")


def _day(year: int, month: int, day: int, precision: Precision) -> Day | None:
    try:
        return Day(date(year, month, day).toordinal() - EPOCH, precision)
    except ValueError:
        return None


def formats_of(text: str) -> tuple[str, ...]:
    """The formats in which `text` is a full date."""
    days = {form: parse_date(text, form) for form in FORMATS}
    return tuple(form for form, day in days.items() if day is not None and day.precision == "day")
