"""The risk table: all that curves, tests and competing risks need to know of the data; and tables add.

A row stands for one time at which, in one group of one stratum, somebody had an event, was censored or
entered. Tables of parts (files, processes, hospitals) add up to the table of the whole; with unit weights
to the last bit, because only whole numbers are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.estimates.timeline import Labels, labels, timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from sequela.core.outcome import Times
    from sequela.estimates.timeline import Timeline

SUMS = ("leaving", "leaving_squared", "entered", "entered_squared", "exits")


@dataclass(frozen=True, eq=False)
class RiskTable:
    """Counts per time x group x stratum x cause; rows ordered by stratum, group, time.

    Attributes:
        time, group, stratum: m values each; group and stratum are positions in `groups` and `strata`.
        leaving: m x (K + 1) sums of weights of those leaving at the time, column 0 censored, k cause k.
        leaving_squared: the same of squared weights.
        entered, entered_squared: m sums over those who enter observation at the time, and are at risk
            after it. Rows at risk from the start are not entered here.
        exits: m x (K + 1) plain counts of rows leaving.
    """

    groups: tuple[Any, ...]
    strata: tuple[Any, ...]
    time: NDArray[np.float64]
    group: NDArray[np.intp]
    stratum: NDArray[np.intp]
    leaving: NDArray[np.float64]
    leaving_squared: NDArray[np.float64]
    entered: NDArray[np.float64]
    entered_squared: NDArray[np.float64]
    exits: NDArray[np.int64]
    unit: str = "day"
    origin: str = ""

    @property
    def causes(self) -> int:
        """Number of causes K."""
        return self.leaving.shape[1] - 1

    @property
    def n(self) -> int:
        """Rows counted."""
        return int(self.exits.sum())

    @cached_property
    def events(self) -> NDArray[Any]:
        """Events of any cause at each row, weighted; formed once, read-only."""
        return fixed(across(self.leaving[:, 1:]))

    @cached_property
    def _at_risk(self) -> NDArray[Any]:
        return fixed(self._net(False))

    def at_risk(self, squared: bool = False) -> NDArray[Any]:
        """Weighted number at risk at each row's time in its own group and stratum (m values, read-only)."""
        return fixed(self._net(True)) if squared else self._at_risk

    def _net(self, squared: bool) -> NDArray[Any]:
        leaving = across(self.leaving_squared if squared else self.leaving)
        entered = self.entered_squared if squared else self.entered
        net = leaving - entered  # a row entering at t is not yet at risk at t: both count from t onwards
        result = np.empty(len(net))
        for rows in self.cells():
            result[rows] = net[rows][::-1].cumsum()[::-1]
        return result

    def cells(self) -> list[slice]:
        """The rows of each group of each stratum, as slices, in order."""
        cell = self.stratum * max(1, len(self.groups)) + self.group
        edges = np.concatenate([[0], np.flatnonzero(np.diff(cell)) + 1, [len(cell)]])
        return [slice(a, b) for a, b in pairwise(edges.tolist()) if b > a]

    def rows(self, at: slice | NDArray[Any]) -> RiskTable:
        """A part of the table, groups and strata kept."""
        parts = {name: getattr(self, name)[at] for name in ("time", "group", "stratum", *SUMS)}
        return RiskTable(self.groups, self.strata, **parts, unit=self.unit, origin=self.origin)

    def __add__(self, other: RiskTable) -> RiskTable:
        return merge([self, other])

    def __radd__(self, other: int) -> RiskTable:
        if other == 0:  # so that sum(tables) works
            return self
        return NotImplemented


def fixed(values: NDArray[Any]) -> NDArray[Any]:
    """The array, no longer to be written to."""
    values.flags.writeable = False
    return values


def across(columns: NDArray[Any]) -> NDArray[Any]:
    """Sum over the few columns of a tall array, column by column: several times as fast as .sum(axis=1)."""
    total = columns[:, 0].copy()
    for k in range(1, columns.shape[1]):
        total += columns[:, k]
    return total


def risk_table(times: Times, by: Any = None, strata: Any = None) -> RiskTable:
    """Count `times` per group (`by`), stratum and cause; both may be left out.

    Args:
        times: n subjects (or start-stop rows).
        by: n group labels, or a tuple of columns.
        strata: n stratum labels, or a tuple of columns.
    """
    n = len(times)
    one = Labels(("",), np.zeros(0, np.intp))
    group = one if by is None else labels(by, n, "by")
    stratum = one if strata is None else labels(strata, n, "strata")
    line = timeline(times)
    cell: Any = None
    if strata is not None:
        cell = stratum.codes * len(group.levels) + group.codes if by is not None else stratum.codes
    elif by is not None:
        cell = group.codes
    counted = _counted(times, line, cell, len(group.levels) * len(stratum.levels))
    return _table(counted, line, group.levels, stratum.levels, times)


