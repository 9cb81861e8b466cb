"""Risk sets of a Cox model: which event times each row lives through, and sums over them.

The pairs (stratum, event time) are numbered 0...J-1 in order. A row is at risk on a range of these
numbers, [start, stop); sums over all risk sets are then running sums over bins, and a matrix with one or
two entries a row carries the covariates into the bins without sorting or copying them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from sequela.estimates.timeline import Labels, timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times


@dataclass(frozen=True, eq=False)
class RiskSets:
    """The structure of n rows over J event times.

    Attributes:
        time, stratum: J values each.
        edges: first event time of each stratum, and J.
        stop: n values; a row is at risk up to event time stop - 1. 0 for rows never at risk at an event.
        start: n values, or None when all are at risk from the first event time of the only stratum.
        entered: n values, or None without delayed entry: `start` where it lies after the first event time
            of the stratum, else 0.
        event: positions of the rows with an event; `tied` their event times; `deaths` J counts.
        each: for every event, in the order of event times, its event time; `share` = 0, 1/d, ..., (d-1)/d
            inside each tied set; `first` the place of each event time's first event.
    """

    time: NDArray[Any]
    stratum: NDArray[Any]
    edges: NDArray[Any]
    stop: NDArray[Any]
    start: NDArray[Any] | None
    entered: NDArray[Any] | None
    event: NDArray[Any]
    tied: NDArray[Any]
    deaths: NDArray[Any]
    each: NDArray[Any]
    share: NDArray[Any]
    first: NDArray[Any]

    @property
    def ties(self) -> bool:
        """Whether any two events of a stratum share a time."""
        return len(self.event) > len(self.time)

    def suffix(self, bins: NDArray[Any]) -> NDArray[Any]:
        """Sums from each event time to the last of its stratum (along the first axis)."""
        result = np.empty_like(bins)
        for low, high in zip(self.edges[:-1], self.edges[1:], strict=True):
            np.cumsum(bins[low:high][::-1], axis=0, out=result[low:high][::-1])
        return result

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum of n `values` over each risk set (J)."""
        bins = np.bincount(self.stop, values, len(self.time) + 1)
        if self.entered is not None:
            bins -= np.bincount(self.entered, values, len(self.time) + 1)
        return self.suffix(bins[1:])

    def over(self, cumulative: NDArray[Any]) -> NDArray[Any]:
        """What a running sum over event times gains while each row is at risk (n, or n x p)."""
        padded = np.concatenate([np.zeros((1, *cumulative.shape[1:])), cumulative])
        return padded[self.stop] if self.start is None else padded[self.stop] - padded[self.start]

    def tied_sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum of `values` of the event rows at each event time (J)."""
        return np.bincount(self.tied, values, len(self.time))

    def summed(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum of `values`, one per event in the order of `each`, at each event time (J)."""
        return np.add.reduceat(values, self.first)

    def carriers(self, efron: bool) -> Carriers:
        """What carries rows into risk sets and, where Efron's ties need it, into tied sets."""
        n, J = len(self.stop), len(self.time)
        at, place = np.zeros(0, np.intp), self.stop
        if efron and self.ties:
            at = np.flatnonzero(self.deaths > 1)
            rank = np.full(J, -1)
            rank[at] = np.arange(J + 1, J + 1 + len(at))
            own = rank[self.tied]
            place = self.stop.copy()
            place[self.event] = np.where(own < 0, place[self.event], own)
        columns, bounds = place, np.arange(n + 1, dtype=np.int32)
        if self.entered is not None:
            columns, bounds = np.column_stack([place, self.entered]).ravel(), bounds * 2
        shape = (n, J + 1 + len(at))
        risk = csr_array((np.zeros(len(columns)), columns.astype(np.int32), bounds), shape=shape)
        return Carriers(place, at, risk, risk.T, self.entered is not None)


