"""The slow, obvious twin of the fold: one patient's treatments as objects, the open line as a list; and the shipped fold
in the same shape (`by_kernel`), so that the two can be compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from sequela.clinic.folding import Courses
from sequela.clinic.lines import lines_of_therapy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sequela.clinic.rules import RuleSet

Decision = Literal["new line", "same line", "leave out"]


@dataclass(frozen=True, slots=True)
class Course:
    """What else the fold knows of a patient: the days of progression, and decisions by hand, by day of start."""

    progressions: tuple[int, ...] = ()
    decisions: Mapping[int, Decision] = field(default_factory=dict[int, Decision])


@dataclass(frozen=True, slots=True)
class Treatment:
    """One agent given from `start` to `end` (days); `end` None is ongoing."""

    row: int
    agent: str
    start: int
    end: int | None
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of therapy of one patient; `rows` are the treatments in it with the rule that placed each.

    `beyond_progression` is the first progression after which the line's treatment went on.
    """

    number: int
    start: int
    end: int | None
    regimen: tuple[str, ...]
    companions: tuple[str, ...]
    start_reason: str
    end_reason: str
    rule: str
    maintenance_start: int | None
    stop_reason: str | None
    rows: tuple[tuple[int, str], ...]
    beyond_progression: int | None = None

    @property
    def agents(self) -> tuple[str, ...]:
        """Regimen and companions."""
        return (*self.regimen, *self.companions)


_NEVER: Final = 10**9
OPENING: Final = frozenset({"first treatment", "gap", "new drug", "progression", "override: new line"})
BESIDE: Final = frozenset({"companion", "unconfirmed"})
OUTSIDE: Final = frozenset({"ignored", "override: leave out"})


@dataclass(slots=True)
class _Open:
    """The line that is open while the fold runs."""

    start: int
    last: int
    reason: str
    rule: str
    regimen: list[Treatment] = field(default_factory=list[Treatment])
    companions: list[Treatment] = field(default_factory=list[Treatment])
    rows: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    kinds: set[str] = field(default_factory=set[str])

    def add(self, treatment: Treatment, kinds: frozenset[str], rule: str) -> None:
        self.rows.append((treatment.row, rule))
        if rule in BESIDE:
            self.companions.append(treatment)
        else:
            self.regimen.append(treatment)
            self.kinds |= kinds
            self.last = max(self.last, _last_day(treatment))

    def has(self, agent: str) -> bool:
        return any(other.agent == agent for other in self.regimen)


def _last_day(treatment: Treatment) -> int:
    return _NEVER if treatment.end is None else treatment.end


def fold(
    treatments: Iterable[Treatment],
    rules: RuleSet,
    classes: Callable[[str], frozenset[str]],
    course: Course | None = None,
) -> tuple[list[Line], list[tuple[int, str]]]:
    """The lines of one patient, and the rows that belong to no line with the rule that said so.

    Args:
        treatments: in any order; sorted here by start, then agent.
        rules: the rule set.
        classes: the classes of an agent.
        course: progressions and decisions by hand.
    """
    known = course or Course()
    lines: list[Line] = []
    outside: list[tuple[int, str]] = []
    current: _Open | None = None
    ordered = sorted(treatments, key=lambda t: (t.start, t.agent, t.row))
    for _, group in groupby(ordered, key=lambda t: t.start):
        today = [(one, classes(one.agent) | {one.agent}) for one in group]
        ruled = [(one, kinds, _rule(one, kinds, current, rules, known, ordered)) for one, kinds in today]
        opening = next(((treatment, rule) for treatment, _, rule in ruled if rule in OPENING), None)
        stays = opening is not None and _goes_on(opening, ruled, current, rules, known)
        if stays:
            outside_or_beside = OUTSIDE | {"companion"}
            ruled = [(t, kinds, rule if rule in outside_or_beside else stays) for t, kinds, rule in ruled]
            opening = None
        if opening is not None:
            reason = _why(opening[1], opening[0], current)
            if current is not None:
                lines.append(_close(current, len(lines) + 1, reason, rules, known))
            current = _Open(opening[0].start, opening[0].start, reason, opening[1])
        for treatment, kinds, rule in ruled:
            if current is None or rule in OUTSIDE:
                outside.append((treatment.row, rule))
            else:
                # Whatever else starts on the day a line opens belongs to the new line, not to the one it ends.
                joins = (
                    "window" if opening is not None and rule not in OPENING and rule != "companion" else rule
                )
                current.add(treatment, kinds, joins)
    if current is not None:
        end = "ongoing" if current.last == _NEVER else "last treatment"
        lines.append(_close(current, len(lines) + 1, end, rules, known))
    return lines, outside


