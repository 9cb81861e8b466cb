"""Outcome: times to an event, with delayed entry always there."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where
from sequela.core.units import Unit  # noqa: TC001  (a dataclass reads it at run time)

Real = NDArray[np.float64]
Whole = NDArray[np.int64]


def _column(values: Any, frame: Any) -> Any:
    """An array: `values` itself, or the column of that name in `frame` (any frame narwhals knows)."""
    if not isinstance(values, str):
        return values
    if frame is None:
        message = f"column {values!r} was named, but no frame was given"
        raise UsageError(Finding("T100", "error", message, remedy="pass frame=..."))
    import narwhals as nw

    data = nw.from_native(frame, eager_only=True)
    if values not in data.columns:
        message, allowed = f"the frame has no column {values!r}", ", ".join(data.columns)
        raise UsageError(Finding("T101", "error", message, found=values, allowed=allowed))
    return data[values].to_numpy()


def _refuse(bad: NDArray[np.bool_], code: str, message: str, remedy: str) -> None:
    if bad.any():
        rows = np.flatnonzero(bad)
        shown = ", ".join(str(row) for row in rows[:5]) + (", …" if len(rows) > 5 else "")
        message = f"{len(rows)} of {len(bad)} {message}"
        raise UsageError(Finding(code, "error", message, Where(field=f"rows {shown}"), remedy=remedy))


def _check_times(exits: Real, entry: Real | None) -> None:
    missing, remedy = "times are missing or not finite", "leave these subjects out, and count them"
    if len(exits) and not (np.isfinite(exits.sum()) and exits.min() >= 0):
        _refuse(~np.isfinite(exits), "T103", f"exit {missing}", remedy)
        _refuse(exits < 0, "T104", "exit times lie before the origin", "check the dates")
    if entry is not None:
        _refuse(~np.isfinite(entry), "T103", f"entry {missing}", remedy)
        remedy = "such subjects were never at risk: leave them out, and count them"
        _refuse((entry != 0) & (exits <= entry), "T105", "exit times do not lie after their entry", remedy)


def _states(raw: NDArray[Any]) -> Whole:
    """States as whole numbers from 0; booleans and integers need no check for fractions."""
    if raw.dtype.kind in "biu":
        states = raw.astype(np.int64)
        bad = states < 0 if raw.dtype.kind == "i" and len(raw) and states.min() < 0 else np.zeros(0, bool)
    else:
        numbers = raw.astype(float)
        bad = ~np.isfinite(numbers) | (numbers < 0) | (numbers != np.floor(numbers))
        states = np.where(bad, 0, numbers).astype(np.int64)
    _refuse(bad, "T106", "states are no whole numbers from 0", "code 0 censored, 1...K event")
    return states


@dataclass(frozen=True, eq=False)
class Times:
    """Entry, exit and state of n subjects.

    A subject is at risk at t when entry < t <= exit; an entry of 0 is the origin itself and means at risk
    from the start, also for an exit at 0 (as R's `Surv(time, event)`).

    Args:
        exit: time from the origin to the event or to censoring, n numbers (days are whole) or a column name.
        state: 0 or False censored, 1...K the cause of the event, or a column name.
        entry: start of observation, 0 (the default) when it is the origin, or a column name.
        weights: case weights, 1 by default.
        ids: subject ids, 0...n-1 by default.
        unit: unit of the times.
        origin: what the times are counted from, in words.
        frame: any data frame, when columns are given by name.

    Raises:
        UsageError: lengths differ, a value is missing or not finite, exit does not lie after entry,
            a state is no whole number from 0, or a weight is negative.
    """

    exit: Any
    state: Any
    entry: Any = None
    weights: Any = None
    ids: Any = None
    unit: Unit = "day"
    origin: str = ""
    frame: InitVar[Any] = None

    def __post_init__(self, frame: Any) -> None:
        exits = np.array(_column(self.exit, frame), float)
        n = len(exits)
        # Broadcast defaults take no memory, so that ten million rows without entry or weights stay small.
        entry = np.broadcast_to(0.0, n) if self.entry is None else np.array(_column(self.entry, frame), float)
        weights = (
            np.broadcast_to(1.0, n) if self.weights is None else np.array(_column(self.weights, frame), float)
        )
        ids = np.arange(n) if self.ids is None else np.array(_column(self.ids, frame))
        raw_state = np.asarray(_column(self.state, frame))
        for name, values in (("state", raw_state), ("entry", entry), ("weights", weights), ("ids", ids)):
            if len(values) != n:
                raise UsageError(
                    Finding("T102", "error", f"`{name}` has {len(values)} values, `exit` has {n}")
                )
        _check_times(exits, entry if self.entry is not None else None)
        if self.weights is not None:
            bad = ~np.isfinite(weights) | (weights < 0)
            _refuse(bad, "T107", "weights are negative or missing", "give weights of 0 or more")
        parts = {"exit": exits, "state": _states(raw_state), "entry": entry, "weights": weights, "ids": ids}
        for name, value in parts.items():
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        late = ", delayed entry" if self.delayed else ""
        return f"<Times: n {len(self)}, events {int((self.state > 0).sum())}, {self.unit}s{late}>"

    def __len__(self) -> int:
        return len(self.exit)

    @property
    def delayed(self) -> bool:
        """Whether any subject enters after the origin."""
        return self.entry.strides != (0,) and bool(np.any(self.entry != 0))

    @property
    def weighted(self) -> bool:
        """Whether any weight differs from 1."""
        return self.weights.strides != (0,) and bool(np.any(self.weights != 1))

    def take(self, rows: ArrayLike) -> Times:
        """The subjects at `rows` (positions, or a mask)."""
        at = np.asarray(rows)
        entry = self.entry[at] if self.delayed else None
        weights = self.weights[at] if self.weighted else None
        return Times(self.exit[at], self.state[at], entry, weights, self.ids[at], self.unit, self.origin)
