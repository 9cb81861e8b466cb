"""Times and labels as small integers: every kernel of this room counts instead of sorting.

Whole-day times need no sort at all: the day is the position. Other times are ranked; values that differ
by rounding only (0.1 + 0.2 against 0.3) are one time, by the rule of R survival's `timefix`: a gap of at
most 1.5e-8, absolute or relative to the mean distinct time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times

TOLERANCE = float(np.sqrt(np.finfo(float).eps))


@dataclass(frozen=True, eq=False)
class Timeline:
    """Ascending `values` (not all need occur) and, for each row, positions in it.

    Row i is at risk at `values[j]` when entry[i] <= j <= exit[i]; `entry` is None when everybody is there
    from the start, and otherwise one more than the position of the entry time (0 for the origin).
    """

    values: NDArray[np.float64]
    exit: NDArray[np.intp]
    entry: NDArray[np.intp] | None


def timeline(times: Times) -> Timeline:
    """Positions of exits and entries on one ascending axis."""
    entries: NDArray[Any] | None = times.entry if times.delayed else None
    days = times.exit.astype(np.intp)
    last = int(days.max()) if len(days) else 0
    whole = last <= 4 * len(days) + 4096 and bool((days == times.exit).all())
    if whole and entries is None:
        return Timeline(np.arange(last + 1.0), days, None)
    if whole and entries is not None and _whole(entries):
        starts = entries.astype(np.intp)
        return Timeline(np.arange(last + 1.0), days, np.where(entries != 0, starts + 1, 0))
    return _ranked(times.exit, entries)


def _whole(values: NDArray[Any]) -> bool:
    return bool((values == np.floor(values)).all())


def _ranked(exits: NDArray[Any], entries: NDArray[Any] | None) -> Timeline:
    order = np.argsort(exits)
    ascending = exits[order]
    if entries is None:
        values, ranks = _merged(ascending)
        positions = np.empty(len(exits), np.intp)
        positions[order] = ranks
        return Timeline(values, positions, None)
    values, _ = _merged(np.sort(np.concatenate([exits, entries])))
    positions = np.searchsorted(values, exits, side="right") - 1
    starts = np.where(entries != 0, np.searchsorted(values, entries, side="right"), 0)
    if (starts > positions).any():
        row = int(np.flatnonzero(starts > positions)[0])
        message = "an exit and its entry differ by rounding only"
        found = f"row {row}: {entries[row]!r} to {exits[row]!r}"
        raise UsageError(Finding("E110", "error", message, found=found, remedy="leave the row out"))
    return Timeline(values, positions, starts)


def _merged(ascending: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Distinct values of a sorted array, rounding twins merged into the smaller; and ranks."""
    new = np.concatenate([[True], np.diff(ascending) > 0])[: len(ascending)]
    values = ascending[new]
    gaps = np.diff(values)
    scale = max(1.0, float(np.abs(values).mean())) if len(values) else 1.0
    if len(gaps) and gaps.min() <= TOLERANCE * scale:
        apart = np.concatenate([[True], gaps > TOLERANCE * scale])
        keep = np.flatnonzero(new)[apart]
        new = np.zeros(len(ascending), bool)
        new[keep] = True
    return ascending[new], np.cumsum(new) - 1


@dataclass(frozen=True, eq=False)
class Labels:
    """Sorted distinct labels and the position of each row's label."""

    levels: tuple[Any, ...]
    codes: NDArray[np.intp]


def labels(values: Any, n: int, what: str) -> Labels:
    """Labels of n rows: an array, a list, a column, or several columns in a tuple (their combinations).

    Raises:
        UsageError: the length is not n, or a label is missing.
    """
    if isinstance(values, tuple):
        return _crossed([labels(part, n, what) for part in values])
    column = np.asarray(values)
    if column.shape != (n,):
        message = f"`{what}` has shape {column.shape}, the times have {n} rows"
        raise UsageError(Finding("E111", "error", message, remedy="give one label per row"))
    if column.dtype.kind == "O" and any(value is None or value != value for value in column):
        raise UsageError(Finding("E112", "error", f"`{what}` has missing labels", remedy="drop or name them"))
    if column.dtype.kind == "f" and np.isnan(column).any():
        raise UsageError(Finding("E112", "error", f"`{what}` has missing labels", remedy="drop or name them"))
    return _coded(column)


def _crossed(parts: list[Labels]) -> Labels:
    """The combinations that occur, named "a / b"."""
    code = np.zeros(len(parts[0].codes), np.intp)
    for part in parts:
        code = code * len(part.levels) + part.codes
    used, codes = np.unique(code, return_inverse=True)
    names: list[str] = []
    for value in used.tolist():
        words: list[str] = []
        for part in reversed(parts):
            value, at = divmod(value, len(part.levels))
            words.append(str(part.levels[at]))
        names.append(" / ".join(reversed(words)))
    return Labels(tuple(names), codes.astype(np.intp))


def _coded(column: NDArray[Any]) -> Labels:
    if column.dtype.kind in "biuf" and len(column) and column.min() >= 0 and column.max() < 256:
        small = column.astype(np.intp)
        if column.dtype.kind == "f" and not (small == column).all():
            return _sorted(column)
        seen = np.flatnonzero(np.bincount(small))
        lookup = np.zeros(int(seen[-1]) + 1, np.intp)
        lookup[seen] = np.arange(len(seen))
        codes = small if len(seen) == seen[-1] + 1 else lookup[small]
        return Labels(tuple(seen.astype(column.dtype).tolist()), codes)
    return _sorted(column)


def _sorted(column: NDArray[Any]) -> Labels:
    levels, codes = np.unique(column, return_inverse=True)
    return Labels(tuple(levels.tolist()), codes.astype(np.intp))