def _rule(
    treatment: Treatment,
    kinds: frozenset[str],
    current: _Open | None,
    rules: RuleSet,
    course: Course,
    ordered: list[Treatment],
) -> str:
    """The name of the first rule that applies."""
    if kinds & set(rules.ignored.classes):
        return "ignored"
    if kinds & set(rules.companion.classes):
        return "companion"
    decision = course.decisions.get(treatment.start)
    if decision == "leave out" or (decision is not None and current is not None):
        return f"override: {decision}"
    if current is None:
        return "first treatment"
    mode = rules.progression.mode
    known = current.has(treatment.agent)
    stays = known and rules.progression.same_regimen == "same line"
    if mode in ("pd", "or") and not stays and _progressed(treatment, current, rules, course, since=None):
        return "progression"
    pause = treatment.start - current.last > rules.gap.days and not kinds & set(rules.gap.exempt_classes)
    if pause and mode != "pd":
        return "gap"
    if treatment.start - current.start <= rules.regimen.window_days:
        return "window"
    if known:
        return "continuation"
    return _new(treatment, kinds, current, rules, course, ordered)


def _goes_on(
    opening: tuple[Treatment, str],
    ruled: list[tuple[Treatment, frozenset[str], str]],
    current: _Open | None,
    rules: RuleSet,
    course: Course,
) -> str:
    """The rule by which what would open a line goes on with the open one; empty for none."""
    first, why = opening
    if current is None:
        return ""
    last = first.start + rules.progression.after_days
    calm = not any(current.start < day <= last for day in course.progressions)
    again = all(current.has(t.agent) for t, _, rule in ruled if rule not in OUTSIDE | BESIDE)
    restart = rules.gap.restart
    if (
        why == "gap"
        and again
        and (restart == "same line" or (calm and restart.endswith("without progression")))
    ):
        return "same regimen again"
    stops = [_last_day(t) for t in current.regimen if t.stop_reason and "tox" in t.stop_reason]
    soon = any(0 <= first.start - day <= rules.new_drug.after_toxicity_days for day in stops)
    if why == "new drug" and rules.new_drug.after_toxicity_days and calm and soon:
        return "swap for toxicity"
    return ""


def _new(
    treatment: Treatment,
    kinds: frozenset[str],
    current: _Open,
    rules: RuleSet,
    course: Course,
    ordered: list[Treatment],
) -> str:
    """What becomes of a drug that is not in the regimen, after the window."""
    sets = rules.new_drug.substitutions
    if any(treatment.agent in group and any(map(current.has, group)) for group in sets):
        return "substitution"
    if kinds & set(rules.maintenance.switch) and not _progressed(
        treatment, current, rules, course, since=None
    ):
        return "switch maintenance"
    added = kinds & set(rules.adding.classes)
    if rules.adding.policy == "same line" and added & current.kinds and current.last >= treatment.start:
        return "addition"
    mode, before = rules.progression.mode, rules.progression.before_days
    if mode == "pd":
        return "no progression"
    if mode == "and" and not _progressed(treatment, current, rules, course, since=before):
        return "no progression"
    if _cycles(treatment, ordered, rules) < rules.new_drug.confirm_cycles:
        return "unconfirmed"
    return "new drug"


def _progressed(
    treatment: Treatment, current: _Open, rules: RuleSet, course: Course, *, since: int | None
) -> bool:
    """Whether the open line has a progression up to a little after this start (and not longer ago than `since`)."""
    last = treatment.start + rules.progression.after_days
    first = current.start + 1 if since is None else max(current.start + 1, treatment.start - since)
    return any(first <= day <= last for day in course.progressions)


