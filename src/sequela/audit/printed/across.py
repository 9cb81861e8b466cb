"""One table against another, and sizes against each other: groups, captions, subgroups of the same patients."""

from __future__ import annotations

import re
from itertools import permutations
from typing import TYPE_CHECKING, Final

from sequela.audit.printed.content import key
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sequela.audit.printed.content import Caption, Document, Table, Variable

_HELD: Final = ("yes", "positive", "present")  # the level that a row which stands alone counts


def check_across(document: Document) -> Iterator[Finding]:
    """Every finding on sizes and between tables."""
    captions = {caption.title: caption for caption in document.captions}
    for table in document.tables:
        yield from _sizes(table, captions.get(table.name))
    for caption in document.captions:
        yield from _misprinted(document, caption)
    sized = [table for table in document.tables if table.size]
    for one, other in permutations(sized, 2):
        if len(one.arms) == 1 and len(other.arms) > 1 and (one.size or 0) >= (other.size or 0):
            yield from _subgroup(one, other)


def _sizes(table: Table, caption: Caption | None) -> Iterator[Finding]:
    """Group sizes against the total column, and against the sizes in the caption."""
    total = next((group.n for group in table.groups if group.total), None)
    stated = [table.groups[j].n for j in table.arms]
    if total and len(table.groups) > 2 and table.size and table.size != total:
        text = " + ".join(str(n) for n in stated)
        message = f"the groups add up to {table.size}, the total column says {total}"
        yield _size_finding(table, message, text, str(total))
    sizes = caption.sizes if caption else ()
    if len(sizes) == len(stated) > 1 and all(stated) and list(sizes) != stated:
        message = "the caption's group sizes are not those of the columns"
        yield _size_finding(table, message, ", ".join(map(str, sizes)), ", ".join(map(str, stated)))


def _size_finding(table: Table, message: str, found: str, allowed: str) -> Finding:
    remedy = "mend the size that is wrong"
    return Finding("P207", "error", message, table.where, found=found, allowed=allowed, remedy=remedy)


def _misprinted(document: Document, caption: Caption) -> Iterator[Finding]:
    """P209, a caption's single N that is one slip away from the number of patients elsewhere."""
    if len(caption.sizes) != 1:
        return
    n, known = caption.sizes[0], _known_sizes(document, caption)
    near = next((size for size in known if size != n and _one_slip(str(size), str(n))), None)
    if n in known or near is None:
        return
    # a number of the same length may be that of other patients: 377 beside 371
    certain = len(str(n)) != len(str(near)) or near in _own_sizes(document, caption)
    yield Finding(
        "P209",
        "error" if certain else "note",
        "the number of patients in the caption is one slip away from the number elsewhere",
        caption.where,
        found=f"N = {n}",
        allowed=f"N = {near}",
        remedy="mend the caption",
    )


def _known_sizes(document: Document, caption: Caption) -> tuple[int, ...]:
    """Numbers of patients: of the study, of this table, and in the captions of the others.

    A table without counts of its own takes the sizes of all tables.
    """
    sizes = _own_sizes(document, caption) or [table.size for table in document.tables]
    others = [c.sizes[0] for c in document.captions if c is not caption and len(c.sizes) == 1]
    return tuple(dict.fromkeys(n for n in [document.patients, *sizes, *others] if n))


def _own_sizes(document: Document, caption: Caption) -> list[int]:
    return [table.size for table in document.tables if table.name == caption.title and table.size]


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