@dataclass(frozen=True, eq=False)
class Carriers:
    """A bin per event time for the rows that leave there, and one more for the events of each tied set.

    Attributes:
        place: the bin of each row: its `stop`, or J + 1 and more for tied events.
        at: the m event times with tied events (none unless Efron's rule is followed).
        risk, risk_t: sparse matrices of rows into bins; only their numbers change from step to step.
    """

    place: NDArray[Any]
    at: NDArray[Any]
    risk: Any
    risk_t: Any
    delayed: bool

    def _parted(self, sets: RiskSets, bins: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        leaving, events = bins[: len(sets.time) + 1], bins[len(sets.time) + 1 :]
        if len(self.at):
            leaving[self.at + 1] += events
        return leaving, events

    def totals(self, sets: RiskSets, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Sums of `values` over each risk set (J) and over the events of each tied set (m)."""
        J = len(sets.time)
        leaving, events = self._parted(sets, np.bincount(self.place, values, J + 1 + len(self.at)))
        if sets.entered is not None:
            leaving -= np.bincount(sets.entered, values, J + 1)
        return sets.suffix(leaving[1:]), events

    def sums(
        self, sets: RiskSets, X: NDArray[Any], values: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Sums of values x over each risk set (J x p) and over the events of each tied set (m x p)."""
        if self.delayed:
            self.risk.data[0::2] = values
            self.risk.data[1::2] = -values
        else:
            self.risk.data[:] = values
        leaving, events = self._parted(sets, self.risk_t @ X)
        return sets.suffix(leaving[1:]), events

    def lived(self, sets: RiskSets, cumulative: NDArray[Any], own: NDArray[Any]) -> NDArray[Any]:
        """What a running sum gains while each row is at risk, less `own` (J) at a tied event of its own (n)."""
        padded = np.concatenate([[0.0], cumulative])
        table = np.concatenate([padded, cumulative[self.at] - own[self.at]]) if len(self.at) else padded
        return table[self.place] if sets.start is None else table[self.place] - padded[sets.start]


def cox_risk_sets(times: Times, strata: Labels | None = None) -> RiskSets:
    """Number the event times of `times` within `strata` and place every row."""
    line = timeline(times)
    width = len(line.values)
    base = line.exit if strata is None else strata.codes * width + line.exit
    event = np.flatnonzero(times.state > 0)
    size = width * (1 if strata is None else len(strata.levels))
    if size <= 8 * len(times) + 65536:
        has = np.bincount(base[event], minlength=size) > 0
        keys, upto = np.flatnonzero(has), np.concatenate([[0], np.cumsum(has)])
        stop, first = upto[base + 1], upto
    else:
        keys = np.unique(base[event])
        stop, first = np.searchsorted(keys, base, side="right"), None
    stratum = keys // max(width, 1)
    edges = np.searchsorted(keys, np.arange(1 + size // max(width, 1)) * width)
    start, entered = _entries(line.entry, strata, width, keys, first, edges)
    never = stop == 0 if start is None else stop <= start
    if never.any():
        stop = np.where(never, 0, stop)
        start = start if start is None else np.where(never, 0, start)
        entered = entered if entered is None else np.where(never, 0, entered)
    tied = stop[event] - 1
    deaths = np.bincount(tied, minlength=len(keys))
    each = np.repeat(np.arange(len(keys)), deaths)
    first = np.cumsum(deaths) - deaths
    share = (np.arange(len(each)) - first[each]) / deaths[each]
    return RiskSets(
        line.values[keys % max(width, 1)],
        stratum,
        edges,
        stop,
        start,
        entered,
        event,
        tied,
        deaths,
        each,
        share,
        first,
    )


def _entries(
    entry: Any, strata: Labels | None, width: int, keys: NDArray[Any], first: Any, edges: NDArray[Any]
) -> tuple[Any, Any]:
    if entry is None:
        return (None, None) if strata is None else (edges[strata.codes], None)
    base = entry if strata is None else strata.codes * width + entry
    start = np.searchsorted(keys, base, side="left") if first is None else first[base]
    lowest = 0 if strata is None else edges[strata.codes]
    return start, np.where(start > lowest, start, 0)
