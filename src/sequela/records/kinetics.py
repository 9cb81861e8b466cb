"""A plate that was read again and again, as a table: wells over cycles, or cycles over wells.

    Cycle Nr.  1     2     3              Cycle Nr.  Time [s]  Temp. [°C]  A1     A2
    Time [s]   0     300   600            1          0         37          0.101  0.098
    A1         0.10  0.12  0.15           2          300       37          0.120  0.113

Each read becomes a grid with its hours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sequela.records.grids import Grid, clock, well_place

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST: Final = 6  # wells side by side, or below each other
SCALES: Final = {"s": 3600.0, "sec": 3600.0, "min": 60.0, "m": 60.0, "h": 1.0, "hr": 1.0, "hours": 1.0}


def find_reads(rows: list[list[str]]) -> list[Grid]:
    """Every read of a kinetic table in `rows`, in order of time; none where there is no such table."""
    for line, row in enumerate(rows):
        if sum(well_place(cell) is not None for cell in row) >= LEAST and _time_of(row) is not None:
            return _over_wells(rows, line)
        if re.match(r"cycle", row[0] if row else "", re.IGNORECASE):
            found = _over_cycles(rows, line)
            if found:
                return found
    return []


def _above(rows: list[list[str]], line: int) -> tuple[str, ...]:
    return tuple(" ".join(filter(None, row)) for row in rows[:line] if any(row))


def _time_of(row: Sequence[str]) -> int | None:
    return next((at for at, cell in enumerate(row) if re.match(r"time\b", cell, re.IGNORECASE)), None)


def _hours(heading: str, text: str) -> float | None:
    """`300` under `Time [s]`, or `0:05:00` under `Time`."""
    told = clock(text)
    if told is not None:
        return told
    unit = re.search(r"[\[(]\s*([a-z]+)", heading, re.IGNORECASE)
    try:
        return float(text) / SCALES[unit.group(1).casefold()] if unit else None
    except (KeyError, ValueError):
        return None


def _over_wells(rows: list[list[str]], line: int) -> list[Grid]:
    """One row a read, one column a well."""
    head, above = rows[line], _above(rows, line)
    wells = {at: place for at, cell in enumerate(head) if (place := well_place(cell)) is not None}
    time = _time_of(head)
    assert time is not None, "looked for before"
    found: list[Grid] = []
    for place, row in enumerate(rows[line + 1 :], line + 2):
        hours = _hours(head[time], row[time]) if len(row) > time else None
        if hours is None:
            break
        cells = {well: (row[at], place) for at, well in wells.items() if at < len(row) and row[at]}
        found.append(Grid("", above, cells, hours))
    return found


def _over_cycles(rows: list[list[str]], line: int) -> list[Grid]:
    """One row a well, one column a read."""
    above = _above(rows, line)
    times: dict[int, float] = {}
    grids: dict[int, Grid] = {}
    for place, row in enumerate(rows[line + 1 :], line + 2):
        well = well_place(row[0]) if row else None
        if row and re.match(r"time\b", row[0], re.IGNORECASE):
            told = {at: _hours(row[0], cell) for at, cell in enumerate(row[1:], 1)}
            times = {at: hours for at, hours in told.items() if hours is not None}
        elif well is not None:
            for at, cell in enumerate(row[1:], 1):
                if cell and at in times:
                    grids.setdefault(at, Grid("", above, {}, times[at])).cells[well] = (cell, place)
        elif not any(row) and grids:
            break
    return [grids[at] for at in sorted(grids)]
