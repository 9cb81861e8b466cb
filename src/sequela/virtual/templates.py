"""What an invented line is made of: a regimen that fits the time and the history, and the records of a real line.

The regimen is drawn from the lines of the file that started nearest in the calendar, with the same number and after
the same agents, and only of agents that were already given by then: never by how long the line lasts. The records are
those of a line with that regimen whose length and end come nearest, fitted to the invented length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from sequela.virtual.world import LINES, Spells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

NEIGHBOURS: Final = 20
SHAPES: Final = 5
KEPT: Final = 45.0  # days from a line's start that are not stretched: the regimen's window


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """The lines of the file.

    Attributes:
        spells: as lived, arrays of shape (n,).
        given: bit mask of the agents that the study asks for, in the line, shape (n,).
        before: the same for all earlier lines of the patient, shape (n,).
        first_given: for each line, the first day in the file by which all its asked agents had been given.
    """

    spells: Spells
    given: Ints
    before: Ints
    first_given: Floats


def choose(templates: Templates, lives: Spells, weight: Floats, rng: np.random.Generator) -> Ints:
    """For every invented line the index of a template, shape (lines,).

    Args:
        templates: the lines of the file.
        lives: invented lines, ordered by patient and line.
        weight: of each line of the file where a regimen is drawn, shape (n,).
        rng: random generator.
    """
    by_line = _by_number(templates)
    shapes = _by_regimen(templates)
    chosen = np.zeros(lives.line.size, np.int64)
    luck = rng.random((lives.line.size, 2))
    had, who = 0, -1
    for row in range(lives.line.size):
        if lives.patient[row] != who:
            who, had = int(lives.patient[row]), 0
        number = min(int(lives.line[row]), LINES)
        start = float(lives.start[row])
        regimen = _regimen(templates, weight, by_line, number, had, start, float(luck[row, 0]))
        mask = int(templates.given[regimen])
        ended = int(lives.ended[row]) or 1
        chosen[row] = _shape(
            shapes, number, mask, ended, float(lives.length[row]), float(luck[row, 1]), regimen
        )
        had |= mask
    return chosen


def _by_number(templates: Templates) -> dict[tuple[int, int], tuple[Floats, Ints]]:
    """Starts and indices in calendar order, by number of line and agents had before; by number alone under -1."""
    number = np.minimum(templates.spells.line, LINES)
    found: dict[tuple[int, int], tuple[Floats, Ints]] = {}
    for k in np.unique(number):
        for had in (-1, *np.unique(templates.before)):
            rows = np.flatnonzero((number == k) & ((templates.before == had) | (had == -1)))
            rows = rows[np.argsort(templates.spells.start[rows], kind="stable")]
            if rows.size:
                found[int(k), int(had)] = templates.spells.start[rows], rows
    return found


def _regimen(
    templates: Templates,
    weight: Floats,
    by_line: dict[tuple[int, int], tuple[Floats, Ints]],
    number: int,
    had: int,
    start: float,
    luck: float,
) -> int:
    """A line near in the calendar, after the same agents where there are any, of agents already given."""
    number = number if (number, -1) in by_line else max(k for k, _ in by_line)
    for history in (had, -1):
        if (number, history) not in by_line:
            continue
        starts, rows = by_line[number, history]
        at = int(np.searchsorted(starts, start))
        low = max(0, min(at - NEIGHBOURS // 2, rows.size - NEIGHBOURS))
        near = rows[low : low + NEIGHBOURS]
        known = near[templates.first_given[near] <= start]
        if known.size:
            heap = np.cumsum(weight[known])
            return int(known[min(int(np.searchsorted(heap, luck * heap[-1], side="right")), known.size - 1)])
    rows = by_line[number, -1][1]
    return int(rows[np.argmin(templates.first_given[rows])])


def _by_regimen(templates: Templates) -> dict[tuple[int, int, int], tuple[Floats, Ints]]:
    """Lengths and indices in order of length, by number of line (0: any), agents and end (0: any)."""
    number = np.minimum(templates.spells.line, LINES)
    complete = templates.spells.ended > 0
    found: dict[tuple[int, int, int], tuple[Floats, Ints]] = {}
    for mask in np.unique(templates.given):
        for k in (0, *np.unique(number)):
            for ended in (0, 1, 2):
                rows = np.flatnonzero(
                    complete
                    & (templates.given == mask)
                    & ((number == k) | (k == 0))
                    & ((templates.spells.ended == ended) | (ended == 0))
                )
                if rows.size:
                    rows = rows[np.argsort(templates.spells.length[rows], kind="stable")]
                    found[int(k), int(mask), ended] = templates.spells.length[rows], rows
    return found


def _shape(
    shapes: dict[tuple[int, int, int], tuple[Floats, Ints]],
    number: int,
    mask: int,
    ended: int,
    length: float,
    luck: float,
    otherwise: int,
) -> int:
    """A complete line of the same agents, near in length; with the same number and end where there is one."""
    for key in ((number, mask, ended), (0, mask, ended), (0, mask, 0)):
        if key in shapes:
            lengths, rows = shapes[key]
            at = int(np.searchsorted(lengths, length))
            low = max(0, min(at - SHAPES // 2, rows.size - SHAPES))
            near = rows[low : low + SHAPES]
            return int(near[int(luck * near.size)])
    return otherwise


def stretched(offset: Floats, old: Floats, new: Floats, *, tail: bool) -> Floats:
    """Days from a line's start in a line of another length.

    In a longer line, drugs start when they started: stretched gaps would make new lines. What came in the last 45
    days, the progression or the end of a drug given to the last, keeps its distance from the end. In a shorter line
    everything moves together, but for the first 45 days, in which drugs make up one regimen.

    Args:
        offset: days from the old line's start, not a number where unknown, shape (n,).
        old: length of the old line, shape (n,).
        new: length of the new line, shape (n,).
        tail: whether what came last keeps its distance from the end.
    """
    longer = np.where(tail & (offset > KEPT) & (offset >= old - KEPT), new - (old - offset), offset)
    kept = np.minimum(KEPT, new)
    scale = np.divide(new - kept, old - kept, out=np.ones_like(new), where=old > kept)
    shorter = np.where(offset <= kept, offset, kept + (offset - kept) * scale)
    whole = np.divide(new, old, out=np.ones_like(new), where=old > 0.0)
    return np.where(new >= old, longer, np.where(new < KEPT, offset * whole, shorter))
