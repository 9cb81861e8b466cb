"""Counts of one table: sums against group sizes, repeated cells, totals, labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sequela.audit.printed.content import Variable, key
from sequela.core.finding import Finding, Severity, Where
from sequela.estimates.fisher import fisher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sequela.audit.printed.content import Level, Table
    from sequela.audit.printed.numbers import Count

_OPPOSITES: Final = ({"yes", "no"}, {"positive", "negative"}, {"male", "female"}, {"present", "absent"})
_CUT = re.compile(r"^[<>≤≥=]+\s*\d|^\d+(\.\d+)?\s*(–|-|to)\s*\d+|^\d+\s*(\+|or more)")
_SEVERAL = re.compile(
    r"\b(sites?|organs|locations|symptoms|comorbidit\w+|toxicit\w+|adverse|drugs|treatments)\b", re.I
)
SLIP: Final = 0.05  # share of the group; a cell without a percentage that is off by less is no copy
CHANCE: Final = 0.01  # below this, values missing in one group alone are no accident


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of a variable: level and column."""

    level: int
    column: int


def cut(variable: Variable) -> bool:
    """Whether the levels are stretches of a number (<3 years, >20), which may have been tested uncut."""
    return any(_CUT.match(level.label) for level in variable.levels)


def column_sum(variable: Variable, j: int, *, known: bool = False) -> int:
    """What the levels of a column add up to; `known` leaves out those without a value."""
    return sum(
        cell.value for level in variable.levels if (cell := level.cells[j]) and not (known and level.unknown)
    )


def exclusive(table: Table, variable: Variable) -> bool:
    """Whether every patient is in one level only, as far as the print tells.

    True when the levels are opposites, or stretches of a number, or one of them counts the unknown, or when the
    levels of some group add up to its size or are percentages of their own sum. Sites, symptoms and the like are
    not: a patient may have several.
    """
    if variable.summary or not variable.listed or len(variable.levels) < 2:
        return False
    names = {key(level.label) for level in variable.levels}
    worded = any(names == pair for pair in _OPPOSITES) or any(level.unknown for level in variable.levels)
    complete = any(_complete(variable, j, group.n) for j, group in enumerate(table.groups))
    return worded or cut(variable) or (complete and not _SEVERAL.search(variable.label))


def _complete(variable: Variable, j: int, size: int | None) -> bool:
    total = column_sum(variable, j)
    return total > 0 and (
        total == size or all((cell := level.cells[j]) and fits(cell, total) for level in variable.levels)
    )


def fits(cell: Count, size: int) -> bool:
    """Whether the printed percentage is that of the count in `size`, after rounding."""
    return bool(size) and cell.percent is not None and cell.percent.holds(100 * cell.value / size)


def row_sum(table: Table, level: Level) -> int:
    """The compared groups of one row together."""
    return sum(cell.value for j in table.arms if (cell := level.cells[j]))


def check_counts(table: Table) -> Iterator[Finding]:
    """Every finding on the counts of one table but those on percentages."""
    for variable in table.variables:
        if variable.summary:
            continue
        yield from _too_many(table, variable)
        yield from _sums(table, variable)
        for place, repeat in repeated(table, variable):
            yield _repeat_finding(table, variable, place, repeat)
        yield from _totals(table, variable)
    yield from _labels(table)


def at(variable: Variable, level: Level) -> Where:
    """Where a row of a variable stands."""
    where = variable.where
    line = level.line or where.line
    name = where.field if not variable.listed else f"{where.field}, {level.label}"
    return Where(where.file, line, name)


def _too_many(table: Table, variable: Variable) -> Iterator[Finding]:
    for level in variable.levels:
        for group, cell in zip(table.groups, level.cells, strict=True):
            if cell and group.n and cell.value > group.n:
                yield Finding(
                    "P205",
                    "error",
                    f"more patients than `{group.label}` has",
                    at(variable, level),
                    found=str(cell.value),
                    allowed=f"at most {group.n}",
                    remedy="mend the count or the group size",
                )


def sum_fault(table: Table, variable: Variable, j: int) -> Severity | None:
    """How bad it is that the levels of a column do not add up to its group; None when nothing is wrong.

    Fewer than the group are patients without a value, as long as that is so in every column and the percentages
    are not of the whole group. Short in one column alone is a note if chance may do that, else an error.
    """
    n, total = table.groups[j].n, column_sum(variable, j)
    if n is None or total == n or not exclusive(table, variable):
        return None
    if total > n:
        return "error"
    if any(level.unknown for level in variable.levels):
        return None if _named_denominator(table, variable, total) else "error"
    if all(group.n is None or column_sum(variable, k) < group.n for k, group in enumerate(table.groups)):
        return "error" if _of_group(table, variable, j) else None
    return "note" if _accident(table, variable, j) else "error"


def _sums(table: Table, variable: Variable) -> Iterator[Finding]:
    for j, group in enumerate(table.groups):
        severity = sum_fault(table, variable, j)
        if severity is None or group.n is None:
            continue
        total = column_sum(variable, j)
        yield Finding(
            "P203",
            severity,
            f"the levels add up to {total}, `{group.label}` has {group.n}",
            variable.where,
            found=" + ".join(str(cell.value) for level in variable.levels if (cell := level.cells[j])),
            allowed=f"{group.n}, or a row for the {group.n - total} unknown"
            if total < group.n
            else str(group.n),
            remedy="mend the count that is wrong, or say how many have no value",
        )


