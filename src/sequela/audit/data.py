"""What the checks look at: one comparison as plain arrays, free of files and frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sequela.core.outcome import Times

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]
    Whole = NDArray[np.int64]
    Flags = NDArray[np.bool_]
    Words = NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """One endpoint of a comparison; n patients, times in months from the origin.

    Attributes:
        label: the endpoint in words.
        arms: names of the k arms, the reference first.
        arm: place of each patient's arm, 0 to k - 1.
        exit: event or end of observation.
        event: whether `exit` is an event.
        settled: when the patient's place in the comparison is settled (0: when the clock starts).
        settled_at: that moment in words.
        end: what ended each observation, in words.
        entry: start of observation as the study file has it (0 where it asks for no delayed entry).
    """

    label: str
    arms: tuple[str, ...]
    arm: Whole
    exit: Real
    event: Flags
    settled: Real
    settled_at: str = "the origin"
    end: Words | None = None
    entry: Real | None = None

    def __len__(self) -> int:
        return len(self.exit)

    def of(self, place: int) -> Clock:
        """One arm alone."""
        return self.take(self.arm == place)

    def take(self, rows: NDArray[np.bool_] | Whole) -> Clock:
        """Some patients."""
        end = None if self.end is None else self.end[rows]
        entry = None if self.entry is None else self.entry[rows]
        return Clock(
            self.label, self.arms, self.arm[rows], self.exit[rows], self.event[rows], self.settled[rows],
            self.settled_at, end, entry,
        )  # fmt: skip

    def times(self, *, delayed: bool = False) -> Times:
        """The times as the study asks for them, or entered when their place is settled."""
        if not delayed:
            return Times(self.exit, self.event, self.entry, unit="month")
        seen = self.seen
        return Times(self.exit[seen], self.event[seen], self.settled[seen], unit="month")

    @property
    def seen(self) -> Flags:
        """Who is still followed when the place in the comparison is settled."""
        return self.exit > self.settled

    @property
    def names(self) -> Words:
        """The name of each patient's arm."""
        return np.array(self.arms)[self.arm]

    @property
    def start(self) -> Real:
        """When observation starts in the analysis as asked."""
        return np.zeros(len(self)) if self.entry is None else self.entry

    @property
    def late(self) -> bool:
        """Whether anybody's place is settled after observation has started."""
        return bool((self.settled > self.start).any())


@dataclass(frozen=True, slots=True)
class Agent:
    """A drug that the study asks for: its name, and the calendar year (with decimals) of its first use."""

    name: str
    first_given: float


@dataclass(frozen=True, slots=True, eq=False)
class CalendarTime:
    """The same n patients on the calendar.

    Attributes:
        origin: calendar year of each patient's origin.
        cut: calendar year of the data cut.
        entry: the agent that everyone in the comparison must have had, if any: it opens the window of entry.
        exposure: the agent that tells the arms apart, if any.
    """

    origin: Real
    cut: float
    entry: Agent | None = None
    exposure: Agent | None = None

    def take(self, rows: NDArray[np.bool_] | Whole) -> CalendarTime:
        """Some patients."""
        return CalendarTime(self.origin[rows], self.cut, self.entry, self.exposure)


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A covariate: numbers with NaN, or words with an empty text, where it is not known."""

    name: str
    values: Real | Words

    @property
    def missing(self) -> Flags:
        """Where the value is not known."""
        if self.values.dtype.kind == "f":
            return np.isnan(self.values.astype(float))
        return np.asarray(self.values == "")

    def columns(self) -> Real:
        """Columns of a design matrix (n x c).

        Of words one column per level but the first, unknown being a level of its own; of numbers the value, with
        its mean where unknown and a column that says so.
        """
        missing = self.missing
        if self.values.dtype.kind == "f":
            values = self.values.astype(float)
            filled = np.where(missing, values[~missing].mean() if (~missing).any() else 0.0, values)
            flag = [missing.astype(float)] if missing.any() else []
            return np.column_stack([filled, *flag])
        levels = np.unique(self.values)
        return np.column_stack(
            [np.empty((len(self.values), 0)), *((self.values == v).astype(float) for v in levels[1:])]
        )


def by_arm(clock: Clock) -> list[Clock]:
    """Each arm by itself, in order."""
    return [clock.of(place) for place in range(len(clock.arms))]


def spread(n: int, most: int) -> Whole:
    """At most `most` of n places, evenly spread and always the same: for figures that compare every pair."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64)) if n else np.zeros(0, np.int64)
