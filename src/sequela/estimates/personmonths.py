"""Clones on person-intervals: each patient is copied into every strategy that fits, and leaves it on departing from it.

Follow-up is cut into intervals of `width` days, interval k from day k w to (k + 1) w. A treatment begun on day s is a
choice of interval floor(s / w); an event on day x belongs to interval ceil(x / w) - 1, so that with a width of one day
a day's event comes before that day's choice. Who departs in interval k is censored at its end: an event in the interval
still counts, whatever was about to be chosen, so that no clone owes its membership to having lived long enough.
Sources: Hernán and Robins (Am J Epidemiol 2016); Hernán (BMJ 2018); Maringe et al. (Int J Epidemiol 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[Any]
    Whole = NDArray[Any]
    Flags = NDArray[Any]

NEVER = np.iinfo(np.int64).max // 4


@dataclass(frozen=True, eq=False)
class Strategy:
    """What a strategy asks of n patients; days from time zero, infinite where it never happens.

    Attributes:
        name: as it is printed.
        start: day on which its treatment begins; None where nothing has to begin.
        departs: day on which what it forbids begins; None where nothing is forbidden.
        eligible: who can be in it at time zero; everybody by default.
        always: what is forbidden stays so after the grace period.
    """

    name: str
    start: Real | None = None
    departs: Real | None = None
    eligible: Flags | None = None
    always: bool = False


@dataclass(frozen=True, eq=False)
class FollowUp:
    """n patients from time zero, in intervals.

    Attributes:
        rows: number of intervals in which each is at risk.
        event: whether the last of them holds the event.
        opens: interval in which the grace period opens (NEVER: never), `closes` the last in which it still runs.
        opens_day: the day on which it opens, infinite where never.
        width: days in an interval; `horizon` the number of intervals.
    """

    rows: Whole
    event: Flags
    opens: Whole
    closes: Whole
    opens_day: Real
    width: float
    horizon: int


@dataclass(frozen=True, eq=False)
class Clones:
    """The m clones of one strategy.

    Attributes:
        name: of the strategy.
        patient: position of each clone's patient.
        rows, event: as for `FollowUp`, up to artificial censoring.
        censored: interval at whose end a clone departs from the strategy; -1 where it does not.
        within: clone and interval of every choice that could have been a departure before grace ends (2 x R), and
            `stayed` whether it was none.
        deadline: clone and interval of those who reach the end of the grace period (2 x Q), and `begun` whether the
            treatment had begun by then.
        waiting: of the Q, whether the treatment had not begun before that last interval.
    """

    name: str
    patient: Whole
    rows: Whole
    event: Flags
    censored: Whole
    within: Whole
    stayed: Flags
    deadline: Whole
    begun: Flags
    waiting: Flags


def follow(
    exit: Real, event: Flags, grace: float, tau: float, width: float, opens: Real | None = None
) -> FollowUp:
    """Cut the follow-up of n patients into intervals.

    Args:
        exit: day of the event or of the last contact.
        event: whether `exit` is the event.
        grace: days from `opens` within which a treatment has to begin.
        tau: days of follow-up that are looked at; whole intervals.
        width: days in an interval.
        opens: day on which grace opens; by default time zero.

    Raises:
        UsageError: no positive width, horizon or grace, or an exit before time zero.
    """
    if width <= 0 or tau < width or grace <= 0 or (exit < 0).any():
        raise UsageError(
            Finding(
                "E230",
                "error",
                "follow-up cannot be cut into these intervals",
                found=f"width {width:g}, tau {tau:g}, grace {grace:g} days; {int((exit < 0).sum())} exits before 0",
                allowed="a positive width and grace, tau of at least one interval, exits from day 0 on",
                remedy="give days from time zero",
            )
        )
    horizon = int(np.ceil(tau / width - 1e-9))
    whole = np.maximum(np.ceil(exit / width - 1e-9), 1).astype(np.int64)
    rows = np.minimum(whole, horizon)
    opens_day = np.zeros(len(exit)) if opens is None else np.asarray(opens, float)
    never = ~np.isfinite(opens_day)
    last = np.ceil((np.where(never, 0, opens_day) + grace) / width - 1e-9).astype(np.int64) - 1
    closes = np.where(never, NEVER, last)
    return FollowUp(
        rows,
        np.asarray(event, bool) & (whole <= horizon),
        interval_of(opens_day, width),
        closes,
        opens_day,
        width,
        horizon,
    )


def interval_of(day: Real, width: float) -> Whole:
    """The interval of a choice made on a day; NEVER where there is none."""
    known = np.isfinite(day)
    return np.where(known, np.floor(np.where(known, day, 0) / width + 1e-9).astype(np.int64), NEVER)


def clone(seen: FollowUp, strategy: Strategy) -> Clones:
    """The clones of one strategy, each followed until it departs, with every choice that could have been a departure.

    What was begun before the grace opens counts as begun when it opens. Once the treatment has begun in time nothing
    is a departure any more.
    """
    n = len(seen.rows)
    at = np.flatnonzero(np.ones(n, bool) if strategy.eligible is None else strategy.eligible)
    rows, event, opens, closes = (a[at] for a in (seen.rows, seen.event, seen.opens, seen.closes))
    start_day = np.full(len(at), np.inf) if strategy.start is None else np.asarray(strategy.start, float)[at]
    left_day = (
        np.full(len(at), np.inf) if strategy.departs is None else np.asarray(strategy.departs, float)[at]
    )
    left_day = np.where(np.isfinite(left_day), np.maximum(left_day, seen.opens_day[at]), np.inf)
    start, left = interval_of(start_day, seen.width), interval_of(left_day, seen.width)
    last = np.full(len(at), NEVER) if strategy.start is None and strategy.always else closes
    departed = (left_day < start_day) & (left <= last) & (opens < NEVER)
    stop = np.where(departed, left, NEVER)
    if strategy.start is not None:
        late = ~departed & (start > closes) & (closes < NEVER)
        stop = np.where(late, closes, stop)
    out = rows > stop + 1
    mine = np.where(out, np.minimum(stop, NEVER - 1) + 1, rows)
    # choices: from opening while nothing has begun, by those who are still seen in the next interval
    final = np.minimum.reduce([rows - 2, last - (strategy.start is not None), start, stop])
    within, stayed = np.zeros((2, 0), np.int64), np.zeros(0, bool)
    if strategy.departs is not None:
        within = _spread(opens, final)
        stayed = stop[within[0]] != within[1]
    deadline, begun, waiting = np.zeros((2, 0), np.int64), np.zeros(0, bool), np.zeros(0, bool)
    if strategy.start is not None:
        reach = np.flatnonzero((rows > closes + 1) & (stop >= closes) & (closes < NEVER))
        deadline = np.stack([reach, closes[reach]])
        begun, waiting = stop[reach] > closes[reach], start[reach] >= closes[reach]
    return Clones(
        strategy.name,
        at,
        mine,
        event & ~out,
        np.where(out, stop, -1),
        within,
        stayed,
        deadline,
        begun,
        waiting,
    )


def _spread(first: Whole, last: Whole) -> Whole:
    """Clone and interval of every interval from `first` to `last` (2 x R)."""
    count = np.maximum(last - first + 1, 0)
    who = np.repeat(np.arange(len(first)), count)
    ahead = np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
    return np.stack([who, first[who] + ahead])
