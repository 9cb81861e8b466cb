"""Statistical disclosure control: counts of people small enough to point at somebody do not leave the house.

One rule for every count of tables, figures and flow: 0 stays 0, from 1 to k - 1 it is printed as "<k", from k on it is
rounded to the nearest multiple of k. Rounding, unlike leaving cells out, holds jointly: what can be added or subtracted
over tables, groups, steps of the selection and numbers at risk is known to within k at best, so no difference gives a
small count away. Curves step on whole units of time, when the rounded number of events or censored changes, and end
where fewer than k are at risk; survival is rounded to whole percents. Ranges (one patient each), tests and ratios of
cells under k, and lists of patients are left out.

Sources: Hundepool et al., Statistical Disclosure Control, Wiley 2012, chapter 4 (suppression and rounding of tables);
the rounding of the UK's higher-education statistics (HESA: to the nearest 5); the cell-size policy of CMS (k = 11).
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from sequela.core.units import days_in
from sequela.core.wording import Few
from sequela.report.content import (
    Agreed,
    Described,
    LinesGiven,
    MedianTable,
    PrintedTable,
    Regression,
    Survival,
)
from sequela.report.figures.counts import is_delayed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sequela.core.estimate import Curve
    from sequela.core.units import Unit
    from sequela.report.content import (
        Content,
        Corrected,
        Correction,
        GroupSurvival,
        Heading,
        Selected,
        Term,
        Variable,
    )
    from sequela.report.figures.figure import Figure
    from sequela.report.tables import Cell, Table

KINDS: Final = (Described, LinesGiven, Agreed, Survival, Regression, MedianTable, PrintedTable)
_HEIGHTS: Final = ("survival", "se", "lower", "upper")
Printed = TypeVar("Printed", bound="Content")


def protected(n: float, k: int) -> int:
    """A count of people as it may leave: 0, `Few`, or the nearest multiple of `k` (halves up)."""
    whole = round(n)
    if 0 < whole < k:
        return Few(k)
    return k * ((2 * whole + k) // (2 * k))


def in_words(text: str, k: int) -> str:
    """`n = 371`, or a count alone in parentheses, as it may be said."""
    told = re.compile(r"(?P<before>\bn = |\()(?P<n>\d[\d,]*)(?P<after>\)|(?![\d.]))")

    def said(found: re.Match[str]) -> str:
        if found["before"] == "(" and found["after"] != ")":
            return found[0]
        return f"{found['before']}{protected(int(found['n'].replace(',', '')), k)}{found['after']}"

    return told.sub(said, text)


def release(contents: Iterable[Content], k: int, unit: Unit) -> tuple[Content, ...]:
    """What may leave of the contents of a run; kinds that hold single patients or many small cells stay inside."""
    found = (_protect(content, k, unit) for content in contents if isinstance(content, KINDS))
    return tuple(content for content in found if not _empty(content))


def _empty(content: Content) -> bool:
    """Whether nothing is left that is large enough to be shown."""
    match content:
        case Survival():
            return not content.groups
        case MedianTable():
            return not content.rows
        case _:
            return False


def _protect(content: Printed, k: int, unit: Unit) -> Printed:
    head = _heading(content.heading, k)
    match content:
        case Described():
            known = {
                "sizes": _all(content.sizes, k),
                "variables": tuple(_variable(v, k) for v in content.variables),
            }
            return replace(content, heading=head, **known)
        case LinesGiven():
            lines = tuple(
                replace(
                    line,
                    patients=protected(line.patients, k),
                    treatments=tuple((name, protected(n, k)) for name, n in line.treatments),
                    other=protected(line.other, k),
                )
                for line in content.lines
            )
            each = tuple((number, protected(n, k)) for number, n in content.per_patient)
            return replace(
                content, heading=head, patients=protected(content.patients, k), per_patient=each, lines=lines
            )
        case Agreed():
            left = tuple((reason, protected(n, k)) for reason, n in content.left_out)
            counts = tuple(_all(row, k) for row in content.counts)
            return replace(content, heading=head, counts=counts, left_out=left, disagreements=None)
        case Survival():
            return replace(content, heading=head, **_survival(content, k, unit))
        case Regression():
            terms = tuple(_term(term, k) for term in content.terms)
            events = protected(content.events, k)
            notes = tuple(note for note in content.notes if not re.search(r"\d", note))
            return replace(
                content, heading=head, terms=terms, n=protected(content.n, k), events=events, notes=notes
            )
        case MedianTable():
            rows = tuple(
                replace(row, n=protected(row.n, k), medians=() if row.n < k else row.medians)
                for row in content.rows
            )
            rows = tuple(row for row in rows if row.medians)
            return replace(content, heading=head, rows=rows)
        case _:
            return replace(content, heading=head)


def _heading(heading: Heading, k: int) -> Heading:
    return replace(heading, population=in_words(heading.population, k))


def _all(counts: Iterable[float], k: int) -> tuple[int, ...]:
    return tuple(protected(n, k) for n in counts)


def _variable(variable: Variable, k: int) -> Variable:
    """Counts by level; a test over cells under k, and a range, give single patients away."""
    levels = tuple(replace(level, counts=_all(level.counts, k)) for level in variable.levels)
    unknown = _all(variable.unknown, k)
    small = any(isinstance(n, Few) for level in levels for n in (*level.counts, *unknown))
    numeric = tuple(
        replace(one, n=0 if one.n < k else protected(one.n, k), range=one.quartiles)
        for one in variable.numeric
    )
    summary = "median_iqr" if variable.summary == "median_range" else variable.summary
    test = None if small or any(one.n == 0 for one in numeric) else variable.test
    notes = tuple(in_words(note, k) for note in variable.notes)
    return replace(
        variable, levels=levels, unknown=unknown, numeric=numeric, summary=summary, test=test, notes=notes
    )


def _term(term: Term, k: int) -> Term:
    n, events = protected(term.n, k), protected(term.events, k)
    if not (isinstance(n, Few) or isinstance(events, Few)):
        return replace(term, n=n, events=events)
    hidden = dict.fromkeys(("univariate", "univariate_p", "multivariable", "multivariable_p", "e_value"))
    return replace(term, n=n, events=events, **hidden)


def _survival(content: Survival, k: int, unit: Unit) -> dict[str, Any]:
    shown = (_group(group, content.landmarks, k, unit) for group in content.groups if group.curve.n >= k)
    groups = tuple(group for group in shown if len(group.curve.time))
    all_there = len(groups) == len(content.groups) and all(group.curve.events.sum() for group in groups)
    return {
        "groups": groups,
        "test": content.test if all_there else None,
        "hazard_ratio": content.hazard_ratio if all_there else None,
        "ends": tuple((kind, words, protected(n, k)) for kind, words, n in content.ends),
        "unused": tuple((reason, protected(n, k)) for reason, n in content.unused),
        "delayed": False,
    }


def _group(group: GroupSurvival, landmarks: tuple[float, ...], k: int, unit: Unit) -> GroupSurvival:
    curve = coarse(group.curve, k, unit)
    points = tuple(curve.at(time * days_in(unit)) for time in landmarks)
    median = curve.median()
    if isnan(median.value) and not isnan(group.median.value):
        median = replace(median, reason=f"not shown: fewer than {k} at risk")
    return replace(group, curve=curve, median=median, landmarks=points, entry=np.zeros(0))


def coarse(curve: Curve, k: int, unit: Unit) -> Curve:
    """A curve on whole units of time, with rounded counts, that ends where fewer than `k` are at risk.

    It steps where the rounded number of events or censored so far changes; between two steps stands the mean of
    survival at the first and just before the second, lest all be late by half a step. Heights are rounded to 0.01.
    """
    step = days_in(unit)
    last = curve.time[curve.at_risk >= k].max(initial=0.0)
    grid = step * np.arange(1, int(last // step) + 1)
    place = np.searchsorted(curve.time, grid, side="right") - 1
    place, grid = place[place >= 0], grid[place >= 0]
    rounded = {name: _so_far(getattr(curve, name), place, k) for name in ("events", "censored")}
    moves = np.flatnonzero(sum(np.diff(counts, prepend=0) for counts in rounded.values()) > 0)
    at = place[moves]
    counts = {name: np.diff(so_far[moves], prepend=0) for name, so_far in rounded.items()}
    until = np.append(place[moves[1:] - 1], place[-1:])[: len(at)]
    middle = {name: (getattr(curve, name)[at] + getattr(curve, name)[until]) / 2 for name in _HEIGHTS}
    heights = {name: np.round(values, 2) for name, values in middle.items()}
    at_risk = _at_risk(curve, grid[moves], counts, k)
    return replace(
        curve, time=grid[moves].astype(float), at_risk=at_risk, n=protected(curve.n, k), variance=np.zeros(0),
        hazard=np.zeros(0), hazard_se=np.zeros(0), **counts, **heights,
    )  # fmt: skip


def _at_risk(curve: Curve, times: Any, counts: dict[str, Any], k: int) -> Any:
    """Numbers at risk: what the rounded counts leave, or, with delayed entry, the rounded ones just before."""
    left = np.cumsum(counts["events"] + counts["censored"])
    if not is_delayed(curve):
        return np.maximum(protected(curve.n, k) - np.append(0, left)[: len(left)], 0).astype(float)
    place = np.minimum(np.searchsorted(curve.time, times, side="left"), len(curve.time) - 1)
    return np.array([float(protected(n, k)) for n in curve.at_risk[place]])


def _so_far(counts: Any, place: Any, k: int) -> Any:
    """Cumulative counts by the same rule; those under `k` are not shown yet."""
    whole = np.cumsum(counts)[place]
    return np.where(whole < k, 0, k * ((2 * whole + k) // (2 * k)))


def selected(steps: Iterable[Selected], k: int) -> tuple[Selected, ...]:
    """The flow of patients."""
    parts = ("before", "kept", "failed", "undecided")
    return tuple(
        replace(step, **{name: protected(getattr(step, name), k) for name in parts}) for step in steps
    )


def sizes(groups: Iterable[tuple[str, int]], k: int) -> tuple[tuple[str, int], ...]:
    """The sequence groups."""
    return tuple((name, protected(n, k)) for name, n in groups)


def corrections(corrected: Iterable[Correction], k: int) -> tuple[Correction, ...]:
    """The corrected contrasts, without their curves."""
    return tuple(
        replace(
            one,
            heading=_heading(one.heading, k),
            rows=tuple(_corrected(row, k) for row in one.rows),
            naive=(),
            delayed=(),
        )
        for one in corrected
    )


def _corrected(row: Corrected, k: int) -> Corrected:
    kept = replace(row, n=protected(row.n, k), events=protected(row.events, k))
    reason = in_words(row.reason, k) if row.reason else None
    if row.n >= k and row.events >= k:
        return replace(kept, reason=reason)
    return replace(
        kept, medians=(), hazard_ratio=None, p=None, e_value=None, reason=reason or f"fewer than {k} events"
    )


def table(printed: Table) -> Table:
    """A table whose files hold what is printed, and no more digits: an exact p gives an exact table back."""
    rows = tuple(replace(row, cells=tuple(map(_cell, row.cells))) for row in printed.rows)
    return replace(printed, rows=rows)


def _cell(cell: Cell) -> Cell:
    counted = isinstance(cell.value, int) and not isinstance(cell.value, Few)
    return replace(cell, value=cell.value if counted else None, parts=())


def figure(drawn: Figure) -> Figure:
    """A figure whose data say `<k` where a count may not be said, and are rounded to three decimals."""
    return replace(
        drawn, data=_said(drawn.data), more={name: _said(data) for name, data in drawn.more.items()}
    )


def _said(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _said(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_said(value) for value in data]
    if isinstance(data, Few):
        return str(data)
    return round(data, 3) if isinstance(data, float) else data


def statement(k: int, unit: Unit) -> str:
    """What a reader of a release is told."""
    return (
        f"To protect patients, counts from 1 to {k - 1} are printed as <{k} and larger ones rounded to the nearest "
        f"{k}; parts need not add up. Curves step on whole {unit}s when {k} more have had an event or were censored, "
        f"and end where fewer than {k} are at risk (below them a 0 stands for fewer than {k}); survival is rounded to "
        "whole percents. Tests and ratios that rest on fewer than that, ranges, lists of patients, and corrected "
        "analyses with weights are left out."
    )