def _cycles(treatment: Treatment, ordered: list[Treatment], rules: RuleSet) -> int:
    """Cycles of the drug from this start on: one a record, and one more for every cycle's length that it lasts."""
    mine = [one for one in ordered if one.agent == treatment.agent and one.start >= treatment.start]
    return sum(1 + (_last_day(one) - one.start) // rules.new_drug.cycle_days for one in mine)


def _why(rule: str, treatment: Treatment, current: _Open | None) -> str:
    if current is None:
        return "first treatment"
    if rule == "gap":
        return f"gap of {treatment.start - current.last} days"
    if rule == "progression":
        return f"progression, then {treatment.agent}"
    if rule.startswith("override"):
        return "decided by hand"
    return f"new drug {treatment.agent}"


def _close(line: _Open, number: int, end_reason: str, rules: RuleSet, course: Course) -> Line:
    regimen = tuple(dict.fromkeys(t.agent for t in line.regimen))
    final = max(line.regimen, key=lambda t: (_last_day(t), t.row))
    return Line(
        number,
        line.start,
        None if line.last == _NEVER else line.last,
        regimen,
        tuple(dict.fromkeys(t.agent for t in line.companions)),
        line.reason,
        end_reason,
        line.rule,
        _maintenance(line, rules),
        final.stop_reason,
        tuple(line.rows),
        _beyond(line, rules, course),
    )


def _beyond(line: _Open, rules: RuleSet, course: Course) -> int | None:
    """The first progression after which the line's drugs went on for longer than the rules allow a change to take."""
    days = sorted(day for day in course.progressions if line.start < day)
    return next((day for day in days if line.last - day > rules.progression.beyond_days), None)


def _maintenance(line: _Open, rules: RuleSet) -> int | None:
    """First day after a drug of the regimen was dropped, when the others went on long enough.

    A drug that another of its substitution set replaced was not dropped.
    """
    ends: dict[str, int] = {}
    for treatment in line.regimen:
        group = next((s for s in rules.new_drug.substitutions if treatment.agent in s), (treatment.agent,))
        ends[group[0]] = max(ends.get(group[0], treatment.start), _last_day(treatment))
    first_dropped = min(ends.values())
    swapped = any(rule == "swap for toxicity" for _, rule in line.rows)
    toxic = {_last_day(t) for t in line.regimen if t.stop_reason and "tox" in t.stop_reason}
    if swapped and first_dropped in toxic:
        return None
    return first_dropped + 1 if max(ends.values()) - first_dropped >= rules.maintenance.min_days else None


TREATMENTS = {
    "row": pl.Int64,
    "patient": pl.String,
    "agent": pl.String,
    "start": pl.Int32,
    "end": pl.Int32,
    "stop_reason": pl.String,
}


def by_kernel(patients, rules, classes, courses=None, engine=None):
    """The lines of several patients by the shipped fold: for each what `fold` returns, rows sorted.

    `patients` are lists of `Treatment`; `courses` one `Course` each.
    """
    names = [f"p{at:03}" for at in range(len(patients))]
    known = courses or [Course()] * len(patients)
    rows = [
        (t.row, who, t.agent, t.start, t.end, t.stop_reason)
        for who, mine in zip(names, patients, strict=True)
        for t in mine
    ]
    told = [
        (who, day, what) for who, c in zip(names, known, strict=True) for day, what in c.decisions.items()
    ]
    grown = [(who, day) for who, course in zip(names, known, strict=True) for day in course.progressions]
    found = lines_of_therapy(
        pl.DataFrame(rows, schema=TREATMENTS, orient="row"),
        rules,
        classes,
        courses=Courses(
            pl.DataFrame(grown, schema={"patient": pl.String, "day": pl.Int32}, orient="row"),
            pl.DataFrame(
                told, schema={"patient": pl.String, "day": pl.Int32, "decision": pl.String}, orient="row"
            ),
        ),
        engine=engine,
    )
    of = {row[0]: row[1] for row in rows}
    assert len(of) == len(rows), "rows have numbers of their own here"
    placed = [(of[row], row, step, rule) for row, step, rule in found.placed.iter_rows()]
    legend = found.sequences
    result = []
    for who in names:
        lines = []
        for line in found.sequences.table.filter(subject=who).iter_rows(named=True):
            assert set(legend.agents(line["agents"])) == {*line["regimen"], *line["companions"]}
            mine = tuple(
                sorted((row, rule) for at, row, step, rule in placed if (at, step) == (who, line["step"]))
            )
            lines.append(
                Line(
                    line["step"], line["start"], line["end"], tuple(line["regimen"]), tuple(line["companions"]),
                    line["start_reason"], line["end_reason"], line["rule"], line["maintenance_start"],
                    line["stop_reason"], mine, line["beyond_progression"],
                )
            )  # fmt: skip
        outside = sorted((row, rule) for at, row, step, rule in placed if at == who and step is None)
        result.append((lines, outside))
    return result