@dataclass(frozen=True, eq=False)
class _Counts:
    """Dense or listed sums: `keys` are cell * T + position, one row each."""

    keys: NDArray[np.intp]
    sums: dict[str, NDArray[Any]]


def _counted(times: Times, line: Timeline, cell: Any, cells: int) -> _Counts:
    width, causes = len(line.values), int(times.state.max()) if len(times) else 0
    causes = max(causes, 1)
    base = line.exit if cell is None else cell * width + line.exit
    start: Any = None
    if line.entry is not None:
        late = line.entry > 0
        start = (line.entry - 1 if cell is None else cell * width + line.entry - 1)[late]
    size = cells * width
    if size > 8 * len(times) + 65536:  # sparse: only keys that occur get a place
        keys = np.unique(base if start is None else np.concatenate([base, start]))
        base = np.searchsorted(keys, base)
        start = None if start is None else np.searchsorted(keys, start)
    else:
        keys = np.arange(size)
    sums = _sums(times, base, start, line, len(keys), causes)
    used = across(sums["exits"]) > 0
    if line.entry is not None:
        used |= np.bincount(start, minlength=len(keys)) > 0
    if used.all():
        return _Counts(keys, sums)
    at = np.flatnonzero(used)
    return _Counts(keys[at], {name: values[at] for name, values in sums.items()})


def _sums(times: Times, base: Any, start: Any, line: Timeline, size: int, causes: int) -> dict[str, Any]:
    code = base * (causes + 1) + times.state
    exits = np.bincount(code, minlength=size * (causes + 1)).reshape(size, causes + 1)
    if not times.weighted:
        entered = np.zeros(size) if start is None else np.bincount(start, minlength=size).astype(float)
        leaving = exits.astype(float)
        return {"exits": exits, **dict(zip(SUMS[:4], (leaving, leaving, entered, entered), strict=True))}
    sums: dict[str, Any] = {"exits": exits}
    for name, column in (("", times.weights), ("_squared", times.weights**2)):
        sums["leaving" + name] = np.bincount(code, column, exits.size).reshape(exits.shape)
        late = None if line.entry is None else column[line.entry > 0]
        sums["entered" + name] = np.zeros(size) if start is None else np.bincount(start, late, size)
    return sums


def _table(counts: _Counts, line: Timeline, groups: Any, strata: Any, times: Times) -> RiskTable:
    one = np.zeros(len(counts.keys), np.intp)
    cell, position = one, counts.keys
    if len(groups) * len(strata) > 1:
        cell, position = np.divmod(counts.keys, max(1, len(line.values)))
    stratum, group = np.divmod(cell, len(groups)) if len(strata) > 1 else (one, cell)
    facts: dict[str, Any] = {"unit": times.unit, "origin": times.origin}
    return RiskTable(groups, strata, line.values[position], group, stratum, **counts.sums, **facts)


def merge(tables: Iterable[RiskTable]) -> RiskTable:
    """The table of all rows behind `tables`. Whole-number sums, so the order of adding does not matter.

    Labels are united and sorted; causes are padded to the largest number; times must match exactly to
    fall together (whole days do).
    """
    return reduce(_pair, tables)


def _pair(a: RiskTable, b: RiskTable) -> RiskTable:
    groups, strata = _united(a.groups, b.groups), _united(a.strata, b.strata)
    time = np.concatenate([a.time, b.time])
    group = np.concatenate([_moved(a.groups, groups)[a.group], _moved(b.groups, groups)[b.group]])
    stratum = np.concatenate([_moved(a.strata, strata)[a.stratum], _moved(b.strata, strata)[b.stratum]])
    order = np.lexsort((time, group, stratum))
    time, group, stratum = time[order], group[order], stratum[order]
    new = np.concatenate([[True], (np.diff(time) != 0) | (np.diff(group) != 0) | (np.diff(stratum) != 0)])[
        : len(time)
    ]
    starts = np.flatnonzero(new)
    causes = max(a.causes, b.causes)
    sums = {name: _added(a, b, name, causes, order, starts) for name in SUMS}
    return RiskTable(
        groups, strata, time[new], group[new], stratum[new], **sums, unit=a.unit, origin=a.origin
    )


def _united(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    return a if a == b else tuple(sorted({*a, *b}))


def _moved(old: tuple[Any, ...], new: tuple[Any, ...]) -> NDArray[np.intp]:
    return np.array([new.index(label) for label in old], np.intp)


def _added(a: RiskTable, b: RiskTable, name: str, causes: int, order: Any, starts: Any) -> Any:
    both = [np.asarray(getattr(table, name)) for table in (a, b)]
    if both[0].ndim == 2:
        both = [np.pad(part, ((0, 0), (0, causes + 1 - part.shape[1]))) for part in both]
    column = np.concatenate(both)[order]
    return np.add.reduceat(column, starts, axis=0) if len(starts) else column