def _of_group(table: Table, variable: Variable, j: int) -> bool:
    """Whether the printed percentages of a column are all of its group, and of no smaller number."""
    cells = [cell for level in variable.levels if (cell := level.cells[j]) and cell.percent]
    n, known = table.groups[j].n or 0, column_sum(variable, j, known=True)
    return (
        len(cells) > 1
        and all(fits(cell, n) for cell in cells)
        and not all(fits(cell, known) for cell in cells)
        and not cut(variable)
    )


def _accident(table: Table, variable: Variable, j: int) -> bool:
    """Whether the patients missing from this column alone have no value, as far as the print tells.

    Where percentages are printed, they tell: they are of the sum. Elsewhere chance is asked.
    """
    percents = [cell for level in variable.levels if (cell := level.cells[j]) and cell.percent]
    if percents:
        return all(fits(cell, column_sum(variable, j, known=True)) for cell in percents)
    others = [k for k in table.arms if k != j and table.groups[k].n]
    missing = [(group.n or 0) - column_sum(variable, k) for k, group in enumerate(table.groups)]
    rest = sum(max(0, missing[k]) for k in others)
    size, n = sum(table.groups[k].n or 0 for k in others), table.groups[j].n or 0
    return bool(others) and fisher([[missing[j], n - missing[j]], [rest, size - rest]]).p >= CHANCE


def _named_denominator(table: Table, variable: Variable, size: int) -> str | None:
    """The other printed count of one column that equals `size`: those who may have a value at all."""
    for other in table.variables:
        for level in other.levels:
            if other is not variable and any(cell and cell.value == size for cell in level.cells):
                return f"{other.label}: {level.label}"
    return None


def repeated(table: Table, variable: Variable) -> Iterator[tuple[Place, tuple[Place, int]]]:
    """Cells that print what another column prints, in a column whose sum is wrong.

    Yields the cell, the cell that it repeats, and the count that would make the column whole.
    """
    for j, group in enumerate(table.groups):
        total = column_sum(variable, j)
        if group.n is None or sum_fault(table, variable, j) != "error":
            continue
        for i, level in enumerate(variable.levels):
            cell = level.cells[j]
            right = group.n - total + cell.value if cell else -1
            if not cell or not cell.value or right < 0 or (cell.percent and fits(cell, group.n)):
                continue
            if cell.percent is None and abs(right - cell.value) <= SLIP * group.n:
                continue  # equal by accident, and slightly wrong
            if twin := _twin(variable, i, j):
                yield Place(i, j), (twin, right)
                break


def _twin(variable: Variable, i: int, j: int) -> Place | None:
    text = str(variable.levels[i].cells[j])
    for k, other in enumerate(variable.levels):
        for column, cell in enumerate(other.cells):
            if column != j and cell and str(cell) == text:
                return Place(k, column)
    return None


def _repeat_finding(table: Table, variable: Variable, place: Place, repeat: tuple[Place, int]) -> Finding:
    twin, right = repeat
    cell, group = variable.levels[place.level].cells[place.column], table.groups[place.column]
    there = f"`{variable.levels[twin.level].label}` of `{table.groups[twin.column].label}`"
    n = group.n or 0
    return Finding(
        "P204",
        "warning",
        f"the cell of `{group.label}` repeats {there}, and its own column does not add up",
        at(variable, variable.levels[place.level]),
        found=str(cell),
        allowed=f"{right} ({100 * right / n:.1f}%) makes the column {n}",
        remedy="look the count up; a cell may have been copied from its neighbour",
    )


def _totals(table: Table, variable: Variable) -> Iterator[Finding]:
    total = next((j for j, group in enumerate(table.groups) if group.total), None)
    if total is None or len(table.groups) < 3 or table.groups[total].n != table.size:
        return
    for level in variable.levels:
        cell, parts = level.cells[total], [level.cells[j] for j in table.arms]
        if cell and all(parts) and cell.value != row_sum(table, level):
            yield Finding(
                "P206",
                "error",
                "the total column is not the sum of its groups",
                at(variable, level),
                found=str(cell.value),
                allowed=" + ".join(str(part.value) for part in parts if part) + f" = {row_sum(table, level)}",
                remedy="mend the cell that is wrong",
            )


def _labels(table: Table) -> Iterator[Finding]:
    seen: set[str] = set()
    for variable in table.variables:
        names = [(key(variable.label), variable.where, variable.label)] if variable.listed else []
        inner: set[str] = set()
        for level in variable.levels:
            name = key(level.label)
            if name and name in inner:
                yield _twice(level.label, at(variable, level))
            inner.add(name)
        for name, where, label in names:
            if name and name in seen:
                yield _twice(label, where)
            seen.add(name)


def _twice(label: str, where: Where) -> Finding:
    return Finding(
        "P208",
        "warning",
        "two rows have the same label",
        where,
        found=label,
        remedy="say in the labels how the rows differ; one of them may be misprinted",
    )
