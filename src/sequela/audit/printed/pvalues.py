"""p-values against the counts beside them: which test gives the printed value, and do the other rows fit it too?

Pearson's chi-square, Yates' correction, Fisher's exact test, the likelihood ratio and, for three levels or more, the
linear trend are tried, with the unknown counted as a level and left out.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np

from sequela.audit.printed.counts import cut, exclusive, repeated
from sequela.audit.printed.joint import joint_counts
from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Severity
from sequela.core.wording import p_value as worded
from sequela.estimates.fisher import fisher
from sequela.estimates.tables import chi_square, likelihood_ratio, linear_by_linear

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sequela.audit.printed.content import Table, Variable
    from sequela.audit.printed.numbers import Printed

    Counts = NDArray[np.int64]

TESTS: Final = ("Pearson", "Fisher", "Yates", "likelihood ratio", "linear trend")
EXACT_LIMIT: Final = 2_000  # patients; larger tables of more than two levels are not enumerated
SMALL: Final = 5.0  # an expected count below which Fisher's test is the custom


def p_by_test(counts: Counts) -> dict[str, float]:
    """The p-value of a table (levels x groups) by each test that can be made of it."""
    found = {"Pearson": chi_square(counts).p, "likelihood ratio": likelihood_ratio(counts).p}
    if counts.shape == (2, 2):
        found["Yates"] = chi_square(counts, correction=True).p
    if len(counts) > 2 and counts.shape[1] == 2:
        found["linear trend"] = linear_by_linear(counts).p
    if counts.shape == (2, 2) or counts.sum() <= EXACT_LIMIT:
        with suppress(UsageError):  # too large to enumerate: the chi-square tests stand in for it
            found["Fisher"] = fisher(counts).p
    return {name: p for name, p in found.items() if not np.isnan(p)}


def matrices(table: Table, variable: Variable) -> tuple[Counts, ...]:
    """The tables of counts that a p-value may come from: all levels, those known, a row against the rest."""
    arms = table.arms
    if len(arms) < 2 or variable.summary:
        return ()
    rows = [
        ([cell.value if (cell := level.cells[j]) else 0 for j in arms], level.unknown)
        for level in variable.levels
        if any(level.cells[j] for j in arms)
    ]
    if len(rows) == 1:
        return _against_rest(table, rows[0][0])
    tables = [[row for row, unknown in rows if not unknown], [row for row, _ in rows]]
    return tuple(np.array(kept) for kept in tables if len(kept) > 1)


def _against_rest(table: Table, row: Sequence[int]) -> tuple[Counts, ...]:
    rest = [(table.groups[j].n or 0) - value for j, value in zip(table.arms, row, strict=True)]
    return (np.array([row, rest]),) if all(value >= 0 for value in rest) and any(rest) else ()


def fitting(tables: Sequence[Counts], p: Printed) -> tuple[str, ...]:
    """The tests that give the printed p-value after rounding, in the order of `TESTS`."""
    found: set[str] = set()
    for counts in tables:
        found |= {name for name, value in p_by_test(counts).items() if p.holds(value)}
    return tuple(name for name in TESTS if name in found)


def check_p_values(table: Table) -> Iterator[Finding]:
    """Every finding on the p-values of one table."""
    tested = [
        (variable, variable.p, tables)
        for variable in table.variables
        if variable.p is not None and (tables := matrices(table, variable))
    ]
    fits = {id(variable): fitting(tables, p) for variable, p, tables in tested}
    common = {
        small: _common([fits[id(v)] for v, _, t in tested if _fourfold(t) == small])
        for small in (True, False)
    }
    for variable, p, tables in tested:
        names, usual = fits[id(variable)], common[_fourfold(tables)]
        if not names:
            if not _mended(table, variable, p):
                yield _from_nothing(table, variable, p, tables)
        elif usual and usual not in names and not _custom(names, tables):
            yield _other_test(variable, p, tables, names, usual)


def _fourfold(tables: Sequence[Counts]) -> bool:
    """Whether the table is 2 x 2: Fisher's and Yates' tests are often kept for those."""
    return tables[0].shape == (2, 2)


def _common(fits: Sequence[tuple[str, ...]]) -> str | None:
    """The test that most rows fit: at least three of them, and more than half."""
    counted = Counter(name for names in fits for name in names)
    best = max(TESTS, key=lambda name: (counted[name], -TESTS.index(name)))
    return best if counted[best] >= 3 and 2 * counted[best] > sum(map(bool, fits)) else None


def _custom(names: tuple[str, ...], tables: Sequence[Counts]) -> bool:
    """Fisher's test where an expected count is small, Yates' or Pearson's elsewhere: a custom, not a slip."""
    least = min(float((np.outer(t.sum(1), t.sum(0)) / max(t.sum(), 1)).min()) for t in tables)
    return "Fisher" in names and least < SMALL


def _mended(table: Table, variable: Variable, p: Printed) -> bool:
    """Whether the p-value is right once a repeated cell (reported apart) is put right."""
    for place, (_, right) in repeated(table, variable):
        if exclusive(table, variable) and place.column in table.arms:
            column = table.arms.index(place.column)
            for counts in matrices(table, variable):
                mended = counts.copy()
                mended[place.level, column] = right
                if fitting([mended], p):
                    return True
    return False


def _listed(tables: Sequence[Counts]) -> str:
    computed = p_by_test(tables[0])
    return ", ".join(f"{name} {worded(computed[name])}" for name in TESTS if name in computed)


def _from_nothing(table: Table, variable: Variable, p: Printed, tables: Sequence[Counts]) -> Finding:
    severity: Severity = "warning" if cut(variable) else "error"
    message = "no usual test of the printed counts gives the printed p-value"
    if cut(variable):
        message += "; the number behind the levels may have been tested uncut"
    implied = joint_counts(table, variable)
    if implied is not None and fitting([implied], p):
        rows = "; ".join("/".join(str(value) for value in column) for column in implied.T)
        message += f"; the counts that follow from the other rows ({rows}) do"
    return Finding(
        "P301",
        severity,
        message,
        variable.where,
        found=f"p {p}",
        allowed=_listed(tables),
        remedy="name the test and what was tested, or mend the count or the p-value",
    )


def _other_test(
    variable: Variable, p: Printed, tables: Sequence[Counts], names: Sequence[str], common: str
) -> Finding:
    return Finding(
        "P302",
        "note",
        f"the p-value fits {' and '.join(names)} only, the other rows fit {common}",
        variable.where,
        found=f"p {p}",
        allowed=_listed(tables),
        remedy="use one test for all rows, or say which rows were tested otherwise",
    )
