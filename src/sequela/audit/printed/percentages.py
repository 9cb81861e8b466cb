"""Percentages of one table: which denominator does a row use, and which cells do not fit it?

A percentage is never judged alone: the question is which denominator its row uses (its group, those with a known
value, the row, a subgroup that the table prints), and which cells do not fit the one that the others use.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sequela.audit.printed.counts import Place, at, column_sum, exclusive, fits, repeated, row_sum
from sequela.core.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sequela.audit.printed.content import Table, Variable
    from sequela.audit.printed.numbers import Count


def _off(cell: Count, size: int) -> float:
    """By how many units of its last digit a percentage is off."""
    if cell.percent is None or not size:
        return math.inf
    return abs(100 * cell.value / size - cell.percent.value) / (2 * cell.percent.half)


def denominators(table: Table, variable: Variable) -> Mapping[str, Mapping[Place, int]]:
    """Every denominator that the percentages of a variable may have, by its name, for each cell."""
    places = [Place(i, j) for i, level in enumerate(variable.levels) for j in range(len(level.cells))]
    found: dict[str, dict[Place, int]] = {
        "the group": {p: table.groups[p.column].n or 0 for p in places},
        "those with a known value": {p: column_sum(variable, p.column, known=True) for p in places},
        "the sum of the levels": {p: column_sum(variable, p.column) for p in places},
        "the row": {p: row_sum(table, variable.levels[p.level]) for p in places},
        "all groups": dict.fromkeys(places, table.size or 0),
    }
    for other in table.variables:
        for level in other.levels if other is not variable and not other.summary else ():
            values = [cell.value if cell else 0 for cell in level.cells]
            found[f"{other.label}: {level.label}"] = {p: values[p.column] for p in places}
    return found


def check_percentages(table: Table) -> Iterator[Finding]:
    """P201 and P202 of one table; a cell that repeats another column's is reported as such, and not here."""
    for variable in table.variables:
        if not variable.summary:
            yield from _percentages(table, variable, {place for place, _ in repeated(table, variable)})


def _percentages(table: Table, variable: Variable, repeats: set[Place]) -> Iterator[Finding]:
    cells = {
        Place(i, j): cell
        for i, level in enumerate(variable.levels)
        for j, cell in enumerate(level.cells)
        if cell and cell.percent
    }
    yield from _stated(table, variable, cells)
    cells = {place: cell for place, cell in cells.items() if cell.of is None}
    parts = [cells] if exclusive(table, variable) else [{place: cell} for place, cell in cells.items()]
    for part in parts:
        yield from _misfits(table, variable, part, repeats)


def _stated(table: Table, variable: Variable, cells: Mapping[Place, Count]) -> Iterator[Finding]:
    for place, cell in cells.items():
        if cell.of and not fits(cell, cell.of):
            yield _percent_finding(table, variable, place, cell, cell.of, "the denominator beside it")


def _misfits(
    table: Table, variable: Variable, cells: Mapping[Place, Count], repeats: set[Place]
) -> Iterator[Finding]:
    if not cells:
        return
    candidates = denominators(table, variable)
    known = {p: c for p, c in cells.items() if not variable.levels[p.level].unknown}
    wrong = {
        name: {
            place: cell
            for place, cell in cells.items()
            if not fits(cell, sizes[place])
            and (place in known or not any(fits(cell, candidates[other][place]) for other in candidates))
        }
        for name, sizes in candidates.items()
    }
    best = min(wrong, key=lambda name: len(wrong[name]))
    if not wrong[best] or _unstated(table, variable, cells):
        return
    if len(wrong[best]) == len(cells):
        best = "the group" if all(candidates["the group"].values()) else "those with a known value"
    for place, cell in wrong[best].items():
        if place not in repeats:
            yield _percent_finding(table, variable, place, cell, candidates[best][place], best)


def _unstated(table: Table, variable: Variable, cells: Mapping[Place, Count]) -> bool:
    """Whether, in every column, one number that is not printed could be the denominator of all percentages."""
    columns = {place.column for place in cells}
    return all(_common(table, variable, j, [c for p, c in cells.items() if p.column == j]) for j in columns)


def _common(table: Table, variable: Variable, j: int, cells: list[Count]) -> bool:
    low, high = 1.0, float(table.groups[j].n or math.inf)
    least = column_sum(variable, j, known=True) if exclusive(table, variable) else max(c.value for c in cells)
    for cell in cells:
        assert cell.percent is not None
        low = max(low, 100 * cell.value / cell.percent.high if cell.percent.high > 0 else math.inf)
        if cell.percent.low > 0:
            high = min(high, 100 * cell.value / cell.percent.low)
    return math.ceil(max(low, least) - 1e-9) <= high + 1e-9


def _percent_finding(
    table: Table, variable: Variable, place: Place, cell: Count, size: int, of: str
) -> Finding:
    assert cell.percent is not None
    digits = max(0, round(-math.log10(2 * cell.percent.half)))
    right = f"{100 * cell.value / size:.{digits}f}%" if size else "no patients to count from"
    where, group = at(variable, variable.levels[place.level]), table.groups[place.column].label
    if _off(cell, size) < 1:
        return Finding(
            "P202",
            "note",
            f"the percentage of `{group}` is cut off or adjusted in its last digit",
            where,
            found=str(cell),
            allowed=f"{cell.value} of {size} ({of}) is {right}",
            remedy="print every percentage as rounded; they need not add up to 100.0",
        )
    return Finding(
        "P201",
        "error",
        f"the percentage of `{group}` does not belong to its count",
        where,
        found=str(cell),
        allowed=f"{cell.value} of {size} ({of}) is {right}",
        remedy="mend the count or the percentage, or state the denominator",
    )
