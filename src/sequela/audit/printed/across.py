"""One table against another, and sizes against each other: groups, captions, subgroups of the same patients."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Final

from sequela.audit.printed.content import key
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sequela.audit.printed.content import Document, Table, Variable

_HELD: Final = ("yes", "positive", "present")  # the level that a row which stands alone counts


def check_across(document: Document) -> Iterator[Finding]:
    """Every finding on sizes and between tables."""
    for table in document.tables:
        yield from _sizes(table)
        yield from _caption(document, table)
    sized = [table for table in document.tables if table.size]
    for first, second in combinations(sized, 2):
        large, small = (first, second) if (first.size or 0) >= (second.size or 0) else (second, first)
        if len(large.arms) == 1 and len(small.arms) > 1:
            yield from _subgroup(large, small)


def _sizes(table: Table) -> Iterator[Finding]:
    """Group sizes against the total column, and against the sizes in the caption."""
    total = next((group.n for group in table.groups if group.total), None)
    stated = [table.groups[j].n for j in table.arms]
    if total and len(table.groups) > 2 and table.size and table.size != total:
        text = " + ".join(str(n) for n in stated)
        message = f"the groups add up to {table.size}, the total column says {total}"
        yield _size_finding(table, message, text, str(total))
    if len(table.captioned) == len(stated) > 1 and all(stated) and list(table.captioned) != stated:
        found = ", ".join(map(str, table.captioned))
        yield _size_finding(
            table, "the caption's group sizes are not those of the columns", found, f"{stated}"
        )


def _size_finding(table: Table, message: str, found: str, allowed: str) -> Finding:
    remedy = "mend the size that is wrong"
    return Finding("P207", "error", message, table.where, found=found, allowed=allowed, remedy=remedy)


def _caption(document: Document, table: Table) -> Iterator[Finding]:
    """A caption's single N that is a misprint of the number of patients, or less than its own groups."""
    if len(table.captioned) != 1:
        return
    n, known = table.captioned[0], _known_sizes(document, table)
    near = next((size for size in known if size != n and _one_slip(str(size), str(n))), None)
    if n in known or near is None:
        return
    yield Finding(
        "P209",
        "error",
        "the number of patients in the caption is one slip away from the number elsewhere",
        table.where,
        found=f"N = {n}",
        allowed=f"N = {near}",
        remedy="mend the caption",
    )


def _known_sizes(document: Document, table: Table) -> tuple[int, ...]:
    """Numbers of patients: of the study, of this table, and those in the captions of the others."""
    own = [document.patients, table.size]
    others = [t.captioned[0] for t in document.tables if t is not table and len(t.captioned) == 1]
    return tuple(dict.fromkeys(n for n in [*own, *others] if n))


def _one_slip(right: str, printed: str) -> bool:
    """Whether one digit was doubled, dropped, changed or swapped with the next; from three digits."""
    if min(len(right), len(printed)) < 3:
        return False
    long, short = sorted((right, printed), key=len, reverse=True)
    if len(long) == len(short) + 1:
        return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
    if len(long) != len(short):
        return False
    apart = [i for i in range(len(long)) if long[i] != short[i]]
    swapped = len(apart) == 2 and apart[1] == apart[0] + 1 and long[apart[0]] == short[apart[1]]
    return len(apart) == 1 or (swapped and long[apart[1]] == short[apart[0]])


def _subgroup(large: Table, small: Table) -> Iterator[Finding]:
    """Patients of some groups can be no more than the patients of all; if the groups are all, as many."""
    whole = large.size == small.size
    for variable in small.variables:
        other = next((v for v in large.variables if key(v.label) == key(variable.label)), None)
        if other is None or variable.summary or other.summary or not _same_notes(variable, other):
            continue
        totals = _by_level(large, other)
        for name, value in _by_level(small, variable).items():
            limit = totals.get(name)
            if limit is not None and (value > limit or (whole and value != limit)):
                yield _subgroup_finding(large, small, variable, name, value, limit)
                break


def _same_notes(one: Variable, other: Variable) -> bool:
    """Footnotes may say that a row counts other patients; a parenthesis in them does not matter."""
    plain = [{key(re.sub(r"\([^)]*\)", "", note)) for note in v.notes} for v in (one, other)]
    return plain[0] == plain[1]


def _by_level(table: Table, variable: Variable) -> dict[str, int]:
    found = {
        key(level.label): sum(cell.value for j in table.arms if (cell := level.cells[j]))
        for level in variable.levels
        if not level.unknown
    }
    if not variable.listed and len(found) == 1:
        value = next(iter(found.values()))
        return dict.fromkeys(_HELD, value)
    return found


def _subgroup_finding(
    large: Table, small: Table, variable: Variable, name: str, value: int, limit: int
) -> Finding:
    whole = large.size == small.size
    what = "differ from" if whole else "are more than"
    return Finding(
        "P211",
        "error" if whole else "warning",
        f"`{name}`: the groups of `{small.name}` together {what} `{large.name}`, which holds them all; "
        "the two rows do not count the same patients",
        Where(variable.where.file, variable.where.line, variable.where.field),
        found=f"{value} of {small.size}",
        allowed=f"{'exactly' if whole else 'at most'} {limit}",
        remedy="give both rows the same denominator, or say in a footnote which patients each counts",
    )
