"""Two markers and their combinations: what the margins leave no choice about.

Where a table prints A, B (positive, negative) and the joint variable (both, one of them, neither), then with a = A
positive, b = B positive and t = both: one only is a + b - 2t, neither is n - a - b + t.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.audit.printed.content import key
from sequela.core.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sequela.audit.printed.content import Level, Table, Variable

_BOTH = re.compile(r"^(tp|triple positive|both positive|\w+ and \w+ positive)$")
_ONE = re.compile(r"^(\w+) or (\w+) positive$")
_NONE = re.compile(r"^(both negative|\w+ and \w+ negative)$")


def joint_counts(table: Table, variable: Variable) -> NDArray[Any] | None:
    """The counts (both, one, neither) x compared groups that follow from the two margins; None if not so."""
    found = _margins(table, variable) if _is_joint(variable) else []
    if len(found) != 2:
        return None
    (_, a), (_, b) = found
    both = _row(table, _level(variable, _BOTH))
    total = _row(table, a[0]) + _row(table, a[1])
    if not (total == _row(table, b[0]) + _row(table, b[1])).all():
        return None
    if not (total == sum(_row(table, level) for level in variable.levels if not level.unknown)).all():
        return None
    positive, other = _row(table, a[0]), _row(table, b[0])
    one, neither = positive + other - 2 * both, total - positive - other + both
    order = {"both": both, "one": one, "neither": neither}
    return np.array([order[_kind(level)] for level in variable.levels if not level.unknown])


def check_joint(table: Table) -> Iterator[Finding]:
    """P210 where a joint variable contradicts its margins.

    Silent where the row's footnote states a definition of its own, and where the format has no footnotes at all.
    """
    for variable in table.variables:
        implied = joint_counts(table, variable) if table.notes_known and not variable.notes else None
        if implied is None:
            continue
        rows = [level for level in variable.levels if not level.unknown]
        printed = np.array([_row(table, level) for level in rows])
        if (printed == implied).all():
            continue
        yield _finding(table, variable, rows, printed, implied)


def _finding(
    table: Table, variable: Variable, rows: list[Level], printed: NDArray[Any], implied: NDArray[Any]
) -> Finding:
    apart = next(i for i, level in enumerate(rows) if _kind(level) == "neither")
    margins = _margins(table, variable)
    names = [name for name, _ in margins]
    both = _row(table, _level(variable, _BOTH))
    only = _text(_row(table, margins[1][1][0]) - both)
    extra = _text(abs(printed[apart] - implied[apart]))
    return Finding(
        "P210",
        "error",
        f"the joint rows contradict `{names[0]}` and `{names[1]}`: {only} patients must be {names[1]} positive alone, "
        f"so that {extra} stand in the wrong row",
        variable.where,
        found="; ".join(f"{level.label} {_text(row)}" for level, row in zip(rows, printed, strict=True)),
        allowed="; ".join(f"{level.label} {_text(row)}" for level, row in zip(rows, implied, strict=True)),
        remedy="count the joint rows again, or state their definition in a footnote",
    )


def _text(row: NDArray[Any]) -> str:
    return "/".join(str(int(value)) for value in row)


def _kind(level: Level) -> str:
    name = key(level.label)
    return "both" if _BOTH.match(name) else "one" if _ONE.match(name) else "neither"


def _level(variable: Variable, pattern: re.Pattern[str]) -> Level:
    return next(level for level in variable.levels if pattern.match(key(level.label)))


def _is_joint(variable: Variable) -> bool:
    """Whether its levels are both, one of two, and neither."""
    names = [key(level.label) for level in variable.levels if not level.unknown]
    return len(names) == 3 and all(any(p.match(name) for name in names) for p in (_BOTH, _ONE, _NONE))


def _margins(table: Table, variable: Variable) -> list[tuple[str, tuple[Level, Level]]]:
    """The label and the (positive, negative) rows of each of the two markers, as far as the table has them."""
    named = _ONE.match(key(_level(variable, _ONE).label))
    found: list[tuple[str, tuple[Level, Level]]] = []
    for short in (named[1], named[2]) if named else ():
        for other in table.variables:
            levels = {key(level.label): level for level in other.levels}
            if set(levels) == {"positive", "negative"} and _stands_for(short, key(other.label)):
                found.append((other.label, (levels["positive"], levels["negative"])))
                break
    return found


def _stands_for(short: str, label: str) -> bool:
    """`pgr` for `progesterone receptor`: the same word, or its first letter and the others in order."""
    if short in label.split():
        return True
    letters = iter(label)
    return label[:1] == short[0] and all(letter in letters for letter in short)


def _row(table: Table, level: Level) -> NDArray[np.int64]:
    return np.array([cell.value if (cell := level.cells[j]) else 0 for j in table.arms])
